//! The rules of the house, read from the sources: which file uses which, and how long it is.

mod commands;
mod graph;
mod links;
mod named_tests;
mod paths;
mod source;
mod strip;

use std::collections::BTreeMap;

pub use commands::{commands, rows, untried};
use graph::Graph;
pub use links::linked;
pub use named_tests::{missing_tests, named_tests};
pub use source::{Source, sources};

/// The folders of the driver, from the ground up: each uses only itself and those before it.
pub const FLOORS: [&str; 11] = [
    "base",
    "physical",
    "memory",
    "descriptors",
    "pipelines",
    "recording",
    "sync",
    "submission",
    "wsi",
    "device",
    "loader",
];

/// The floors of what is generated.
const GENERATED: [(&str, &str); 8] = [
    ("forward.rs", "base"),
    ("record.rs", "recording"),
    ("extensions.rs", "physical"),
    ("queries.rs", "physical"),
    ("features.rs", "physical"),
    ("formats.rs", "memory"),
    ("thunks.rs", "loader"),
    ("procs.rs", "loader"),
];

const DRIVER: &str = "icd/src/";
const GENERATED_FOLDER: &str = "generated/";

/// A handwritten file is shorter than this.
pub const LINES: usize = 400;

/// The floor of a file of the driver: its number in [`FLOORS`]. `lib.rs` stands on none: it declares all.
///
/// # Errors
/// A line that says that the folder isn't known.
fn floor(path: &str) -> Result<Option<usize>, String> {
    let Some((folder, rest)) = path.strip_prefix(DRIVER).and_then(|p| p.split_once('/')) else { return Ok(None) };
    let name = match GENERATED.iter().find(|(file, _)| *file == rest) {
        Some((_, floor)) if folder == GENERATED_FOLDER.trim_end_matches('/') => floor,
        _ => folder,
    };
    let known = FLOORS.iter().position(|f| *f == name).map(Some);
    known.ok_or_else(|| format!("{path} is in a folder without a floor"))
}

/// Files of the driver that use a folder above their own, and those in a folder without a floor.
pub fn arrows_upwards(sources: &[Source]) -> Vec<String> {
    let mut found: Vec<String> = sources.iter().filter_map(|s| floor(&s.path).err()).collect();
    for (from, to) in Graph::new(sources).arrows() {
        if let (Ok(Some(a)), Ok(Some(b))) = (floor(from), floor(to))
            && a < b
        {
            found.push(format!("{from} uses {to}, which stands above it"));
        }
    }
    found
}

/// Handwritten files that use each other in a circle. Roots of crates (`lib.rs`, `main.rs`) aren't looked at: they declare what there is.
pub fn circles(sources: &[Source]) -> Vec<String> {
    let handwritten: Vec<Source> = sources.iter().filter(|s| !s.is_generated()).cloned().collect();
    Graph::new(&handwritten).circles().into_iter().map(|files| files.join(", ")).collect()
}

/// Handwritten files that are too long, with their lines.
pub fn too_long(sources: &[Source]) -> BTreeMap<String, usize> {
    let lines = |s: &Source| (s.path.clone(), s.text.lines().count());
    sources.iter().filter(|s| !s.is_generated()).map(lines).filter(|(_, n)| *n >= LINES).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source { path: path.into(), text: text.into() }
    }

    #[test]
    fn an_arrow_upwards_is_found_however_it_is_written() {
        let set = |text: &str| {
            [
                source("icd/src/lib.rs", "mod base; mod memory; mod sync; use crate::sync::fence;"),
                source("icd/src/base/mod.rs", "pub mod slab;"),
                source("icd/src/base/slab.rs", ""),
                source("icd/src/memory/mod.rs", "pub mod buffer;"),
                source("icd/src/memory/buffer.rs", text),
                source("icd/src/sync/mod.rs", "pub mod fence;"),
                source("icd/src/sync/fence.rs", "use crate::memory::buffer;"),
                source("icd/src/generated/record.rs", "use crate::sync::fence;"),
            ]
        };
        let upwards =
            |text: &str| arrows_upwards(&set(text)).into_iter().filter(|l| l.contains("buffer.rs uses")).count();
        for text in [
            "use crate::sync::fence::Fence;",
            "use crate::{base::slab, sync::fence::{self, Fence}};",
            "fn f() { crate::sync::fence::wait() }",
            "fn f() { super::super::sync::fence::wait() }",
            "use crate::{base, sync};\nfn f() { sync::fence::wait() }",
            "use crate::sync as later;\nfn f() { later::fence::wait() }",
            "macro_rules! m { () => { $crate::sync::fence::wait() } }",
            "#[cfg(test)]\nmod tests { fn x() { \"}\"; } }\nuse crate::sync::fence;",
        ] {
            assert!(upwards(text) > 0, "{text}");
        }
        for text in [
            "use crate::base::slab::Slab;",
            "// use crate::sync::fence;\n/* crate::sync::fence::x /* nested */ */",
            "fn f() -> &'static str { \"crate::sync::fence::x\" }",
            "fn f() -> &'static str { r#\"\" crate::sync::fence::x\"# }",
            "fn f(c: char) -> bool { c == '\"' }\n#[cfg(test)]\nmod tests { use crate::sync::fence; fn f() { '{'; } }",
            "#[cfg(test)]\nuse crate::sync::fence;",
        ] {
            assert_eq!(upwards(text), 0, "{text}");
        }
        assert!(arrows_upwards(&set("")).iter().any(|l| l.starts_with("icd/src/generated/record.rs uses")));
        let lost = [
            source("icd/src/lib.rs", ""),
            source("icd/src/attic/a.rs", "use crate::attic::b;"),
            source("icd/src/attic/b.rs", ""),
        ];
        assert_eq!(arrows_upwards(&lost).len(), 2, "a folder without a floor");
    }

    #[test]
    fn a_circle_is_found_over_several_files() {
        let set = |c: &str| {
            [
                source("x/src/lib.rs", "mod a; mod b; mod c; pub use b::B; pub struct Root;"),
                source("x/src/a.rs", "use crate::B;"),
                source("x/src/b/mod.rs", "mod d;\npub struct B;\nfn f() { d::g() }"),
                source("x/src/b/d.rs", "use crate::c::C;"),
                source("x/src/c.rs", c),
            ]
        };
        assert_eq!(circles(&set("use crate::a::A;")), ["x/src/a.rs, x/src/b/d.rs, x/src/b/mod.rs, x/src/c.rs"]);
        assert_eq!(circles(&set("use super::b::d;")), ["x/src/b/d.rs, x/src/c.rs"]);
        // The root holds what all of its files may use.
        assert!(circles(&set("use crate::Root;")).is_empty());
        // Another crate's files are others, whatever their names.
        let mut two = set("").to_vec();
        two.extend([source("y/src/main.rs", ""), source("y/src/c.rs", "use crate::a;"), source("y/src/a.rs", "")]);
        assert!(circles(&two).is_empty());
        two.push(source("y/src/generated/z.rs", "use crate::generated::z2;"));
        two.push(source("y/src/generated/z2.rs", "use crate::generated::z;"));
        assert!(circles(&two).is_empty(), "generated files are no business of this rule");
    }

    #[test]
    fn a_long_file_is_found_unless_it_is_generated() {
        let long = "//\n".repeat(LINES);
        let set =
            [source("x/src/a.rs", &long), source("x/src/b.rs", &long[3..]), source("x/src/generated/c.rs", &long)];
        assert_eq!(too_long(&set).into_iter().collect::<Vec<_>>(), [("x/src/a.rs".to_owned(), LINES)]);
    }
}
