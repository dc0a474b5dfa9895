//! A processor for each side: the two meet only while both run.

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// Who has a processor of its own.
#[derive(Clone, Copy)]
pub enum Side {
    Guest,
    Host,
}

/// Keeps this process to one of the first two processors that it may use, and lets nobody else run there for as long as it takes, where the system
/// allows that. Elsewhere it runs when its turn comes, and the two meet less often.
pub fn take(side: Side) {
    let this = Pid::from_raw(0);
    let Ok(allowed) = sched_getaffinity(this) else { return };
    let mut usable = (0..CpuSet::count()).filter(|n| allowed.is_set(*n).unwrap_or(false));
    let mut one = CpuSet::new();
    let (Some(first), Some(second)) = (usable.next(), usable.next()) else { return };
    let mine = match side {
        Side::Guest => first,
        Side::Host => second,
    };
    if one.set(mine).is_ok() {
        let _ = sched_setaffinity(this, &one);
    }
    let lowest = libc::sched_param { sched_priority: 1 };
    // SAFETY: the call reads the struct, and touches nothing else of this process.
    let _ = unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &lowest) };
}
