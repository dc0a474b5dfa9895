//! A question about work that stays in the driver for a while: asleep until shortly before the work is due, then asking on and on.

use std::sync::atomic::{AtomicU64, Ordering};

use ash::vk;

use crate::sync::forecast::Forecast;
use crate::sync::wait::SHORTEST_DOZE;

/// The clock, in nanoseconds, and the way to sleep for some.
pub struct Time<N, S> {
    pub now: N,
    pub sleep: S,
}

/// Asks until the work is over or `end` has come; the last answer. It is asleep for at most half as long at once as the work has taken so far, since the work
/// may be over sooner than such work was before. `refused` is when the host said last that the work isn't over, and 0 where nobody has asked since a
/// sleep: work that is over by then may have ended in it.
pub fn stay(
    end: u64,
    forecast: &Forecast,
    refused: &AtomicU64,
    time: Time<impl Fn() -> u64, impl Fn(u64)>,
    mut ask: impl FnMut() -> vk::Result,
) -> vk::Result {
    let until = end.min(forecast.due().saturating_sub(SHORTEST_DOZE / 2));
    loop {
        let at = (time.now)();
        let Some(left) = end.checked_sub(at).filter(|left| *left > 0) else { return vk::Result::NOT_READY };
        let age = at.saturating_sub(forecast.submitted_at());
        match until.checked_sub(at).filter(|time| *time > SHORTEST_DOZE / 2) {
            Some(doze) => {
                refused.store(0, Ordering::Relaxed);
                (time.sleep)(doze.min((age / 2).max(SHORTEST_DOZE)));
            }
            None => {
                if let Some(nap) = forecast.nap(at) {
                    (time.sleep)(nap.min(left));
                }
            }
        }
        match ask() {
            vk::Result::NOT_READY => refused.store((time.now)(), Ordering::Relaxed),
            over => return over,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;

    const US: u64 = 1_000;
    /// The kernel's part of a sleep, and a question.
    const SLACK: u64 = 55 * US;
    const QUESTION: u64 = 2 * US;

    /// What work of `took` nanoseconds looks like to questions that begin at `from` and stay for `stay` each, with 30 us in between: the sleeps, and how late its end was
    /// seen. What the forecast had learned is for the next.
    fn work(forecast: &Forecast, took: u64, from: u64, stay: u64) -> (Vec<u64>, u64) {
        forecast.submitted();
        let submitted = forecast.submitted_at();
        let (clock, sleeps, refused) = (Cell::new(submitted + from), RefCell::default(), AtomicU64::new(0));
        let sleep = |time: u64| {
            RefCell::<Vec<u64>>::borrow_mut(&sleeps).push(time);
            clock.set(clock.get() + time + SLACK);
        };
        let ask = || {
            clock.set(clock.get() + QUESTION);
            if clock.get() - submitted < took { vk::Result::NOT_READY } else { vk::Result::SUCCESS }
        };
        loop {
            let begun = clock.get();
            let time = Time { now: || clock.get(), sleep };
            let told = super::stay(begun + stay, forecast, &refused, time, ask);
            assert!(clock.get() - begun <= stay + SLACK + QUESTION, "a question took {} ns", clock.get() - begun);
            if told == vk::Result::SUCCESS {
                break;
            }
            clock.set(clock.get() + 30 * US);
        }
        let ended = clock.get() - submitted;
        let refused = refused.load(Ordering::Relaxed);
        forecast.learn_of(ended, refused == 0);
        (sleeps.into_inner(), ended - took)
    }

    #[test]
    fn steady_work_is_slept_through() {
        let forecast = Forecast::default();
        for _ in 0..60 {
            work(&forecast, 4_000 * US, 3_000 * US, 500 * US);
        }
        let (sleeps, late) = work(&forecast, 4_000 * US, 3_000 * US, 500 * US);
        assert!(sleeps.iter().sum::<u64>() > 500 * US, "{sleeps:?}");
        assert!(late < 40 * US, "{late} ns late");
    }

    /// Whatever the work took before, short work isn't slept through for longer than it takes.
    #[test]
    fn short_work_behind_long_work_is_seen_soon() {
        let forecast = Forecast::default();
        for _ in 0..30 {
            work(&forecast, 10_000 * US, 30 * US, 500 * US);
            let (_, late) = work(&forecast, 100 * US, 30 * US, 500 * US);
            assert!(late <= 100 * US + SLACK, "{late} ns late");
        }
    }

    #[test]
    fn long_work_is_looked_for_with_naps_that_end_with_the_question() {
        let forecast = Forecast::default();
        let (sleeps, late) = work(&forecast, 60_000 * US, 50_000 * US, 50 * US);
        assert!(!sleeps.is_empty() && sleeps.iter().all(|s| *s <= 50 * US), "{sleeps:?}");
        assert!(late <= 200 * US, "{late} ns late");
    }
}
