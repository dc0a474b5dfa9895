//! Where guest and host meet: shared memory of their own, in which each round begins and ends.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use hesper_winsys::Mapping;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::unistd::ftruncate;

/// Where the words lie, in bytes; a cache line each, since different sides write them.
const BEGUN: usize = 0;
const SENT: usize = 64;
const ROUNDS: usize = 128;
const LOST: usize = 192;
const BOTH: usize = 256;
/// Words of a ring for guests without one.
const TAIL: usize = 320;
const STATUS: usize = 384;
const HEAD: usize = 448;
const SIZE: u64 = 4096;

/// The number of a round that never begins: all is over.
pub const OVER: u32 = u32::MAX;
/// How long one side waits for the other one, which another program may keep from the processor.
const PATIENCE: Duration = Duration::from_secs(60);
/// Looks between two times that others may run.
const LOOKS: u32 = 4096;

pub struct Meeting(Mapping);

/// What came of all rounds.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    pub rounds: u32,
    /// In how many the host slept over a command, and wasn't called.
    pub lost: u32,
    /// In how many it saw the command, and was called as well.
    pub both: u32,
}

impl Meeting {
    /// Memory for two processes, of which one is forked from the other.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn new() -> Result<Self> {
        let file = memfd_create("meeting", MFdFlags::MFD_CLOEXEC).context("making shared memory")?;
        ftruncate(&file, SIZE as i64).context("making shared memory")?;
        Ok(Self(Mapping::new(&file, SIZE, 0).context("mapping shared memory")?))
    }

    fn word(&self, at: usize) -> &AtomicU32 {
        self.0.word(at).expect("all words lie inside")
    }

    pub fn tail(&self) -> &AtomicU32 {
        self.word(TAIL)
    }

    pub fn status(&self) -> &AtomicU32 {
        self.word(STATUS)
    }

    pub fn head(&self) -> &AtomicU32 {
        self.word(HEAD)
    }

    /// Begins a round, or says that all is over.
    pub fn begin(&self, round: u32) {
        // After what was noted of the round before.
        self.word(BEGUN).store(round, Ordering::Release);
    }

    /// Waits until a round after `last` begins; its number.
    ///
    /// # Errors
    /// When none does.
    pub fn next(&self, last: u32) -> Result<u32> {
        until(|| Some(self.word(BEGUN).load(Ordering::Acquire)).filter(|round| *round != last))
    }

    /// Says that the commands of a round are sent, and whether the host was called in a way that only this side knows of.
    pub fn sent(&self, round: u32, called: bool) {
        // After the commands and the call, so that whoever sees this finds both.
        self.word(SENT).store(round << 1 | u32::from(called), Ordering::Release);
    }

    /// Waits until the commands of a round are sent; whether the host was called.
    ///
    /// # Errors
    /// When they aren't.
    pub fn has_sent(&self, round: u32) -> Result<bool> {
        until(|| {
            let sent = self.word(SENT).load(Ordering::Acquire);
            (sent >> 1 == round & (u32::MAX >> 1)).then_some(sent & 1 != 0)
        })
    }

    /// Notes what came of all rounds.
    pub fn note(&self, seen: Seen) {
        for (at, value) in [(ROUNDS, seen.rounds), (LOST, seen.lost), (BOTH, seen.both)] {
            // The other process reads when this one has ended.
            self.word(at).store(value, Ordering::Relaxed);
        }
    }

    /// What was noted.
    pub fn seen(&self) -> Seen {
        let [rounds, lost, both] = [ROUNDS, LOST, BOTH].map(|at| self.word(at).load(Ordering::Relaxed));
        Seen { rounds, lost, both }
    }
}

/// Looks until there is something.
fn until<R>(look: impl Fn() -> Option<R>) -> Result<R> {
    let mut start = None;
    loop {
        for _ in 0..LOOKS {
            if let Some(found) = look() {
                return Ok(found);
            }
            std::hint::spin_loop();
        }
        let start = *start.get_or_insert_with(Instant::now);
        ensure!(start.elapsed() < PATIENCE, "the other side is gone");
        std::thread::yield_now();
    }
}

/// How long the host waits in each round until it goes to sleep. The guest takes its time to notice that a round has begun, and to send: the wait is
/// drawn from around the length with which the two sides met last.
#[derive(Debug)]
pub struct Aim {
    steps: u32,
    seed: u32,
}

/// Steps that waits differ by, at most; a step takes about a nanosecond.
const SPREAD: u32 = 64;
const MOST: u32 = 1 << 14;

impl Aim {
    pub fn new() -> Self {
        Self { steps: SPREAD, seed: 1 }
    }

    /// Waits.
    pub fn wait(&mut self) {
        self.seed = self.seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let steps = self.steps - SPREAD / 2 + (self.seed >> 16) % SPREAD;
        for step in 0..steps {
            std::hint::black_box(step);
        }
    }

    /// Notes whether the host saw the command, and whether it was called: a host that came too late wasn't called, one that came too early saw nothing.
    pub fn learn(&mut self, shown: bool, called: bool) {
        let steps = match (shown, called) {
            (true, false) => self.steps - 1,
            (false, true) => self.steps + 1,
            _ => self.steps,
        };
        self.steps = steps.clamp(SPREAD / 2, MOST);
    }
}
