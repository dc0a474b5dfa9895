//! A package for Debian and its kin (deb(5)): an ar archive of a version, a tar archive that describes the package and one of its files.

use anyhow::{Context, Result, ensure};

use crate::archive::{self, File};
use crate::contents::{Contents, Places, maintainer};

/// The package's version: upstream's and the number of the package made of it.
pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "-1");

/// The file's name.
pub fn name(contents: &Contents) -> String {
    format!("hesper_{VERSION}_{}.deb", contents.guest.processor())
}

/// The file.
///
/// # Errors
/// When it is for musl, which Debian's systems don't run on.
pub fn package(contents: &Contents) -> Result<Vec<u8>> {
    ensure!(!contents.is_musl(), "Debian's systems have glibc, and {} is for musl", contents.guest.name());
    let files = contents.files(Places::Debian);
    let control = File::data("control", control(contents.guest.processor(), &files));
    let mut ar = ar::Builder::new(Vec::new());
    for (name, bytes) in [
        ("debian-binary", b"2.0\n".to_vec()),
        ("control.tar.gz", archive::gzip(&archive::tar(&[control], "./")?)?),
        ("data.tar.gz", archive::gzip(&archive::tar(&files, "./")?)?),
    ] {
        let mut header = ar::Header::new(name.as_bytes().to_vec(), bytes.len() as u64);
        header.set_mode(0o100_644);
        ar.append(&header, &bytes[..]).with_context(|| format!("adding {name}"))?;
    }
    Ok(ar.into_inner()?)
}

/// The description (deb-control(5)). The driver opens what it needs besides the C library when a program asks for it.
fn control(architecture: &str, files: &[File]) -> String {
    let size: usize = files.iter().map(|f| f.bytes.len().div_ceil(1024)).sum();
    format!(
        "Package: hesper\n\
         Version: {VERSION}\n\
         Architecture: {architecture}\n\
         Maintainer: {}\n\
         Installed-Size: {size}\n\
         Depends: libc6 (>= 2.28)\n\
         Recommends: libvulkan1\n\
         Section: libs\n\
         Priority: optional\n\
         Description: {SUMMARY}\n {}\n",
        maintainer(),
        DESCRIPTION.join("\n ")
    )
}

/// One line about the package.
pub const SUMMARY: &str = "Vulkan driver for virtio-gpu guests (Venus)";
/// More lines about it.
pub const DESCRIPTION: [&str; 3] = [
    "Hesper sends the Vulkan calls of programs in a virtual machine, and in containers",
    "there, through virtio-gpu to the host, where virglrenderer runs them on the",
    "host's GPU. The program hesper says why no GPU is found, and what to do about it.",
];
