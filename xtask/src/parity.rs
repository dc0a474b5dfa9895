//! `parity`: what the drivers say of the same hosts, side by side.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use hesper_rig::HostVersion;
use hesper_rig::vulkaninfo::Facts;
use hesper_tests::parity::{ALL, Answers, Difference, Kind, Meant, ask, differences};
use serde_json::json;

use crate::client;
use crate::step::Step;
use crate::table::table;

/// Compares what native lavapipe, Mesa's venus and Hesper say of the same hosts: extensions, features, properties, formats, images, handles, queues.
///
/// Fails where Hesper differs from Mesa's driver and tests/parity.tsv has no reason, and where a line of that file is out of date.
#[derive(clap::Args)]
pub struct Args {
    /// Only this version of the host; lines of tests/parity.tsv may be out of date then.
    #[arg(long)]
    host: Option<HostVersion>,
    /// Lists each fact in which any two of the drivers differ, and each that Hesper has on top.
    #[arg(long)]
    all: bool,
    /// Writes all answers and differences as JSON, too.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// Rows of a table of what nobody means, before the rest is only counted.
const SHOWN: usize = 40;

pub fn run(args: &Args) -> Result<()> {
    let (root, client) = client::ready()?;
    let meant = Meant::read()?;
    let mut hosts = Vec::new();
    let versions = HostVersion::ALL.into_iter().filter(|v| v.has_todays_venus());
    for version in versions.filter(|v| args.host.is_none_or(|only| only == *v)) {
        let step = Step::start(&format!("Asking on virglrenderer {version}"), "half a minute");
        let answers = ask(&root, version, &client, ALL)?;
        step.done(&format!("{} facts", answers.hesper.len()));
        let differences = differences(&answers);
        hosts.push((version, answers, differences));
    }
    ensure!(!hosts.is_empty(), "no driver of today finds a device on that host");
    if let Some(path) = &args.json {
        let all: BTreeMap<_, _> = hosts.iter().map(|(v, a, d)| (v.name(), as_json(a, d, &meant))).collect();
        std::fs::write(path, json!(all).to_string()).with_context(|| format!("writing {}", path.display()))?;
    }
    let mut unexplained = 0;
    for (version, answers, differences) in &hosts {
        println!("\nvirglrenderer {version}");
        unexplained += show(answers, differences, &meant, args.all);
    }
    let seen: Vec<_> = hosts.iter().map(|(_, answers, differences)| (answers, &differences[..])).collect();
    let stale = if args.host.is_none() { meant.stale(&seen) } else { Vec::new() };
    for line in &stale {
        println!("\ntests/parity.tsv: out of date: {} ({})", line.pattern, line.reason);
    }
    ensure!(unexplained == 0, "{unexplained} differences that tests/parity.tsv gives no reason for");
    ensure!(stale.is_empty(), "{} lines of tests/parity.tsv match nothing on any host", stale.len());
    Ok(())
}

/// Prints what is to be said of a host; returns how many differences nobody means.
fn show(answers: &Answers, differences: &[Difference], meant: &Meant, all: bool) -> usize {
    let cells = |fact: &str| {
        let value = |facts: &Facts| facts.get(fact).map_or("-".to_owned(), |v| short(v));
        vec![short(fact), value(&answers.native), value(&answers.mesa), value(&answers.hesper)]
    };
    const HEAD: [&str; 4] = ["", "native", "mesa", "hesper"];
    if all {
        let native = answers.native.keys().chain(answers.hesper.keys());
        let mut names: Vec<_> = native.filter(|n| answers.native.get(*n) != answers.hesper.get(*n)).collect();
        names.extend(differences.iter().map(|d| &d.fact));
        names.sort();
        names.dedup();
        println!("{}", table(&HEAD, &names.into_iter().map(|n| cells(n)).collect::<Vec<_>>()));
    }
    let (on_top, judged): (Vec<_>, Vec<_>) = differences.iter().partition(|d| d.kind == Kind::OnTop);
    let (explained, bad): (Vec<_>, Vec<_>) = judged.into_iter().partition(|d| meant.line(d).is_some());
    let mut by_reason: BTreeMap<&str, usize> = BTreeMap::new();
    for line in explained.iter().filter_map(|d| meant.line(d)) {
        *by_reason.entry(&line.reason).or_default() += 1;
    }
    for (reason, n) in by_reason {
        println!("  meant, {n}: {reason}");
    }
    for (section, names) in sections(on_top.iter().map(|d| d.fact.as_str())) {
        let list = if names.len() <= SHOWN { names.join(" ") } else { format!("{} facts", names.len()) };
        println!("  on top, {section}: {list}");
    }
    for (what, section) in [("device", "Device Extensions/"), ("instance", "Instance extensions/")] {
        let count = |facts: &Facts| facts.keys().filter(|k| k.starts_with(section)).count();
        let [n, m, h] = [&answers.native, &answers.mesa, &answers.hesper].map(count);
        println!("  {what} extensions: native {n}, mesa {m}, hesper {h}");
    }
    println!(
        "  of {} facts: {} meant differences, {} without a reason",
        answers.hesper.len(),
        explained.len(),
        bad.len()
    );
    if !bad.is_empty() {
        println!("\n{}", table(&HEAD, &bad.iter().take(SHOWN).map(|d| cells(&d.fact)).collect::<Vec<_>>()));
        for (section, names) in sections(bad.iter().skip(SHOWN).map(|d| d.fact.as_str())) {
            println!("  … and {} of {section}", names.len());
        }
    }
    bad.len()
}

/// Names by what stands before their first `/`.
fn sections<'a>(names: impl Iterator<Item = &'a str>) -> BTreeMap<&'a str, Vec<&'a str>> {
    let mut sections: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (section, name) in names.map(|n| n.split_once('/').unwrap_or(("", n))) {
        sections.entry(section).or_default().push(name);
    }
    sections
}

fn as_json(answers: &Answers, differences: &[Difference], meant: &Meant) -> serde_json::Value {
    let differences: Vec<_> = differences
        .iter()
        .map(|d| json!({ "fact": d.fact, "kind": d.kind.name(), "reason": meant.line(d).map(|l| &l.reason) }))
        .collect();
    json!({ "answers": answers, "differences": differences })
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
    fn differences_are_counted_and_told() {
        let mut answers = Answers::default();
        answers.mesa.insert("VkA/lost".to_owned(), "true".to_owned());
        answers.hesper.insert("VkA/more".to_owned(), "true".to_owned());
        let found = differences(&answers);
        let meant = Meant::read().unwrap();
        assert_eq!(show(&answers, &found, &meant, true), 1, "what is on top needs no reason");
        let json = as_json(&answers, &found, &meant);
        assert_eq!(json["differences"][0], json!({ "fact": "VkA/lost", "kind": "lacks", "reason": null }));
    }

    #[test]
    fn names_are_folded_by_section() {
        let sections = sections(["Images/a/b", "Images/c", "x"].into_iter());
        assert_eq!(sections["Images"], ["a/b", "c"]);
        assert_eq!(sections[""], ["x"]);
    }
}
