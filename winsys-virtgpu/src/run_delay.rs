//! For how long threads were ready to run and had no processor.

use std::cell::Cell;
use std::fs::File;
use std::io::Read;
use std::time::{Duration, Instant};

/// What a thread has had of the processors so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunDelay {
    /// For how long it was ready to run and waited for a processor.
    waited: Duration,
    /// How often it was given one.
    turns: u64,
}

/// What each turn may wait for a processor that nobody else wants: one that rests has to be woken, below a hypervisor by way of the host.
const WAKING: Duration = Duration::from_micros(25);

impl RunDelay {
    /// The calling thread's. None where there is no /proc, or the kernel doesn't count (Linux, Documentation/scheduler/sched-stats.rst: `/proc/<pid>/schedstat`).
    pub fn of_this_thread() -> Option<Self> {
        let mut line = [0; 96];
        let n = File::open("/proc/thread-self/schedstat").and_then(|mut file| file.read(&mut line)).ok()?;
        Self::parse(line.get(..n)?)
    }

    /// Nanoseconds for which a thread ran and for which it waited, and its turns: a thread that runs has had one, unless nobody counts.
    fn parse(line: &[u8]) -> Option<Self> {
        let mut words = std::str::from_utf8(line).ok()?.split_ascii_whitespace().skip(1);
        let (waited, turns) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        (turns > 0).then_some(Self { waited: Duration::from_nanos(waited), turns })
    }

    /// For how long others had the processor since `before`: what it waited longer than turns take to begin.
    fn lost_since(self, before: Self) -> Duration {
        let turns = u32::try_from(self.turns.saturating_sub(before.turns)).unwrap_or(u32::MAX);
        self.waited.saturating_sub(before.waited).saturating_sub(WAKING.saturating_mul(turns))
    }
}

/// Time behind which a thread's sleep ended late, since the one before that did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BetweenLateSleeps {
    pub since: Instant,
    /// For how long others had the processor while the thread was ready to run.
    pub lost: Duration,
}

/// What one thread had had of the processors when its last late sleep was over. A sleep that ends late says little by itself: the kernel and what is below it join timers,
/// and wake processors that rest. Reading the count takes as long as a sleep's switches, so it is read behind late sleeps alone, and compared with the one before.
#[derive(Debug, Default)]
pub struct LateSleeps {
    last: Cell<Option<(Instant, RunDelay)>>,
}

impl LateSleeps {
    /// A sleep of the thread has ended late, and this is what it has had so far. None where there is nothing to compare with.
    pub fn next(&self, now: Instant, so_far: RunDelay) -> Option<BetweenLateSleeps> {
        let (since, before) = self.last.replace(Some((now, so_far)))?;
        Some(BetweenLateSleeps { since, lost: so_far.lost_since(before) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn late_sleeps_are_compared_with_the_one_before() {
        let (sleeps, start) = (LateSleeps::default(), Instant::now());
        let next = |at, waited, turns| sleeps.next(start + at, RunDelay { waited, turns });
        let between = |since, lost| Some(BetweenLateSleeps { since: start + since, lost });
        assert_eq!(next(MS, 70 * MS, 5), None, "nothing to compare with");
        assert_eq!(next(50 * MS, 73 * MS, 5), between(MS, 3 * MS));
        assert_eq!(
            next(60 * MS, 73 * MS + 20 * WAKING, 25),
            between(50 * MS, Duration::ZERO),
            "processors that rested"
        );
        assert_eq!(next(61 * MS, MS, 1), between(60 * MS, Duration::ZERO), "a fork's child, which begins anew");
    }

    #[test]
    fn the_kernels_line_is_read() {
        let told = RunDelay { waited: Duration::from_nanos(345), turns: 67 };
        assert_eq!(RunDelay::parse(b"12 345 67\n"), Some(told));
        for line in [&b"0 0 0\n"[..], b"", b"12 345", b"12 345 x", b"12 -3 4", b"\xff 1 2", b"1 99999999999999999999 2"]
        {
            assert_eq!(RunDelay::parse(line), None, "{line:?}");
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "no /proc")]
    fn the_kernel_counts() {
        let Some(before) = RunDelay::of_this_thread() else { return };
        std::thread::sleep(MS);
        let after = RunDelay::of_this_thread().unwrap();
        assert!(after.waited >= before.waited && after.turns > before.turns, "{before:?} {after:?}");
    }
}
