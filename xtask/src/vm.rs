//! `vm`: the driver in guests of all kinds.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hesper_rig::{Driver, Guest, Machine, Root, cross};
use hesper_tests::guests::{self, Row, WakeUps};

use crate::step::Step;
use crate::table::table;
use crate::{client, document};

/// Boots stock kernels under QEMU, x86-64 and AArch64, with pages of 4 and 16 KiB, and runs vulkaninfo, the test client and llama.cpp in them, on Hesper
/// and on Mesa's driver. llama.cpp must say what it says on the host's own driver.
///
/// Both kernels on x86-64 and one with large pages on AArch64, in five minutes on 2 cores once everything is built and fetched.
#[derive(clap::Args)]
pub struct Args {
    /// Every processor with every kernel and every size of pages; the table goes to docs/hosts.md.
    #[arg(long)]
    all: bool,
    /// Only these, such as arm64-trixie-16k.
    #[arg(long, num_args = 1.., conflicts_with = "all")]
    only: Vec<Machine>,
    /// Instead, runs of a program that makes memory, maps it, has it filled and waits, this many on each driver, and calls from one to four threads that
    /// find the host's thread asleep.
    #[arg(long, value_name = "RUNS")]
    wake_ups: Option<u32>,
    /// How many such calls, from each number of threads.
    #[arg(long, default_value_t = 100_000, requires = "wake_ups")]
    calls: u32,
}

/// What a job may take. The slowest, the client on an emulated processor, takes a minute.
const LIMIT: Duration = Duration::from_secs(300);
const DRIVERS: [Driver; 2] = [Driver::Hesper, Driver::Mesa];
const DOCUMENT: &str = "docs/hosts.md";
const MARKS: [&str; 2] = ["<!-- vm -->", "<!-- /vm -->"];
const WAKE_UP_MARKS: [&str; 2] = ["<!-- wake-ups -->", "<!-- /wake-ups -->"];

pub fn run(args: &Args) -> Result<()> {
    let (root, client) = client::ready()?;
    let machines = match &args.only[..] {
        [] if args.all => &Machine::ALL[..],
        [] => &Machine::SHORT,
        only => only,
    };
    if machines.iter().any(|m| m.architecture() == hesper_rig::Architecture::Arm64) {
        let step = Step::start("Building for AArch64", "2 to 6 minutes the first time on 2 cores");
        cross::build_driver(Guest::Arm64)?;
        cross::build_client(Guest::Arm64)?;
        step.done("");
    }
    if let Some(runs) = args.wake_ups {
        return wake_ups(args, runs, &root, machines, &client);
    }
    let native = guests::tokens_of_the_host(&root)?;
    let (mut rows, mut complaints) = (Vec::new(), Vec::new());
    for machine in machines {
        let step = Step::start(&machine.to_string(), "a boot, and one to three minutes of jobs");
        let row = guests::run(&root, *machine, &DRIVERS, &client, LIMIT)?;
        step.done(&format!("Linux {}, booted in {:.1} s", row.kernel, row.boot.as_secs_f64()));
        complaints.extend(row.complaints(&native));
        rows.extend(row.lines(&native));
        for (driver, error) in row.failures().filter(|(driver, _)| *driver != Driver::Hesper) {
            println!("{machine}: {driver} fails, too: {error:#}");
        }
    }
    let text = table(&Row::HEAD, &rows);
    println!("\n{text}");
    ensure!(complaints.is_empty(), "Hesper fails in a guest:\n{}", complaints.join("\n"));
    if args.all {
        document::write_between(DOCUMENT, MARKS, &text)?;
        println!("  the table is in {DOCUMENT}");
    }
    Ok(())
}

fn wake_ups(args: &Args, runs: u32, root: &Root, machines: &[Machine], client: &Path) -> Result<()> {
    let (mut rows, mut checks) = (Vec::new(), Vec::new());
    for machine in machines {
        let step = Step::start(&machine.to_string(), "some seconds a run, and minutes of calls");
        let found = guests::wake_ups(root, *machine, client, runs, args.calls)?;
        step.done("");
        rows.extend(found.iter().map(|f| f.line(*machine)));
        checks.extend(found.iter().map(|f| f.check().with_context(|| machine.to_string())));
    }
    let text = table(&WakeUps::HEAD, &rows);
    println!("\n{text}");
    if args.all {
        document::write_between(DOCUMENT, WAKE_UP_MARKS, &text)?;
    }
    checks.into_iter().collect()
}
