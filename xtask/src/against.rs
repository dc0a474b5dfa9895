//! `bench --against`: the same work on two builds of the driver, in turns.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use hesper_rig::{Driver, Root};
use hesper_tests::measure::measure;
use hesper_tests::paired::{Build, Paired, SLOWER};

use crate::step::Step;
use crate::table::table;

/// Measures this build and the one in the file `library`, `runs` times each.
///
/// # Errors
/// When a run fails, or a row has become slower.
pub fn run(root: &Root, client: &Path, only: &[String], library: &Path, runs: u32) -> Result<()> {
    let manifest = hesper_rig::manifest_for(library)?;
    let other = [("VK_DRIVER_FILES", manifest.to_str().context("the path of a manifest isn't text")?)];
    let rows = Paired::measured(runs, |run, build| {
        let (what, environment): (_, &[_]) = match build {
            Build::This => ("this build", &[]),
            Build::Other => ("the other build", &other),
        };
        let step = Step::start(&format!("Run {run} of {runs} on {what}"), "");
        let samples = measure(root, Driver::Hesper, client, only, environment)?;
        step.done("");
        Ok(samples)
    })?;
    let _ = std::fs::remove_file(&manifest);
    println!("\nMedians of {runs}:\n\n{}", show(&rows));
    let slower = rows.slower();
    ensure!(slower.is_empty(), "slower than {}:\n  {}", library.display(), slower.join("\n  "));
    println!("  no row is more than {SLOWER} times the other build's");
    Ok(())
}

/// Both builds' medians and their ratios, in Markdown.
pub fn show(rows: &Paired) -> String {
    let cells = rows.rows().map(|(name, c)| {
        let numbers = [c.this, c.other, c.medians, c.faster_halves].map(|n| format!("{n:.3}"));
        [vec![name.to_owned()], numbers.to_vec()].concat()
    });
    table(&["", "this", "other", "this/other", "of the faster halves"], &cells.collect::<Vec<_>>())
}
