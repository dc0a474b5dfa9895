//! The manifests that the Vulkan loader finds, and which of them it takes (Vulkan-Loader, LoaderDriverInterface.md and LoaderInterfaceArchitecture.md).

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::environment::Environment;
use crate::icd;

/// Lists of manifests or folders in place of those that would be looked for; the first that is set counts.
pub const INSTEAD: [&str; 2] = ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"];
/// A list of further ones, which come first.
const FURTHER: &str = "VK_ADD_DRIVER_FILES";
const SELECT: &str = "VK_LOADER_DRIVERS_SELECT";
const DISABLE: &str = "VK_LOADER_DRIVERS_DISABLE";

/// Versions of the loader that brought variables: [`INSTEAD`]'s first and [`FURTHER`]; [`SELECT`] and [`DISABLE`].
const WITH_DRIVER_FILES: (u32, u32, u32) = (1, 3, 207);
const WITH_FILTERS: (u32, u32, u32) = (1, 3, 234);

/// A loader's version; those of a loader that isn't known are taken for the newest.
pub type Version = (u32, u32, u32);

/// `1.4.309`.
pub fn version(text: &str) -> Option<Version> {
    let mut numbers = text.split('.').map(|n| n.parse().ok());
    Some((numbers.next()??, numbers.next()??, numbers.next()??))
}

/// A manifest that the loader looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    pub path: PathBuf,
    /// The library that it names, or what is wrong with it.
    pub library: Result<String, String>,
    /// Why the loader takes no notice of it.
    pub ignored: Option<String>,
}

impl Manifest {
    fn read(path: PathBuf, filters: &Filters) -> Self {
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let json = json(&path);
        let library = match &json {
            Ok(json) => icd::library_in_json(json),
            Err(e) => Err(anyhow::anyhow!("{e:#}")),
        };
        let bits = json.ok().and_then(|j| j.pointer("/ICD/library_arch")?.as_str().map(str::to_owned));
        let other = bits.filter(|b| *b != usize::BITS.to_string()).map(|b| format!("it is for programs of {b} bits"));
        Self { path, library: library.map_err(|e| format!("{e:#}")), ignored: filters.against(&file).or(other) }
    }

    /// Whether it is this driver's, by its name or its library's.
    pub fn is_ours(&self) -> bool {
        let library = self.library.as_deref().unwrap_or_default();
        let named = |text: &str, word: &str| text.rsplit('/').next().is_some_and(|n| n.contains(word));
        named(library, "vulkan_hesper") || named(&self.path.to_string_lossy(), "hesper")
    }

    /// The library's path: one without a slash is searched by the dynamic linker, others are relative to the manifest.
    pub fn library_path(&self) -> Option<PathBuf> {
        let library = self.library.as_ref().ok()?;
        let here = self.path.parent().unwrap_or(Path::new("/"));
        Some(if library.contains('/') { here.join(library) } else { PathBuf::from(library) })
    }
}

fn json(path: &Path) -> Result<Value> {
    serde_json::from_str(&fs::read_to_string(path)?).context("it is no JSON")
}

/// All manifests that a loader looks at, in its order.
#[derive(Clone, Debug, Default)]
pub struct Manifests {
    /// The variable that says which, where one does.
    pub variable: Option<&'static str>,
    /// Variables that are set and that the loader is too old to know, with the first version that does.
    pub unknown: Vec<(&'static str, Version)>,
    /// Files and folders where they were looked for and that aren't there, if a variable names them.
    pub missing: Vec<PathBuf>,
    pub all: Vec<Manifest>,
}

impl Manifests {
    /// Those of a loader of this version.
    pub fn look(environment: &Environment, loader: Option<Version>) -> Self {
        let knows = |since| loader.is_none_or(|v| v >= since);
        let known = |name: &str| match name {
            SELECT | DISABLE => knows(WITH_FILTERS),
            "VK_DRIVER_FILES" | FURTHER => knows(WITH_DRIVER_FILES),
            _ => true,
        };
        let mut found = Self::default();
        for name in [INSTEAD[0], FURTHER, SELECT, DISABLE] {
            if environment.get(name).is_some() && !known(name) {
                let since = if name == SELECT || name == DISABLE { WITH_FILTERS } else { WITH_DRIVER_FILES };
                found.unknown.push((name, since));
            }
        }
        let filters = Filters::of(environment, knows(WITH_FILTERS));
        let list = |name: &str| environment.paths(name).filter(|_| known(name));
        let mut places = Vec::new();
        match INSTEAD.into_iter().find_map(|name| Some((name, list(name)?))) {
            Some((name, named)) => {
                found.variable = Some(name);
                places.extend(named);
            }
            None => {
                places.extend(list(FURTHER).unwrap_or_default());
                found.missing_among(&places);
                for folder in folders(environment) {
                    if !places.contains(&folder) {
                        places.push(folder);
                    }
                }
            }
        }
        if found.variable.is_some() {
            found.missing_among(&places);
        }
        let files = places.into_iter().flat_map(|place| if place.is_dir() { files_in(&place) } else { vec![place] });
        found.all = files.filter(|f| f.is_file()).map(|f| Manifest::read(f, &filters)).collect();
        found
    }

    fn missing_among(&mut self, named: &[PathBuf]) {
        self.missing.extend(named.iter().filter(|p| !p.exists()).cloned());
    }

    /// This driver's that the loader takes, or else one that it doesn't.
    pub fn ours(&self) -> Option<&Manifest> {
        let mut ours = self.all.iter().filter(|m| m.is_ours());
        ours.clone().find(|m| m.ignored.is_none()).or_else(|| ours.next())
    }
}

/// Where the loader looks where nothing is said.
pub fn folders(environment: &Environment) -> Vec<PathBuf> {
    let home = |below: &str| environment.get("HOME").map(|h| Path::new(h).join(below));
    let one = |name: &str, default: &str| environment.get(name).map(PathBuf::from).or_else(|| home(default));
    let list = |name: &str, default: &str| {
        environment.paths(name).unwrap_or_else(|| default.split(':').map(PathBuf::from).collect())
    };
    let mut above: Vec<PathBuf> = one("XDG_CONFIG_HOME", ".config").into_iter().collect();
    above.extend(list("XDG_CONFIG_DIRS", "/etc/xdg"));
    // Compiled into the loader: the first by its own project's default, the second by distributions.
    above.extend(["/usr/local/etc", "/etc"].map(PathBuf::from));
    above.extend(one("XDG_DATA_HOME", ".local/share"));
    above.extend(list("XDG_DATA_DIRS", "/usr/local/share:/usr/share"));
    above.into_iter().map(|folder| folder.join("vulkan/icd.d")).collect()
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path());
    let mut files: Vec<PathBuf> = entries.filter(|p| p.extension().is_some_and(|e| e == "json")).collect();
    files.sort();
    files
}

/// Which names of manifests are taken.
struct Filters {
    select: Option<String>,
    disable: Option<String>,
}

impl Filters {
    fn of(environment: &Environment, known: bool) -> Self {
        let get = |name| environment.get(name).filter(|_| known).map(str::to_owned);
        Self { select: get(SELECT), disable: get(DISABLE) }
    }

    /// What is against a manifest of this name.
    fn against(&self, file: &str) -> Option<String> {
        let matches = |list: &String| list.split(',').any(|pattern| fits(pattern.trim(), file));
        if let Some(list) = self.select.as_ref().filter(|l| !matches(l)) {
            return Some(format!("{SELECT}={list} doesn't select it"));
        }
        self.disable.as_ref().filter(|l| matches(l)).map(|list| format!("{DISABLE}={list} disables it"))
    }
}

/// Whether a name fits a pattern with stars at its ends, whatever the case of letters.
fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.to_ascii_lowercase(), name.to_ascii_lowercase());
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (None, None) => name == pattern,
        (Some(end), None) => name.ends_with(end),
        (None, Some(start)) => name.starts_with(start),
        (Some(_), Some(_)) => name.contains(pattern.trim_matches('*')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_have_stars_at_their_ends() {
        for (pattern, fit) in [
            ("*", true),
            ("*hesper*", true),
            ("HESPER*", true),
            ("*_icd.json", true),
            ("hesper_icd.json", true),
            ("hesper", false),
            ("*hesper", false),
            ("lvp*", false),
            ("*lvp*", false),
        ] {
            assert_eq!(fits(pattern, "hesper_icd.json"), fit, "{pattern}");
        }
    }

    #[test]
    fn folders_are_the_loaders() {
        let shown = |variables: &[(&str, &str)]| -> Vec<String> {
            folders(&Environment::of(variables)).iter().map(|f| f.display().to_string()).collect()
        };
        let usual =
            ["/h/.config", "/etc/xdg", "/usr/local/etc", "/etc", "/h/.local/share", "/usr/local/share", "/usr/share"];
        assert_eq!(shown(&[("HOME", "/h")]), usual.map(|f| format!("{f}/vulkan/icd.d")));
        let set = shown(&[("XDG_DATA_HOME", "/d"), ("XDG_DATA_DIRS", "/a:/b"), ("XDG_CONFIG_DIRS", "/c")]);
        let set_here = ["/c", "/usr/local/etc", "/etc", "/d", "/a", "/b"];
        assert_eq!(set, set_here.map(|f| format!("{f}/vulkan/icd.d")));
    }

    #[test]
    fn older_loaders_know_fewer_variables() {
        let set =
            [("VK_DRIVER_FILES", "/a.json"), ("VK_ICD_FILENAMES", "/b.json"), ("VK_LOADER_DRIVERS_SELECT", "*x*")];
        let look = |v| Manifests::look(&Environment::of(&set), v);
        let names = |m: &Manifests| m.unknown.iter().map(|(name, _)| *name).collect::<Vec<_>>();
        let old = look(Some((1, 3, 204)));
        assert_eq!((old.variable, names(&old)), (Some("VK_ICD_FILENAMES"), vec!["VK_DRIVER_FILES", SELECT]));
        assert_eq!(old.missing, [PathBuf::from("/b.json")]);
        let newer = look(version("1.3.224"));
        assert_eq!((newer.variable, names(&newer)), (Some("VK_DRIVER_FILES"), vec![SELECT]));
        assert!(look(None).unknown.is_empty());
    }
}
