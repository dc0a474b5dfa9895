//! Command buffers of very many commands.

use std::time::Instant;

use anyhow::{Result, ensure};
use hesper_rig::Host;

use super::growth::{Growth, Slack};
use super::paused::Paused;
use super::row::{Row, grouped};
use super::setup::Setup;

/// What the first round has made may stay for the next ones; the first three of those are compared with the last three.
const ROUNDS: usize = 7;
const SLACK: Slack = Slack { memory: 4 << 20, each: 2, percent: 3 };
/// The host's allocator keeps pieces of different sizes, 6 MiB more at one time than at another. A round that leaves a hundred thousand commands behind
/// leaves 17 MiB, and there are three.
const HOST_SLACK: Slack = Slack { memory: 8 << 20, ..SLACK };

/// A command buffer of `commands` commands, recorded, run, checked and reset, again and again.
///
/// # Errors
/// When the results are wrong.
pub fn long(setup: Setup, commands: u32) -> Result<Row> {
    let host = Host::start(setup.root)?;
    let start = Instant::now();
    let mut command = setup.root.client(setup.driver, Some(&host), setup.client)?;
    let mut client = Paused::start(command.arg("long").args([commands.to_string(), ROUNDS.to_string()]))?;
    let (mut full, mut empty) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        for (at, all) in [("full", &mut full), ("empty", &mut empty)] {
            client.wait(at)?;
            all.push((client.usage(), host.settled()?));
            client.go_on()?;
        }
    }
    client.end()?;
    let took = start.elapsed();
    ensure!(!host.log().contains("fatal"), "the host complains:\n{}", host.log());
    let mut complaints = Vec::new();
    let mut growth = |all: &[(hesper_rig::Usage, hesper_rig::Usage)], when: &str| {
        let (programs, hosts): (Vec<_>, Vec<_>) = all.iter().copied().unzip();
        let [program, host] = [programs, hosts].map(|of| Growth::of_least(&of[1..4], &of[4..]));
        complaints.extend(program.complaints(&format!("the program with {when} command buffers"), SLACK));
        complaints.extend(host.complaints(&format!("the host with {when} command buffers"), HOST_SLACK));
        (program, host)
    };
    growth(&empty, "empty");
    let (program, hosts) = growth(&full, "full");
    Ok(Row {
        what: format!("a command buffer of {} commands", grouped(commands.into())),
        driver: setup.driver,
        took,
        note: format!("recorded, run and reset {ROUNDS} times; full"),
        program: Some(program),
        host: Some(hosts),
        complaints,
    })
}
