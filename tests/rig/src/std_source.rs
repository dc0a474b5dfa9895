//! The sources of the standard library that belong to the compiler, for builds that need it built in another way. rustup has them as a
//! component that not every machine can fetch; Debian's package of the same version has the same files.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::cache;

const RECIPE: &str = include_str!("../std.sh");
/// The only version for which this is of use.
const VERSION: &str = "1.95.0";

/// The folder `library` of the sources; fetched if it isn't in the cache yet.
///
/// # Errors
/// When they can't be fetched, or the compiler is of another version.
pub fn ensure() -> Result<PathBuf> {
    let rustc = Command::new("rustc").arg("--version").output().context("asking rustc for its version")?;
    let version = String::from_utf8_lossy(&rustc.stdout).into_owned();
    ensure!(version.starts_with(&format!("rustc {VERSION} ")), "the sources are those of {VERSION}, not of {version}");
    // Miri takes a folder of this name only.
    let folder = cache::folder().join(format!("rust-{VERSION}")).join("library");
    let _lock = cache::lock("rust-src")?;
    // Renamed into place when whole.
    if !folder.is_dir() {
        let new = folder.with_extension("new");
        fs::create_dir_all(cache::folder().join(format!("rust-{VERSION}")))?;
        let _ = (fs::remove_dir_all(&new), fs::remove_dir_all(new.with_extension("new.tree")));
        let bar = cache::progress("fetching the standard library's sources (45 MB from Debian's archive)".to_owned());
        cache::run(&mut cache::recipe(RECIPE, &new)?)?;
        fs::rename(&new, &folder).with_context(|| format!("making {}", folder.display()))?;
        bar.finish_and_clear();
    }
    ensure!(folder.join("std/src/lib.rs").is_file(), "{} doesn't hold the sources: remove it", folder.display());
    Ok(folder)
}
