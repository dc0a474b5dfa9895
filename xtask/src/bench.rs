//! `bench`: the same work on the host's own driver, Mesa's venus and Hesper, in turns.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use hesper_rig::Driver;
use serde_json::{Value, json};

use crate::measure::measure;
use crate::step::Step;
use crate::table::{median, table};
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
}

/// Ratios of Hesper to Mesa's driver, by row. Ratios, because machines differ.
pub const BASELINE: &str = "tests/bench-baseline.json";
/// A row that is this much worse than the baseline is named; timings on a busy machine differ by nearly as much.
const WORSE: f64 = 1.4;
/// Of rows that take next to nothing beside Mesa's, a multiple says nothing.
const SLACK: f64 = 0.1;

/// What was measured, in the order in which the client reports it.
#[derive(Default)]
struct Results(Vec<Measured>);

struct Measured {
    name: String,
    unit: String,
    /// One list of values for each of [`Driver::ALL`].
    values: [Vec<f64>; 3],
}

pub fn run(args: &Args) -> Result<()> {
    let (root, client) = client::ready()?;

    if let Some(library) = &args.against {
        return against::run(&root, &client, &args.only, library, args.runs);
    }
    let mut results = Results::default();
    // In turns, so that a machine that gets slower or faster meanwhile does so for all.
    for run in 1..=args.runs {
        for (i, driver) in Driver::ALL.into_iter().enumerate() {
            let step = Step::start(&format!("Run {run} of {} on {driver}", args.runs), "");
            results.take(i, &measure(&root, driver, &client, &args.only, None)?);
            step.done("");
        }
    }
    ensure!(!results.0.is_empty(), "the client reported nothing");
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
        let worse = results.worse_than(&serde_json::from_str(&text).context("reading the baseline")?);
        ensure!(
            worse.is_empty(),
            "worse than the baseline ({BASELINE}), as ratios to Mesa's driver:\n{}",
            worse.join("\n")
        );
        println!("  no row is more than {WORSE} times its baseline, and {SLACK}");
    }
    Ok(())
}

impl Results {
    /// Takes the lines `{"name": …, "value": …, "unit": …}` of one run on driver number `driver`.
    fn take(&mut self, driver: usize, output: &str) {
        for line in output.lines() {
            let Ok(json) = serde_json::from_str::<Value>(line) else { continue };
            let (Some(name), Some(value)) = (json["name"].as_str(), json["value"].as_f64()) else { continue };
            let at = self.0.iter().position(|m| m.name == name).unwrap_or_else(|| {
                let unit = json["unit"].as_str().unwrap_or_default().to_owned();
                self.0.push(Measured { name: name.to_owned(), unit, values: Default::default() });
                self.0.len() - 1
            });
            self.0[at].values[driver].push(value);
        }
    }

    fn table(&self) -> String {
        let rows = self.0.iter().map(|m| {
            let [native, mesa, hesper] = m.medians();
            let number = |v: f64| if v.is_nan() { "-".to_owned() } else { format!("{v:.2}") };
            vec![
                m.name.clone(),
                m.unit.clone(),
                number(native),
                number(mesa),
                number(hesper),
                number(hesper / native),
                number(hesper / mesa),
            ]
        });
        table(&["", "unit", "native", "mesa", "hesper", "hesper/native", "hesper/mesa"], &rows.collect::<Vec<_>>())
    }

    /// How Hesper compares with Mesa's driver, row by row; below 1 is better.
    fn ratios(&self) -> Vec<(String, f64)> {
        let ratio = |m: &Measured| {
            let [_, mesa, hesper] = m.medians();
            // Of what is counted a second, more is better.
            let r = if m.unit.ends_with("/s") { mesa / hesper } else { hesper / mesa };
            r.is_finite().then(|| (m.name.clone(), r))
        };
        self.0.iter().filter_map(ratio).collect()
    }

    /// Rows that have become worse, for people.
    fn worse_than(&self, baseline: &Value) -> Vec<String> {
        let worse = |(name, now): (String, f64)| {
            let before = baseline[&name].as_f64()?;
            (now > before * WORSE + SLACK).then(|| format!("  {name}: {now:.2}, was {before:.2}"))
        };
        self.ratios().into_iter().filter_map(worse).collect()
    }

    fn json(&self) -> Value {
        let one = |m: &Measured| {
            let [native, mesa, hesper] = &m.values;
            let [n, me, h] = m.medians();
            json!({
                "name": m.name, "unit": m.unit,
                "median": { "native": n, "mesa": me, "hesper": h },
                "values": { "native": native, "mesa": mesa, "hesper": hesper }
            })
        };
        json!({ "version": env!("CARGO_PKG_VERSION"), "results": self.0.iter().map(one).collect::<Vec<_>>() })
    }
}

impl Measured {
    fn medians(&self) -> [f64; 3] {
        self.values.each_ref().map(|v| median(v))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_results_are_taken() {
        let mut results = Results::default();
        results
            .take(0, "hello\n{\"name\":\"submit\",\"value\":10,\"unit\":\"us\"}\n{\"name\":\"other\",\"value\":1.5}\n");
        results.take(2, "{\"name\":\"submit\",\"value\":20,\"unit\":\"us\"}");
        results.take(2, "{\"name\":\"submit\",\"value\":40,\"unit\":\"us\"}");
        assert_eq!(results.0.len(), 2);
        assert_eq!(results.0[0].medians()[2], 30.0);
        let table = results.table();
        assert!(table.contains("submit") && table.contains("3.00") && table.contains('-'), "{table}");
        assert_eq!(results.json()["results"][0]["median"]["hesper"], 30.0);
    }

    #[test]
    fn rows_that_became_worse_are_named() {
        let mut results = Results::default();
        results.take(
            1,
            "{\"name\":\"submit\",\"value\":10,\"unit\":\"us\"}\n{\"name\":\"copy\",\"value\":10,\"unit\":\"GB/s\"}",
        );
        results.take(
            2,
            "{\"name\":\"submit\",\"value\":15,\"unit\":\"us\"}\n{\"name\":\"copy\",\"value\":5,\"unit\":\"GB/s\"}",
        );
        assert_eq!(results.ratios(), [("submit".to_owned(), 1.5), ("copy".to_owned(), 2.0)]);
        assert_eq!(results.worse_than(&json!({ "submit": 1.2, "copy": 1.9 })).len(), 0);
        assert_eq!(results.worse_than(&json!({ "submit": 0.9, "copy": 1.0 })).len(), 2);
    }
}
