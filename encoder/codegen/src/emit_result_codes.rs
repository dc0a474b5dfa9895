//! The codes that a command may return, as the registry lists them: for the thunks, and as a table for tests.

use anyhow::{Context as _, Result, ensure};

use crate::code::Code;
use crate::model::Model;
use crate::registry::Command;

impl Model {
    /// The codes that aren't errors, and those that are, as Rust slices of numbers; nothing for a command that returns no code.
    pub fn result_codes(&self, c: &Command) -> Result<Option<(String, String)>> {
        if c.ret != "VkResult" {
            return Ok(None);
        }
        // Every command may return it, so there is always something to fall back to.
        ensure!(c.errors.iter().any(|e| e == "VK_ERROR_UNKNOWN"), "{} may not return VK_ERROR_UNKNOWN", c.name);
        let slice = |names: &[String]| {
            let value = |n: &String| self.reg.values.get(n).with_context(|| format!("{}: {n} has no value", c.name));
            let mut values = names.iter().map(value).collect::<Result<Vec<_>>>()?;
            values.sort_by_key(|v| v.unsigned_abs());
            values.dedup();
            let values: Vec<_> = values.into_iter().map(i64::to_string).collect();
            anyhow::Ok(format!("&[{}]", values.join(", ")))
        };
        Ok(Some((slice(&c.successes)?, slice(&c.errors)?)))
    }

    /// A row for each name of each entry point that returns a code.
    pub fn emit_result_codes(&self) -> Result<String> {
        let mut rows = Vec::new();
        for (_, c) in self.entries() {
            let Some((successes, errors)) = self.result_codes(c)? else { continue };
            rows.extend(self.all_names(&c.name).into_iter().map(|n| format!("({n:?}, {successes}, {errors}),")));
        }
        rows.sort();
        let mut out = Code::default();
        out.line("/// Name, codes that aren't errors, errors; sorted by name.");
        out.line(format!("pub static RESULT_CODES: [(&str, &[i32], &[i32]); {}] = [", rows.len()));
        rows.iter().for_each(|r| out.line(r));
        out.line("];");
        Ok(out.text)
    }
}
