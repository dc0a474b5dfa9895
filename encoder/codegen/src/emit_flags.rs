//! `flags.rs`: flags that a struct of the chain may replace by 64-bit ones.

use anyhow::Result;

use crate::code::Code;
use crate::model::Model;
use crate::names::{function, snake};
use crate::registry::Basic;

/// Flags of `head` that `link`, in its chain, replaces.
pub struct WideFlags {
    pub head: String,
    pub link: String,
    /// The member, called the same in both.
    pub member: String,
}

impl WideFlags {
    /// The generated function that gives those that count.
    pub fn function(&self) -> String {
        format!("{}_{}", function(&self.head), snake(&self.member))
    }
}

impl Model {
    /// All of them: a link's only member has the head's name, and the head's type with a 2 behind "Flags".
    pub fn wide_flags(&self) -> Vec<WideFlags> {
        let mut out = Vec::new();
        for head in &self.inputs {
            for link in self.chain(head) {
                let [m] = self.reg.structs[&link].body() else { continue };
                let narrow = m.ty.replace("Flags2", "Flags");
                let replaced =
                    self.reg.structs[head].body().iter().any(|o| o.name == m.name && o.ty == narrow && o.ty != m.ty);
                if replaced && self.reg.basic(&m.ty) == Some(Basic::Scalar(8)) {
                    out.push(WideFlags { head: head.clone(), link, member: m.name.clone() });
                }
            }
        }
        out
    }

    pub fn emit_flags(&self) -> Result<String> {
        let mut c = Code::default();
        for w in self.wide_flags() {
            let (head, link) = (&self.reg.structs[&w.head], &self.reg.structs[&w.link]);
            let member = head.members.iter().position(|m| m.name == w.member).unwrap_or_default();
            c.line(format!("/// `{}` of {}: of {}, where that is in its chain.", w.member, w.head, w.link));
            c.line(format!("///\n/// # Safety\n/// `s` must be a valid {}.", w.head));
            c.line(format!("pub unsafe fn {}(s: *const {}) -> u64 {{", w.function(), self.rust_type(&w.head)));
            c.line(format!("match link((*s).{}.cast(), {}) {{", self.field(head, 1)?, self.reg.stype_value(link)?));
            let (ty, field) = (self.rust_type(&w.link), self.field(link, 2)?);
            c.line(format!("Some(l) => bits64((*l.cast::<{ty}>()).{field}),"));
            c.line(format!("None => u64::from(bits32((*s).{})),", self.field(head, member)?));
            c.line("}");
            c.line("}");
        }
        Ok(c.text)
    }
}
