//! What jobs of AArch64 guests run: built on this machine for theirs.

use std::path::PathBuf;
use std::sync::OnceLock;

use anyhow::{Result, bail, ensure};

use crate::{Guest, driver_build, zig};

/// A driver for AArch64.
#[derive(Clone, Debug)]
pub struct CrossBuild {
    /// A manifest that names the library.
    pub manifest: PathBuf,
    /// The `hesper` program.
    pub program: PathBuf,
}

/// Builds the driver and the `hesper` program, once a process: minutes the first time.
///
/// # Errors
/// When the build fails, with its output.
pub fn build_driver() -> Result<CrossBuild> {
    static BUILT: OnceLock<Result<CrossBuild, String>> = OnceLock::new();
    let build = || {
        let folder = build(&["hesper-icd", "hesper"])?;
        let library = folder.join("libvulkan_hesper.so");
        ensure!(library.is_file(), "the build left no {}", library.display());
        let manifest = driver_build::manifest_in(&folder.join("rig"), &library)?;
        Ok(CrossBuild { manifest, program: folder.join("hesper") })
    };
    BUILT.get_or_init(|| build().map_err(|e: anyhow::Error| format!("{e:#}"))).clone().map_err(anyhow::Error::msg)
}

/// Builds the test client, once a process; apart from the driver, so that what one needs of a common dependency doesn't change the other.
///
/// # Errors
/// When the build fails, with its output.
pub fn build_client() -> Result<PathBuf> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let build = || Ok(build(&["hesper-tests"])?.join("hesper-client"));
    BUILT.get_or_init(|| build().map_err(|e: anyhow::Error| format!("{e:#}"))).clone().map_err(anyhow::Error::msg)
}

/// Builds packages, and returns the folder with what is left.
fn build(packages: &[&str]) -> Result<PathBuf> {
    let guest = Guest::Arm64;
    let out = zig::build(guest, packages)?.arg("--quiet").output()?;
    if !out.status.success() {
        bail!("building {} for AArch64 failed:\n{}", packages.join(", "), String::from_utf8_lossy(&out.stderr));
    }
    zig::output(guest)
}
