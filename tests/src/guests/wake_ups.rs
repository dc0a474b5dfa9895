//! Wake-ups in a guest: whether one is lost between a driver and the host's thread that has just fallen asleep.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hesper_rig::{Driver, GuestJob, GuestResult, Machine, Root, Vm};

use super::run::client_for;

/// The most threads that make calls, each as many.
const THREADS: u32 = 4;
/// How often a run makes memory, maps it, has it filled and waits.
const FILLS: u32 = 50;
/// How long the host's thread looks for work before it sleeps, which the client's rests are spread around.
const IDLE_US: u32 = 1000;
/// By when a run must have ended; it takes a second or two.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a driver did in a machine.
#[derive(Debug)]
pub struct WakeUps {
    /// The driver.
    pub driver: Driver,
    /// Runs that hung or ended with an error, of `runs`.
    pub hung: u32,
    /// How many runs there were.
    pub runs: u32,
    /// What was said of calls from one thread, two, and so on; nothing where the driver wasn't asked.
    pub calls: Vec<GuestResult>,
}

/// Boots a machine; each driver makes `runs` runs of fills, and Hesper `calls` calls in all from each number of threads.
///
/// # Errors
/// When the machine can't be started or hangs.
pub fn wake_ups(root: &Root, machine: Machine, client: &Path, runs: u32, calls: u32) -> Result<Vec<WakeUps>> {
    let client = client_for(machine, client)?;
    let client = client.display();
    let job = |driver, command, timeout| GuestJob { name: format!("wake-ups on {driver}"), driver, command, timeout };
    let fills = |driver| {
        let seconds = PATIENCE.as_secs();
        let command = format!(
            "hung=0; for run in $(seq {runs}); do timeout -k 1 {seconds} {client} fills {FILLS} || hung=$((hung + 1)); done; echo hung $hung"
        );
        job(driver, command, (PATIENCE + Duration::from_secs(2)) * runs)
    };
    let mut jobs = vec![fills(Driver::Hesper), fills(Driver::Mesa)];
    jobs.extend((1..=THREADS).map(|threads| {
        // The host's thread falls asleep eight times sooner than without the setting: so many sleeps would take too long otherwise.
        let command = format!("HESPER_IDLE_US={IDLE_US} {client} wake-ups {threads} {}", calls / threads);
        // A rest is 1.1 ms on average, and a guest's clock is coarse. On a machine that has 20 other programs to run, a call with its rest takes 30 ms
        // to 40 ms; a call that is lost takes minutes, until the driver takes the host for lost.
        job(Driver::Hesper, command, Duration::from_secs(60) + Duration::from_millis(50) * (calls / threads))
    }));
    let mut vm = Vm::new(machine);
    vm.limit = jobs.iter().map(|job| job.timeout).sum::<Duration>() + Duration::from_secs(600);
    let results = vm.run(root, &jobs)?.results;
    let (fills, calls) = results.split_at_checked(2).context("the machine ran nothing")?;
    let hung = |result: &GuestResult| {
        let said = result.output.lines().rev().find_map(|l| l.strip_prefix("hung ")?.parse().ok());
        said.with_context(|| format!("{} said:\n{}", result.name, result.output))
    };
    Ok(vec![
        WakeUps { driver: Driver::Hesper, hung: hung(&fills[0])?, runs, calls: calls.to_vec() },
        WakeUps { driver: Driver::Mesa, hung: hung(&fills[1])?, runs, calls: Vec::new() },
    ])
}

impl WakeUps {
    /// What the columns are, behind the machine.
    pub const HEAD: [&str; 5] = [
        "guest",
        "driver",
        "runs that hung or failed",
        "slowest call of 1, 2, 3, 4 threads",
        "longest sleep of 1 ms beside them",
    ];

    /// The cells.
    pub fn line(&self, machine: Machine) -> Vec<String> {
        let said = |before: &str| {
            let after = |result: &GuestResult| {
                let rest = result.output.split(before).nth(1).and_then(|rest| rest.lines().next());
                rest.unwrap_or("none").to_owned()
            };
            let all: Vec<String> = self.calls.iter().map(after).collect();
            if all.is_empty() { "-".to_owned() } else { all.join(", ") }
        };
        let hung = format!("{} of {}", self.hung, self.runs);
        let (calls, sleeps) = (said("slowest took "), said("sleeps of 1ms took "));
        vec![machine.to_string(), self.driver.to_string(), hung, calls, sleeps]
    }

    /// Fails where Hesper hung, or a call took too long.
    ///
    /// # Errors
    /// With what was seen.
    pub fn check(&self) -> Result<()> {
        if self.driver != Driver::Hesper {
            return Ok(());
        }
        ensure!(self.hung == 0, "{} of {} runs hung or failed", self.hung, self.runs);
        for result in &self.calls {
            ensure!(result.status == 0, "{} ended with {}:\n{}", result.name, result.status, result.output);
        }
        Ok(())
    }
}
