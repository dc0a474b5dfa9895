//! `bench --against`: the same work on two builds of the driver, in turns, so that a change is told from the machine's moods.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Result, ensure};
use hesper_rig::{Driver, Root};
use serde_json::Value;

use crate::measure::measure;
use crate::step::Step;
use crate::table::{median, table};

/// A row whose median and whose faster half are this much slower than the other build's has become slower. A process is fast or slow from start to end on some
/// machines, by chance: among few processes the medians then differ by as much as the two speeds do.
const SLOWER: f64 = 1.05;

/// A row's name, and the values of this build and of the other.
type Rows = BTreeMap<String, [Vec<f64>; 2]>;

/// Measures this build and the one in the file `library`, `runs` times each.
///
/// # Errors
/// When a run fails, or a row has become slower.
pub fn run(root: &Root, client: &Path, only: &[String], library: &Path, runs: u32) -> Result<()> {
    let manifest = hesper_rig::manifest_for(library)?;
    let mut rows = Rows::new();
    for run in 1..=runs {
        // Each build comes first as often as the other, since the first of two finds a machine that has rested.
        let mut both = [(0, None), (1, Some(manifest.as_path()))];
        if run % 2 == 0 {
            both.reverse();
        }
        for (i, manifest) in both {
            let what = if i == 0 { "this build" } else { "the other build" };
            let step = Step::start(&format!("Run {run} of {runs} on {what}"), "");
            take(&mut rows, i, &measure(root, Driver::Hesper, client, only, manifest)?);
            step.done("");
        }
    }
    let _ = std::fs::remove_file(&manifest);
    println!("\nMedians of {runs}:\n\n{}", show(&rows));
    let slower = slower(&rows);
    ensure!(slower.is_empty(), "slower than {}:\n  {}", library.display(), slower.join("\n  "));
    println!("  no row is more than {SLOWER} times the other build's");
    Ok(())
}

/// Takes the lines `{"name": …, "value": …, "unit": …}` of one run. Of what is counted a second, the inverse is kept, so that less is better.
fn take(rows: &mut Rows, build: usize, output: &str) {
    for json in output.lines().filter_map(|l| serde_json::from_str::<Value>(l).ok()) {
        let (Some(name), Some(value)) = (json["name"].as_str(), json["value"].as_f64()) else { continue };
        let value = if json["unit"].as_str().is_some_and(|u| u.ends_with("/s")) { 1.0 / value } else { value };
        rows.entry(name.to_owned()).or_default()[build].push(value);
    }
}

/// This build to the other: the ratios of the medians, and of the medians of the faster halves.
fn ratios([this, other]: &[Vec<f64>; 2]) -> [f64; 2] {
    [median(this) / median(other), median(&faster_half(this)) / median(&faster_half(other))]
}

/// The lower half of some numbers, the middle one included.
fn faster_half(numbers: &[f64]) -> Vec<f64> {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.truncate(numbers.len().div_ceil(2));
    sorted
}

fn show(rows: &Rows) -> String {
    let cells = rows.iter().map(|(name, both)| {
        let [this, other] = both.each_ref().map(|v| format!("{:.3}", median(v)));
        let [medians, faster] = ratios(both).map(|r| format!("{r:.3}"));
        vec![name.clone(), this, other, medians, faster]
    });
    table(&["", "this", "other", "this/other", "of the faster halves"], &cells.collect::<Vec<_>>())
}

fn slower(rows: &Rows) -> Vec<String> {
    let slower = rows.iter().filter(|(_, both)| ratios(both).iter().all(|r| *r > SLOWER));
    slower.map(|(name, both)| format!("{name}: {:.3}", ratios(both)[0])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_became_slower_are_named() {
        let mut rows = Rows::new();
        let line =
            |name: &str, value: f64, unit: &str| format!(r#"{{"name":"{name}","value":{value},"unit":"{unit}"}}"#);
        take(&mut rows, 0, &[line("a", 10.6, "ns"), line("b", 10.4, "ns"), line("c", 9.0, "GB/s")].join("\n"));
        take(&mut rows, 1, &[line("a", 10.0, "ns"), line("b", 10.0, "ns"), line("c", 10.0, "GB/s")].join("\n"));
        assert_eq!(slower(&rows), ["a: 1.060", "c: 1.111"]);
        assert!(show(&rows).contains("1.040"));
    }

    #[test]
    fn a_machine_of_two_speeds_makes_no_row_slower() {
        let slow_more_often = [vec![4.0, 8.0, 8.1, 8.0, 4.1], vec![4.0, 4.1, 8.0, 4.0, 8.1]];
        let [medians, faster] = ratios(&slow_more_often);
        assert!(medians > 1.9 && faster < SLOWER, "{medians}, {faster}");
        let rows = Rows::from([("a".to_owned(), slow_more_often)]);
        assert!(slower(&rows).is_empty());
    }
}
