//! Which file of a crate uses which.

use std::collections::{BTreeMap, BTreeSet};

use super::paths::{Path, Paths, paths};
use super::source::Source;
use super::strip::code;

/// Arrows from files to the files that they use, of the same crate.
#[derive(Debug, Default)]
pub struct Graph<'a>(BTreeMap<&'a str, BTreeSet<&'a str>>);

/// The files of one crate by the path of their module; the root's is empty.
struct Crate<'a> {
    modules: BTreeMap<Path, &'a str>,
    paths: BTreeMap<Path, Paths>,
}

/// The folder of the crate that a file belongs to: the nearest with a root in it.
fn crate_folder<'a>(path: &'a str, folders: &BTreeSet<&str>) -> Option<&'a str> {
    let mut folder = path.rsplit_once('/')?.0;
    while !folders.contains(folder) {
        folder = folder.rsplit_once('/')?.0;
    }
    Some(folder)
}

fn is_root(file: &str) -> bool {
    matches!(file.rsplit('/').next(), Some("lib.rs" | "main.rs"))
}

/// The path of a file's module in the crate whose folder this is.
fn module(path: &str, folder: &str) -> Path {
    let inside = path.get(folder.len() + 1..).unwrap_or_default().trim_end_matches(".rs");
    let mut module: Path = inside.split('/').map(str::to_owned).collect();
    if module.last().is_some_and(|l| l == "mod") || (is_root(path) && module.len() == 1) {
        module.pop();
    }
    module
}

impl<'a> Crate<'a> {
    /// The path from the crate's root of what a module calls `path`.
    fn absolute(&self, from: &Path, path: &[String], depth: u32) -> Option<Path> {
        let (first, rest) = path.split_first()?;
        let mut base = match first.as_str() {
            "crate" => Path::new(),
            "self" => from.clone(),
            "super" => from.split_last()?.1.to_vec(),
            name => {
                let child = [from.as_slice(), &[name.to_owned()]].concat();
                if self.modules.contains_key(&child) {
                    child
                } else {
                    let used = self.paths.get(from)?.used.iter().find(|u| u.name == name && u.path != path)?;
                    if depth == 0 {
                        return None;
                    }
                    self.absolute(from, &used.path, depth - 1)?
                }
            }
        };
        for segment in rest {
            match segment.as_str() {
                "super" => drop(base.pop()),
                name => base.push(name.to_owned()),
            }
        }
        Some(base)
    }

    /// The file that holds what has this path from the root, where it is declared and not only handed on.
    fn file(&self, path: &[String], depth: u32) -> Option<&'a str> {
        let n = (0..=path.len()).rev().find(|n| self.modules.contains_key(&path[..*n]))?;
        let (module, rest) = (path[..n].to_vec(), &path[n..]);
        let handed_on = rest.first().and_then(|name| {
            let used = self.paths.get(&module)?.used.iter().find(|u| u.public && u.name == *name)?;
            let target = [self.absolute(&module, &used.path, 4)?, rest[1..].to_vec()].concat();
            self.file(&target, depth.checked_sub(1)?)
        });
        handed_on.or_else(|| self.modules.get(&module).copied())
    }
}

impl<'a> Graph<'a> {
    /// The graph of all crates among the sources.
    pub fn new(sources: &'a [Source]) -> Self {
        let roots = sources.iter().filter(|s| is_root(&s.path));
        let folders: BTreeSet<&str> = roots.filter_map(|s| Some(s.path.rsplit_once('/')?.0)).collect();
        let mut crates: BTreeMap<&str, Crate> = BTreeMap::new();
        for s in sources {
            let Some(folder) = crate_folder(&s.path, &folders) else { continue };
            let c = crates.entry(folder).or_insert_with(|| Crate { modules: BTreeMap::new(), paths: BTreeMap::new() });
            let module = module(&s.path, folder);
            let found = paths(&code(&s.text));
            // A library and a program may share a folder, and so their root.
            let paths = c.paths.entry(module.clone()).or_default();
            paths.used.extend(found.used);
            paths.named.extend(found.named);
            c.modules.insert(module, &s.path);
        }
        let mut arrows: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for c in crates.values() {
            for (module, from) in c.modules.iter().filter(|(m, _)| !m.is_empty()) {
                let Some(paths) = c.paths.get(module) else { continue };
                let all = paths.used.iter().map(|u| &u.path).chain(&paths.named);
                let files = all.filter_map(|path| c.file(&c.absolute(module, path, 4)?, 4));
                arrows.insert(from, files.filter(|to| to != from && !is_root(to)).collect());
            }
        }
        Self(arrows)
    }

    /// All arrows.
    pub fn arrows(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0.iter().flat_map(|(from, to)| to.iter().map(|to| (*from, *to)))
    }

    /// The files that can be reached from one.
    fn reached(&self, from: &'a str) -> BTreeSet<&'a str> {
        let mut reached = BTreeSet::new();
        let mut ahead = vec![from];
        while let Some(file) = ahead.pop() {
            for to in self.0.get(file).into_iter().flatten() {
                if reached.insert(*to) {
                    ahead.push(to);
                }
            }
        }
        reached
    }

    /// Files that reach each other, sorted; none is in two of the lists.
    pub fn circles(&self) -> Vec<Vec<&'a str>> {
        let reached: BTreeMap<&str, BTreeSet<&str>> = self.0.keys().map(|f| (*f, self.reached(f))).collect();
        let both_ways = |a: &str, b: &str| {
            let there = |a, b| reached.get(a).is_some_and(|r| r.contains(b));
            there(a, b) && there(b, a)
        };
        let mut circles: BTreeSet<Vec<&str>> = BTreeSet::new();
        for file in self.0.keys() {
            if both_ways(file, file) {
                circles.insert(self.0.keys().copied().filter(|other| both_ways(file, other)).collect());
            }
        }
        circles.into_iter().collect()
    }
}
