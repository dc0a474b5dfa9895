//! `faults`: programs whose host is damaged by script.

use anyhow::{Result, ensure};

use crate::step::{self, Step};
use crate::{cargo, document, setup};

/// Damages the host of the test client and of llama-bench by script, at every point of a run, and fails if that leads to anything but an error
/// that Vulkan allows, in time. With the whole grid, Mesa's driver runs beside, and the table is written into docs/reliability.md: a quarter of an hour on
/// two cores.
#[derive(clap::Args)]
pub struct Args {
    /// One point of each fault, Hesper alone, no table: a minute.
    #[arg(long)]
    short: bool,
    /// Only faults and conditions whose names have this in them; no table.
    #[arg(long)]
    only: Option<String>,
    /// Points of each phase of a run, at most.
    #[arg(long, default_value_t = 4)]
    points: u32,
}

/// Where the document has the table.
const DOCUMENT: &str = "docs/reliability.md";
const MARKS: [&str; 2] = ["<!-- faults -->", "<!-- /faults -->"];

/// One point of each fault.
///
/// # Errors
/// When one leads to what it must not lead to.
pub fn short() -> Result<()> {
    some("one point of each", &["--points=1", "--phases=1"])
}

/// Two points of each phase, without Mesa's driver, and without a table.
///
/// # Errors
/// As [`short`].
pub fn whole() -> Result<()> {
    some("two points of each phase", &["--points=2"])
}

fn some(which: &str, args: &[&str]) -> Result<()> {
    let mut command = tool();
    command.args(args);
    let step = Step::start("Faults of the host", which);
    let status = step::lines(&mut command, |line| step.above(line))?;
    ensure!(status.success(), "a fault led to what it must not lead to");
    step.done("");
    Ok(())
}

fn tool() -> std::process::Command {
    cargo::cargo(&["run", "--quiet", "--package=hesper-faults", "--"])
}

pub fn run(args: &Args) -> Result<()> {
    setup::ensure()?;
    if args.short {
        return short();
    }
    let mut command = tool();
    command.arg(format!("--points={}", args.points));
    if let Some(only) = &args.only {
        command.args(["--every", "--only", only]);
        ensure!(command.status()?.success(), "a fault led to what it must not lead to");
        return Ok(());
    }
    let table = hesper_rig::target_folder()?.join("faults.md");
    let status = command.args(["--mesa", "--table"]).arg(&table).status()?;
    ensure!(status.success(), "a fault led to what it must not lead to");
    document::write_between(DOCUMENT, MARKS, &format!("\n{}\n", std::fs::read_to_string(&table)?.trim()))?;
    println!("  the table is in {DOCUMENT}");
    Ok(())
}
