//! The project's own tables of the protocol, in `encoder/protocol/`.

use std::path::Path;

use anyhow::{Context, Result};

use crate::condition::When;

pub struct WireCommand {
    pub number: u32,
    pub name: String,
    /// Whether the protocol has a form for it that a host decodes.
    pub wire: bool,
    /// Who answers: `forward`, `async` (posted without waiting for the result), `prompt` (sent at once, without waiting; what came of it is looked at later), `driver:` and a module, `off` (nobody: the feature behind it is), `internal` and `absent` (no entry point).
    pub policy: String,
}

pub struct ProtocolExtension {
    pub name: String,
    pub number: u32,
    pub spec_version: u32,
    /// `pass` (offered when the host has it), `local` (the driver's own), `probe` (offered when trying it out worked), `codec` (known to the codec, not offered).
    pub how: String,
}

/// Members that Vulkan says are ignored.
pub struct IgnoredMembers {
    /// The struct or command.
    pub name: String,
    pub members: Vec<String>,
    pub when: When,
}

pub struct Tables {
    pub commands: Vec<WireCommand>,
    pub chains: Vec<(String, String)>,
    pub extensions: Vec<ProtocolExtension>,
    pub ignored: Vec<IgnoredMembers>,
    /// Struct and member of a feature, and what it needs.
    pub features: Vec<(String, String, Vec<String>)>,
}

/// The rows of a table, without comments and head.
pub fn rows(dir: &Path, file: &str) -> Result<Vec<Vec<String>>> {
    let path = dir.join(file);
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let lines = text.lines().filter(|l| !l.starts_with('#') && !l.is_empty()).skip(1);
    Ok(lines.map(|l| l.split('\t').map(str::to_string).collect()).collect())
}

impl Tables {
    pub fn load(dir: &Path) -> Result<Self> {
        let at = |r: &[String], i: usize| r.get(i).cloned().with_context(|| format!("short row {r:?}"));
        let mut commands = Vec::new();
        for r in rows(dir, "commands.tsv")? {
            commands.push(WireCommand {
                number: at(&r, 0)?.parse().unwrap_or(u32::MAX),
                name: at(&r, 1)?,
                wire: at(&r, 2)? == "wire",
                policy: at(&r, 3)?,
            });
        }
        let mut chains = Vec::new();
        for r in rows(dir, "chains.tsv")? {
            chains.push((at(&r, 0)?, at(&r, 1)?));
        }
        let mut extensions = Vec::new();
        for r in rows(dir, "extensions.tsv")? {
            extensions.push(ProtocolExtension {
                name: at(&r, 0)?,
                number: at(&r, 1)?.parse()?,
                spec_version: at(&r, 2)?.parse()?,
                how: at(&r, 3)?,
            });
        }
        let mut ignored = Vec::new();
        for r in rows(dir, "ignored.tsv")? {
            at(&r, 3).with_context(|| format!("{r:?} has no source"))?;
            ignored.push(IgnoredMembers {
                name: at(&r, 0)?,
                members: at(&r, 1)?.split(',').map(str::to_string).collect(),
                when: When::parse(&at(&r, 2)?)?,
            });
        }
        let mut features = Vec::new();
        for r in rows(dir, "features.tsv")? {
            features.push((at(&r, 0)?, at(&r, 1)?, at(&r, 2)?.split(',').map(str::to_string).collect()));
        }
        Ok(Self { commands, chains, extensions, ignored, features })
    }
}
