//! `bench`: the same work on the host's own driver, Mesa's venus and Hesper, in turns.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use hesper_gpu_bench::busy::Load;
use hesper_rig::{Driver, Root};
use hesper_tests::measure::measure_on;
use hesper_tests::placement::{Distance, Placement};
use serde_json::Value;

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

/// Ratios of Hesper to Mesa's driver by row, of near processors and of far ones. Ratios, because machines differ.
pub type Baseline = BTreeMap<String, BTreeMap<String, f64>>;
pub const BASELINE: &str = "tests/bench-baseline.json";
/// A row that is this much worse than the baseline is named; timings on a busy machine differ by nearly as much.
const WORSE: f64 = 1.4;
/// How often in a row a row must be slower than with Mesa's driver to be called so.
const TIMES: u32 = 3;
/// Of rows that take next to nothing beside Mesa's, a multiple says nothing.
const SLACK: f64 = 0.1;

pub fn run(args: &Args) -> Result<()> {
    let (root, client) = client::ready()?;

    if let Some(library) = &args.against {
        return against::run(&root, &client, &args.only, library, args.runs);
    }
    let places = places()?;
    let measured = || measure_all(args, &root, &client, &places);
    let all = measured()?;
    for (distance, results) in &all {
        ensure!(!results.is_empty(), "the client reported nothing");
        println!("\nMedians of {}, {distance}:\n\n{}", args.runs, results.table());
    }
    if let Some(path) = &args.json {
        let json: BTreeMap<&str, Value> = all.iter().map(|(distance, r)| (distance.name(), r.json())).collect();
        std::fs::write(path, format!("{:#}\n", serde_json::to_value(json)?))
            .with_context(|| format!("writing {}", path.display()))?;
    }
    let file = hesper_rig::workspace().join(BASELINE);
    let text = std::fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
    let mut baseline: Baseline = serde_json::from_str(&text).context("reading the baseline")?;
    if args.keep {
        for (distance, results) in all {
            let rounded = results.ratios().into_iter().map(|(name, r)| (name, (r * 1000.0).round() / 1000.0));
            baseline.insert(distance.name().to_owned(), rounded.collect());
        }
        std::fs::write(&file, format!("{:#}\n", serde_json::to_value(baseline)?))?;
        return Ok(());
    }
    let slower = slower_for_good(&all, measured)?;
    ensure!(
        slower.is_empty(),
        "slower than Mesa's driver by more than chance, {TIMES} times in a row:\n  {}",
        slower.join("\n  ")
    );
    println!("  no row is slower than Mesa's driver by more than chance");
    for (distance, results) in &all {
        let Some(kept) = baseline.get(distance.name()) else {
            println!("  {BASELINE} has nothing of {distance} processors");
            continue;
        };
        let worse = worse_than(results, kept);
        ensure!(
            worse.is_empty(),
            "worse than the baseline of {distance} processors ({BASELINE}), as ratios to Mesa's driver:\n{}",
            worse.join("\n")
        );
        println!("  {distance}: no row is more than {WORSE} times its baseline, and {SLACK}");
    }
    Ok(())
}

/// Measures each driver in turns, so that a machine that gets slower or faster meanwhile does so for all.
fn measure_all(args: &Args, root: &Root, client: &Path, places: &[Place]) -> Result<BTreeMap<Distance, Results>> {
    let mut all: BTreeMap<Distance, Results> = BTreeMap::new();
    for run in 1..=args.runs {
        for (place, load) in places.iter().flat_map(|p| args.loads.iter().map(move |l| (p, *l))) {
            for driver in Driver::ALL {
                let distance = place.distance;
                let step = Step::start(&format!("Run {run} of {} on {driver}, {load}, {distance}", args.runs), "");
                let mut samples = {
                    let _work = load.start();
                    measure_on(place.processors, root, driver, client, &args.only, &[])?
                };
                if load != Load::Idle {
                    samples.iter_mut().for_each(|s| s.name = format!("{}, {load}", s.name));
                }
                all.entry(distance).or_default().take(driver, &samples);
                step.done("");
            }
        }
    }
    Ok(all)
}

/// The rows that are slower than with Mesa's driver by more than chance, in what was measured `first` and in all that `again` measures, which is called only while there
/// are such rows.
fn slower_for_good(
    first: &BTreeMap<Distance, Results>,
    again: impl Fn() -> Result<BTreeMap<Distance, Results>>,
) -> Result<Vec<String>> {
    let rows = |all: &BTreeMap<Distance, Results>| {
        let of = |(distance, results): (&Distance, &Results)| {
            results.slower().into_iter().map(|(name, ratio)| ((*distance, name), ratio)).collect::<Vec<_>>()
        };
        all.iter().flat_map(of).collect::<BTreeMap<_, _>>()
    };
    let mut slower = rows(first);
    let said = |slower: &BTreeMap<(Distance, String), f64>| -> Vec<String> {
        slower.iter().map(|((distance, name), ratio)| format!("{name} ({distance}): {ratio:.3}")).collect()
    };
    for time in 2..=TIMES {
        if slower.is_empty() {
            break;
        }
        println!("  slower than Mesa's driver, so for time {time}: {}", said(&slower).join(", "));
        let found = rows(&again()?);
        slower.retain(|row, _| found.contains_key(row));
    }
    Ok(said(&slower))
}

/// Where guest and host run.
struct Place {
    distance: Distance,
    processors: Option<(usize, usize)>,
}

/// The machine's near processors and its far ones; with a single one, whatever the scheduler does.
fn places() -> Result<Vec<Place>> {
    let all = Placement::of_this_machine()?;
    for p in &all {
        println!(
            "  guest on processor {}, host on {}: {} ns there and back, {}",
            p.guest,
            p.host,
            p.round_trip.as_nanos(),
            p.distance()
        );
    }
    if all.is_empty() {
        return Ok(vec![Place { distance: Distance::Far, processors: None }]);
    }
    Ok(all.iter().map(|p| Place { distance: p.distance(), processors: Some((p.guest, p.host)) }).collect())
}

/// Rows that have become worse, for people.
fn worse_than(results: &Results, baseline: &BTreeMap<String, f64>) -> Vec<String> {
    let worse = |(name, now): (String, f64)| {
        let before = *baseline.get(&name)?;
        (now > before * WORSE + SLACK).then(|| format!("  {name}: {now:.2}, was {before:.2}"))
    };
    results.ratios().into_iter().filter_map(worse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_slower_when_it_is_so_each_time() {
        let all = |slower: f64, other: f64| {
            let mut results = Results::default();
            for i in 0..5 {
                for (name, hesper) in [("slower", slower), ("other", other)] {
                    results.add(Driver::Mesa, name, "us", 1.0 + f64::from(i) / 100.0);
                    results.add(Driver::Hesper, name, "us", hesper + f64::from(i) / 100.0);
                }
            }
            BTreeMap::from([(Distance::Near, results)])
        };
        let found = slower_for_good(&all(1.2, 1.2), || Ok(all(1.2, 1.0))).unwrap();
        assert_eq!(found, ["slower (near): 1.196"]);
        assert!(slower_for_good(&all(0.9, 1.0), || unreachable!("nothing is slower")).unwrap().is_empty());
    }

    #[test]
    fn rows_that_became_worse_are_named() {
        let mut results = Results::default();
        for (driver, submit, copy) in [(Driver::Mesa, 10.0, 10.0), (Driver::Hesper, 15.0, 5.0)] {
            results.add(driver, "submit", "us", submit);
            results.add(driver, "copy", "GB/s", copy);
        }
        let kept = |submit, copy| BTreeMap::from([("submit".to_owned(), submit), ("copy".to_owned(), copy)]);
        assert_eq!(worse_than(&results, &kept(1.2, 1.9)).len(), 0);
        assert_eq!(worse_than(&results, &kept(0.9, 1.0)).len(), 2);
    }
}
