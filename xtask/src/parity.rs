//! `parity`: what the drivers say of the same host, side by side.

use std::path::PathBuf;

use anyhow::{Context, Result};
use hesper_rig::vulkaninfo::{self, Facts};
use hesper_rig::{Driver, Root};
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

pub fn run(args: &Args) -> Result<()> {
    setup::ensure()?;
    let root = Root::ensure()?;
    hesper_rig::build_driver()?;
    let mut all = Vec::new();
    for driver in Driver::ALL {
        let step = Step::start(&format!("vulkaninfo on {driver}"), "");
        let facts = vulkaninfo::facts(&root, driver)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_differences_are_shown() {
        let native: Facts =
            [("memoryHeaps[0]/budget".to_owned(), "6".to_owned()), ("x".to_owned(), "y".to_owned())].into();
        let mut hesper = native.clone();
        hesper.insert("memoryHeaps[0]/budget".into(), "7".into());
        assert_eq!(differences(&native, &hesper, &hesper, true).len(), 0);
        let rows = differences(&native, &hesper, &hesper, false);
        assert_eq!(rows, [["memoryHeaps[0]/budget", "6", "7", "7"]]);
    }
}
