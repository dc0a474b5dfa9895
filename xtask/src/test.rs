//! `test`: everything that must hold before a change is good.

use std::process::Command;

use anyhow::{Result, bail};

use crate::step::{self, Step};
use crate::{ahead, cargo, codegen, faults, fuzz, fuzz_targets, licences, setup, shaders};

/// Checks everything: formatting, lints, generated code, licences, unit tests, and the end-to-end tests against a real host.
///
/// The first run makes the test rig (a Debian 13 tree with virglrenderer and lavapipe), fetches llama.cpp and a model, and
/// builds everything: up to an hour on 2 cores. Later runs take half of that or less, two minutes of them for random programs.
#[derive(clap::Args)]
pub struct Args {
    /// Leave out the virtual machine and llama.cpp.
    #[arg(long)]
    quick: bool,
    /// Only the tests: no formatting, lints, generated code, licences.
    #[arg(long)]
    only_tests: bool,
    /// Switches of HESPER_DEBUG that the driver gets in all end-to-end tests, such as wait-poll, wait-block or sync.
    #[arg(long, default_value = "")]
    switches: String,
    /// Minutes for which random programs run, too (`cargo xtask fuzz`), unless only some tests do; their seed is printed. 0 leaves out the
    /// fuzz targets as well.
    #[arg(long, default_value_t = 2.0)]
    random: f64,
    /// Only tests whose names contain this.
    filter: Option<String>,
}

/// For how long each fuzz target runs here.
const FUZZ_TARGET_SECONDS: u64 = 15;

pub fn run(args: &Args) -> Result<()> {
    setup::ensure()?;
    let mut broken: Vec<&str> = Vec::new();
    let mut check = |name: &'static str, done: Result<()>| {
        if let Err(e) = done {
            eprintln!("{e:#}");
            broken.push(name);
        }
    };
    if !args.only_tests {
        check(
            "formatting",
            step::run("Formatting", "cargo fmt", &mut cargo::cargo(&["fmt", "--all", "--check"])).map(drop),
        );
        let clippy = ["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"];
        check(
            "lints",
            step::run("Lints", "cargo clippy, some minutes the first time", &mut cargo::cargo(&clippy)).map(drop),
        );
        check("generated code", generated());
        check("shaders", shaders::check());
        check("licences", licences::check());
    }
    let sum = tests(args)?;
    if args.random > 0.0 && args.filter.is_none() {
        check("random programs", fuzz::for_minutes(args.random));
        check("fuzz targets", fuzz_targets::all(FUZZ_TARGET_SECONDS));
    }
    if args.filter.is_none() && !args.quick {
        check("faults", faults::short());
    }
    check("tests", if sum.good() { Ok(()) } else { Err(anyhow::anyhow!("tests failed")) });
    println!("\n{} passed, {} failed", sum.passed, sum.failed);
    if !broken.is_empty() {
        bail!("not good: {}", broken.join(", "));
    }
    Ok(())
}

fn generated() -> Result<()> {
    let xml = codegen::vk_xml()?;
    step::run("Generated code is current", "", &mut codegen::command(&xml, true)).map(drop)
}

/// What the test programs reported.
#[derive(Default)]
struct Sum {
    passed: u64,
    failed: u64,
    /// cargo's own verdict; false too when something didn't compile or a test program died.
    ended_well: bool,
}

impl Sum {
    fn good(&self) -> bool {
        self.ended_well && self.failed == 0
    }

    /// Takes a line like `test result: ok. 12 passed; 0 failed; 0 ignored; …`.
    fn take(&mut self, line: &str) {
        let Some(counts) = line.trim_start().strip_prefix("test result:") else { return };
        let count = |what: &str| {
            let before = counts.split(';').find_map(|part| part.trim().strip_suffix(what))?;
            before.rsplit([' ', '.']).find(|w| !w.is_empty())?.parse::<u64>().ok()
        };
        self.passed += count("passed").unwrap_or(0);
        self.failed += count("failed").unwrap_or(0);
    }
}

fn tests(args: &Args) -> Result<Sum> {
    let mut command = cargo::cargo(&["test", "--workspace", "--no-fail-fast"]);
    command.args(&args.filter).env("HESPER_TEST_SWITCHES", &args.switches);
    if args.filter.is_none() && !args.quick {
        ahead::build();
    }
    let title = if args.quick { "Tests (quick: no virtual machine, no llama.cpp)" } else { "Tests" };
    if args.quick {
        command.env("HESPER_TEST_QUICK", "1");
    }
    watch(title, &mut command)
}

/// Runs the tests, passing their output on.
fn watch(title: &str, command: &mut Command) -> Result<Sum> {
    let step = Step::start(title, "cargo test, minutes");
    let mut sum = Sum::default();
    let status = step::lines(command, |line| {
        sum.take(line);
        step.above(line);
    })?;
    sum.ended_well = status.success();
    if !sum.ended_well && sum.failed == 0 {
        // It didn't compile, or a test program died before it could count.
        sum.failed = 1;
    }
    if sum.good() {
        step.done("");
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_summed() {
        let mut sum = Sum::default();
        for line in [
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.30s",
            "test a::test_result ... ok",
            "running 4 tests",
        ] {
            sum.take(line);
        }
        assert_eq!((sum.passed, sum.failed), (15, 2));
    }
}
