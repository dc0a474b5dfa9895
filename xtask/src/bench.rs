//! `bench`: the same work on the host's own driver, Mesa's venus and Hesper, in turns.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use hesper_gpu_bench::busy::Load;
use hesper_rig::Driver;
use hesper_tests::measure::measure;
use serde_json::{Value, json};

use crate::results::Results;
use crate::step::Step;
use crate::{against, client};

/// Measures native lavapipe, Mesa's venus and Hesper with the test client's benchmarks, in turns, and compares the medians.
#[derive(clap::Args)]
pub struct Args {
    /// Times each driver is measured; the median counts.
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Writes every number as JSON, too.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Keeps the ratios as the baseline that later runs are compared with, and that `cargo xtask charts` draws.
    #[arg(long)]
    keep: bool,
    /// Compares with another build of the driver instead, whose shared object this is.
    #[arg(long)]
    against: Option<PathBuf>,
    /// Measures only these groups of rows, such as objects and queries; `hesper-client bench --help` lists them.
    #[arg(long, num_args = 1.., conflicts_with = "keep")]
    only: Vec<String>,
    /// Beside which other work, each in turn: idle, memory, or busy with a percentage of the processors that threads compute on, as busy50,busy100,busy200.
    #[arg(long, value_delimiter = ',', default_value = "idle", conflicts_with_all = ["keep", "against"])]
    loads: Vec<Load>,
}

/// Ratios of Hesper to Mesa's driver, by row. Ratios, because machines differ.
pub const BASELINE: &str = "tests/bench-baseline.json";
/// A row that is this much worse than the baseline is named; timings on a busy machine differ by nearly as much.
const WORSE: f64 = 1.4;
/// Of rows that take next to nothing beside Mesa's, a multiple says nothing.
const SLACK: f64 = 0.1;

pub fn run(args: &Args) -> Result<()> {
    let (root, client) = client::ready()?;

    if let Some(library) = &args.against {
        return against::run(&root, &client, &args.only, library, args.runs);
    }
    let mut results = Results::default();
    // In turns, so that a machine that gets slower or faster meanwhile does so for all.
    for run in 1..=args.runs {
        for (load, driver) in args.loads.iter().flat_map(|l| Driver::ALL.map(|d| (*l, d))) {
            let step = Step::start(&format!("Run {run} of {} on {driver}, {load}", args.runs), "");
            let mut samples = {
                let _work = load.start();
                measure(&root, driver, &client, &args.only, &[])?
            };
            if load != Load::Idle {
                samples.iter_mut().for_each(|s| s.name = format!("{}, {load}", s.name));
            }
            results.take(driver, &samples);
            step.done("");
        }
    }
    ensure!(!results.is_empty(), "the client reported nothing");
    println!("\nMedians of {}:\n\n{}", args.runs, results.table());
    if let Some(path) = &args.json {
        std::fs::write(path, format!("{:#}\n", results.json()))
            .with_context(|| format!("writing {}", path.display()))?;
    }
    let baseline = hesper_rig::workspace().join(BASELINE);
    if args.keep {
        let ratios: serde_json::Map<String, Value> =
            results.ratios().into_iter().map(|(name, r)| (name, json!((r * 1000.0).round() / 1000.0))).collect();
        std::fs::write(&baseline, format!("{:#}\n", Value::Object(ratios)))?;
    } else {
        let text = std::fs::read_to_string(&baseline).with_context(|| format!("reading {}", baseline.display()))?;
        let worse = worse_than(&results, &serde_json::from_str(&text).context("reading the baseline")?);
        ensure!(
            worse.is_empty(),
            "worse than the baseline ({BASELINE}), as ratios to Mesa's driver:\n{}",
            worse.join("\n")
        );
        println!("  no row is more than {WORSE} times its baseline, and {SLACK}");
    }
    Ok(())
}

/// Rows that have become worse, for people.
fn worse_than(results: &Results, baseline: &Value) -> Vec<String> {
    let worse = |(name, now): (String, f64)| {
        let before = baseline[&name].as_f64()?;
        (now > before * WORSE + SLACK).then(|| format!("  {name}: {now:.2}, was {before:.2}"))
    };
    results.ratios().into_iter().filter_map(worse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_became_worse_are_named() {
        let mut results = Results::default();
        for (driver, submit, copy) in [(Driver::Mesa, 10.0, 10.0), (Driver::Hesper, 15.0, 5.0)] {
            results.add(driver, "submit", "us", submit);
            results.add(driver, "copy", "GB/s", copy);
        }
        assert_eq!(worse_than(&results, &json!({ "submit": 1.2, "copy": 1.9 })).len(), 0);
        assert_eq!(worse_than(&results, &json!({ "submit": 0.9, "copy": 1.0 })).len(), 2);
    }
}
