//! The driver's clock.

use std::sync::OnceLock;
use std::time::Instant;

use nix::time::{ClockId, clock_gettime};

/// Nanoseconds since this process first asked.
pub fn now() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    u64::try_from(START.get_or_init(Instant::now).elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// Nanoseconds for which this thread has had a processor.
pub fn processor_time() -> u64 {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)
        .map_or(0, |t| t.tv_sec() as u64 * 1_000_000_000 + t.tv_nsec() as u64)
}
