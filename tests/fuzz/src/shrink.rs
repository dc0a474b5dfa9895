//! Shrinking: proptest's value tree proposes simpler programs, which are kept while they show the same kind of difference.

use std::time::{Duration, Instant};

use anyhow::Result;
use hesper_rig::Driver;
use proptest::strategy::ValueTree;

use crate::campaign::{Campaign, PATIENCE};
use crate::compare::{Difference, Kind};
use crate::fleet::Seat;
use crate::program::Program;

/// What was left.
pub struct Shrunk {
    pub program: Program,
    pub difference: Difference,
}

/// How often a program runs before it counts as one without the difference, where that doesn't show every time.
const TRIES: u32 = 6;

/// Shrinks a program for some time.
///
/// # Errors
/// When a worker can't be started.
pub fn shrink(
    campaign: &mut Campaign,
    mut tree: Box<dyn ValueTree<Value = Program>>,
    seat: &Seat,
    first: Difference,
    limit: Duration,
) -> Result<Shrunk> {
    let native = Seat { driver: Driver::Native, switches: String::new(), discrete: seat.discrete };
    let seats = if *seat == native { vec![native] } else { vec![native, seat.clone()] };
    let end = Instant::now() + limit;
    let patience = if first.kind == Kind::Hung { PATIENCE / 5 } else { PATIENCE };
    let mut best = Shrunk { program: tree.current(), difference: first };
    // Whether it shows every time.
    let mut sure = true;
    for _ in 0..2 {
        sure &= shows(campaign, &best.program, &seats, patience, best.difference.kind, 1)?.is_some();
    }
    let tries = if sure { 1 } else { TRIES };
    let mut simpler = tree.simplify();
    while simpler && Instant::now() < end {
        let program = tree.current();
        // A host of another kind isn't simpler.
        let shown = if program.discrete == best.program.discrete {
            shows(campaign, &program, &seats, patience, best.difference.kind, tries)?
        } else {
            None
        };
        simpler = match shown {
            Some(difference) => {
                best = Shrunk { program, difference };
                tree.simplify()
            }
            None => tree.complicate(),
        };
    }
    Ok(best)
}

fn shows(
    campaign: &mut Campaign,
    program: &Program,
    seats: &[Seat],
    patience: Duration,
    kind: Kind,
    tries: u32,
) -> Result<Option<Difference>> {
    for _ in 0..tries {
        let found = campaign.try_program(program, seats, patience)?;
        if let Some((_, difference)) = found.filter(|(_, d)| d.kind == kind) {
            return Ok(Some(difference));
        }
    }
    Ok(None)
}
