//! `fuzz`: the differential tester.

use anyhow::{Result, ensure};

use crate::step::{self, Step};
use crate::{cargo, setup};

/// Runs random valid Vulkan programs on the host's own driver and on Hesper, with each of its switches, and compares everything that they
/// show. `--minutes 60` for a long run, `--seed` to repeat one, `--replay FILE` for a program that was kept; `-- --help` says what else.
#[derive(clap::Args)]
pub struct Args {
    /// For how long.
    #[arg(long, default_value_t = 2.0)]
    minutes: f64,
    /// What programs are drawn from; a fresh one, which is printed, without it.
    #[arg(long)]
    seed: Option<u64>,
    /// Runs the program of this file.
    #[arg(long)]
    replay: Option<String>,
    /// What is compared with the host's own driver: hesper or mesa.
    #[arg(long, default_value = "hesper")]
    driver: String,
    /// More for the tester.
    #[arg(last = true)]
    more: Vec<String>,
}

/// Runs programs of a fresh seed, which is printed, for some minutes.
///
/// # Errors
/// When a difference was found.
pub fn for_minutes(minutes: f64) -> Result<()> {
    let mut command = cargo::cargo(&["run", "--quiet", "--package=hesper-fuzz", "--", "run"]);
    let step = Step::start("Random programs", "the differential tester");
    let status = step::lines(command.arg(format!("--minutes={minutes}")), |line| step.above(line))?;
    ensure!(status.success(), "the tester found a difference, or couldn't run");
    step.done("");
    Ok(())
}

pub fn run(args: &Args) -> Result<()> {
    setup::ensure()?;
    let mut command = cargo::cargo(&["run", "--quiet", "--package=hesper-fuzz", "--", "run"]);
    command.arg(format!("--minutes={}", args.minutes)).arg(format!("--driver={}", args.driver));
    command.args(args.seed.map(|s| format!("--seed={s}"))).args(args.replay.as_ref().map(|f| format!("--replay={f}")));
    ensure!(command.args(&args.more).status()?.success(), "the tester found a difference");
    Ok(())
}
