//! The driver's side: `forward.rs` and `record.rs` (the default bodies of the commands that aren't and are recorded), `thunks.rs` (what C calls), `procs.rs` (the table
//! behind vkGet*ProcAddr), `extensions.rs` and `queries.rs` (what there is to ask a physical device).

use anyhow::{Context, Result, bail};

use crate::code::Code;
use crate::model::{Model, Shape};
use crate::names::{bare, command, snake};
use crate::registry::{Basic, Command, Gate, Member};
use crate::tables::WireCommand;

impl Model {
    /// Every command with an entry point, by canonical name.
    pub fn entries(&self) -> Vec<(&WireCommand, &Command)> {
        let listed = self.tables.commands.iter().filter(|c| !matches!(c.policy.as_str(), "internal" | "absent"));
        listed.filter_map(|t| Some((t, self.reg.commands.get(self.reg.canonical(&t.name))?))).collect()
    }

    fn dispatchable_output(&self, c: &Command) -> bool {
        c.params.iter().any(|p| Self::is_output(p) && self.reg.basic(&p.ty) == Some(Basic::Dispatchable))
    }

    /// Whether a command only stands in a command buffer.
    pub fn is_recorded(c: &Command) -> bool {
        c.params.first().is_some_and(|p| p.ty == "VkCommandBuffer") && c.ret == "void"
    }

    /// The default bodies of the commands that are `recorded`, or of all others.
    pub fn emit_forward(&self, recorded: bool) -> Result<String> {
        let mut out = Code::default();
        for (t, c) in self.entries() {
            let none = !t.wire || self.dispatchable_output(c) || self.return_type(c).starts_with("vk::PFN");
            if none || Self::is_recorded(c) != recorded {
                continue;
            }
            self.emit_body(&mut out, t, c).with_context(|| c.name.clone())?;
        }
        Ok(out.text)
    }

    fn emit_body(&self, out: &mut Code, t: &WireCommand, c: &Command) -> Result<()> {
        let (name, args, ret) = (command(&c.name), self.arguments(c), self.return_type(c));
        let first = c.params.first().map(|p| snake(&p.name)).context("a command without parameters")?;
        if self.reg.basic(&c.params[0].ty) != Some(Basic::Dispatchable) {
            return Ok(());
        }
        let recorded = Self::is_recorded(c);
        if recorded {
            // A longer body would be inlined into the entry point only to find its parameters in memory instead of registers.
            let long = c.params.iter().any(|p| p.pointers > 0);
            out.line(if long { "#[inline(never)]" } else { "#[inline]" });
        }
        out.line(format!("pub unsafe fn {name}({}) -> {ret} {{", self.signature(c)));
        let outputs = c.params.iter().any(Self::is_output);
        if recorded {
            out.line(format!("record({first}, |w| request::{name}(w, 0, {args}));"));
            out.line("}");
            return Ok(());
        }
        let mut made = Vec::new();
        for p in c.params.iter().filter(|p| Self::is_output(p)) {
            if let Shape::Pointer { to, len, .. } = self.param_shape(c, p)?
                && *to == Shape::NonDispatchable
            {
                let (n, p) = (len.unwrap_or_else(|| "1".into()), snake(&p.name));
                out.line(format!("new_ids({p}, {n});"));
                made.push((p, n));
            }
        }
        let (posted, prompt) = (t.policy.ends_with("async"), t.policy.ends_with("prompt"));
        let ending = t.policy.rsplit(',').next();
        // The encoder is kept beyond the call, and the allocator never travels.
        if ending == Some("late") {
            let kept: Vec<_> = c
                .params
                .iter()
                .map(|p| if p.ty == "VkAllocationCallbacks" { "core::ptr::null()".into() } else { snake(&p.name) })
                .collect();
            let kept = kept.join(", ");
            out.line(format!("let _ = post_late_end({first}, move |w| request::{name}(w, 0, {kept}));"));
            out.line("}");
            return Ok(());
        }
        let ends = ending == Some("end");
        if (posted || prompt || c.ret == "void") && (!outputs || !made.is_empty()) {
            out.line(if prompt && c.ret == "VkResult" {
                let command = &c.name;
                format!(
                    "let sent = send_for_outcome({first}, \"{command}\", |w, flags| request::{name}(w, flags, {args}));"
                )
            } else {
                let send = if prompt {
                    "send"
                } else if ends {
                    "post_end"
                } else {
                    "post"
                };
                format!("let sent = {send}({first}, |w| request::{name}(w, 0, {args}));")
            });
            if c.ret == "void" {
                out.line("let _ = sent;");
            } else {
                for (p, n) in &made {
                    out.line(format!("forget_on_error(&sent, {p}, {n});"));
                }
                out.line("done(sent)");
            }
        } else {
            out.line(format!("let size = reply::{name}_size({args});"));
            out.line(format!(
                "let called = call({first}, size, |w| request::{name}(w, 1, {args}), |r| reply::{name}(r, {args}));"
            ));
            match c.ret.as_str() {
                "void" => out.line(format!("if called.is_err() {{ {} }}", self.unanswered(c)?)),
                "VkResult" => {
                    out.line("let result = result_of(called);");
                    for (p, n) in &made {
                        out.line(format!("forget_failed(result, {p}, {n});"));
                    }
                    out.line("result");
                }
                _ => out.line("called.unwrap_or_default()"),
            }
        }
        out.line("}");
        Ok(())
    }

    /// Empties the outputs of a command that has no other way to say that they weren't filled.
    fn unanswered(&self, c: &Command) -> Result<String> {
        let mut calls = Vec::new();
        for p in c.params.iter().filter(|p| Self::is_output(p)) {
            let name = snake(&p.name);
            match self.param_shape(c, p)? {
                // None of an array's elements count.
                _ if p.len.first().is_some_and(|l| l != "1") => {}
                Shape::Pointer { to, .. } => {
                    let chained = matches!(&*to, Shape::Struct(s) if self.reg.structs[s].chained());
                    calls.push(format!("{}({name});", if chained { "empty" } else { "zero" }));
                }
                other => bail!("{}: no way to say that {other:?} isn't there", p.name),
            }
        }
        Ok(calls.join(" "))
    }

    /// Tells of the objects that a command ends, before it does.
    fn ending(&self, c: &Command) -> Option<String> {
        let handles = |p: &&Member| {
            matches!(self.reg.basic(&p.ty), Some(Basic::Dispatchable | Basic::NonDispatchable)) && p.ty != "VkDevice"
        };
        let ends = c.name.starts_with("vkDestroy") || c.name.starts_with("vkFree");
        let of_device = c.params.first().is_some_and(|p| p.ty == "VkDevice");
        // What ends is named last: before it there may be the pool that it was allocated from.
        let ended = c.params.iter().rfind(handles).filter(|_| of_device)?;
        let (first, ended_name) = (snake(&c.params[0].name), snake(&ended.name));
        match (ended.len.first(), c.name.as_str()) {
            (Some(len), _) if ends => Some(format!("private_data::end({first}, {ended_name}, {});", snake(len))),
            (None, _) if ends => Some(format!("private_data::end({first}, &raw const {ended_name}, 1);")),
            (_, "vkResetDescriptorPool") => Some(format!("private_data::empty({first}, {ended_name});")),
            _ => None,
        }
    }

    /// A call of a command that makes objects, repeated where the host had no room and now has. A default body that doesn't wait for the host
    /// can't tell.
    fn with_room(t: &WireCommand, c: &Command, call: String) -> String {
        let makes =
            (c.name.starts_with("vkCreate") || c.name.starts_with("vkAllocate")) && t.wire && t.policy != "async";
        let first = c.params.first().filter(|p| matches!(p.ty.as_str(), "VkDevice" | "VkPhysicalDevice"));
        let Some(first) = first.filter(|_| makes && c.ret == "VkResult").map(|p| snake(&p.name)) else { return call };
        // Each of several pipelines may fail by itself; other commands that make several objects make all or none.
        match c.params.last().filter(|p| p.ty == "VkPipeline").and_then(|p| Some((p, p.len.first()?))) {
            Some((p, len)) => format!("with_room_for_all({first}, {}, {}, || {call})", snake(&p.name), snake(len)),
            None => format!("with_room({first}, || {call})"),
        }
    }

    pub fn emit_thunks(&self) -> Result<String> {
        let mut out = Code::default();
        for (t, c) in self.entries() {
            let (name, args, ret) = (command(&c.name), self.arguments(c), self.return_type(c));
            let module = t.policy.strip_prefix("driver:").and_then(|m| m.split(',').next());
            // Whether the pipeline is there may not be known yet (icd/src/pipelines/unsettled.rs).
            if module.is_none() && c.params.iter().any(|p| p.ty == "VkPipeline" && !Self::is_output(p)) {
                bail!(
                    "{} takes a VkPipeline, so the driver has to settle that first: by hand, not {}",
                    c.name,
                    t.policy
                );
            }
            let default = if Self::is_recorded(c) { "record" } else { "forward" };
            let module = module.map_or(default.to_string(), |m| format!("crate::{m}"));
            let failed = match ret.as_str() {
                "()" => "()",
                "vk::Result" => "vk::Result::ERROR_UNKNOWN",
                r if r.starts_with("vk::PFN") => "None",
                _ => "0",
            };
            out.line(format!("pub unsafe extern \"system\" fn {}({}) -> {ret} {{", c.name, self.signature(c)));
            let allowed = |result: &str| -> Result<String> {
                let codes = self.result_codes(c)?;
                Ok(codes.map_or_else(
                    || result.into(),
                    |(successes, errors)| format!("allowed({successes}, {errors}, {result})"),
                ))
            };
            if t.policy == "off" {
                if c.ret != "VkResult" {
                    bail!("{}: no way to say that it is off", c.name);
                }
                out.line(allowed("vk::Result::ERROR_FEATURE_NOT_PRESENT")?);
                out.line("}");
                continue;
            }
            let call = Self::with_room(t, c, format!("{module}::{name}({args})"));
            let body = match self.ending(c) {
                Some(ending) => format!("{{ {ending} {call} }}"),
                None => call,
            };
            // What these tell, no host has to be asked for.
            let local = matches!(c.name.as_str(), "vkGetInstanceProcAddr" | "vkGetDeviceProcAddr");
            let handle = c.params.first().filter(|p| self.reg.basic(&p.ty) == Some(Basic::Dispatchable) && !local);
            let handle = handle.filter(|p| p.pointers == 0).map(|p| snake(&p.name));
            let handle = handle.unwrap_or_else(|| "vk::Instance::null()".into());
            if c.ret == "void" && c.params.iter().any(Self::is_output) {
                let unanswered = self.unanswered(c)?;
                out.line(format!(
                    "if !guard({handle}, {:?}, false, move || {{ {body}; true }}) {{ {unanswered} }}",
                    c.name
                ));
            } else {
                out.line(allowed(&format!("guard({handle}, {:?}, {failed}, move || {body})", c.name))?);
            }
            out.line("}");
        }
        Ok(out.text)
    }

    /// `Gate { version, extensions }` as a Rust expression.
    fn gate_literal(gate: &Gate) -> String {
        let exts: Vec<String> = gate.extensions.iter().map(u32::to_string).collect();
        format!("Gate {{ version: {:#x}, extensions: &[{}] }}", gate.version.unwrap_or(u32::MAX), exts.join(", "))
    }

    /// What a command is dispatched on.
    pub fn scope(c: &Command) -> &'static str {
        match (c.name.as_str(), c.params.first().map(|p| p.ty.as_str())) {
            ("vkDestroyInstance" | "vkGetInstanceProcAddr", _) | (_, Some("VkInstance")) => "Instance",
            (_, Some("VkPhysicalDevice")) => "PhysicalDevice",
            (_, Some("VkDevice" | "VkQueue" | "VkCommandBuffer")) => "Device",
            _ => "Global",
        }
    }

    pub fn emit_procs(&self) -> Result<String> {
        let mut rows = Vec::new();
        for (_, c) in self.entries() {
            let scope = Self::scope(c);
            for name in self.all_names(&c.name) {
                let mut gate = self.reg.gates.get(&name).cloned().unwrap_or_default();
                if gate.version.is_none() && gate.extensions.is_empty() {
                    continue;
                }
                // vkGetInstanceProcAddr and its like belong to the base.
                if gate.version == Some(0x10000) {
                    gate.extensions.clear();
                }
                rows.push((name, scope, c.name.clone(), Self::gate_literal(&gate)));
            }
        }
        rows.sort();
        let mut out = Code::default();
        out.line("/// Sorted by name.");
        out.line(format!("pub static PROCS: [Proc; {}] = [", rows.len()));
        for (name, scope, thunk, gate) in rows {
            out.line(format!("proc(c\"{name}\", Scope::{scope}, erase!(thunks::{thunk}), {gate}),"));
        }
        out.line("];");
        Ok(out.text)
    }

    pub fn emit_extensions(&self) -> Result<String> {
        let mut out = Code::default();
        out.line(format!(
            "/// VK_HEADER_VERSION of the vk.xml that this was generated from.\npub const HEADER_VERSION: u32 = {};",
            self.reg.header_version
        ));
        out.line("/// Sorted by name.");
        let mut list: Vec<_> = self.tables.extensions.iter().filter(|e| e.how != "codec").collect();
        list.sort_by(|a, b| a.name.cmp(&b.name));
        out.line(format!("pub static DEVICE_EXTENSIONS: [DeviceExtension; {}] = [", list.len()));
        for e in list {
            let spec = self.reg.extensions.get(&e.name).map_or(e.spec_version, |x| x.spec_version.min(e.spec_version));
            let origin = match e.how.as_str() {
                "pass" => "Host",
                "local" => "Driver",
                "probe" => "Probe",
                other => bail!("{}: no way of being offered is called {other}", e.name),
            };
            out.line(format!(
                "DeviceExtension {{ name: c\"{}\", number: {}, spec_version: {spec}, origin: Origin::{origin} }},",
                e.name, e.number,
            ));
        }
        out.line("];");
        Ok(out.text)
    }

    /// The structs that answer a query, so that the driver can ask once and keep the answers.
    pub fn emit_queries(&self) -> Result<String> {
        let mut out = Code::default();
        for (head, constant) in
            [("VkPhysicalDeviceFeatures2", "FEATURES"), ("VkPhysicalDeviceProperties2", "PROPERTIES")]
        {
            let mut rows = Vec::new();
            for name in self.chain(head) {
                let s = &self.reg.structs[&name];
                // Structs with arrays of the caller's can't be answered from memory alone.
                if s.body().iter().any(|m| m.pointers > 0) {
                    continue;
                }
                let ty = self.rust_type(&name);
                rows.push(format!(
                    "Query {{ s_type: {}, size: size_of::<{ty}>(), gate: {} }},",
                    self.reg.stype_value(s)?,
                    Self::gate_literal(&self.reg.gate(&name))
                ));
            }
            out.line(format!("/// The structs that may be chained to {}.", bare(head)));
            out.line(format!("pub static {constant}: [Query; {}] = [", rows.len()));
            for r in rows {
                out.line(r);
            }
            out.line("];");
        }
        Ok(out.text)
    }
}
