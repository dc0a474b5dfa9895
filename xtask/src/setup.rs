//! The Debian packages that the machine itself needs; everything else lives in the rig's root.

use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use crate::step;

/// A program to look for, its arguments, and the package that has it.
const NEEDS: [(&str, &[&str], &str); 4] = [
    ("mmdebstrap", &["--version"], "mmdebstrap"),
    ("python3", &["-m", "pip", "--version"], "python3-pip"),
    ("cc", &["--version"], "gcc"),
    ("c++", &["--version"], "g++"),
];

/// Installs what is missing, or says what to install.
///
/// # Errors
/// When something is missing and can't be installed from here.
pub fn ensure() -> Result<()> {
    let missing: Vec<&str> = NEEDS.iter().filter(|(program, args, _)| !works(program, args)).map(|n| n.2).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let by_hand = format!("apt-get install {}", missing.join(" "));
    // SAFETY: geteuid has no preconditions.
    if unsafe { libc::geteuid() } != 0 || !works("apt-get", &["--version"]) {
        bail!("missing on this machine: {}. As root on Debian: {by_hand}", missing.join(", "));
    }
    let apt = |args: &[&str]| {
        let mut command = Command::new("apt-get");
        // Another installation may hold the lock: a fresh machine often installs its updates first.
        let wait = ["-o", "DPkg::Lock::Timeout=300"];
        command
            .args(wait)
            .args(["-q", "-y", "--no-install-recommends"])
            .args(args)
            .env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    step::run("Debian's package lists", "apt-get update, some seconds", &mut apt(&["update"]))?;
    step::run(
        &format!("Packages: {}", missing.join(", ")),
        "apt-get install, under a minute",
        apt(&["install"]).args(&missing),
    )?;
    Ok(())
}

/// Whether a program is there and runs.
pub fn works(program: &str, args: &[&str]) -> bool {
    let quiet =
        Command::new(program).args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    quiet.is_ok_and(|s| s.success())
}
