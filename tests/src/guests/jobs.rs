//! What guests run.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use hesper_rig::{Driver, GuestJob};

use super::servers::{self, ANSWERS, MEASURED_TOKENS, Server};

/// What a job is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The size of a page.
    PageSize,
    /// `vulkaninfo --summary`.
    Device,
    /// The whole test client.
    Client,
    /// llama-server, which stays, and its first answer.
    Server,
    /// What the client says that essential calls take.
    Essentials,
    /// Another answer of llama-server.
    Answer,
    /// What llama-servers do that nobody asks.
    Idle,
}

/// What is done in a boot beside what has to work.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How often each driver is measured, in turns.
    pub turns: usize,
    /// For how long llama-servers are left alone.
    pub idle: Duration,
    /// How long a job may take.
    pub limit: Duration,
}

/// How long the client may take on another driver than Hesper: where it ends it does so in half a minute on a quiet machine, and where it hangs (docs/hosts.md),
/// every minute more is lost.
const PEERS_LIMIT: Duration = Duration::from_secs(60);

/// The jobs of a boot, with the drivers that they are for.
///
/// # Errors
/// When the model can't be made.
pub fn of(plan: Plan, drivers: &[Driver], client: &Path) -> Result<Vec<(Kind, GuestJob)>> {
    let job = |kind, driver: Driver, command: String, timeout| {
        (kind, GuestJob { name: format!("{kind:?} on {driver}"), driver, command, timeout })
    };
    let client = client.display();
    // As proc_pid_smaps(5) has it: `KernelPageSize:       16 kB`.
    let page_size = "grep -m 1 KernelPageSize: /proc/self/smaps".into();
    let mut jobs = vec![job(Kind::PageSize, Driver::Native, page_size, plan.limit)];
    for driver in drivers {
        jobs.push(job(Kind::Device, *driver, "vulkaninfo --summary".into(), plan.limit));
        let limit = if *driver == Driver::Hesper { plan.limit } else { plan.limit.min(PEERS_LIMIT) };
        jobs.push(job(Kind::Client, *driver, format!("{client} all"), limit));
    }
    for driver in drivers {
        jobs.push(job(Kind::Server, *driver, Server::on(*driver).start()?, plan.limit));
    }
    // In turns, so that a machine that gets slower or faster meanwhile does so for all.
    for _ in 0..plan.turns {
        for driver in drivers {
            jobs.push(job(Kind::Essentials, *driver, format!("{client} bench essentials"), plan.limit));
        }
        for _ in 0..ANSWERS {
            for driver in drivers {
                jobs.push(job(Kind::Answer, *driver, Server::on(*driver).ask(MEASURED_TOKENS), plan.limit));
            }
        }
    }
    if !plan.idle.is_zero() {
        jobs.push(job(Kind::Idle, Driver::Native, servers::idle(drivers, plan.idle), plan.limit + plan.idle));
    }
    Ok(jobs)
}
