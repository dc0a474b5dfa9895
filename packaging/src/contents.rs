//! What is handed out for a guest, and where it lies on a system.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use hesper_manifest::icd;
use hesper_rig::Guest;
use hesper_rig::cross::CrossBuild;

use crate::archive::File;
use crate::{crates, notices, sbom, toolchain};

const MANIFESTS: &str = "usr/share/vulkan/icd.d";
/// The folder of the papers.
pub const PAPERS: &str = "usr/share/doc/hesper";
/// The name of the licences' text there.
pub const NOTICES: &str = "copyright";
/// The name of the bill of materials there.
pub const BILL: &str = "sbom.cdx.json";

/// Who maintains the packages: the authors that Cargo.toml names, with commas between them.
pub fn maintainer() -> String {
    env!("CARGO_PKG_AUTHORS").replace(':', ", ")
}

/// Where a system's libraries lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Places {
    /// A folder that no distribution uses: the library is found through the manifest alone, in any container.
    Own,
    /// The folder of Debian's for the processor.
    Debian,
    /// Fedora's.
    Fedora,
    /// All in one folder, which may lie anywhere.
    Together,
}

/// The driver and the program of a build, and their papers.
#[derive(Clone, Debug)]
pub struct Contents {
    pub guest: Guest,
    library: Vec<u8>,
    program: Vec<u8>,
    crates: Vec<crates::Crate>,
    parts: Vec<toolchain::Part>,
    notices: String,
    standard_library_notices: Vec<u8>,
    rust: String,
}

impl Contents {
    /// Collects what belongs to a build.
    ///
    /// # Errors
    /// When a file of it is missing or is no program for Linux, or the papers can't be written.
    pub fn collect(guest: Guest, built: &CrossBuild) -> Result<Self> {
        let (crates, parts) = (crates::linked(guest)?, toolchain::of_zig(guest)?);
        Ok(Self {
            guest,
            library: elf(&built.library)?,
            program: elf(&built.program)?,
            notices: notices::text(&crates, &parts)?,
            standard_library_notices: toolchain::standard_library_notices()?,
            rust: toolchain::rust_version()?,
            crates,
            parts,
        })
    }

    /// The licences of all that is in it, as one SPDX expression.
    pub fn licence(&self) -> String {
        let parts = self.parts.iter().map(|p| p.licence);
        let all: BTreeSet<&str> = self.crates.iter().map(|c| c.licence.as_str()).chain(parts).collect();
        let one = |l: &&str| if l.contains(" OR ") { format!("({l})") } else { (*l).to_owned() };
        all.iter().map(one).collect::<Vec<_>>().join(" AND ")
    }

    /// Whether the C library is musl.
    pub fn is_musl(&self) -> bool {
        self.guest.triple().ends_with("musl")
    }

    /// The manifest's path on a system.
    pub fn manifest() -> String {
        format!("/{MANIFESTS}/{}", icd::MANIFEST)
    }

    /// The name of all of it together, with the version and the guest.
    pub fn folder(&self) -> String {
        format!("hesper-{}-{}", env!("CARGO_PKG_VERSION"), self.guest.name())
    }

    /// All files, at the places of a kind of system.
    pub fn files(&self, places: Places) -> Vec<File> {
        let (together, own) = (places == Places::Together, self.folder());
        let folder = match (places, self.guest) {
            (Places::Own, _) => "usr/lib/hesper",
            (Places::Debian, Guest::Amd64 | Guest::Amd64Musl) => "usr/lib/x86_64-linux-gnu",
            (Places::Debian, Guest::Arm64 | Guest::Arm64Musl) => "usr/lib/aarch64-linux-gnu",
            (Places::Fedora, _) => "usr/lib64",
            (Places::Together, _) => &own,
        };
        let [programs, manifests, papers] = if together { [folder; 3] } else { ["usr/bin", MANIFESTS, PAPERS] };
        let library = format!("{folder}/{}", icd::LIBRARY);
        let named = if together { format!("./{}", icd::LIBRARY) } else { format!("/{library}") };
        let mut files = vec![
            File::program(format!("{programs}/hesper"), self.program.clone()),
            File::data(library, self.library.clone()),
            File::data(format!("{manifests}/{}", icd::MANIFEST), icd::text(&named)),
        ];
        let bill = sbom::bill(self.guest.name(), &files, &self.crates, &self.parts, &self.rust);
        files.extend([
            File::data(format!("{papers}/{NOTICES}"), self.notices.clone()),
            File::data(format!("{papers}/rust-standard-library.html"), self.standard_library_notices.clone()),
            File::data(format!("{papers}/{BILL}"), icd::pretty(&bill)),
        ]);
        files
    }
}

fn elf(file: &Path) -> Result<Vec<u8>> {
    let bytes = fs::read(file).with_context(|| format!("reading {}", file.display()))?;
    ensure!(bytes.starts_with(b"\x7fELF"), "{} is no program or shared object", file.display());
    Ok(bytes)
}
