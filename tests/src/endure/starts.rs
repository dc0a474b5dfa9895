//! Starts and ends, in two lanes.

use std::process::Stdio;
use std::time::Instant;

use anyhow::{Result, ensure};
use hesper_rig::{Host, Usage};

use super::growth::{Growth, Slack};
use super::paused::Paused;
use super::row::{Row, grouped};
use super::setup::Setup;

const LANES: usize = 2;
/// How often all stand still, and one looks.
const LOOKS: u32 = 12;
/// One in so many starts is a process of its own.
const WHOLE: u32 = 10;

/// `count` starts: instance, device, a dispatch, and the end of all; most of them over and over in two processes, some as processes of their own.
///
/// # Errors
/// When one fails.
pub fn starts(setup: Setup, count: u32) -> Result<Row> {
    let host = Host::start(setup.root)?;
    let client = |arguments: [u32; 2]| {
        let mut command = setup.root.client(setup.driver, Some(&host), setup.client)?;
        command.arg("starts").args(arguments.map(|n| n.to_string()));
        Ok::<_, anyhow::Error>(command)
    };
    let whole = count.div_ceil(WHOLE * LOOKS * LANES as u32);
    let every = count.div_ceil(LOOKS * LANES as u32).saturating_sub(whole).max(1);
    let start = Instant::now();
    let mut lanes =
        (0..LANES).map(|_| Paused::start(&mut client([every * LOOKS, every])?)).collect::<Result<Vec<_>>>()?;
    let (mut programs, mut hosts) = (Vec::new(), Vec::new());
    for look in 1..=LOOKS {
        for lane in &mut lanes {
            lane.wait(&(every * look).to_string())?;
        }
        for _ in 0..whole {
            let one = || {
                let mut command = client([1, 2])?;
                Ok::<_, anyhow::Error>(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?)
            };
            let both = (0..LANES).map(|_| one()).collect::<Result<Vec<_>>>()?;
            for mut child in both {
                let status = child.wait()?;
                ensure!(status.success(), "a start of its own ended with {status}");
            }
        }
        let mut sum = Usage::default();
        lanes.iter().for_each(|lane| sum += lane.usage());
        programs.push(sum);
        hosts.push(host.settled()?);
        for lane in &mut lanes {
            lane.go_on()?;
        }
    }
    for lane in lanes {
        lane.end()?;
    }
    let took = start.elapsed();
    ensure!(!host.log().contains("fatal"), "the host complains:\n{}", host.log());
    let (program, hosts) = (Growth::of(&programs), Growth::of(&hosts));
    let complaints =
        [program.complaints("the programs", Slack::AT_REST), hosts.complaints("the host", Slack::AT_REST)].concat();
    let lanes = u64::from(LOOKS) * LANES as u64;
    let (within, alone) = (u64::from(every) * lanes, u64::from(whole) * lanes);
    Ok(Row {
        what: format!("{} starts", grouped(within + alone)),
        driver: setup.driver,
        took,
        note: format!("{} as processes of their own", grouped(alone)),
        program: Some(program),
        host: Some(hosts),
        complaints,
    })
}
