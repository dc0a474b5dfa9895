//! Encoders and decoders of structs: `input.rs` (structs in requests) and `output.rs` (structs that come back).

use anyhow::{Result, bail};

use crate::code::Code;
use crate::model::{Model, Shape};
use crate::names::{bare, snake};
use crate::registry::{Gate, Struct};

/// A counter for the names of locals, so that nested blocks don't shadow each other by accident.
pub struct Fresh(usize);

impl Fresh {
    pub fn new() -> Self {
        Self(0)
    }
    pub fn name(&mut self, stem: &str) -> String {
        self.0 += 1;
        format!("{stem}{}", self.0)
    }
}

pub fn function(c_name: &str) -> String {
    snake(bare(c_name))
}

pub fn gate_expr(gate: &Gate) -> String {
    if gate.extensions.contains(&385) || (gate.version.is_none() && gate.extensions.is_empty()) {
        return "true".into();
    }
    let exts: Vec<String> = gate.extensions.iter().map(u32::to_string).collect();
    format!("codec.knows({:#x}, &[{}])", gate.version.unwrap_or(u32::MAX), exts.join(", "))
}

/// Bytes that one element takes where arrays of it are dense, or `None` for what is written one by one.
fn dense(shape: &Shape) -> Option<usize> {
    match shape {
        Shape::Scalar(n) => Some(*n),
        Shape::NonDispatchable => Some(8),
        _ => None,
    }
}

impl Model {
    /// Whether a struct always has the same items: no chain, no pointers, no unions.
    fn flat(&self, s: &Struct) -> Result<bool> {
        if s.chained() || s.is_union || s.members.iter().any(|m| m.bitfield) {
            return Ok(false);
        }
        for m in s.body() {
            let ok = match self.shape(m, &s.members)? {
                Shape::Scalar(_) | Shape::Dispatchable | Shape::NonDispatchable => true,
                Shape::Struct(n) => self.flat(&self.reg.structs[&n])?,
                _ => false,
            };
            if !ok {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// (size in memory, alignment) if memory and wire layouts are the same bytes.
    fn same_layout(&self, s: &Struct) -> Result<Option<(usize, usize)>> {
        if !self.flat(s)? {
            return Ok(None);
        }
        let (mut at, mut align) = (0, 1);
        for m in s.body() {
            let (size, a) = match self.shape(m, &s.members)? {
                Shape::Scalar(n) if n >= 4 => (n, n),
                Shape::NonDispatchable => (8, 8),
                Shape::Struct(n) => match self.same_layout(&self.reg.structs[&n])? {
                    Some(l) => l,
                    None => return Ok(None),
                },
                _ => return Ok(None),
            };
            if at % a != 0 {
                return Ok(None);
            }
            at += size;
            align = align.max(a);
        }
        Ok((at % align == 0).then_some((at, align)))
    }

    /// Emits the encoding of one value at the place `e`.
    pub fn encode(&self, c: &mut Code, f: &mut Fresh, shape: &Shape, e: &str, selector: Option<&str>) -> Result<()> {
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
                    c.line(format!("input::{}(w, &raw const {e});", function(name)));
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

    fn encode_elements(&self, c: &mut Code, f: &mut Fresh, of: &Shape, pointer: &str, n: &str) -> Result<()> {
        let (i, p) = (f.name("i"), f.name("p"));
        c.line(format!("for {i} in 0..{n} {{"));
        c.line(format!("let {p} = {pointer}.add({i});"));
        self.encode(c, f, of, &format!("(*{p})"), None)?;
        c.line("}");
        Ok(())
    }

    pub fn rust_of(&self, shape: &Shape) -> Result<String> {
        Ok(match shape {
            Shape::Struct(n) | Shape::Union(n) => self.rust_type(n),
            Shape::Scalar(1) => "u8".into(),
            Shape::Scalar(2) => "u16".into(),
            Shape::Scalar(4) => "u32".into(),
            Shape::Scalar(_) | Shape::NonDispatchable | Shape::Dispatchable => "u64".into(),
            _ => bail!("no element type for {shape:?}"),
        })
    }

    fn member_shape(&self, s: &Struct, i: usize) -> Result<Shape> {
        let shape = self.shape(&s.members[i], &s.members)?;
        let of = |field: &str| {
            let at = s.members.iter().position(|m| snake(&m.name) == field);
            at.and_then(|i| self.field(s, i).ok()).map_or_else(|| format!("missing_{field}"), |f| format!("(*s).{f}"))
        };
        Ok(bind(shape, &of))
    }

    /// `input.rs`.
    pub fn emit_inputs(&self) -> Result<String> {
        let mut c = Code::default();
        for name in &self.inputs {
            let s = &self.reg.structs[name];
            let (fun, ty) = (function(name), self.rust_type(name));
            let mut f = Fresh::new();
            if s.is_union {
                self.emit_union(&mut c, s, &fun, &ty)?;
                continue;
            }
            let body = if s.chained() { format!("{fun}_body") } else { fun.clone() };
            let vis = if s.chained() { "" } else { "pub " };
            c.line(format!("{vis}unsafe fn {body}(w: &mut Writer, s: *const {ty}) {{"));
            let first = if s.chained() { 2 } else { 0 };
            for i in first..s.members.len() {
                let shape = self.member_shape(s, i)?;
                let selector = s.members[i].selector.as_ref().and_then(|sel| {
                    let at = s.members.iter().position(|m| m.name == *sel)?;
                    Some(format!("(*s).{}", self.field(s, at).ok()?))
                });
                self.encode(&mut c, &mut f, &shape, &format!("(*s).{}", self.field(s, i)?), selector.as_deref())?;
            }
            c.line("}");
            if s.chained() {
                let chain = self.chain(name);
                c.line(format!("pub unsafe fn {fun}(w: &mut Writer, s: *const {ty}) {{"));
                c.line(format!("w.u32({});", self.reg.stype_value(s)?));
                if chain.is_empty() {
                    c.line("w.u64(0);");
                } else {
                    c.line(format!("{fun}_chain(w, (*s).{}.cast());", self.field(s, 1)?));
                }
                c.line(format!("{fun}_body(w, s);"));
                c.line("}");
                if !chain.is_empty() {
                    self.emit_chain(&mut c, &fun, &chain, "const", "_body")?;
                }
            }
        }
        Ok(c.text)
    }

    fn emit_chain(&self, c: &mut Code, fun: &str, chain: &[String], ptr: &str, body: &str) -> Result<()> {
        let (base, suffix) =
            if ptr == "const" { ("vk::BaseInStructure", "chain") } else { ("vk::BaseOutStructure", "chain_partial") };
        c.line(format!("unsafe fn {fun}_{suffix}(w: &mut Writer, mut p: *{ptr} {base}) {{"));
        c.line("let codec = w.codec();");
        c.line("while !p.is_null() {");
        c.line("match (*p).s_type.as_raw() {");
        for next in chain {
            let n = &self.reg.structs[next];
            let stype = self.reg.stype_value(n)?;
            c.line(format!("{stype} if {} => {{", gate_expr(&self.reg.gate(next))));
            c.line("w.u64(1);");
            c.line(format!("w.u32({stype});"));
            c.line(format!("{fun}_{suffix}(w, (*p).p_next);"));
            c.line(format!("{}{body}(w, p.cast());", function(next)));
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
        let mut f = Fresh::new();
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

    /// Whether the `i`-th member counts the elements of another one.
    pub fn counts(&self, s: &Struct, i: usize) -> bool {
        s.members.iter().any(|m| m.pointers > 0 && !m.is_const && m.len.first() == Some(&s.members[i].name))
    }

    /// `output.rs`: for each struct `_partial` (what a request carries of it), `_reply` (reads it) and `_size`.
    pub fn emit_outputs(&self) -> Result<String> {
        let mut c = Code::default();
        for name in &self.outputs {
            let s = &self.reg.structs[name];
            let (fun, ty) = (function(name), self.rust_type(name));
            if s.is_union {
                bail!("{name}: a union in a reply");
            }
            let chain = self.chain(name);
            let tail = if s.chained() { "_body" } else { "" };
            let first = if s.chained() { 2 } else { 0 };
            let vis = if s.chained() { "" } else { "pub " };

            c.line(format!("{vis}unsafe fn {fun}_partial{tail}(w: &mut Writer, s: *mut {ty}) {{"));
            for i in first..s.members.len() {
                let e = format!("(*s).{}", self.field(s, i)?);
                if self.counts(s, i) {
                    self.encode(&mut c, &mut Fresh::new(), &self.member_shape(s, i)?, &e, None)?;
                } else {
                    self.partial(&mut c, &mut Fresh::new(), &self.member_shape(s, i)?, &e)?;
                }
            }
            c.line("}");

            c.line(format!("{vis}unsafe fn {fun}_reply{tail}(r: &mut Reader, s: *mut {ty}) {{"));
            let mut f = Fresh::new();
            for i in first..s.members.len() {
                if self.counts(s, i) {
                    c.line(format!("let room_{i} = (*s).{} as usize;", self.field(s, i)?));
                }
            }
            for i in first..s.members.len() {
                let place = format!("&raw mut (*s).{}", self.field(s, i)?);
                let shape = match self.member_shape(s, i)? {
                    Shape::Pointer { to, len: Some(_), constant: false } => {
                        let counter = s.members.iter().position(|m| Some(&m.name) == s.members[i].len.first());
                        let len = counter.map_or_else(|| "0".into(), |n| format!("room_{n}"));
                        Shape::Pointer { to, len: Some(len), constant: false }
                    }
                    other => other,
                };
                self.reply(&mut c, &mut f, &shape, &place, s.members[i].ty == "char")?;
            }
            c.line("}");

            c.line(format!("pub unsafe fn {fun}_size{tail}(s: *const {ty}) -> usize {{"));
            let mut sum = vec!["0".to_string()];
            for i in first..s.members.len() {
                sum.push(self.size(&self.member_shape(s, i)?, &format!("(*s).{}", self.field(s, i)?))?);
            }
            c.line(sum.join(" + "));
            c.line("}");

            if s.chained() {
                let stype = self.reg.stype_value(s)?;
                let next = self.field(s, 1)?;
                c.line(format!("pub unsafe fn {fun}_partial(w: &mut Writer, s: *mut {ty}) {{"));
                c.line(format!("w.u32({stype});"));
                c.line(if chain.is_empty() {
                    "w.u64(0);".into()
                } else {
                    format!("{fun}_chain_partial(w, (*s).{next}.cast());")
                });
                c.line(format!("{fun}_partial_body(w, s);"));
                c.line("}");
                c.line(format!("pub unsafe fn {fun}_reply(r: &mut Reader, s: *mut {ty}) {{"));
                c.line(format!("r.expect32({stype});"));
                c.line(if chain.is_empty() {
                    "r.expect64(0);".into()
                } else {
                    format!("{fun}_chain_reply(r, (*s).{next}.cast());")
                });
                c.line(format!("{fun}_reply_body(r, s);"));
                c.line("}");
                c.line(format!("pub unsafe fn {fun}_size(s: *const {ty}) -> usize {{"));
                let chain_size =
                    if chain.is_empty() { "8".into() } else { format!("{fun}_chain_size((*s).{next}.cast())") };
                c.line(format!("4 + {chain_size} + {fun}_size_body(s)"));
                c.line("}");
                if !chain.is_empty() {
                    self.emit_chain(&mut c, &fun, &chain, "mut", "_partial_body")?;
                    self.emit_chain_reply(&mut c, &fun, &chain)?;
                }
            }
        }
        Ok(c.text)
    }

    fn emit_chain_reply(&self, c: &mut Code, fun: &str, chain: &[String]) -> Result<()> {
        c.line(format!("unsafe fn {fun}_chain_reply(r: &mut Reader, p: *mut vk::BaseOutStructure) {{"));
        c.line("let Some((s_type, p)) = r.next_in_chain(p) else { return };");
        c.line(format!("{fun}_chain_reply(r, (*p).p_next);"));
        c.line("match s_type {");
        for next in chain {
            c.line(format!(
                "{} => {}_reply_body(r, p.cast()),",
                self.reg.stype_value(&self.reg.structs[next])?,
                function(next)
            ));
        }
        c.line("_ => r.set_bad(),");
        c.line("}");
        c.line("}");
        c.line(format!("unsafe fn {fun}_chain_size(mut p: *const vk::BaseInStructure) -> usize {{"));
        c.line("let mut size = 8;");
        c.line("while !p.is_null() {");
        c.line("size += match (*p).s_type.as_raw() {");
        for next in chain {
            c.line(format!(
                "{} => 12 + {}_size_body(p.cast()),",
                self.reg.stype_value(&self.reg.structs[next])?,
                function(next)
            ));
        }
        c.line("_ => 0,");
        c.line("};");
        c.line("p = (*p).p_next;");
        c.line("}");
        c.line("size");
        c.line("}");
        Ok(())
    }

    /// What a request carries of an output (WIRE.md 1.10).
    pub fn partial(&self, c: &mut Code, f: &mut Fresh, shape: &Shape, e: &str) -> Result<()> {
        match shape {
            Shape::Scalar(_) | Shape::NonDispatchable | Shape::Dispatchable => {}
            Shape::Struct(n) => c.line(format!("output::{}_partial(w, &raw mut {e});", function(n))),
            Shape::Fixed(of, n) => match &**of {
                Shape::Scalar(_) => {}
                Shape::Struct(name) => {
                    c.put64(n.to_string());
                    let p = format!("(&raw mut {e}).cast::<{}>()", self.rust_of(of)?);
                    c.line(format!("for i in 0..{n} {{"));
                    c.line(format!("output::{}_partial(w, {p}.add(i));", function(name)));
                    c.line("}");
                }
                _ => self.encode(c, f, shape, e, None)?,
            },
            Shape::Pointer { to, len: Some(len), constant: false } => {
                let n = f.name("n");
                c.line(format!("let {n} = if {e}.is_null() {{ 0 }} else {{ {len} }};"));
                c.put64(format!("{n} as u64"));
                match &**to {
                    Shape::Scalar(_) => {}
                    Shape::Struct(name) => {
                        c.line(format!("for i in 0..{n} {{"));
                        c.line(format!("output::{}_partial(w, {e}.add(i));", function(name)));
                        c.line("}");
                    }
                    Shape::NonDispatchable => c.line(format!("w.array({e}.cast(), {n}, 8);")),
                    other => self.encode_elements(c, f, other, e, &n)?,
                }
            }
            Shape::Pointer { to, len: None, constant: false } => {
                c.line(format!("if {e}.is_null() {{"));
                c.put64("0");
                c.line("} else {");
                c.put64("1");
                match &**to {
                    Shape::Scalar(_) => {}
                    Shape::Struct(n) => c.line(format!("output::{}_partial(w, {e});", function(n))),
                    other => self.encode(c, f, other, &format!("(*{e})"), None)?,
                }
                c.line("}");
            }
            other => bail!("{other:?} in an output"),
        }
        Ok(())
    }

    /// Reads a reply into the place that `p`, a raw pointer expression, points at.
    pub fn reply(&self, c: &mut Code, f: &mut Fresh, shape: &Shape, p: &str, text: bool) -> Result<()> {
        match shape {
            Shape::Scalar(1) => c.line(format!("({p}).cast::<u8>().write(r.u32() as u8);")),
            Shape::Scalar(2) => c.line(format!("({p}).cast::<u16>().write(r.u32() as u16);")),
            Shape::Scalar(4) => c.line(format!("({p}).cast::<u32>().write(r.u32());")),
            Shape::Scalar(_) | Shape::NonDispatchable | Shape::Dispatchable => {
                c.line(format!("({p}).cast::<u64>().write(r.u64());"));
            }
            Shape::Struct(n) => c.line(format!("output::{}_reply(r, {p});", function(n))),
            Shape::Fixed(of, n) => {
                c.line(format!("if r.expect64({n}) {{"));
                match &**of {
                    Shape::Struct(name) => {
                        let q = f.name("p");
                        c.line(format!("let {q} = ({p}).cast::<{}>();", self.rust_of(of)?));
                        c.line(format!("for i in 0..{n} {{"));
                        c.line(format!("output::{}_reply(r, {q}.add(i));", function(name)));
                        c.line("}");
                    }
                    other => {
                        let size = if *other == Shape::Dispatchable { Some(8) } else { dense(other) };
                        let Some(size) = size else { bail!("{other:?} in a fixed array of a reply") };
                        c.line(format!("r.bytes(({p}).cast(), {});", n * size));
                        if text {
                            c.line(format!("({p}).cast::<u8>().add({}).write(0);", n - 1));
                        }
                    }
                }
                c.line("}");
            }
            Shape::Pointer { to, len: Some(len), constant: false } => {
                let (n, q) = (f.name("n"), f.name("p"));
                c.line(format!("let {q} = *({p});"));
                c.line(format!("let {n} = r.count(if {q}.is_null() {{ 0 }} else {{ {len} }});"));
                match &**to {
                    Shape::Struct(name) => {
                        c.line(format!("for i in 0..{n} {{"));
                        c.line(format!("output::{}_reply(r, {q}.add(i));", function(name)));
                        c.line("}");
                    }
                    // The driver makes dispatchable handles itself; the echo of their ids says nothing new.
                    Shape::Dispatchable => c.line(format!("r.take({n} * 8);")),
                    other => {
                        let Some(size) = dense(other) else { bail!("{other:?} in an array of a reply") };
                        c.line(format!("r.bytes({q}.cast(), {n} * {size});"));
                    }
                }
            }
            Shape::Pointer { to, len: None, constant: false } => {
                let q = f.name("p");
                c.line(format!("let {q} = *({p});"));
                c.line(format!("if {q}.is_null() {{"));
                c.line("r.expect64(0);");
                c.line("} else if r.expect64(1) {");
                if **to == Shape::Dispatchable {
                    c.line("r.u64();");
                } else {
                    self.reply(c, f, to, &q, false)?;
                }
                c.line("}");
            }
            other => bail!("{other:?} in a reply"),
        }
        Ok(())
    }

    /// An expression for the most bytes that a reply can take for this value.
    pub fn size(&self, shape: &Shape, e: &str) -> Result<String> {
        Ok(match shape {
            Shape::Scalar(8) | Shape::NonDispatchable | Shape::Dispatchable => "8".into(),
            Shape::Scalar(_) => "4".into(),
            Shape::Struct(n) => format!("output::{}_size(&raw const {e})", function(n)),
            Shape::Fixed(of, n) => match &**of {
                Shape::Struct(name) => {
                    let p = format!("(&raw const {e}).cast::<{}>()", self.rust_of(of)?);
                    format!("8 + {n} * output::{}_size({p})", function(name))
                }
                other => format!("{}", 8 + (n * dense(other).unwrap_or(8)).next_multiple_of(4)),
            },
            Shape::Pointer { to, len, constant: false } => {
                let n = len.clone().unwrap_or_else(|| "1".into());
                let count = format!("(if {e}.is_null() {{ 0usize }} else {{ {n} }})");
                match &**to {
                    Shape::Struct(name) => {
                        format!("8 + array_size({e}.cast_const(), {count}, output::{}_size)", function(name))
                    }
                    Shape::Scalar(s) if len.is_none() => format!("8 + {}", (*s).max(4)),
                    other => format!("8 + padded({count}, {})", dense(other).unwrap_or(8)),
                }
            }
            other => bail!("{other:?} has no size in a reply"),
        })
    }
}

/// Fills the members' places into a shape's length expressions.
pub fn bind(shape: Shape, of: &dyn Fn(&str) -> String) -> Shape {
    match shape {
        Shape::Pointer { to, len, constant } => Shape::Pointer { to, len: len.map(|l| Model::bind(&l, of)), constant },
        Shape::Pointers { to, len, inner } => Shape::Pointers { to, len: Model::bind(&len, of), inner },
        other => other,
    }
}
