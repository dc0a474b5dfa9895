//! Fuzz targets: each hands arbitrary bytes to something that reads what others have written, and panics where that takes harm.
//!
//! `cargo xtask fuzz-targets` runs them under libFuzzer, with AddressSanitizer. What they have found stays in `kept/`, and runs with all tests.

mod caller;
mod capset;
mod choices;
mod files;
#[rustfmt::skip]
mod generated {
    pub mod replies;
}
mod replies;
mod socket;
mod texels;

/// Something that reads bytes.
pub struct Target {
    pub name: &'static str,
    pub run: fn(&[u8]),
    /// Inputs that lead far into it.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All of them.
pub const TARGETS: [Target; 5] = [
    Target { name: "replies", run: replies::run, seeds: replies::seeds },
    Target { name: "capset", run: capset::run, seeds: capset::seeds },
    Target { name: "socket", run: socket::run, seeds: socket::seeds },
    Target { name: "files", run: files::run, seeds: files::seeds },
    Target { name: "texels", run: texels::run, seeds: texels::seeds },
];

/// The target of this name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|t| t.name == name)
}
