//! The commit that is checked out.

use std::process::Command;

/// Its name, where there is git and no file differs from it.
pub fn clean() -> Option<String> {
    let git = |args: &[&str]| {
        let out = Command::new("git").current_dir(hesper_rig::workspace()).args(args).output().ok()?;
        out.status.success().then(|| String::from_utf8_lossy(&out.stdout).trim().to_owned())
    };
    git(&["status", "--porcelain"])?.is_empty().then(|| git(&["rev-parse", "HEAD"])).flatten()
}
