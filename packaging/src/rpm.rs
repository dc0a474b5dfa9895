//! A package for Fedora and its kin (RPM 4's format, by the crate `rpm`).

use anyhow::{Context, Result, ensure};
use hesper_rig::Guest;
use rpm::{BuildConfig, CompressionWithLevel, Dependency, FileOptions, PackageBuilder};

use crate::archive;
use crate::contents::{Contents, Places, maintainer};
use crate::deb::{DESCRIPTION, SUMMARY};

const RELEASE: &str = "1";
/// Folders that every system has, and that are no package's of this kind.
const COMMON: [&str; 5] = ["usr", "usr/bin", "usr/lib64", "usr/share", "usr/share/doc"];

/// The file's name.
pub fn name(contents: &Contents) -> String {
    format!("hesper-{}-{RELEASE}.{}.rpm", env!("CARGO_PKG_VERSION"), architecture(contents.guest))
}

/// The processor in Fedora's words.
fn architecture(guest: Guest) -> &'static str {
    match guest {
        Guest::Amd64 | Guest::Amd64Musl => "x86_64",
        Guest::Arm64 | Guest::Arm64Musl => "aarch64",
    }
}

/// The file, without a signature.
///
/// # Errors
/// When it is for musl, which Fedora's systems don't run on.
pub fn package(contents: &Contents) -> Result<Vec<u8>> {
    ensure!(!contents.is_musl(), "Fedora's systems have glibc, and {} is for musl", contents.guest.name());
    let (version, architecture) = (env!("CARGO_PKG_VERSION"), architecture(contents.guest));
    let mut builder = PackageBuilder::new("hesper", version, &contents.licence(), architecture, SUMMARY);
    builder
        .using_config(BuildConfig::v4().compression(CompressionWithLevel::Gzip(9)).source_date(0))
        .release(RELEASE)
        .description(DESCRIPTION.join("\n"))
        .build_host("localhost")
        .packager(maintainer())
        .requires(Dependency::any("libc.so.6(GLIBC_2.28)(64bit)"))
        .recommends(Dependency::any("vulkan-loader"));
    let files = contents.files(Places::Fedora);
    // A folder that no package has stays when the files in it are removed.
    for folder in archive::folders(&files).into_iter().filter(|f| !COMMON.contains(f)) {
        builder.with_dir_entry(FileOptions::dir(format!("/{folder}")).permissions(0o755))?;
    }
    for file in files {
        let options = FileOptions::new(format!("/{}", file.path)).permissions(file.mode);
        builder.with_file_contents(file.bytes, options).with_context(|| format!("adding {}", file.path))?;
    }
    let mut bytes = Vec::new();
    builder.build().context("making the rpm")?.write(&mut bytes)?;
    Ok(bytes)
}
