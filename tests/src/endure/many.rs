//! Very many objects that live at the same time.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use hesper_rig::Host;
use serde_json::Value;

use super::growth::{Growth, Slack};
use super::paused::Paused;
use super::row::{Row, grouped};
use super::setup::Setup;

const ROUNDS: usize = 4;
/// Allocations that the host's device has room for: as many as NVIDIA's driver grants on some systems.
const ALLOCATIONS: &str = "4096";
/// The host's allocator keeps pieces of different sizes.
const SLACK: Slack = Slack { memory: 4 << 20, each: 2, percent: 3 };
/// What takes a time that grows with the number of living objects takes seven times as much for the last ones, or for the first ones to be freed.
const STEADY: f64 = 5.0;
/// Some hundreds of nanoseconds say nothing.
const NOTHING: f64 = 500.0;

/// `objects` objects at once, and as many allocations as there may be; all used and destroyed, again and again.
///
/// # Errors
/// When one can't be made, or doesn't work.
pub fn many(setup: Setup, objects: u32) -> Result<Row> {
    let host = Host::start_with(setup.root, &[("HESPER_TEST_LAYER_ALLOCATIONS", ALLOCATIONS)])?;
    let start = Instant::now();
    let mut command = setup.root.client(setup.driver, Some(&host), setup.client)?;
    let mut client = Paused::start(command.arg("many").args([objects.to_string(), ROUNDS.to_string()]))?;
    let (mut programs, mut hosts) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        client.wait("full")?;
        client.go_on()?;
        client.wait("empty")?;
        programs.push(client.usage());
        hosts.push(host.settled()?);
        client.go_on()?;
    }
    let said = client.end()?;
    let took = start.elapsed();
    ensure!(!host.log().contains("fatal"), "the host complains:\n{}", host.log());
    let (program, hosts) =
        (Growth::between(programs[1], programs[ROUNDS - 1]), Growth::between(hosts[1], hosts[ROUNDS - 1]));
    let mut complaints = [program.complaints("the program", SLACK), hosts.complaints("the host", SLACK)].concat();
    let mut worst = (0.0, String::new());
    for line in said.iter().filter(|l| l.starts_with('{')) {
        let json: Value = serde_json::from_str(line)?;
        let (Some(what), Some(first), Some(last)) =
            (json["what"].as_str(), json["first"].as_f64(), json["last"].as_f64())
        else {
            anyhow::bail!("no measurement: {line}")
        };
        // One question to the host a time: it takes one microsecond or ten, as the host's thread is awake or not.
        if what.ends_with("asked for") {
            continue;
        }
        let ratio = (last.max(first) + NOTHING) / (last.min(first) + NOTHING);
        if ratio > worst.0 {
            worst = (ratio, format!("{what} {first:.0} ns at first, {last:.0} ns in the end"));
        }
        if ratio > STEADY {
            complaints.push(format!("{what}: the first ones take {first:.0} ns, the last ones {last:.0} ns"));
        }
    }
    ensure!(!worst.1.is_empty(), "nothing was measured");
    let allocations = said.iter().rev().find_map(|l| l.strip_prefix("allocations ")?.parse::<u64>().ok());
    let allocations = grouped(allocations.context("no allocations")?);
    Ok(Row {
        what: format!("{} objects at once, and {allocations} allocations", grouped(objects.into())),
        driver: setup.driver,
        took,
        note: format!("{ROUNDS} times; least steady: {}", worst.1),
        program: Some(program),
        host: Some(hosts),
        complaints,
    })
}
