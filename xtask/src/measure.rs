//! One run of the test client's benchmarks.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use hesper_rig::{Driver, Host, Root, pin};

/// The processors that guest and host run on.
const GUEST: usize = 0;
const HOST: usize = 1;

/// One run of the client's groups `only`, or all, on a host of its own; with the driver that `manifest` names, if it names one.
pub fn measure(root: &Root, driver: Driver, client: &Path, only: &[String], manifest: Option<&Path>) -> Result<String> {
    let host = if driver.needs_host() { Some(Host::start(root)?) } else { None };
    let mut command = root.client(driver, host.as_ref(), client)?;
    // The host's own driver has its threads in the client, which needs all processors then.
    if let Some(host) = host.as_ref().filter(|_| pin::possible()) {
        pin::command(&mut command, GUEST)?;
        host.pin(HOST)?;
    }
    if let Some(manifest) = manifest {
        command.env("VK_DRIVER_FILES", manifest);
    }
    let out = command.arg("bench").args(only).output().context("running the test client")?;
    let errors = String::from_utf8_lossy(&out.stderr);
    ensure!(out.status.success(), "the client on {driver} ended with {}:\n{errors}", out.status);
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}
