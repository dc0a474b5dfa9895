//! The test client, and what it runs on.

use std::path::PathBuf;

use anyhow::Result;
use hesper_rig::Root;

use crate::{cargo, setup, step};

/// The rig's root, and the optimised test client for this machine. The driver is built, too.
///
/// # Errors
/// When something can't be fetched or built.
pub fn ready() -> Result<(Root, PathBuf)> {
    setup::ensure()?;
    let root = Root::ensure()?;
    hesper_rig::build_driver()?;
    let mut build = cargo::cargo(&[
        "build",
        "--release",
        "--package",
        "hesper-tests",
        "--bin",
        "hesper-client",
        "--no-default-features",
    ]);
    step::run("Building the test client", "under a minute", &mut build)?;
    Ok((root, hesper_rig::target_folder()?.join("release/hesper-client")))
}
