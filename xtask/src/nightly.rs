//! `nightly`: what takes too long for every change.

use anyhow::Result;

use crate::{cargo, endure, faults, fuzz, fuzz_targets, miri, models, sanitize, setup, step};

/// Runs what takes too long for every change: sanitizers, fuzz targets, models with more preemptions, areas of the conformance tests at
/// length, the whole grid of faults, endurance, an hour of random programs, and Miri. Four hours on 2 cores; it ends at the first thing that is found.
#[derive(clap::Args)]
pub struct Args {
    /// Seconds for each fuzz target.
    #[arg(long, default_value_t = 600)]
    seconds: u64,
    /// Minutes of random programs.
    #[arg(long, default_value_t = 60.0)]
    minutes: f64,
}

pub fn run(args: &Args) -> Result<()> {
    setup::ensure()?;
    sanitize::all()?;
    fuzz_targets::all(args.seconds)?;
    models::with_more_preemptions()?;
    conformance_at_length()?;
    faults::whole()?;
    endure::whole()?;
    fuzz::for_minutes(args.minutes)?;
    // Last, because not every machine has it.
    miri::all()
}

/// What docs/conformance.md tells of, with thousands of pipelines, every allocation refused, and so on.
fn conformance_at_length() -> Result<()> {
    let test = ["test", "--quiet", "--package=hesper-tests", "--test=conformance", "--", "--ignored", "at_length"];
    step::run("Areas of the conformance tests, at length", "some minutes", &mut cargo::cargo(&test)).map(drop)
}
