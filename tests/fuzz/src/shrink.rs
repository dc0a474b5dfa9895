//! Shrinking: parts of a program are taken away, then proptest's value trees propose simpler numbers for what is left; both are kept
//! while the program shows the same kind of difference.

use std::time::{Duration, Instant};

use anyhow::Result;
use hesper_rig::Driver;
use proptest::strategy::ValueTree;

use crate::compare::{Difference, Kind};
use crate::fleet::Seat;
use crate::generator::Tree;
use crate::program::Program;

/// What was left.
pub struct Shrunk {
    pub program: Program,
    pub difference: Difference,
}

/// How often a program runs before it counts as one without the difference, where that doesn't show every time.
const TRIES: u32 = 6;

/// Runs a program on seats, each for at most some time; the first seat that shows something else than the first of them.
pub type Try<'a> = dyn FnMut(&Program, &[Seat], Duration) -> Result<Option<(Seat, Difference)>> + 'a;

struct Shrinking<'a> {
    run: &'a mut Try<'a>,
    seats: Vec<Seat>,
    patience: Duration,
    kind: Kind,
    tries: u32,
    end: Instant,
    best: Shrunk,
}

/// Shrinks a program for some time; for no time at all it stays as it is.
///
/// # Errors
/// When a worker can't be started.
pub fn shrink<'a>(
    run: &'a mut Try<'a>,
    patience: Duration,
    mut tree: Tree,
    seat: &Seat,
    first: Difference,
    limit: Duration,
) -> Result<Shrunk> {
    let native = Seat { driver: Driver::Native, switches: String::new(), machine: seat.machine };
    let seats = if *seat == native { vec![native] } else { vec![native, seat.clone()] };
    // A hang is sure long before it would be in a campaign.
    let patience = if first.kind == Kind::Hung { patience / 6 } else { patience };
    let kind = first.kind;
    let best = Shrunk { program: tree.current(), difference: first };
    if limit.is_zero() {
        return Ok(best);
    }
    let end = Instant::now() + limit;
    let mut s = Shrinking { run, seats, patience, kind, tries: 1, end, best };
    let whole = tree.current();
    for _ in 0..2 {
        if !s.shows(whole.clone())? {
            // It doesn't show every time.
            s.tries = TRIES;
        }
    }
    s.take_away(&mut tree)?;
    s.simplify(&mut tree)?;
    s.take_away(&mut tree)?;
    Ok(s.best)
}

impl Shrinking<'_> {
    /// Whether a program shows the difference; then it is the best so far.
    fn shows(&mut self, program: Program) -> Result<bool> {
        for _ in 0..self.tries {
            let found = (self.run)(&program, &self.seats, self.patience)?;
            if let Some((_, difference)) = found.filter(|(_, d)| d.kind == self.kind) {
                self.best = Shrunk { program, difference };
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn over(&self) -> bool {
        Instant::now() >= self.end
    }

    /// Takes away wishes, many at a time first.
    fn take_away(&mut self, tree: &mut Tree) -> Result<()> {
        let mut size = tree.ops.len().div_ceil(2);
        while size > 0 {
            let mut at = tree.ops.len();
            while at > 0 && !self.over() {
                let from = at.saturating_sub(size);
                let taken: Vec<_> = tree.ops.drain(from..at).collect();
                if !self.shows(tree.current())? {
                    tree.ops.splice(from..from, taken);
                }
                at = from;
            }
            size = if size == 1 { 0 } else { size.div_ceil(2) };
        }
        Ok(())
    }

    /// Lets every wish be as simple as it can.
    fn simplify(&mut self, tree: &mut Tree) -> Result<()> {
        for setting in [Tree::no_poison, Tree::no_fresh_instance] {
            let before = (tree.poison, tree.fresh_instance);
            setting(tree);
            if before != (tree.poison, tree.fresh_instance) && !self.shows(tree.current())? {
                (tree.poison, tree.fresh_instance) = before;
            }
        }
        for i in 0..tree.ops.len() {
            let mut simpler = tree.ops[i].simplify();
            while simpler && !self.over() {
                simpler = if self.shows(tree.current())? { tree.ops[i].simplify() } else { tree.ops[i].complicate() };
            }
        }
        Ok(())
    }
}
