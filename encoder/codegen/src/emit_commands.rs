//! Encoders of requests (`request.rs`) and decoders of replies (`reply.rs`), one of each for every command.

use anyhow::{Context, Result, bail};

use crate::code::{Code, Scope};
use crate::ignored::Holder;
use crate::model::{Model, Shape};
use crate::names::{command, snake};
use crate::registry::{Command, Member};

impl Model {
    /// `device: vk::Device, p_create_info: *const …`
    pub fn signature(&self, c: &Command) -> String {
        let params = c.params.iter().map(|p| format!("{}: {}", snake(&p.name), self.param_type(p)));
        params.collect::<Vec<_>>().join(", ")
    }

    pub fn arguments(&self, c: &Command) -> String {
        c.params.iter().map(|p| snake(&p.name)).collect::<Vec<_>>().join(", ")
    }

    pub fn return_type(&self, c: &Command) -> String {
        match c.ret.as_str() {
            "void" => "()".into(),
            other => self.rust_type(other),
        }
    }

    pub fn is_output(p: &Member) -> bool {
        p.pointers > 0 && !p.is_const
    }

    /// Whether the parameter is a count that goes in and comes out.
    pub fn in_out(c: &Command, p: &Member) -> bool {
        Self::is_output(p) && c.params.iter().any(|o| o.len.first() == Some(&p.name))
    }

    pub fn param_shape(&self, c: &Command, p: &Member) -> Result<Shape> {
        let shape = self.shape(p, &c.params).with_context(|| c.name.clone())?;
        Ok(shape.bind(&|name| name.to_string()))
    }

    pub fn emit_commands(&self) -> Result<(String, String)> {
        let (mut req, mut rep) = (Code::default(), Code::default());
        for (number, name) in self.wire_commands() {
            let c = &self.reg.commands[&name];
            self.emit_request(&mut req, number, c).with_context(|| name.clone())?;
            if c.ret != "void" || c.params.iter().any(Self::is_output) {
                self.emit_reply(&mut rep, number, c).with_context(|| name.clone())?;
            }
        }
        Ok((req.text, rep.text))
    }

    fn emit_request(&self, out: &mut Code, number: u32, c: &Command) -> Result<()> {
        let mut f = Scope::of(&c.name);
        out.line(format!("/// {} ({number}).", c.name));
        // Recording is the hot path. A writer whose address is handed on lies in memory, where each command waits for what the one before has stored.
        if c.name.starts_with("vkCmd") {
            out.line("#[inline(always)]");
        }
        out.line(format!("pub unsafe fn {}(w: &mut Writer, flags_: u32, {}) {{", command(&c.name), self.signature(c)));
        let places = self.places(out, &Holder { name: &c.name, members: &c.params, command: true })?;
        out.put32(number.to_string());
        out.put32("flags_");
        for (p, e) in c.params.iter().zip(places) {
            let shape = self.param_shape(c, p)?;
            match &shape {
                // Elements travel packed, whatever lies between them in the caller's memory.
                _ if p.stride.is_some() => self.emit_strided(out, &shape, p)?,
                _ if c.params.iter().any(|o| o.stride.as_ref() == Some(&p.name)) => {
                    let of = c.params.iter().find(|o| o.stride.as_ref() == Some(&p.name)).context("just seen")?;
                    out.put32(self.packed(&self.param_shape(c, of)?)?.to_string());
                }
                Shape::Pointer { to, len: None, constant: false } if Self::in_out(c, p) => {
                    out.line(format!("if {e}.is_null() {{"));
                    out.put64("0");
                    out.line("} else {");
                    out.put64("1");
                    self.encode(out, &mut f, to, &format!("(*{e})"), None)?;
                    out.line("}");
                }
                _ if Self::is_output(p) && shape != Shape::Null => self.partial(out, &mut f, &shape, &e)?,
                _ => self.encode(out, &mut f, &shape, &e, None)?,
            }
        }
        out.line("}");
        Ok(())
    }

    /// The size in bytes of the elements that `shape` points at.
    fn packed(&self, shape: &Shape) -> Result<usize> {
        let Shape::Pointer { to, len: Some(_), .. } = shape else { bail!("{shape:?} has a stride") };
        let Shape::Struct(name) = &**to else { bail!("elements with a stride that are no structs") };
        let layout = self.same_layout(&self.reg.structs[name])?;
        Ok(layout.with_context(|| format!("{name} lies otherwise on the wire than in memory, and has a stride"))?.0)
    }

    fn emit_strided(&self, out: &mut Code, shape: &Shape, p: &Member) -> Result<()> {
        let (Shape::Pointer { len: Some(len), .. }, Some(stride)) = (shape, &p.stride) else {
            bail!("{}: no array", p.name)
        };
        let (name, size) = (snake(&p.name), self.packed(shape)?);
        out.declare(format!("let n = if {name}.is_null() {{ 0 }} else {{ {len} }};"));
        out.put64("n as u64");
        out.line(format!("w.strided({name}.cast(), n, {size}, {} as usize);", snake(stride)));
        Ok(())
    }

    fn emit_reply(&self, out: &mut Code, number: u32, c: &Command) -> Result<()> {
        let mut f = Scope::of(&c.name);
        let (name, ret) = (command(&c.name), self.return_type(c));
        out.line(format!("/// The reply of {}.", c.name));
        out.line(format!("pub unsafe fn {name}(r: &mut Reader, {}) -> {ret} {{", self.signature(c)));
        out.line(format!("r.expect32({number});"));
        let mut size = vec!["4".to_string()];
        if c.ret != "void" {
            let wide = self.reg.basic(&c.ret) == Some(crate::registry::Basic::Scalar(8));
            out.line(match (c.ret.as_str(), wide) {
                ("VkResult", _) => "let ret = vk::Result::from_raw(r.u32() as i32);".to_string(),
                (_, true) => "let ret = r.u64();".into(),
                _ => "let ret = r.u32();".into(),
            });
            size.push(if wide { "8" } else { "4" }.into());
        }
        for p in c.params.iter().filter(|p| Self::in_out(c, p)) {
            out.line(format!("let room_{0} = count_at({0});", snake(&p.name)));
        }
        for p in c.params.iter().filter(|p| Self::is_output(p)) {
            let e = snake(&p.name);
            let shape = self.param_shape(c, p)?;
            if shape == Shape::Null {
                continue;
            }
            size.push(self.size(&shape, &e)?);
            let shape = match shape {
                Shape::Pointer { to, len: Some(len), constant } => {
                    let counter = c.params.iter().find(|o| Some(&o.name) == p.len.first() && o.pointers > 0);
                    let len = counter.map_or(len, |o| format!("room_{}", snake(&o.name)));
                    Shape::Pointer { to, len: Some(len), constant }
                }
                other => other,
            };
            self.reply(out, &mut f, &shape, &format!("&raw const {e}"), false)?;
            // A host that counts more than there was room for must not send the caller past its own array.
            if Self::in_out(c, p)
                && let Some(array) = c.params.iter().find(|o| o.len.first() == Some(&p.name))
            {
                out.line(format!("clamp_count({e}, {}.is_null(), room_{e});", snake(&array.name)));
            }
        }
        if c.ret != "void" {
            out.line("ret");
        }
        out.line("}");
        out.line(format!("/// The most bytes that the reply of {} takes.", c.name));
        out.line(format!("pub unsafe fn {name}_size({}) -> usize {{", self.signature(c)));
        out.line(size.join(" + "));
        out.line("}");
        Ok(())
    }
}
