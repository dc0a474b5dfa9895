//! What the generated calls of the tests are told beside the registry (`tests/entry_points/`): values where zero or one won't do, and what is
//! special about a command.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Result, bail, ensure};

use crate::tables::rows;

#[derive(Default)]
pub struct Arguments {
    /// By place: `OWNER.member`, `*.member`, or the name of a type.
    values: BTreeMap<String, String>,
    /// By command: kind and reason.
    commands: BTreeMap<String, (String, String)>,
    /// The places and commands that were asked for and are there.
    used: RefCell<BTreeSet<String>>,
}

impl Arguments {
    pub fn load(dir: &Path) -> Result<Self> {
        let mut new = Self::default();
        for row in rows(dir, "arguments.tsv")? {
            let [place, value] = row.try_into().map_err(|r| anyhow::anyhow!("arguments.tsv: {r:?}"))?;
            ensure!(new.values.insert(place.clone(), value).is_none(), "arguments.tsv: {place} has two rows");
        }
        for row in rows(dir, "commands.tsv")? {
            let [name, kind, why] = row.try_into().map_err(|r| anyhow::anyhow!("commands.tsv: {r:?}"))?;
            ensure!(matches!(kind.as_str(), "left-out" | "asks" | "local"), "commands.tsv: no kind is called {kind}");
            ensure!(new.commands.insert(name.clone(), (kind, why)).is_none(), "commands.tsv: {name} has two rows");
        }
        Ok(new)
    }

    /// The Rust expression for a place.
    pub fn value(&self, place: &str) -> Option<&str> {
        let (place, value) = self.values.get_key_value(place)?;
        self.used.borrow_mut().insert(place.clone());
        Some(value)
    }

    /// The reason that a command is of a kind, if it is.
    pub fn is(&self, command: &str, kind: &str) -> Option<&str> {
        let (_, why) = self.commands.get(command).filter(|(k, _)| k == kind)?;
        self.used.borrow_mut().insert(command.into());
        Some(why)
    }

    /// Fails where a row is of no use to anybody.
    pub fn check(&self) -> Result<()> {
        let used = self.used.borrow();
        let rest: Vec<_> = self.values.keys().chain(self.commands.keys()).filter(|k| !used.contains(*k)).collect();
        if !rest.is_empty() {
            bail!("tests/entry_points: nothing uses {rest:?}");
        }
        Ok(())
    }
}
