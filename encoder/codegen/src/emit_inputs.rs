//! `input.rs`: encoders of the structs that requests carry in full.

use std::collections::BTreeSet;

use anyhow::{Result, bail};

use crate::code::{Code, Scope};
use crate::context::GRAPHICS;
use crate::ignored::Holder;
use crate::layout::{dense, lies_in_rows};
use crate::model::{Model, Shape};
use crate::names::{function, snake};
use crate::registry::{Gate, Struct};

pub fn gate_expr(gate: &Gate) -> String {
    if gate.extensions.contains(&385) || (gate.version.is_none() && gate.extensions.is_empty()) {
        return "true".into();
    }
    let exts: Vec<String> = gate.extensions.iter().map(u32::to_string).collect();
    format!("codec.knows({:#x}, &[{}])", gate.version.unwrap_or(u32::MAX), exts.join(", "))
}

impl Model {
    /// Emits the encoding of one value at the place `e`.
    pub fn encode(&self, c: &mut Code, f: &mut Scope, shape: &Shape, e: &str, selector: Option<&str>) -> Result<()> {
        match shape {
            Shape::Scalar(1) => c.put32(format!("u32::from(bits8({e}))")),
            Shape::Scalar(2) => c.put32(format!("u32::from(bits16({e}))")),
            Shape::Scalar(4) => c.put32(format!("bits32({e})")),
            Shape::Scalar(_) | Shape::NonDispatchable => c.put64(format!("bits64({e})")),
            Shape::Dispatchable => c.put64(format!("object_id(bits64({e}))")),
            Shape::Null => c.put64("0"),
            Shape::String => c.line(format!("w.string({e});")),
            Shape::Struct(name) => {
                let s = &self.reg.structs[name];
                if self.flat(s)? {
                    for (i, m) in s.members.iter().enumerate() {
                        let shape = self.shape(m, &s.members)?;
                        self.encode(c, f, &shape, &format!("{e}.{}", self.field(s, i)?), None)?;
                    }
                } else {
                    let told = self.context_arguments(&self.contexts[name], &f.of, "s")?;
                    c.line(format!("input::{}(w, &raw const {e}{told});", function(name)));
                }
            }
            Shape::Union(name) => {
                let selector = selector.map(|s| format!(", bits32({s})")).unwrap_or_default();
                c.line(format!("input::{}(w, &raw const {e}{selector});", function(name)));
            }
            Shape::Fixed(of, n) => {
                c.put64(n.to_string());
                match (dense(of), **of == Shape::Scalar(4)) {
                    (Some(_), true) if *n <= 4 => {
                        for i in 0..*n {
                            c.put32(format!("bits32({e}[{i}])"));
                        }
                    }
                    (Some(size), _) => c.line(format!("w.bytes((&raw const {e}).cast(), {});", n * size)),
                    (None, _) => self.encode_elements(
                        c,
                        f,
                        of,
                        &format!("(&raw const {e}).cast::<{}>()", self.rust_of(of)?),
                        &n.to_string(),
                    )?,
                }
            }
            Shape::Pointer { to, len: None, .. } => {
                c.line(format!("if {e}.is_null() {{"));
                c.put64("0");
                c.line("} else {");
                c.put64("1");
                self.encode(c, f, to, &format!("(*{e})"), None)?;
                c.line("}");
            }
            Shape::Pointer { to, len: Some(len), .. } => {
                let n = f.name("n");
                c.declare(format!("let {n} = if {e}.is_null() {{ 0 }} else {{ {len} }};"));
                c.put64(format!("{n} as u64"));
                match (dense(to), &**to) {
                    (Some(1), _) => c.line(format!("w.bytes({e}.cast(), {n});")),
                    (Some(size), _) => c.line(format!("w.array({e}.cast(), {n}, {size});")),
                    (None, Shape::Struct(name)) => match self.same_layout(&self.reg.structs[name])? {
                        Some((size, _)) => c.line(format!("w.array({e}.cast(), {n}, {size});")),
                        None => self.encode_elements(c, f, to, e, &n)?,
                    },
                    _ => self.encode_elements(c, f, to, e, &n)?,
                }
            }
            Shape::Pointers { to, len, inner } => {
                let n = f.name("n");
                c.declare(format!("let {n} = if {e}.is_null() {{ 0 }} else {{ {len} }};"));
                c.put64(format!("{n} as u64"));
                c.line(format!("for i in 0..{n} {{"));
                c.line(format!("let p = *{e}.add(i);"));
                match inner {
                    _ if **to == Shape::String => self.encode(c, f, to, "p", None)?,
                    inner => {
                        let pointer = Shape::Pointer { to: to.clone(), len: inner.clone(), constant: true };
                        self.encode(c, f, &pointer, "p", None)?;
                    }
                }
                c.line("}");
            }
        }
        Ok(())
    }

    pub fn encode_elements(&self, c: &mut Code, f: &mut Scope, of: &Shape, pointer: &str, n: &str) -> Result<()> {
        let (i, p) = (f.name("i"), f.name("p"));
        c.line(format!("for {i} in 0..{n} {{"));
        c.line(format!("let {p} = {pointer}.add({i});"));
        self.encode(c, f, of, &format!("(*{p})"), None)?;
        c.line("}");
        Ok(())
    }

    /// `input.rs`.
    pub fn emit_inputs(&self) -> Result<String> {
        let mut c = Code::default();
        let in_chains: BTreeSet<String> = self.inputs.iter().flat_map(|name| self.chain(name)).collect();
        for name in &self.inputs {
            let s = &self.reg.structs[name];
            if let Some(m) = s.members.iter().find(|m| m.stride.is_some()) {
                bail!("{name}.{}: a stride in a struct", m.name);
            }
            let (fun, ty) = (function(name), self.rust_type(name));
            let mut f = Scope::of(name);
            if s.is_union {
                self.emit_union(&mut c, s, &fun, &ty)?;
                continue;
            }
            let told = &self.contexts[name];
            let params = self.context_params(told);
            // The state of a graphics pipeline is read once, for chain and members.
            let graphics = if name == GRAPHICS { ", graphics: &GraphicsState" } else { "" };
            let chain = if s.chained() { self.chain(name) } else { Vec::new() };
            // With nothing in between, what stands in front of the members is in one run with them.
            let whole = chain.is_empty() && !in_chains.contains(name);
            let body = if s.chained() && !whole { format!("{fun}_body") } else { fun.clone() };
            let vis = if s.chained() && !whole { "" } else { "pub " };
            // One run: callers that have it in line keep their writer in registers.
            if s.chained() && whole && self.fixed(s)? {
                c.line("#[inline(always)]");
            }
            c.line(format!("{vis}unsafe fn {body}(w: &mut Writer, s: *const {ty}{graphics}{params}) {{"));
            if s.chained() && whole {
                c.put32(self.reg.stype_value(s)?.to_string());
                c.put64("0");
            }
            let first = if s.chained() { 2 } else { 0 };
            let places = self.places(&mut c, &Holder::of(s))?;
            for (i, place) in places.iter().enumerate().skip(first) {
                if lies_in_rows(name, &s.members[i].name) {
                    c.put64(format!("{place}.len() as u64"));
                    c.line(format!("w.texels(&{place});"));
                    continue;
                }
                let shape = self.shape(&s.members[i], &s.members)?.bind(&|field| {
                    let at = s.members.iter().position(|m| snake(&m.name) == field);
                    at.map_or_else(|| format!("missing_{field}"), |i| places[i].clone())
                });
                let selector = s.members[i].selector.as_ref().and_then(|sel| {
                    let at = s.members.iter().position(|m| m.name == *sel)?;
                    Some(places[at].as_str())
                });
                self.encode(&mut c, &mut f, &shape, place, selector)?;
            }
            c.line("}");
            if s.chained() && !whole {
                c.line(format!("pub unsafe fn {fun}(w: &mut Writer, s: *const {ty}{params}) {{"));
                if !graphics.is_empty() {
                    c.line("let graphics = &GraphicsState::of(s);");
                }
                c.line(format!("w.u32({});", self.reg.stype_value(s)?));
                if chain.is_empty() {
                    c.line("w.u64(0);");
                } else {
                    let told = self.context_arguments(&self.chain_contexts(name), name, "s")?;
                    c.line(format!("{fun}_chain(w, (*s).{}.cast(){told});", self.field(s, 1)?));
                }
                let graphics = if graphics.is_empty() { "" } else { ", graphics" };
                // A struct hands on whatever it was told.
                let told = self.context_names(told);
                c.line(format!("{fun}_body(w, s{graphics}{told});"));
                c.line("}");
                if !chain.is_empty() {
                    self.emit_chain(&mut c, name, &chain, "const", "_body")?;
                }
            }
        }
        Ok(c.text)
    }

    /// The encoder of the chain of `head`, for inputs (`const`) or outputs (`mut`).
    pub fn emit_chain(&self, c: &mut Code, head: &str, chain: &[String], ptr: &str, body: &str) -> Result<()> {
        let input = ptr == "const";
        let (base, suffix) =
            if input { ("vk::BaseInStructure", "chain") } else { ("vk::BaseOutStructure", "chain_partial") };
        let told = if input { self.chain_contexts(head) } else { Default::default() };
        let (fun, params, names) = (function(head), self.context_params(&told), self.context_names(&told));
        c.line(format!("unsafe fn {fun}_{suffix}(w: &mut Writer, mut p: *{ptr} {base}{params}) {{"));
        c.line("let codec = w.codec();");
        c.line("while !p.is_null() {");
        c.line("match (*p).s_type.as_raw() {");
        for next in chain {
            let n = &self.reg.structs[next];
            let stype = self.reg.stype_value(n)?;
            c.line(format!("{stype} if {} => {{", gate_expr(&self.reg.gate(next))));
            c.line("w.u64(1);");
            c.line(format!("w.u32({stype});"));
            c.line(format!("{fun}_{suffix}(w, (*p).p_next{names});"));
            let told = if input { self.context_arguments(&self.contexts[next], head, &fun)? } else { String::new() };
            c.line(format!("{}{body}(w, p.cast(){told});", function(next)));
            c.line("return;");
            c.line("}");
        }
        c.line("_ => p = (*p).p_next,");
        c.line("}");
        c.line("}");
        c.line("w.u64(0);");
        c.line("}");
        Ok(())
    }

    fn emit_union(&self, c: &mut Code, s: &Struct, fun: &str, ty: &str) -> Result<()> {
        let mut f = Scope::of(&s.name);
        if !self.contexts[&s.name].is_empty() {
            bail!("{}: a union that is told {:?}", s.name, self.contexts[&s.name]);
        }
        // WIRE.md 1.8: all members of the clear unions are the same words, so one tag serves.
        match s.name.as_str() {
            "VkClearColorValue" | "VkClearValue" => {
                c.line(format!("pub unsafe fn {fun}(w: &mut Writer, s: *const {ty}) {{"));
                c.line("let v = s.cast::<[u32; 4]>().read_unaligned();");
                if s.name == "VkClearValue" {
                    c.put32("0");
                }
                c.put32("2");
                c.put64("4");
                for i in 0..4 {
                    c.put32(format!("v[{i}]"));
                }
                c.line("}");
                return Ok(());
            }
            "VkDeviceOrHostAddressKHR" | "VkDeviceOrHostAddressConstKHR" => {
                c.line(format!("pub unsafe fn {fun}(w: &mut Writer, s: *const {ty}) {{"));
                c.put32("0");
                c.put64("s.cast::<u64>().read_unaligned()");
                c.line("}");
                return Ok(());
            }
            _ => {}
        }
        c.line(format!("pub unsafe fn {fun}(w: &mut Writer, s: *const {ty}, selector: u32) {{"));
        c.line("w.u32(selector);");
        c.line("match selector {");
        for (i, m) in s.members.iter().enumerate() {
            let mut values = Vec::new();
            for v in &m.selection {
                values.push((self.reg.values.get(v).copied().unwrap_or_default() as u32).to_string());
            }
            if values.is_empty() {
                bail!("{}.{} has no selection", s.name, m.name);
            }
            values.dedup();
            c.line(format!("{} => {{", values.join(" | ")));
            self.encode(c, &mut f, &self.shape(m, &s.members)?, &format!("(*s).{}", self.field(s, i)?), None)?;
            c.line("}");
        }
        c.line("_ => {}");
        c.line("}");
        c.line("}");
        Ok(())
    }
}
