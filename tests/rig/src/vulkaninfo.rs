//! What vulkaninfo shows on a driver, as facts to compare.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::{Driver, Host, Root};

/// One driver's answers: section and name, value.
pub type Facts = BTreeMap<String, String>;

/// Runs vulkaninfo on a driver, over a host of its own where one is needed.
///
/// # Errors
/// When it fails or shows no device.
pub fn facts(root: &Root, driver: Driver) -> Result<Facts> {
    let host = if driver.needs_host() { Some(Host::start(root)?) } else { None };
    facts_at(root, driver, host.as_ref().map(Host::socket))
}

/// Runs vulkaninfo on a driver over whatever listens at `socket`, if the driver needs somebody.
///
/// # Errors
/// When it fails or shows no device.
pub fn facts_at(root: &Root, driver: Driver, socket: Option<&Path>) -> Result<Facts> {
    facts_of(root.client_at(driver, socket, VULKANINFO)?).with_context(|| format!("on {driver}"))
}

/// The program.
pub const VULKANINFO: &str = "/usr/bin/vulkaninfo";

/// The answers of the driver that a command of [`VULKANINFO`] finds.
///
/// # Errors
/// When it fails or shows no device.
pub fn facts_of(mut command: Command) -> Result<Facts> {
    let out = command.output().context("running vulkaninfo")?;
    let stderr = String::from_utf8_lossy(&out.stderr);
    ensure!(out.status.success(), "vulkaninfo ended with {}:\n{stderr}", out.status);
    let facts = parse(&String::from_utf8_lossy(&out.stdout));
    ensure!(!facts.is_empty(), "vulkaninfo shows no device:\n{stderr}");
    Ok(facts)
}

/// The values of this name in what `vulkaninfo --summary` prints, of one device after the other.
pub fn shown<'a>(summary: &'a str, name: &str) -> Vec<&'a str> {
    let value = |line: &'a str| Some(line.split_once('=').filter(|(n, _)| n.trim() == name)?.1.trim());
    summary.lines().filter_map(value).collect()
}

/// The drivers of the devices there.
pub fn drivers(summary: &str) -> Vec<&str> {
    shown(summary, "driverName")
}

/// Whether a fact is about a feature.
pub fn is_feature(name: &str) -> bool {
    name.starts_with("VkPhysicalDevice") && name.split('/').next().is_some_and(|s| s.contains("Features"))
}

/// A fact's own name, without its section.
pub fn last(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// Reads vulkaninfo's text: headings are underlined, names are indented below them, lists are indented below their names.
fn parse(text: &str) -> Facts {
    let mut facts = Facts::new();
    // The names above the line, each with its indentation.
    let mut above: Vec<(usize, String)> = Vec::new();
    let device = text.find("Device Properties and Extensions:").map_or("", |at| &text[at..]);
    for line in device.lines().skip(1) {
        let indent = line.chars().take_while(|c| *c == '\t').count();
        let line = line.trim();
        if line.is_empty() || line.chars().all(|c| c == '=' || c == '-') {
            continue;
        }
        above.retain(|(i, _)| *i < indent);
        let path = |name: &str| above.iter().map(|(_, n)| n.as_str()).chain([name]).collect::<Vec<_>>().join("/");
        if let Some((name, value)) = line.split_once(" = ").filter(|(name, _)| !name.contains(": count")) {
            facts.insert(path(name.trim()), value.trim().to_owned());
        } else if let Some((name, revision)) = line.split_once(": extension revision ") {
            facts.insert(path(name.trim()), revision.trim().to_owned());
        } else if let Some((name, _)) = line.split_once(':') {
            above.push((indent, name.trim().to_owned()));
        } else {
            // An item of a list; lists are compared as a whole.
            let list = above.iter().map(|(_, n)| n.as_str()).collect::<Vec<_>>().join("/");
            let items = facts.entry(list).or_default();
            let comma = if items.is_empty() { "" } else { ", " };
            items.push_str(&format!("{comma}{line}"));
        }
    }
    facts
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
Instance Extensions: count = 1
\tVK_X : extension revision 1
Device Properties and Extensions:
=================================
GPU0:
VkPhysicalDeviceProperties:
---------------------------
\tapiVersion        = 1.4.354 (4211042)

VkPhysicalDeviceLimits:
-----------------------
\tmaxComputeWorkGroupCount: count = 2
\t\t65535
\t\t65534
\tmaxBoundDescriptorSets = 8

Device Extensions: count = 1
\tVK_EXT_4444_formats : extension revision 1

memoryHeaps[0]:
\tsize   = 5 (0x5)
\tbudget = 6
";

    #[test]
    fn a_summary_is_read() {
        let text = "GPU0:\n\tdeviceName         = A (B = C)\n\tdriverName         = hesper\nGPU1:\n\tdriverName         = venus\n";
        assert_eq!(drivers(text), ["hesper", "venus"]);
        assert_eq!(shown(text, "deviceName"), ["A (B = C)"]);
        assert!(shown(text, "driver").is_empty());
    }

    #[test]
    fn the_text_is_read() {
        let facts = parse(TEXT);
        let get = |name: &str| facts.get(name).map(String::as_str);
        assert_eq!(get("VkPhysicalDeviceProperties/apiVersion"), Some("1.4.354 (4211042)"));
        assert_eq!(get("VkPhysicalDeviceLimits/maxComputeWorkGroupCount"), Some("65535, 65534"));
        assert_eq!(get("VkPhysicalDeviceLimits/maxBoundDescriptorSets"), Some("8"));
        assert_eq!(get("Device Extensions/VK_EXT_4444_formats"), Some("1"));
        assert_eq!(get("memoryHeaps[0]/budget"), Some("6"));
        assert_eq!(facts.len(), 6);
    }
}
