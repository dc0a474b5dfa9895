//! Many processes of many threads on one host at once.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use hesper_rig::{Host, Usage};
use nix::sys::signal::Signal;

use super::growth::{Growth, Slack};
use super::paused::Paused;
use super::row::{Row, grouped};
use super::setup::Setup;

/// Threads come and go at the host with what waits just then, and the processes' allocators hand memory around.
const SLACK: Slack = Slack { memory: 16 << 20, each: 8, percent: 5 };
/// How often one looks in the time; where looking itself takes long, the crowd works until there were enough looks to tell growth by.
const LOOKS: u32 = 40;
const ENOUGH: usize = 8;

/// `processes` clients of `threads` threads each, which record, submit, wait, map, allocate, make pipelines, and check what comes out.
///
/// All stand still while one looks: who looks at a process waits for whatever its threads do with its memory, and here those wait for thousands of
/// others.
///
/// # Errors
/// When one doesn't start, or doesn't end well.
pub fn crowd(setup: Setup, processes: u32, threads: u32, time: Duration) -> Result<Row> {
    let host = Host::start(setup.root)?;
    let empty = host.settled()?;
    let mut clients = (0..processes)
        .map(|_| {
            let mut command = setup.root.client(setup.driver, Some(&host), setup.client)?;
            Paused::start(command.arg("crowd").arg(threads.to_string()))
        })
        .collect::<Result<Vec<_>>>()?;
    for client in &mut clients {
        client.wait("working")?;
    }
    let start = Instant::now();
    let (mut programs, mut hosts) = (Vec::new(), Vec::new());
    while start.elapsed() < time || hosts.len() < ENOUGH {
        std::thread::sleep((time / LOOKS).min(Duration::from_secs(10)));
        for client in &mut clients {
            client.lives()?;
            client.signal(Signal::SIGSTOP)?;
        }
        host.stop()?;
        let mut sum = Usage::default();
        clients.iter().for_each(|client| sum += client.usage());
        programs.push(sum);
        hosts.push(host.usage()?);
        host.go_on()?;
        clients.iter().try_for_each(|client| client.signal(Signal::SIGCONT))?;
    }
    for client in &mut clients {
        client.go_on()?;
    }
    let mut rounds = Vec::new();
    for client in clients {
        let said = client.end()?;
        let numbers = said.last().and_then(|line| line.split_once(' ')).context("the client counts nothing")?;
        rounds.push((numbers.0.parse::<u64>()?, numbers.1.parse::<u64>()?));
    }
    let took = start.elapsed();
    ensure!(!host.log().contains("fatal"), "the host complains:\n{}", host.log());
    let least = rounds.iter().map(|r| r.0).min().unwrap_or(0);
    let all = rounds.iter().map(|r| r.1).sum();
    let (program, hosts) = (Growth::of(&programs), Growth::of(&hosts));
    let mut complaints = [program.complaints("the programs", SLACK), hosts.complaints("the host", SLACK)].concat();
    complaints.extend(Growth::between(empty, host.settled()?).complaints("the host, in the end", Slack::AT_REST));
    if least == 0 {
        complaints.push("a thread never came to the end of a round".into());
    }
    Ok(Row {
        what: format!("{processes} processes of {threads} threads"),
        driver: setup.driver,
        took,
        note: format!("{} rounds, {} of a thread at least; {} looks", grouped(all), grouped(least), programs.len()),
        program: Some(program),
        host: Some(hosts),
        complaints,
    })
}
