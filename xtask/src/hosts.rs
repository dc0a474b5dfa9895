//! `hosts`: releases of virglrenderer, and what drivers make of each.

use std::path::Path;

use anyhow::{Result, ensure};
use hesper_rig::host_version::VARIABLE;
use hesper_rig::{Driver, HostVersion, Root};
use hesper_tests::hosts::{self, Outcome, PARTS};

use crate::step::{self, Step};
use crate::table::table;
use crate::{cargo, client, document};

/// Runs vulkaninfo, the test client and random programs on Hesper and on Mesa's driver over each version of the host, and the end-to-end tests
/// as well. With all versions, the table is written into docs/hosts.md: a quarter of an hour on two cores.
#[derive(clap::Args)]
pub struct Args {
    /// Only this version, and no table in the document.
    #[arg(long)]
    only: Option<HostVersion>,
    /// Minutes of random programs on each driver; 0 leaves them out, and the table in the document as well.
    #[arg(long, default_value_t = 0.5)]
    random: f64,
    /// Leave out the end-to-end tests, and the table in the document as well.
    #[arg(long)]
    no_tests: bool,
}

const DOCUMENT: &str = "docs/hosts.md";
const MARKS: [&str; 2] = ["<!-- hosts -->", "<!-- /hosts -->"];
const HEAD: [&str; 8] = [
    "virglrenderer",
    "driver",
    "apiVersion",
    "device extensions",
    "features",
    "test client",
    "random programs",
    "end-to-end tests",
];
/// Tests that run on a host which can be another one than the root's.
const TESTS: [&str; 14] = [
    "apple_host",
    "client",
    "disturbed",
    "endure",
    "entry_points",
    "growth",
    "llama",
    "lost_host",
    "nodes",
    "parity",
    "queues",
    "sparse",
    "vulkaninfo",
    "winsys",
];

/// A line of the table, and what has failed.
struct Row {
    cells: Vec<String>,
    failed: Vec<String>,
}

pub fn run(args: &Args) -> Result<()> {
    let (root, client) = client::ready()?;
    let mut rows = Vec::new();
    for version in HostVersion::ALL.into_iter().filter(|v| args.only.is_none_or(|only| only == *v)) {
        for driver in [Driver::Hesper, Driver::Mesa] {
            rows.push((driver, row(args, &root, version, driver, &client)?));
        }
    }
    let mut text = table(&HEAD, &rows.iter().map(|(_, row)| row.cells.clone()).collect::<Vec<_>>());
    for failed in rows.iter().flat_map(|(_, row)| &row.failed) {
        text += &format!("\n* {failed}");
    }
    println!("\n{text}");
    if args.only.is_none() && !args.no_tests && args.random > 0.0 {
        document::write_between(DOCUMENT, MARKS, &format!("\n{text}\n"))?;
    }
    // Mesa's driver is looked at, not judged.
    let good = rows.iter().all(|(driver, row)| *driver != Driver::Hesper || row.failed.is_empty());
    ensure!(good, "something fails on Hesper");
    Ok(())
}

fn row(args: &Args, root: &Root, version: HostVersion, driver: Driver, client: &Path) -> Result<Row> {
    let on = format!("{driver} on virglrenderer {version}");
    let step = Step::start(&on, "vulkaninfo and the test client");
    let outcome = hosts::look(root, version, driver, client)?;
    step.done("");
    let mut cells = vec![version.to_string(), driver.to_string()];
    let mut failed = Vec::new();
    match outcome {
        Outcome::None(said) => {
            cells.push("no device".into());
            cells.resize(HEAD.len(), "-".into());
            println!("{on} finds no device, and says {}", if said.is_empty() { "nothing" } else { &said });
            let reason = driver != Driver::Hesper || said.contains("virglrenderer is older than 1.0");
            if version.has_todays_venus() || !reason {
                failed.push(format!("{on}: no device, and the driver says: {said}"));
            }
        }
        Outcome::Device(device) => {
            cells.extend([device.api_version, device.extensions.to_string(), device.features.to_string()]);
            cells.push(format!("{} of {PARTS} parts", device.parts));
            failed.extend(device.complaint.map(|c| format!("{on}: the test client: {}", first_line(&c))));
            if args.random > 0.0 {
                let random = random(version, driver, args.random)?;
                cells.push(random.cell());
                let bad = driver == Driver::Hesper && !random.good();
                failed.extend(bad.then(|| format!("{on}: random programs: {}", random.cell())));
            } else {
                cells.push("-".into());
            }
            cells.push(if driver == Driver::Hesper && !args.no_tests {
                let tests = tests(version)?;
                failed.extend(tests.failed.iter().map(|name| format!("{on}: the test {name}")));
                format!("{} of {}", tests.passed, tests.passed + tests.failed.len())
            } else {
                "-".into()
            });
        }
    }
    Ok(Row { cells, failed })
}

fn first_line(text: &str) -> &str {
    text.lines().nth(1).unwrap_or(text)
}

/// What came of random programs.
#[derive(Default)]
struct Random {
    /// `None` where the tester couldn't go on to its end.
    programs: Option<u64>,
    /// Programs that showed something else than on the host's own driver.
    different: u64,
}

impl Random {
    /// Takes a line like `4178 programs, 4622896 calls (15404 a second), 0 differences`.
    fn take(&mut self, line: &str) {
        let numbers = line.split_once(" programs, ").zip(line.strip_suffix(" differences"));
        if let Some(((programs, _), rest)) = numbers {
            self.programs = programs.parse().ok();
            self.different = rest.rsplit(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0);
        }
    }

    fn good(&self) -> bool {
        self.different == 0 && self.programs.is_some_and(|n| n > 0)
    }

    fn cell(&self) -> String {
        match self.programs {
            Some(n) => format!("{} of {n} alike", n.saturating_sub(self.different)),
            None => "couldn't run".into(),
        }
    }
}

fn random(version: HostVersion, driver: Driver, minutes: f64) -> Result<Random> {
    let mut command = cargo::cargo(&["run", "--quiet", "--package=hesper-fuzz", "--", "run"]);
    command.arg(format!("--minutes={minutes}")).arg(format!("--driver={driver}")).env(VARIABLE, version.name());
    if driver == Driver::Mesa {
        // Counted; why is its own affair.
        command.args(["--keep-going", "--shrink=0"]);
    }
    let step = Step::start(&format!("Random programs: {driver} on virglrenderer {version}"), "the differential tester");
    let mut random = Random::default();
    let status = step::lines(&mut command, |line| {
        random.take(line);
        // Mesa's driver differs often; what it showed would fill pages.
        if driver != Driver::Mesa || line.contains(" programs, ") {
            step.above(line);
        }
    })?;
    // Too many invalid programs, for one, are no difference, and a failure all the same.
    random.programs = random.programs.filter(|_| status.success() || random.different > 0);
    if random.good() || driver == Driver::Mesa {
        step.done(&random.cell());
    }
    Ok(random)
}

/// What came of the end-to-end tests.
#[derive(Default)]
struct Tests {
    passed: usize,
    failed: Vec<String>,
}

impl Tests {
    /// Takes a line like `test passes_on_mesa ... ok`.
    fn take(&mut self, line: &str) {
        match line.strip_prefix("test ").and_then(|rest| rest.split_once(" ... ")) {
            Some((_, "ok")) => self.passed += 1,
            Some((name, "FAILED")) => self.failed.push(name.to_owned()),
            _ => {}
        }
    }
}

fn tests(version: HostVersion) -> Result<Tests> {
    let mut command = cargo::cargo(&["test", "--package=hesper-tests", "--no-fail-fast"]);
    command.args(TESTS.iter().flat_map(|name| ["--test", name])).env(VARIABLE, version.name());
    let step = Step::start(&format!("End-to-end tests on virglrenderer {version}"), "minutes");
    let mut tests = Tests::default();
    let status = step::lines(&mut command, |line| {
        tests.take(line);
        step.above(line);
    })?;
    ensure!(status.success() || !tests.failed.is_empty(), "the tests don't compile, or one of their programs died");
    if tests.failed.is_empty() {
        step.done("");
    }
    Ok(tests)
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn random_programs_are_counted_by_the_last_line() {
        let mut random = Random::default();
        random.take("seed 7");
        assert!(!random.good() && random.cell() == "couldn't run");
        random.take("18 programs, 7313 calls (132 a second), 4 differences");
        assert!(!random.good() && random.cell() == "14 of 18 alike");
        random.take("4178 programs, 4622896 calls (15404 a second), 0 differences");
        assert!(random.good() && random.cell() == "4178 of 4178 alike");
        random.take("0 programs, 0 calls (0 a second), 0 differences");
        assert!(!random.good());
    }

    #[test]
    fn tests_are_counted_by_their_lines() {
        let mut tests = Tests::default();
        for line in [
            "running 3 tests",
            "test passes_on_mesa ... ok",
            "test a_slow_compiler has been running for over 60 seconds",
            "test a_slow_compiler ... FAILED",
            "test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 71.73s",
        ] {
            tests.take(line);
        }
        assert_eq!((tests.passed, tests.failed), (1, vec!["a_slow_compiler".to_owned()]));
    }
}
