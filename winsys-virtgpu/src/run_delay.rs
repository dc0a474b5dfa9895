//! For how long threads were ready to run and had no processor.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// How long the calling thread has waited for a processor so far. None where the kernel doesn't count (proc(5): without CONFIG_SCHED_INFO), or there is no /proc.
pub fn run_delay() -> Option<Duration> {
    // Nanoseconds for which the thread ran, for which it waited, and the number of its turns.
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_ascii_whitespace().nth(1)?.parse().ok().map(Duration::from_nanos)
}

/// What one thread had waited for a processor when its last late sleep was over. A sleep that ends late says little by itself: the kernel and what is below it join timers,
/// and wake processors that rest. Reading the count takes as long as a sleep's switches, so it is read behind late sleeps alone, and compared with the one before.
#[derive(Debug, Default)]
pub struct LateSleeps {
    last: Cell<Option<(Instant, Duration)>>,
}

impl LateSleeps {
    /// A sleep of the thread has ended late, and it has waited for `delay` in all: for how long since its last late sleep, where that was at most `near` ago.
    pub fn delayed(&self, now: Instant, delay: Duration, near: Duration) -> Option<Duration> {
        let (at, before) = self.last.replace(Some((now, delay)))?;
        (now.saturating_duration_since(at) <= near).then(|| delay.saturating_sub(before))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn late_sleeps_are_compared_with_the_one_before() {
        let (sleeps, start) = (LateSleeps::default(), Instant::now());
        assert_eq!(sleeps.delayed(start, 70 * MS, 50 * MS), None, "nothing to compare with");
        assert_eq!(sleeps.delayed(start + 50 * MS, 73 * MS, 50 * MS), Some(3 * MS));
        assert_eq!(sleeps.delayed(start + 101 * MS, 79 * MS, 50 * MS), None, "too long ago");
        assert_eq!(sleeps.delayed(start + 102 * MS, 79 * MS, 50 * MS), Some(Duration::ZERO), "nobody else ran");
    }

    #[test]
    #[cfg_attr(miri, ignore = "no /proc")]
    fn the_kernel_counts() {
        let Some(before) = run_delay() else {
            assert!(!std::path::Path::new("/proc/thread-self/schedstat").exists(), "unreadable");
            return;
        };
        std::thread::sleep(MS);
        assert!(run_delay().is_some_and(|after| after >= before));
    }
}
