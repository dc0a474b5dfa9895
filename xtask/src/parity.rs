//! `parity`: what the drivers say of the same host, side by side.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use hesper_rig::{Driver, Host, Root};
use serde_json::json;

use crate::setup;
use crate::step::Step;
use crate::table::table;

/// Compares what vulkaninfo shows on native lavapipe, Mesa's venus and Hesper: extensions, features, properties, limits, memory, queues.
///
/// Only lines that differ are shown.
#[derive(clap::Args)]
pub struct Args {
    /// Only where Hesper differs from Mesa's driver.
    #[arg(long)]
    mesa_only: bool,
    /// Writes all of it as JSON, too.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// One driver's answers: section and name, value.
type Facts = BTreeMap<String, String>;

pub fn run(args: &Args) -> Result<()> {
    setup::ensure()?;
    let root = Root::ensure()?;
    hesper_rig::build_driver()?;
    let mut all = Vec::new();
    for driver in Driver::ALL {
        let step = Step::start(&format!("vulkaninfo on {driver}"), "");
        let facts = facts(&vulkaninfo(&root, driver)?);
        ensure!(!facts.is_empty(), "vulkaninfo on {driver} shows no device");
        step.done(&format!("{} facts", facts.len()));
        all.push(facts);
    }
    let [native, mesa, hesper] = &all[..] else { unreachable!("there are three drivers") };
    if let Some(path) = &args.json {
        let text = json!({ "native": native, "mesa": mesa, "hesper": hesper }).to_string();
        std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    let rows = differences(native, mesa, hesper, args.mesa_only);
    println!("\n{}", table(&["", "native", "mesa", "hesper"], &rows));
    let extensions = |f: &Facts| f.keys().filter(|k| k.starts_with("Device Extensions/")).count();
    println!(
        "  device extensions: native {}, mesa {}, hesper {}",
        extensions(native),
        extensions(mesa),
        extensions(hesper)
    );
    println!("  {} of {} facts differ", rows.len(), hesper.len());
    Ok(())
}

fn vulkaninfo(root: &Root, driver: Driver) -> Result<String> {
    let host = if driver.needs_host() { Some(Host::start(root)?) } else { None };
    let out = root.client(driver, host.as_ref(), "vulkaninfo")?.output().context("running vulkaninfo")?;
    ensure!(
        out.status.success(),
        "vulkaninfo on {driver} ended with {}:\n{}",
        out.status,
        String::from_utf8_lossy(&out.stderr)
    );
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}

/// The lines in which the drivers differ.
fn differences(native: &Facts, mesa: &Facts, hesper: &Facts, mesa_only: bool) -> Vec<Vec<String>> {
    let mut names: Vec<&String> = native.keys().chain(mesa.keys()).chain(hesper.keys()).collect();
    names.sort();
    names.dedup();
    let value = |facts: &Facts, name| facts.get(name).map_or("-".to_owned(), |v| short(v));
    let differ = names.into_iter().filter(|n| {
        let (n, m, h) = (native.get(*n), mesa.get(*n), hesper.get(*n));
        h != m || (!mesa_only && h != n)
    });
    differ.map(|n| vec![short(n), value(native, n), value(mesa, n), value(hesper, n)]).collect()
}

/// At most 60 characters.
fn short(text: &str) -> String {
    if text.chars().count() <= 60 {
        text.to_owned()
    } else {
        format!("{}…", text.chars().take(59).collect::<String>())
    }
}

/// Reads vulkaninfo's text: headings are underlined, names are indented below them, lists are indented below their names.
fn facts(text: &str) -> Facts {
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
    fn the_text_is_read() {
        let facts = facts(TEXT);
        let get = |name: &str| facts.get(name).map(String::as_str);
        assert_eq!(get("VkPhysicalDeviceProperties/apiVersion"), Some("1.4.354 (4211042)"));
        assert_eq!(get("VkPhysicalDeviceLimits/maxComputeWorkGroupCount"), Some("65535, 65534"));
        assert_eq!(get("VkPhysicalDeviceLimits/maxBoundDescriptorSets"), Some("8"));
        assert_eq!(get("Device Extensions/VK_EXT_4444_formats"), Some("1"));
        assert_eq!(get("memoryHeaps[0]/budget"), Some("6"));
        assert_eq!(facts.len(), 6);
    }

    #[test]
    fn only_differences_are_shown() {
        let native = facts(TEXT);
        let mut hesper = native.clone();
        hesper.insert("memoryHeaps[0]/budget".into(), "7".into());
        assert_eq!(differences(&native, &hesper, &hesper, true).len(), 0);
        let rows = differences(&native, &hesper, &hesper, false);
        assert_eq!(rows, [["memoryHeaps[0]/budget", "6", "7", "7"]]);
    }
}
