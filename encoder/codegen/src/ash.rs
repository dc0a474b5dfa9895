//! What ash knows: the names of its types and the fields of its structs, read from its source so that the generated
//! code can use them and add only what is newer.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use anyhow::{Context, Result};

#[derive(Default)]
pub struct Ash {
    pub types: HashSet<String>,
    /// Types with a lifetime parameter.
    pub borrowed: HashSet<String>,
    /// Field names of structs in order, markers left out.
    pub fields: HashMap<String, Vec<String>>,
}

impl Ash {
    /// Reads ash's `src/vk` folder.
    pub fn load(dir: &Path) -> Result<Self> {
        let mut ash = Self::default();
        for file in ["definitions.rs", "aliases.rs", "bitflags.rs", "enums.rs", "platform_types.rs"] {
            let path = dir.join(file);
            let source = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            ash.scan(&source);
        }
        Ok(ash)
    }

    fn scan(&mut self, source: &str) {
        let mut inside: Option<String> = None;
        for line in source.lines() {
            if let Some(name) = &inside {
                if line == "}" {
                    inside = None;
                } else if let Some(rest) = line.trim().strip_prefix("pub ")
                    && let Some((field, _)) = rest.split_once(':')
                    && field != "_marker"
                {
                    self.fields.entry(name.clone()).or_default().push(field.to_string());
                }
                continue;
            }
            let decl = ["pub struct ", "pub union ", "pub type "].iter().find_map(|p| line.strip_prefix(p));
            if let Some(rest) = decl {
                let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
                let name = rest[..end].to_string();
                if rest[end..].starts_with("<'a>") {
                    self.borrowed.insert(name.clone());
                }
                if !line.starts_with("pub type") && line.ends_with('{') {
                    inside = Some(name.clone());
                    self.fields.entry(name.clone()).or_default();
                }
                self.types.insert(name);
            }
        }
        // Handles come from macros, spaced and broken as it happened.
        for macro_name in ["handle_nondispatchable", "define_handle"] {
            for piece in source.split(macro_name).skip(1) {
                let rest = piece.trim_start_matches([' ', '!', '(', '\n']);
                if let Some(name) = rest.split([',', ' ', '\n']).next().filter(|n| !n.is_empty()) {
                    self.types.insert(name.to_string());
                }
            }
        }
    }
}
