//! Puts the driver where the loader looks, and takes it away again.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::{files, icd};

/// Where things go.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Stands before every path that is written, and in none that is written into a file (for packagers).
    pub destdir: Option<PathBuf>,
    /// `/usr`, `/usr/local`, …
    pub prefix: PathBuf,
    /// The library's folder; found out from the prefix otherwise.
    pub libdir: Option<PathBuf>,
}

impl Layout {
    /// The library's place on the machine that it is installed for.
    pub fn library(&self) -> PathBuf {
        let libdir = self.libdir.clone().unwrap_or_else(|| libdir(&self.prefix));
        libdir.join(icd::LIBRARY)
    }

    /// The manifest's place on the machine that it is installed for.
    pub fn manifest(&self) -> PathBuf {
        self.prefix.join("share/vulkan/icd.d").join(icd::MANIFEST)
    }

    /// Where a path of that machine is now.
    fn staged(&self, path: &Path) -> PathBuf {
        match (&self.destdir, path.strip_prefix("/")) {
            (Some(destdir), Ok(inside)) => destdir.join(inside),
            _ => path.to_path_buf(),
        }
    }
}

/// The folder of this machine's shared objects under `prefix`: Debian's multiarch one, Fedora's lib64, or lib.
fn libdir(prefix: &Path) -> PathBuf {
    let multiarch = prefix.join(format!("lib/{}-linux-gnu", std::env::consts::ARCH));
    // A link is the other name of a folder that is tried too (Arch: lib64 -> lib).
    let real = |dir: &Path| fs::symlink_metadata(dir).is_ok_and(|m| m.is_dir());
    let found = [multiarch, prefix.join("lib64")].into_iter().find(|dir| real(dir));
    found.unwrap_or_else(|| prefix.join("lib"))
}

/// The library to install when none is named: the one beside this program, as the build leaves it.
///
/// # Errors
/// When there is none.
pub fn library_beside_program() -> Result<PathBuf> {
    let program = std::env::current_exe().context("finding this program's own path")?;
    let library = program.with_file_name(icd::LIBRARY);
    ensure!(library.is_file(), "no {} beside {}: name it with --library", icd::LIBRARY, program.display());
    Ok(library)
}

/// Installs `library` and its manifest; returns what was done, a line each.
///
/// # Errors
/// When `library` is no shared object, a path isn't absolute, or the file system refuses.
pub fn install(layout: &Layout, library: &Path) -> Result<Vec<String>> {
    check(layout)?;
    let bytes = fs::read(library).with_context(|| format!("reading {}", library.display()))?;
    ensure!(bytes.starts_with(b"\x7fELF"), "{} is no shared object", library.display());
    let (to, manifest) = (layout.library(), layout.manifest());
    // The library first: a manifest never names a file that isn't there.
    let staged = (layout.staged(&to), layout.staged(&manifest));
    files::write(&staged.0, &bytes)?;
    files::write(&staged.1, icd::text(&to.to_string_lossy()).as_bytes())?;
    Ok(vec![
        format!("installed {} ({} KiB)", staged.0.display(), bytes.len().div_ceil(1024)),
        format!("installed {} (library_path {})", staged.1.display(), to.display()),
    ])
}

/// Removes the manifest and the library that it names; returns what was done, a line each.
///
/// # Errors
/// When a path isn't absolute, the manifest can't be understood, or the file system refuses.
pub fn uninstall(layout: &Layout) -> Result<Vec<String>> {
    check(layout)?;
    let manifest = layout.staged(&layout.manifest());
    let mut library = layout.library();
    if manifest.exists() {
        // A hand-edited manifest may point anywhere; only a file of our own name is ours to remove.
        let named = PathBuf::from(icd::library_of(&manifest)?);
        if named.is_absolute() && named.file_name().is_some_and(|n| n == icd::LIBRARY) {
            library = named;
        }
    }
    let mut done = Vec::new();
    for path in [manifest, layout.staged(&library)] {
        let what = if files::remove(&path)? { "removed" } else { "not there:" };
        done.push(format!("{what} {}", path.display()));
    }
    Ok(done)
}

fn check(layout: &Layout) -> Result<()> {
    let parts = [Some(&layout.prefix), layout.libdir.as_ref()];
    match parts.into_iter().flatten().find(|p| !p.is_absolute()) {
        Some(path) => anyhow::bail!("{} must be an absolute path", path.display()),
        None => Ok(()),
    }
}
