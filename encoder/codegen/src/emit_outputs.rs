//! `output.rs`: structs that come back. The part of them that a request carries, the reply, and its size.

use anyhow::{Result, bail};

use crate::code::{Code, Scope};
use crate::layout::dense;
use crate::model::{Model, Shape};
use crate::names::{function, snake};
use crate::registry::Struct;

impl Model {
    fn member_shape(&self, s: &Struct, i: usize) -> Result<Shape> {
        let shape = self.shape(&s.members[i], &s.members)?;
        let of = |field: &str| {
            let at = s.members.iter().position(|m| snake(&m.name) == field);
            at.and_then(|i| self.field(s, i).ok()).map_or_else(|| format!("missing_{field}"), |f| format!("(*s).{f}"))
        };
        Ok(shape.bind(&of))
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
                    self.encode(&mut c, &mut Scope::of(name), &self.member_shape(s, i)?, &e, None)?;
                } else {
                    self.partial(&mut c, &mut Scope::of(name), &self.member_shape(s, i)?, &e)?;
                }
            }
            c.line("}");

            c.line(format!("{vis}unsafe fn {fun}_reply{tail}(r: &mut Reader, s: *mut {ty}) {{"));
            let mut f = Scope::of(name);
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
            self.emit_clamps(&mut c, s)?;
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
                    self.emit_chain(&mut c, name, &chain, "mut", "_partial_body")?;
                    self.emit_chain_reply(&mut c, &fun, &chain)?;
                }
            }
        }
        Ok(c.text)
    }

    /// A host that counts more than an array holds must not send the caller past its end.
    fn emit_clamps(&self, c: &mut Code, s: &Struct) -> Result<()> {
        for (i, array) in s.members.iter().enumerate() {
            let Some(counter) = s.members.iter().position(|m| Some(&m.name) == array.len.first()) else { continue };
            let place = format!("&raw mut (*s).{}", self.field(s, counter)?);
            if let Some(room) = array.array.first() {
                c.line(format!("clamp_count({place}, false, {room});"));
            } else if self.counts(s, counter) {
                c.line(format!("clamp_count({place}, (*s).{}.is_null(), room_{counter});", self.field(s, i)?));
            }
        }
        Ok(())
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
    pub fn partial(&self, c: &mut Code, f: &mut Scope, shape: &Shape, e: &str) -> Result<()> {
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
    pub fn reply(&self, c: &mut Code, f: &mut Scope, shape: &Shape, p: &str, text: bool) -> Result<()> {
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
