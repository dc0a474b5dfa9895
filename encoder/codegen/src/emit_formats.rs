//! `formats.rs` of `icd/`: how the texels of each format lie in memory.

use anyhow::Result;

use crate::code::Code;
use crate::model::Model;

impl Model {
    pub fn emit_formats(&self) -> Result<String> {
        let mut rows = Vec::new();
        for f in &self.reg.formats {
            let Some(value) = self.reg.values.get(&f.name) else { continue };
            for (aspect, block) in f.aspects(&self.reg.formats)? {
                rows.push((*value, aspect, block, &f.name));
            }
        }
        rows.sort();
        let mut c = Code::default();
        c.line("/// The texel block of each aspect of each format, sorted by both.");
        c.line(format!("pub static BLOCKS: [AspectBlock; {}] = [", rows.len()));
        for (value, aspect, [bytes, width, height], name) in rows {
            c.line(format!(
                "AspectBlock {{ format: {value}, aspect: {aspect:#x}, block: Block {{ bytes: {bytes}, width: {width}, height: {height} }} }}, // {name}"
            ));
        }
        c.line("];");
        Ok(c.text)
    }
}
