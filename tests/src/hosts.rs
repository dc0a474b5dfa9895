//! What a driver makes of a host of some version. `cargo xtask hosts` asks all of them, tests/hosts.rs the essentials.

use std::path::Path;

use anyhow::{Context, Result};
use hesper_rig::vulkaninfo::{self, Facts};
use hesper_rig::{Driver, Host, HostVersion, Root};

/// Parts of the test client that `all` has.
pub const PARTS: usize = 17;

/// What a driver shows of a host's device, and how that works.
#[derive(Clone, Debug)]
pub struct Device {
    /// `apiVersion`: major, minor and patch.
    pub api_version: String,
    /// Device extensions that are offered.
    pub extensions: usize,
    /// Features that are offered, each counted once.
    pub features: usize,
    /// Parts of the test client that passed.
    pub parts: usize,
    /// What the client said where one didn't.
    pub complaint: Option<String>,
}

/// What came of a driver on a host.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// There is a device.
    Device(Device),
    /// There is none; with what the driver says, which may be nothing.
    None(String),
}

/// Runs vulkaninfo and the test client on a driver over a host of a version.
///
/// # Errors
/// When host or programs can't be started.
pub fn look(root: &Root, version: HostVersion, driver: Driver, client: &Path) -> Result<Outcome> {
    let host = Host::start_version(root, version, &[]).with_context(|| format!("starting virglrenderer {version}"))?;
    let facts = match vulkaninfo::facts_at(root, driver, Some(host.socket())) {
        Ok(facts) => facts,
        Err(e) => return Ok(Outcome::None(said(&format!("{e:#}")).unwrap_or_default())),
    };
    let out = root.client(driver, Some(&host), client)?.arg("all").output().context("starting the test client")?;
    let text = String::from_utf8_lossy(&out.stdout);
    let complaint =
        (!out.status.success()).then(|| format!("{}\n{}", out.status, String::from_utf8_lossy(&out.stderr)));
    Ok(Outcome::Device(Device {
        api_version: facts.get("VkPhysicalDeviceProperties/apiVersion").map_or("?", |v| first_word(v)).to_owned(),
        extensions: facts.keys().filter(|k| k.starts_with("Device Extensions/")).count(),
        features: features(&facts),
        parts: text.lines().filter(|l| l.starts_with("ok ")).count(),
        complaint,
    }))
}

fn first_word(text: &str) -> &str {
    text.split_whitespace().next().unwrap_or("?")
}

/// The same feature may stand in several structs.
fn features(facts: &Facts) -> usize {
    let on = facts.iter().filter(|(name, value)| *value == "true" && name.contains("Features"));
    on.filter_map(|(name, _)| name.rsplit('/').next()).collect::<std::collections::BTreeSet<_>>().len()
}

/// The driver's own line in what a program said.
fn said(text: &str) -> Option<String> {
    text.lines().find_map(|l| l.trim().strip_prefix("hesper: ")).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_drivers_own_line_is_found() {
        let text = "vulkaninfo on hesper ended with exit status: 1:\nWARNING: skipped\nhesper: no Venus device: why\nERROR: none";
        assert_eq!(said(text).as_deref(), Some("no Venus device: why"));
        assert_eq!(said("ERROR: none"), None);
    }

    #[test]
    fn features_are_counted_once() {
        let facts: Facts = [
            ("VkPhysicalDeviceVulkan12Features/samplerFilterMinmax", "true"),
            ("VkPhysicalDeviceXFeatures/samplerFilterMinmax", "true"),
            ("VkPhysicalDeviceFeatures/logicOp", "true"),
            ("VkPhysicalDeviceFeatures/wideLines", "false"),
            ("VkPhysicalDeviceVulkan12Properties/independentResolve", "true"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        assert_eq!(features(&facts), 2);
    }
}
