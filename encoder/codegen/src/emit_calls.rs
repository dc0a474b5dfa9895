//! `calls.rs` of the test client: each entry point with valid arguments, made beforehand, and the structs that those are.
//!
//! What isn't optional is there: handles of fresh objects, arrays of one element, structs of such members; a scalar is what
//! `tests/entry_points/arguments.tsv` says for its place or type, or 0. Outputs have room for some elements.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, bail};

use crate::arguments::Arguments;
use crate::code::Code;
use crate::model::{Model, Shape};
use crate::names::{bare, command, function, snake};
use crate::registry::{Basic, Command, Member};
use crate::tables::WireCommand;

/// The version of Vulkan that instances are asked for here.
const OFFERED: u32 = 1 << 16 | 3;

/// A command buffer, of which nobody says in what state.
const COMMAND_BUFFER: &str = "w.command_buffer()";

/// The structs that calls were found to need, and what gives values.
struct Needs<'a> {
    arguments: &'a Arguments,
    structs: BTreeSet<String>,
}

impl Model {
    pub fn emit_calls(&self, arguments: &Arguments) -> Result<String> {
        let mut out = Code::default();
        let mut needs = Needs { arguments, structs: BTreeSet::new() };
        let (mut calls, mut left_out) = (Vec::new(), Vec::new());
        for (t, c) in self.entries() {
            let off = (t.policy == "off").then_some("the feature behind it is off");
            if let Some(why) = arguments.is(&c.name, "left-out").or(off) {
                left_out.extend(self.all_names(&c.name).into_iter().map(|n| format!("({n:?}, {why:?}),")));
                continue;
            }
            self.emit_call(&mut out, &mut needs, c).with_context(|| c.name.clone())?;
            let asks = self.asks(t, c) || arguments.is(&c.name, "asks").is_some();
            let local = arguments.is(&c.name, "local").is_some();
            let (prepare, scope) = (command(&c.name), Self::scope(c));
            calls.extend(self.all_names(&c.name).into_iter().map(|n| {
                let extensions = self.brought_by(&n);
                let alias = n != c.name;
                format!("Call {{ name: {n:?}, alias: {alias}, scope: Scope::{scope}, extensions: &[{extensions}], asks: {asks}, local: {local}, prepare: call_{prepare} }},")
            }));
        }
        let offered = self.tables.extensions.iter().filter(|e| e.how != "codec");
        let extensions = offered.map(|e| format!("c{:?},", e.name)).collect();
        let mut done = BTreeSet::new();
        while let Some(name) = needs.structs.pop_first() {
            if done.insert(name.clone()) {
                self.emit_sample(&mut out, &mut needs, &name).with_context(|| name.clone())?;
                needs.structs.retain(|n| !done.contains(n));
            }
        }
        for (doc, name, ty, mut rows) in [
            ("Each entry point that is called, by each of its names; sorted.", "CALLS", "Call", calls),
            ("Those that aren't, and why; sorted.", "LEFT_OUT", "(&str, &str)", left_out),
            ("The extensions that the driver may offer; sorted.", "EXTENSIONS", "&core::ffi::CStr", extensions),
            (
                "The structs of features that a device may be asked for, each with the extensions that bring it; none for Vulkan's own.",
                "FEATURES",
                "Features",
                self.feature_structs()?,
            ),
        ] {
            rows.sort();
            out.line(format!("/// {doc}\npub static {name}: [{ty}; {}] = [", rows.len()));
            rows.iter().for_each(|r| out.line(r));
            out.line("];");
        }
        arguments.check()?;
        Ok(out.text)
    }

    /// Makes the arguments of one call.
    fn emit_call(&self, out: &mut Code, needs: &mut Needs, c: &Command) -> Result<()> {
        let types: Vec<_> = c.params.iter().map(|p| self.param_type(p)).collect();
        out.line(format!("unsafe fn call_{}(w: &mut World, f: Erased) -> Prepared {{", command(&c.name)));
        out.line(format!(
            "let f: unsafe extern \"system\" fn({}) -> {} = core::mem::transmute(f);",
            types.join(", "),
            self.return_type(c)
        ));
        for p in &c.params {
            let recorded = Self::is_recorded(c) && p.ty == "VkCommandBuffer" && p.pointers == 0;
            let value = match self.argument(needs, &c.name, p, &c.params)? {
                Some(v) if recorded && v == COMMAND_BUFFER => {
                    if c.in_render_pass { "w.inside()" } else { "w.outside()" }.into()
                }
                Some(v) => v,
                None if Self::is_output(p) && !p.optional => self.room(c, p)?,
                None if Self::is_output(p) && !p.len.is_empty() => self.room(c, p)?,
                None => "core::mem::zeroed()".into(),
            };
            out.line(format!("let {} = {value};", snake(&p.name)));
        }
        out.line(format!("Box::new(move || f({}).code())", self.arguments(c)));
        out.line("}");
        Ok(())
    }

    /// Room for an output.
    fn room(&self, c: &Command, p: &Member) -> Result<String> {
        let counts = c.params.iter().any(|o| o.len.first() == Some(&p.name));
        // A command that can't say that it failed has to say so with its outputs.
        let silent = c.ret == "void";
        Ok(match self.param_shape(c, p)? {
            _ if counts && silent => "w.answer(SEVERAL as _, 0)".into(),
            _ if counts => "keep(SEVERAL as _)".into(),
            Shape::Pointer { to, len, .. } => {
                let (make, head) = match *to {
                    Shape::Struct(name) => {
                        ("Default::default()", if self.reg.structs[&name].chained() { 16 } else { 0 })
                    }
                    _ => ("core::mem::zeroed()", 0),
                };
                match len {
                    Some(_) => format!("several(|| {make})"),
                    None if silent => format!("w.garbage({make}, {head})"),
                    None => format!("keep({make})"),
                }
            }
            Shape::Pointers { .. } | Shape::Null => "keep(core::mem::zeroed())".into(),
            other => bail!("{}: no room for {other:?}", p.name),
        })
    }

    /// A struct with what isn't optional in it.
    fn emit_sample(&self, out: &mut Code, needs: &mut Needs, name: &str) -> Result<()> {
        let s = &self.reg.structs[name];
        let ty = self.rust_type(name);
        out.line(format!("/// A valid Vk{}.", bare(name)));
        let lifetime = if self.borrowed(name) { "<'static>" } else { "" };
        out.line(format!("pub unsafe fn {}(w: &mut World) -> {ty}{lifetime} {{", function(name)));
        out.line(format!("let mut s = {ty}::default();"));
        if !s.is_union {
            for (i, m) in s.members.iter().enumerate() {
                if let Some(value) = self.argument(needs, name, m, &s.members)? {
                    out.line(format!("s.{} = {value};", self.field(s, i)?));
                }
            }
        }
        out.line("s");
        out.line("}");
        Ok(())
    }

    /// What a member or parameter is set to, if to anything.
    fn argument(&self, needs: &mut Needs, owner: &str, m: &Member, siblings: &[Member]) -> Result<Option<String>> {
        if let Some(v) = needs.arguments.value(&format!("{owner}.{}", m.name)) {
            let words: Vec<&str> = v.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
            let made = |s: &&String| words.contains(&function(s).as_str());
            needs.structs.extend(self.reg.structs.keys().filter(made).cloned());
            return Ok(Some(v.into()));
        }
        let counter = |of: &Member| siblings.iter().find(|s| of.len.first() == Some(&s.name));
        // Nothing would be destroyed then.
        let ended = (owner.starts_with("vkDestroy") || owner.starts_with("vkFree"))
            && self.reg.basic(&m.ty) == Some(Basic::NonDispatchable);
        if m.optional && !ended
            || counter(m).is_some_and(|c| c.optional)
            || matches!(m.name.as_str(), "sType" | "pNext")
        {
            return Ok(None);
        }
        if let Some(v) = needs.arguments.value(&format!("*.{}", m.name)) {
            return Ok(Some(v.into()));
        }
        let shape = self.shape(m, siblings)?;
        if let Shape::Scalar(_) = shape
            && let Some(v) = needs.arguments.value(&m.ty)
        {
            return Ok(Some(v.into()));
        }
        if siblings.iter().any(|s| !s.optional && s.len.first() == Some(&m.name)) && m.pointers == 0 {
            return Ok(Some("1".into()));
        }
        let constant = m.is_const || !self.reg.commands.contains_key(owner);
        match shape {
            Shape::Pointer { to, .. } if constant => Ok(Some(format!("keep({})", self.element(needs, m, &to)?))),
            Shape::Pointers { to, .. } if constant => {
                let inner = if *to == Shape::String {
                    "c\"\".as_ptr()".into()
                } else {
                    format!("keep({}) as *const _", self.element(needs, m, &to)?)
                };
                Ok(Some(format!("keep({inner})")))
            }
            Shape::String => Ok(Some("c\"main\".as_ptr()".into())),
            Shape::Fixed(..) if self.reg.commands.contains_key(owner) => Ok(Some("keep(core::mem::zeroed())".into())),
            Shape::Struct(_) | Shape::Dispatchable | Shape::NonDispatchable => self.element(needs, m, &shape).map(Some),
            _ => Ok(None),
        }
    }

    /// One value of a shape.
    fn element(&self, needs: &mut Needs, m: &Member, shape: &Shape) -> Result<String> {
        Ok(match shape {
            Shape::Struct(name) | Shape::Union(name) => {
                needs.structs.insert(name.clone());
                format!("{}(w)", function(name))
            }
            Shape::Dispatchable | Shape::NonDispatchable => format!("w.{}()", function(self.reg.canonical(&m.ty))),
            _ => needs.arguments.value(&m.ty).map_or_else(|| "core::mem::zeroed()".into(), str::to_string),
        })
    }

    /// The extensions of devices of which one must be there for a command's name; none where Vulkan itself or an instance has it.
    fn brought_by(&self, name: &str) -> String {
        let Some(gate) = self.reg.gates.get(name).filter(|g| g.version.is_none_or(|v| v > OFFERED)) else {
            return String::new();
        };
        let named: Vec<_> = self.reg.extensions.iter().filter(|(_, e)| gate.extensions.contains(&e.number)).collect();
        if named.iter().any(|(_, e)| !e.of_device) {
            return String::new();
        }
        named.iter().map(|(name, _)| format!("c{name:?}")).collect::<Vec<_>>().join(", ")
    }

    /// Rows of the structs in the chain of VkPhysicalDeviceFeatures2, but those that are part of an offered version's own struct.
    fn feature_structs(&self) -> Result<Vec<String>> {
        let mut rows = Vec::new();
        for name in self.chain("VkPhysicalDeviceFeatures2") {
            let (s, gate) = (&self.reg.structs[&name], self.reg.gate(&name));
            let offered = gate.version.is_some_and(|v| v <= OFFERED);
            if offered != name.starts_with("VkPhysicalDeviceVulkan1") {
                continue;
            }
            let named = self.tables.extensions.iter().filter(|e| gate.extensions.contains(&e.number));
            let extensions: Vec<_> = named.map(|e| format!("c{:?}", e.name)).collect();
            if offered || !extensions.is_empty() {
                rows.push(format!(
                    "Features {{ extensions: &[{}], s_type: {}, size: size_of::<{}>() }},",
                    extensions.join(", "),
                    self.reg.stype_value(s)?,
                    self.rust_type(&name)
                ));
            }
        }
        Ok(rows)
    }

    /// Whether the default body of a command waits for what the host returns.
    fn asks(&self, t: &WireCommand, c: &Command) -> bool {
        let recorded = c.params.first().is_some_and(|p| p.ty == "VkCommandBuffer");
        t.wire
            && t.policy == "forward"
            && c.ret == "VkResult"
            && !recorded
            && self.reg.basic(&c.params[0].ty) == Some(Basic::Dispatchable)
    }
}
