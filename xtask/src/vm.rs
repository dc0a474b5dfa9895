//! `vm`: the driver in guests of all kinds.

use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use hesper_rig::{Driver, Guest, HostVersion, Machine, Root, Vm, cross};
use hesper_tests::guests::{self, Plan, Row, WakeUps};

use crate::step::Step;
use crate::table::table;
use crate::{client, document};

/// Boots stock kernels under QEMU, x86-64 and AArch64, with pages of 4 and 16 KiB, and runs vulkaninfo, the test client and llama.cpp in them, on Hesper
/// and on Mesa's driver, over two releases of virglrenderer. llama.cpp must say what it says on the host's own driver, and Hesper must be no slower than Mesa's.
///
/// Both kernels on x86-64 and one with large pages on AArch64, in ten minutes on 2 cores once everything is built and fetched.
#[derive(clap::Args)]
pub struct Args {
    /// Every processor with every kernel and every size of pages; the tables go to docs/hosts.md.
    #[arg(long)]
    all: bool,
    /// Only these, such as arm64-trixie-16k.
    #[arg(long, num_args = 1.., conflicts_with = "all")]
    only: Vec<Machine>,
    /// Instead, runs of a program that makes memory, maps it, has it filled and waits, this many on each driver, and calls from one to four threads that
    /// find the host's thread asleep.
    #[arg(long, value_name = "RUNS")]
    wake_ups: Option<u32>,
    /// Instead, machines that are stopped for a minute, whose clocks are set and in which programs are killed, and then this many boots.
    #[arg(long, value_name = "BOOTS", conflicts_with = "wake_ups")]
    life: Option<usize>,
    /// How many such calls, from each number of threads.
    #[arg(long, default_value_t = 100_000, requires = "wake_ups")]
    calls: u32,
}

/// The releases of virglrenderer in QEMU, and what is done on each beside what has to work. The slowest job, the client on an emulated processor,
/// takes a minute.
const HOSTS: [(HostVersion, Plan); 2] = [
    (HostVersion::V1_3_0, Plan { turns: 5, idle: Duration::from_secs(60), limit: LIMIT }),
    (HostVersion::V1_1_0, Plan { turns: 0, idle: Duration::ZERO, limit: LIMIT }),
];
const LIMIT: Duration = Duration::from_secs(180);
/// How long a machine is stopped, twice.
const STOP: Duration = Duration::from_secs(60);
/// How many machines look for lost wake-ups at once: mostly they rest.
const AT_ONCE: usize = 2;
const DRIVERS: [Driver; 2] = [Driver::Hesper, Driver::Mesa];
const DOCUMENT: &str = "docs/hosts.md";
const MARKS: [&str; 2] = ["<!-- vm -->", "<!-- /vm -->"];
const WAKE_UP_MARKS: [&str; 2] = ["<!-- wake-ups -->", "<!-- /wake-ups -->"];

pub fn run(args: &Args) -> Result<()> {
    let (root, client) = client::ready()?;
    let machines = match &args.only[..] {
        // What is looked for is about processors that reorder.
        [] if args.all && args.wake_ups.is_some() => Machine::ARM64,
        [] if args.all => &Machine::ALL,
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
    if let Some(boots) = args.life {
        return life(boots, &root, machines, &client);
    }
    let native = guests::tokens_of_the_host(&root)?;
    let (mut rows, mut measured, mut complaints) = (Vec::new(), Vec::new(), Vec::new());
    for machine in machines {
        for (host, plan) in HOSTS {
            let step =
                Step::start(&format!("{machine}, virglrenderer {host}"), "a boot, and one to four minutes of jobs");
            let row = guests::run(&root, &Vm { host, ..Vm::new(*machine) }, &DRIVERS, &client, plan)?;
            step.done(&format!("Linux {}, booted in {:.1} s", row.kernel, row.boot.as_secs_f64()));
            complaints.extend(row.complaints(&native));
            rows.extend(row.lines(&native));
            measured.extend(row.measured());
            for (driver, error) in row.failures().filter(|(driver, _)| *driver != Driver::Hesper) {
                println!("{machine}: {driver} fails: {error:#}");
            }
        }
    }
    let text = format!("{}\n{}", table(&Row::HEAD, &rows), table(&Row::MEASURED_HEAD, &measured));
    println!("\n{text}");
    ensure!(complaints.is_empty(), "Hesper fails in a guest:\n{}", complaints.join("\n"));
    if args.all {
        document::write_between(DOCUMENT, MARKS, &text)?;
        println!("  the tables are in {DOCUMENT}");
    }
    Ok(())
}

fn life(boots: usize, root: &Root, machines: &[Machine], client: &Path) -> Result<()> {
    for machine in machines {
        let step =
            Step::start(&format!("{machine}: two minutes stopped, clocks set, a program killed"), "three minutes");
        guests::life(root, *machine, STOP).with_context(|| machine.to_string())?;
        step.done("");
    }
    let step = Step::start(&format!("{boots} boots"), "ten seconds each");
    let mut times = guests::boots(root, machines, client, boots)?;
    times.sort();
    if let [first, .., last] = &times[..] {
        let median = times[times.len() / 2];
        step.done(&format!("of {first:.1?} to {last:.1?}, {median:.1?} in the middle"));
    }
    Ok(())
}

fn wake_ups(args: &Args, runs: u32, root: &Root, machines: &[Machine], client: &Path) -> Result<()> {
    let (mut rows, mut checks) = (Vec::new(), Vec::new());
    for some in machines.chunks(AT_ONCE) {
        let names: Vec<String> = some.iter().map(Machine::to_string).collect();
        let step = Step::start(&names.join(" and "), "some seconds a run, and minutes of calls");
        let look = |machine: &Machine| guests::wake_ups(root, *machine, client, runs, args.calls);
        let found: Vec<_> = thread::scope(|s| {
            let looks: Vec<_> = some.iter().map(|machine| s.spawn(|| look(machine))).collect();
            looks.into_iter().map(|l| l.join().unwrap_or_else(|_| Err(anyhow!("the thread panicked")))).collect()
        });
        step.done("");
        for (machine, found) in some.iter().zip(found) {
            let found = found.with_context(|| machine.to_string())?;
            rows.extend(found.iter().map(|f| f.line(*machine)));
            checks.extend(found.iter().map(|f| f.check().with_context(|| machine.to_string())));
        }
    }
    let text = table(&WakeUps::HEAD, &rows);
    println!("\n{text}");
    if args.all {
        document::write_between(DOCUMENT, WAKE_UP_MARKS, &text)?;
    }
    checks.into_iter().collect()
}
