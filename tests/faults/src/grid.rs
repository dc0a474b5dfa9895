//! Every fault at every point.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use hesper_rig::Driver;

use crate::condition::Condition;
use crate::fault::Fault;
use crate::lane::Lane;
use crate::points::Points;
use crate::program::{Equipment, Program};
use crate::verdict::Verdict;

/// What one fault at one point led to.
#[derive(Clone, Debug)]
pub struct Cell {
    pub fault: Fault,
    pub phase: usize,
    pub verdict: Verdict,
}

/// The cells of a program on a driver.
pub struct Grid {
    pub driver: Driver,
    pub program: Program,
    pub phases: Vec<String>,
    pub cells: Vec<Cell>,
}

/// How much is tried.
#[derive(Clone, Debug)]
pub struct Extent {
    /// Points of a phase, at most.
    pub points: usize,
    /// Programs that run at the same time.
    pub lanes: usize,
    /// Every run is printed, not only those that are bad.
    pub every: bool,
    /// Only faults whose names have this in them.
    pub only: String,
    /// At most so many phases of each fault, drawn in turns; all of them without.
    pub phases: usize,
}

/// Runs the grid, and says of each bad cell what happened.
///
/// # Errors
/// When programs can't be run, or don't run without a fault, or a bystander comes to harm.
pub fn run(equipment: &Equipment, driver: Driver, program: Program, extent: &Extent) -> Result<Grid> {
    let (ended, script) = Lane::new(equipment, driver).run(program, None)?;
    let well = ended.status.is_some_and(|s| s.success());
    ensure!(well, "{} on {driver} doesn't run without a fault: {}", program.name(), ended.stderr);
    let points = Points::of(&ended.lines, &script.ticks());
    let mut plan = Vec::new();
    for (turn, fault) in Fault::ALL.into_iter().filter(|f| f.to_string().contains(&extent.only)).enumerate() {
        let of =
            |phase| points.of_phase(phase, fault.counter(), extent.points).into_iter().map(move |n| (fault, phase, n));
        let having: Vec<usize> = (0..points.phases().len()).filter(|p| of(*p).next().is_some()).collect();
        let chosen = having.iter().cycle().skip(turn).take(extent.phases.min(having.len()));
        plan.extend(chosen.flat_map(|p| of(*p)));
    }
    let cells = in_lanes(
        extent.lanes,
        &plan,
        || Lane::new(equipment, driver),
        |lane, (fault, phase, number)| {
            let (fault, phase, number) = (*fault, *phase, *number);
            if program == Program::Careful && !fault.ends_host() && driver == Driver::Hesper {
                lane.watch_if_alone()?;
            }
            let mut verdict = lane.judge(program, fault, number)?;
            if matches!(verdict, Verdict::NotReached) {
                // Counts differ by a few from run to run.
                verdict = lane.judge(program, fault, number.saturating_sub(2).max(1))?;
            }
            if !verdict.is_good() || extent.every {
                println!(
                    "  {driver}, {}: {fault} at number {number}, {}: {verdict}",
                    program.name(),
                    points.phases()[phase]
                );
            }
            Ok(Cell { fault, phase, verdict })
        },
        Lane::end,
    )
    .with_context(|| format!("{} on {driver}", program.name()))?;
    Ok(Grid { driver, program, phases: points.phases().to_vec(), cells })
}

/// Does `work` for every item, in a few lanes at the same time, each with something of its own that is made first and ended last.
///
/// # Errors
/// The first error of any lane.
fn in_lanes<I: Sync, L, R: Send>(
    lanes: usize,
    items: &[I],
    make: impl Fn() -> L + Sync,
    work: impl Fn(&mut L, &I) -> Result<R> + Sync,
    end: impl Fn(&mut L) -> Result<()> + Sync,
) -> Result<Vec<R>> {
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let lane = || -> Result<()> {
        let mut lane = make();
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            let result = work(&mut lane, item)?;
            done.lock().unwrap_or_else(PoisonError::into_inner).push(result);
        }
        end(&mut lane)
    };
    std::thread::scope(|s| {
        let lanes: Vec<_> = (0..lanes).map(|_| s.spawn(lane)).collect();
        lanes.into_iter().try_for_each(|l| l.join().map_err(|_| anyhow::anyhow!("a lane panicked"))?)
    })?;
    Ok(done.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// Runs the test client under every condition, with what came of each.
///
/// # Errors
/// When programs can't be run.
pub fn conditions(equipment: &Equipment, driver: Driver, extent: &Extent) -> Result<Vec<(Condition, Verdict)>> {
    let all: Vec<Condition> =
        Condition::all(extent.phases == 1).into_iter().filter(|c| c.detail().contains(&extent.only)).collect();
    in_lanes(
        extent.lanes,
        &all,
        || (),
        |(), condition| {
            let verdict = condition.judge(equipment, driver)?;
            if !verdict.is_good() || extent.every {
                println!("  {driver}: {}: {verdict}", condition.detail());
            }
            Ok((condition.clone(), verdict))
        },
        |()| Ok(()),
    )
}
