//! The commit that is checked out, and others.

use std::process::Command;

use anyhow::{Context, Result, ensure};

/// What git says of the checkout, without the last line's end.
///
/// # Errors
/// Where there is no git, or it refuses; with what it said.
pub fn git(arguments: &[&str]) -> Result<String> {
    let out = Command::new("git").current_dir(hesper_rig::workspace()).args(arguments).output();
    let out = out.context("starting git")?;
    let said = String::from_utf8_lossy(&out.stderr);
    ensure!(out.status.success(), "git {} ended with {}:\n{said}", arguments.join(" "), out.status);
    Ok(String::from_utf8_lossy(&out.stdout).trim().to_owned())
}

/// The name of the commit that is checked out, where there is git and no file differs from it.
pub fn clean() -> Option<String> {
    git(&["status", "--porcelain"]).ok()?.is_empty().then(|| git(&["rev-parse", "HEAD"]).ok()).flatten()
}
