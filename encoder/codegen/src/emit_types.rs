//! `types.rs`: the structs, enums and flags that are newer than ash, in ash's style.

use anyhow::Result;

use crate::code::Code;
use crate::layout::lies_in_rows;
use crate::model::Model;
use crate::names::snake;
use crate::registry::{Basic, Member};

impl Model {
    pub fn emit_types(&self, entry_params: &[Member]) -> Result<String> {
        let mut c = Code::default();
        for (name, is_struct) in self.newer_types(entry_params) {
            if is_struct { self.emit_new_struct(&mut c, &name)? } else { self.emit_new_basic(&mut c, &name) }
        }
        Ok(c.text)
    }

    fn field_type(&self, m: &Member) -> String {
        let mut t = self.rust_type(&m.ty);
        if self.borrowed(&m.ty) {
            t += "<'static>";
        }
        for _ in 0..m.pointers {
            t = format!("*{} {t}", if m.is_const { "const" } else { "mut" });
        }
        for n in m.array.iter().rev() {
            t = format!("[{t}; {n}]");
        }
        t
    }

    fn emit_new_struct(&self, c: &mut Code, name: &str) -> Result<()> {
        let s = &self.reg.structs[name];
        let (rust, _) = self.rust_name(name);
        c.line("#[repr(C)]");
        c.line("#[derive(Clone, Copy)]");
        c.line(format!("pub {} {rust} {{", if s.is_union { "union" } else { "struct" }));
        for m in &s.members {
            let ty = if lies_in_rows(name, &m.name) { "Texels".into() } else { self.field_type(m) };
            c.line(format!("pub {}: {ty},", snake(&m.name)));
        }
        c.line("}");
        c.line(format!("impl Default for {rust} {{"));
        c.line("#[inline]");
        c.line("fn default() -> Self {");
        c.line("// SAFETY: plain data for which zeros are valid: numbers, handles, null pointers.");
        c.line(if s.chained() {
            "let mut s: Self = unsafe { core::mem::zeroed() };"
        } else {
            "unsafe { core::mem::zeroed() }"
        });
        if s.chained() {
            c.line(format!("s.s_type = vk::StructureType::from_raw({});", self.reg.stype_value(s)?));
            c.line("s");
        }
        c.line("}");
        c.line("}");
        Ok(())
    }

    fn emit_new_basic(&self, c: &mut Code, name: &str) {
        let (rust, _) = self.rust_name(name);
        let bits = self.reg.flag_bits.get(name).cloned().unwrap_or_else(|| name.to_string());
        // FlagBits and Flags are one type, as in ash.
        if name.contains("FlagBits") && self.reg.basics.contains_key(&name.replace("FlagBits", "Flags")) {
            return;
        }
        let flags = name.contains("Flag");
        let t = match (self.reg.basics.get(name), flags) {
            (Some(Basic::Scalar(8)) | Some(Basic::NonDispatchable), _) => "u64",
            (Some(Basic::Dispatchable), _) => "usize",
            (_, true) => "u32",
            _ => "i32",
        };
        c.line("#[repr(transparent)]");
        c.line("#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]");
        c.line(format!("pub struct {rust}(pub {t});"));
        let values = self.reg.enums.get(&bits).map(Vec::as_slice).unwrap_or_default();
        if values.is_empty() {
            return;
        }
        c.line(format!("impl {rust} {{"));
        for (n, v) in values {
            let v = match t {
                "u64" => format!("{:#x}", *v as u64),
                "u32" => format!("{:#x}", *v as u32),
                _ => v.to_string(),
            };
            c.line(format!("pub const {}: Self = Self({v});", n.strip_prefix("VK_").unwrap_or(n)));
        }
        c.line("}");
    }
}
