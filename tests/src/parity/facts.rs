//! Asking the three drivers.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use hesper_rig::vulkaninfo::{self, Facts, VULKANINFO};
use hesper_rig::{Driver, Host, HostVersion, Root};
use serde::Deserialize;

/// What each driver says of one host's device.
#[derive(Debug, Default, serde::Serialize)]
pub struct Answers {
    /// The host's own driver, beside the host.
    pub native: Facts,
    /// Mesa's venus driver.
    pub mesa: Facts,
    /// Hesper.
    pub hesper: Facts,
}

/// Arguments of the test client that has all facts.
pub const ALL: &[&str] = &["facts"];
/// Arguments of the test client that leaves most formats out.
pub const FEW_FORMATS: &[&str] = &["facts", "--few-formats"];

/// Asks all three by vulkaninfo and by the test client at `client` with some arguments; the latter two over a host of their own.
///
/// # Errors
/// When a host or a program can't be started, or a program fails.
pub fn ask(root: &Root, version: HostVersion, client: &Path, arguments: &[&str]) -> Result<Answers> {
    let of = |driver| {
        facts(root, version, driver, client, arguments).with_context(|| format!("{driver} on virglrenderer {version}"))
    };
    Ok(Answers { native: of(Driver::Native)?, mesa: of(Driver::Mesa)?, hesper: of(Driver::Hesper)? })
}

/// A line of `hesper-client facts`.
#[derive(Deserialize)]
struct Line {
    fact: String,
    value: String,
}

fn facts(root: &Root, version: HostVersion, driver: Driver, client: &Path, arguments: &[&str]) -> Result<Facts> {
    let host = if driver.needs_host() { Some(Host::start_version(root, version, &[])?) } else { None };
    let socket = host.as_ref().map(Host::socket);
    let mut facts = vulkaninfo::facts_of(root.client_of_version(version, driver, socket, VULKANINFO)?)?;
    let out = root
        .client_of_version(version, driver, socket, client)?
        .args(arguments)
        .output()
        .context("starting the test client")?;
    ensure!(
        out.status.success(),
        "the test client ended with {}:\n{}",
        out.status,
        String::from_utf8_lossy(&out.stderr)
    );
    for line in String::from_utf8_lossy(&out.stdout).lines() {
        let line: Line = serde_json::from_str(line).with_context(|| format!("reading {line}"))?;
        facts.insert(line.fact, line.value);
    }
    Ok(facts)
}
