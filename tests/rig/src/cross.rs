//! What programs of other guests are: built on this machine for theirs.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use anyhow::{Result, bail, ensure};

use crate::zig::Profile;
use crate::{Guest, driver_build, zig};

/// The packages of a [`CrossBuild`]. They are built together wherever they are: what each needs of a common dependency changes the others.
pub const PACKAGES: [&str; 3] = ["hesper-icd", "hesper", "hesper-rig-open"];

/// A driver for a guest, and its programs.
#[derive(Clone, Debug)]
pub struct CrossBuild {
    /// The shared object.
    pub library: PathBuf,
    /// A manifest that names it.
    pub manifest: PathBuf,
    /// The `hesper` program.
    pub program: PathBuf,
    /// The program that opens the driver without a Vulkan loader (`tests/rig/open`).
    pub opener: PathBuf,
}

/// Builds the driver and its programs, once a process: minutes the first time.
///
/// # Errors
/// When the build fails, with its output.
pub fn build_driver(guest: Guest) -> Result<CrossBuild> {
    static BUILT: Once<CrossBuild> = Mutex::new(BTreeMap::new());
    once(&BUILT, guest, || {
        let folder = build(guest, &PACKAGES, Profile::Release, &[])?;
        let library = folder.join("libvulkan_hesper.so");
        ensure!(library.is_file(), "the build left no {}", library.display());
        let manifest = driver_build::manifest_in(&folder.join("rig"), &library)?;
        Ok(CrossBuild { library, manifest, program: folder.join("hesper"), opener: folder.join("hesper-open") })
    })
}

/// Builds the test client, once a process; apart from the driver, so that the driver stays what it is.
///
/// # Errors
/// When the build fails, with its output.
pub fn build_client(guest: Guest) -> Result<PathBuf> {
    static BUILT: Once<PathBuf> = Mutex::new(BTreeMap::new());
    // Without what the tests need besides.
    let build =
        || Ok(build(guest, &["hesper-tests"], Profile::Soon, &["--no-default-features"])?.join("hesper-client"));
    once(&BUILT, guest, build)
}

/// What was built for a guest, or why it couldn't be.
type Once<T> = Mutex<BTreeMap<Guest, Result<T, String>>>;

fn once<T: Clone>(built: &Once<T>, guest: Guest, build: impl FnOnce() -> Result<T>) -> Result<T> {
    // Held while one is built: two builds at once would only wait for each other.
    let mut built = built.lock().unwrap_or_else(PoisonError::into_inner);
    let found = built.entry(guest).or_insert_with(|| build().map_err(|e| format!("{e:#}")));
    found.clone().map_err(anyhow::Error::msg)
}

/// Builds packages, and returns the folder with what is left.
fn build(guest: Guest, packages: &[&str], profile: Profile, more: &[&str]) -> Result<PathBuf> {
    let out = zig::build(guest, packages, profile)?.arg("--quiet").args(more).output()?;
    if !out.status.success() {
        let (what, output) = (packages.join(", "), String::from_utf8_lossy(&out.stderr));
        bail!("building {what} for {} failed:\n{output}", guest.name());
    }
    zig::output(guest, profile)
}
