//! What happens to machines: they are stopped and go on, their clocks are set, programs in them are killed, they boot again and again.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use hesper_rig::models::{self, Weights};
use hesper_rig::{Driver, GuestJob, GuestResult, Machine, Root, Vm, guest_job, llama};

use super::run::client_for;
use super::servers::{self, Server, environment};

/// Tokens that take some seconds, in which something can happen.
const LONG: u32 = 600;
/// What llama-bench writes in as long.
const BENCH_TOKENS: u32 = 600;
const LIMIT: Duration = Duration::from_secs(180);

const FIRST: Server = Server { port: 8080 };
const SECOND: Server = Server { port: 8081 };

/// Boots a machine in which two llama-servers run on this driver, and lets happen what happens to machines, each time in the middle of an answer: the
/// machine is stopped for `stop`, its time of day set an hour ahead and two back, and one server killed. The other one's answers stay the same, and a new
/// server works. llama-bench goes on after a stop, too.
///
/// # Errors
/// When anything of that fails, or the machine can't be started.
pub fn life(root: &Root, machine: Machine, stop: Duration) -> Result<()> {
    let jobs = jobs(stop)?;
    let start = Instant::now();
    let ran = Vm::new(machine).run(root, &jobs)?;
    ensure!(start.elapsed() > 2 * stop, "the machine wasn't stopped twice for {stop:?}");
    let [first, second, alone, disturbed @ .., again, bench] = &ran.results[..] else {
        anyhow::bail!("{} results", ran.results.len())
    };
    let short = servers::answer(first)?.tokens;
    for result in [second, again] {
        ensure!(servers::answer(result)?.tokens == short, "{}: other tokens", result.name);
    }
    let long = servers::answer(alone)?.tokens;
    ensure!(long.len() == LONG as usize, "{} tokens instead of {LONG}", long.len());
    for result in disturbed {
        ensure!(servers::answer(result)?.tokens == long, "{}: other tokens", result.name);
    }
    rows_of(bench)
}

fn jobs(stop: Duration) -> Result<Vec<GuestJob>> {
    let job = |name: &str, command| GuestJob { name: name.into(), driver: Driver::Hesper, command, timeout: LIMIT };
    let ask = FIRST.ask(LONG);
    let pause =
        format!("echo {} >{}; while [ -e {} ]; do sleep 0.1; done", stop.as_secs(), guest_job::PAUSE, guest_job::PAUSE);
    // Whatever asks or computes must be at it before and after.
    let meanwhile = |work: &str, event: &str| {
        format!("({work}) & work=$!; sleep 1; kill -0 $work || exit 90; {event}; kill -0 $work || exit 91; wait $work")
    };
    let set = |hours: i32| format!("busybox date -s @$(($(date +%s) + {}))", hours * 3600);
    let bench = format!(
        "{} {} -m {} -ngl 99 -p 0 -n {BENCH_TOKENS} -r 1 -o json >bench.json",
        environment(),
        llama::BENCH,
        models::tiny(Weights::Q4K)?.display()
    );
    // The second server's answer is cut off, which the first one's must not notice.
    let kill = format!(
        "({}) >/dev/null 2>&1 & sleep 0.5; kill -9 {}",
        SECOND.ask(LONG).replace(servers::ANSWER, "cut"),
        SECOND.pid()
    );
    Ok(vec![
        job("the first server", FIRST.start()?),
        job("the second server", SECOND.start()?),
        job("an answer", ask.clone()),
        job("an answer while the machine is stopped", meanwhile(&ask, &pause)),
        job("an answer while an hour is gone", meanwhile(&ask, &set(1))),
        job("an answer while the clock goes back", meanwhile(&ask, &set(-2))),
        job("an answer while the other server is killed", meanwhile(&ask, &kill)),
        job("a new second server", SECOND.start()?),
        job("llama-bench while the machine is stopped", meanwhile(&bench, &pause)),
    ])
}

/// Checks what llama-bench wrote.
fn rows_of(result: &GuestResult) -> Result<()> {
    result.good()?;
    let text = result.files.get("bench.json").context("llama-bench left nothing")?;
    let rows: serde_json::Value = serde_json::from_slice(text).context("reading what llama-bench wrote")?;
    let generated = rows[0]["n_gen"].as_u64();
    ensure!(generated == Some(u64::from(BENCH_TOKENS)), "llama-bench says {rows}");
    Ok(())
}

/// Boots each of `machines` in turns, `count` times in all, and has the test client compute something. How long each boot took.
///
/// # Errors
/// When one fails, with its number.
pub fn boots(root: &Root, machines: &[Machine], client: &Path, count: usize) -> Result<Vec<Duration>> {
    let boot = |(i, machine): (usize, &Machine)| {
        let command = format!("{} compute", client_for(*machine, client)?.display());
        let job = GuestJob { name: "compute".into(), driver: Driver::Hesper, command, timeout: LIMIT };
        let ran = Vm::new(*machine).run(root, &[job]).with_context(|| format!("boot {i}, of {machine}"))?;
        ran.results[0].good().with_context(|| format!("boot {i}, of {machine}"))?;
        Ok(ran.boot)
    };
    machines.iter().cycle().take(count).enumerate().map(boot).collect()
}
