//! The crates that are linked into the driver and the `hesper` program, as cargo resolves them for a guest.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use hesper_rig::{Guest, cross, workspace};
use serde_json::Value;

/// The packages that are handed out.
const SHIPPED: [&str; 2] = ["hesper-icd", "hesper"];

/// A crate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crate {
    pub id: Id,
    /// An SPDX expression.
    pub licence: String,
    pub authors: Vec<String>,
    pub repository: Option<String>,
    /// SHA-256 of the archive that the registry has, in hexadecimal; nothing where the crate is this project's own.
    pub checksum: Option<String>,
    /// Where its sources lie here.
    pub folder: PathBuf,
    /// The crates that it uses, all of which are linked in, too.
    pub uses: BTreeSet<Id>,
}

/// Which crate: its name and version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Id {
    pub name: String,
    pub version: String,
}

impl Crate {
    /// Whether others have written it.
    pub fn is_foreign(&self) -> bool {
        self.checksum.is_some()
    }
}

/// All crates that are linked in for a guest, this project's own among them, by name. Those that only build others (build scripts, macros) aren't.
///
/// # Errors
/// When cargo can't say, or says what can't be understood.
pub fn linked(guest: Guest) -> Result<Vec<Crate>> {
    let mut tree =
        cargo(&["tree", "--locked", "--edges=normal,no-proc-macro", "--prefix=depth", "--no-dedupe", "--format={p}"]);
    // All that is built together, since features are common (`cross::PACKAGES`).
    tree.arg("--target").arg(guest.triple()).args(cross::PACKAGES.iter().flat_map(|p| ["--package", p]));
    let uses = parse(&said(tree)?)?;
    let metadata = cargo(&["metadata", "--locked", "--format-version=1", "--filter-platform", guest.triple()]);
    let metadata: Value = serde_json::from_str(&said(metadata)?).context("reading cargo's metadata")?;
    let packages = metadata["packages"].as_array().context("cargo's metadata names no packages")?;
    let lock = std::fs::read_to_string(workspace().join("Cargo.lock")).context("reading Cargo.lock")?;
    let checksums = checksums(&lock);
    let found = uses.into_iter().map(|(id, uses)| {
        let is_it = |p: &&Value| p["name"] == id.name.as_str() && p["version"] == id.version.as_str();
        let package = packages.iter().find(is_it).with_context(|| format!("cargo's metadata has no {}", id.name))?;
        let text = |key: &str| package[key].as_str().map(str::to_owned);
        let licence = text("license").with_context(|| format!("{} names no licence", id.name))?;
        let manifest = PathBuf::from(text("manifest_path").with_context(|| format!("{} lies nowhere", id.name))?);
        let authors = package["authors"].as_array().into_iter().flatten().filter_map(Value::as_str);
        Ok(Crate {
            // Older crates write alternatives with a slash.
            licence: licence.replace('/', " OR "),
            authors: authors.map(str::to_owned).collect(),
            repository: text("repository"),
            checksum: checksums.get(&id).cloned(),
            folder: manifest.parent().context("a manifest in no folder")?.to_owned(),
            uses,
            id,
        })
    });
    found.collect()
}

fn cargo(args: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args).current_dir(workspace());
    command
}

fn said(mut command: Command) -> Result<String> {
    let out = command.output().context("running cargo")?;
    ensure!(out.status.success(), "{command:?} ended with {}:\n{}", out.status, String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).context("reading what cargo says")
}

/// Reads lines like `2rustix v1.1.6` and `1hesper-winsys v0.1.0 (/path)`, a crate below the last one with a lower number, which uses it.
fn parse(tree: &str) -> Result<BTreeMap<Id, BTreeSet<Id>>> {
    let mut all: BTreeMap<Id, BTreeSet<Id>> = BTreeMap::new();
    let mut above: Vec<Id> = Vec::new();
    for line in tree.lines().filter(|l| !l.is_empty()) {
        let digits = line.bytes().take_while(u8::is_ascii_digit).count();
        let (depth, rest) = line.split_at(digits);
        let depth: usize = depth.parse().with_context(|| format!("no depth in `{line}`"))?;
        let mut words = rest.split(' ');
        let (Some(name), Some(version)) = (words.next(), words.next().and_then(|v| v.strip_prefix('v'))) else {
            bail!("no name and version in `{line}`");
        };
        ensure!(depth <= above.len(), "`{line}` is below nothing");
        above.truncate(depth);
        let id = Id { name: name.to_owned(), version: version.to_owned() };
        above.push(id.clone());
        // Whatever else is built with them isn't handed out.
        if above.first().is_some_and(|root| SHIPPED.contains(&root.name.as_str())) {
            all.entry(id.clone()).or_default();
            if let Some(user) = depth.checked_sub(1).and_then(|d| above.get(d)) {
                all.entry(user.clone()).or_default().insert(id);
            }
        }
    }
    ensure!(SHIPPED.iter().all(|s| all.keys().any(|id| id.name == *s)), "cargo tree shows nothing of {SHIPPED:?}");
    Ok(all)
}

/// The checksums in Cargo.lock, whose entries are lines `name = "…"`, `version = "…"`, `checksum = "…"` in this order.
fn checksums(lock: &str) -> BTreeMap<Id, String> {
    let mut all = BTreeMap::new();
    for entry in lock.split("[[package]]").skip(1) {
        let value = |key: &str| {
            let line = entry.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix(" = \""));
            line.and_then(|l| l.strip_suffix('"')).map(str::to_owned)
        };
        if let (Some(name), Some(version), Some(checksum)) = (value("name"), value("version"), value("checksum")) {
            all.insert(Id { name, version }, checksum);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str, version: &str) -> Id {
        Id { name: name.into(), version: version.into() }
    }

    #[test]
    fn the_tree_is_read() {
        let tree = "0hesper v0.1.0 (/a b)\n1x v1.0.0\n2y v2.0.0+1\n1y v2.0.0+1\n\n0hesper-icd v0.1.0 (/c)\n1z v3.0.0\n\n0other v1.0.0\n1w v1.0.0\n";
        let all = parse(tree).unwrap();
        let names: Vec<_> = all.keys().map(|i| i.name.as_str()).collect();
        assert_eq!(names, ["hesper", "hesper-icd", "x", "y", "z"]);
        assert_eq!(all[&id("hesper", "0.1.0")], [id("x", "1.0.0"), id("y", "2.0.0+1")].into());
        assert_eq!(all[&id("x", "1.0.0")], [id("y", "2.0.0+1")].into());
        for wrong in ["hesper v1", "0hesper", "1x v1.0.0", "0x v1.0.0"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn checksums_are_read() {
        let lock = "version = 4\n\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nsource = \"r\"\nchecksum = \"ff\"\n\n[[package]]\nname = \"b\"\nversion = \"0.1.0\"\n";
        assert_eq!(checksums(lock), [(id("a", "1.0.0"), "ff".to_owned())].into());
    }

    #[test]
    fn what_is_linked_in_is_known() {
        let all = linked(Guest::Amd64).unwrap();
        let find = |name: &str| all.iter().find(|c| c.id.name == name);
        let nix = find("nix").unwrap();
        assert_eq!((nix.licence.as_str(), nix.is_foreign()), ("MIT", true));
        assert!(nix.folder.join("LICENSE").is_file());
        assert!(!find("hesper-winsys").unwrap().is_foreign());
        for absent in ["clap_derive", "hesper-rig-open", "hesper-rig", "proptest", "syn"] {
            assert!(find(absent).is_none(), "{absent} isn't linked into the driver");
        }
    }
}
