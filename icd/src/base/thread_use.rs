//! What a thread has had of the processors (getrusage(2)).

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

/// What the calling thread has had so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ThreadUse {
    /// Microseconds for which it ran.
    pub ran: u64,
    /// How often it went to sleep by itself, be it for something to come.
    pub sleeps: u64,
}

impl ThreadUse {
    /// Nothing where the kernel doesn't say.
    pub fn now() -> Self {
        let of = |n: i64| u64::try_from(n).unwrap_or(0);
        getrusage(UsageWho::RUSAGE_THREAD).map_or(Self::default(), |usage| Self {
            ran: of(usage.user_time().num_microseconds()) + of(usage.system_time().num_microseconds()),
            sleeps: of(usage.voluntary_context_switches()),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn threads_that_sleep_do_not_run() {
        let before = ThreadUse::now();
        std::thread::sleep(Duration::from_millis(2));
        let asleep = ThreadUse::now();
        assert!(asleep.sleeps > before.sleeps);
        let start = Instant::now();
        while ThreadUse::now().ran < asleep.ran + 2000 {
            assert!(start.elapsed() < Duration::from_secs(60), "{:?}", ThreadUse::now());
        }
    }
}
