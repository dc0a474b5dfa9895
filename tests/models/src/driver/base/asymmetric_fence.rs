//! The fence whose price one side pays, as what it is worth: a full one on both sides.

use std::cell::Cell;
use std::sync::atomic::Ordering;

use crate::base::shared::fence;

thread_local! {
    static FAILURES: Cell<u32> = const { Cell::new(0) };
}

/// The kernel has no memory for so many of the next calls.
pub fn fail(times: u32) {
    FAILURES.set(times);
}

pub fn light() {
    fence(Ordering::SeqCst);
}

pub fn heavy() -> bool {
    if FAILURES.get() > 0 {
        FAILURES.set(FAILURES.get() - 1);
        return false;
    }
    fence(Ordering::SeqCst);
    true
}
