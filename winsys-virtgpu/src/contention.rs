//! Whether other programs want the processors that this one and its host run on.
//!
//! As soon as every processor has a thread that always runs, whoever looks for something again and again, or yields in between, uses its turn up and loses the
//! processor for milliseconds, while whoever sleeps is preferred when it wakes. The host's thread looks for work like that, too. So under contention
//! waits sleep from their start, the GPU tells of the end of fences by memory where it can (the driver's `sync/feedback.rs`), and where the host's thread runs on the same processors, it sleeps
//! as soon as it has nothing to do (`ring/parking.rs`).
//!
//! A wait that looks without sleeping notices time in which it didn't run. One that sleeps notices that it runs again much later than it asked to, and that the kernel counted
//! it as waiting for a processor (`run_delay`): most waits of a program whose submissions follow each other do nothing but sleep. One such gap may be an interrupt's; two that follow each other closely count as
//! contention, which is taken for granted for a while. Then the ordinary ways are tried again: where gaps come back at once, the next while is
//! twice as long.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::run_delay::{BetweenLateSleeps, LateSleeps, RunDelay};

/// The shortest time between two looks that counts as a gap: longer than interrupts, shorter than a scheduler's turn.
const GAP: Duration = Duration::from_micros(500);
/// Two gaps at most this far apart are contention.
const NEAR: Duration = Duration::from_millis(50);
/// How long contention is taken for granted at first, and at most: what is done about it costs a machine that is quiet again a twentieth of an 8b model's speed and a fifth of a
/// 1b model's, and what isn't, one that is busy four fifths.
const HOLD: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(16));

thread_local! {
    static LATE_SLEEPS: LateSleeps = LateSleeps::default();
}

/// When contention counts as high.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// When waits notice it.
    #[default]
    Noticed,
    Always,
    Never,
}

/// What the waits of one connection have noticed.
#[derive(Debug)]
pub struct Contention {
    mode: Mode,
    /// Relaxed, as all else here: a guess, by which nothing is found.
    high: AtomicBool,
    ignored: AtomicBool,
    history: Mutex<History>,
}

#[derive(Debug)]
struct History {
    gap: Option<Instant>,
    /// When contention counts as high no longer, or has ceased to.
    end: Option<Instant>,
    hold: Duration,
}

impl Contention {
    /// Nothing noticed yet.
    pub fn new(mode: Mode) -> Self {
        let history = Mutex::new(History { gap: None, end: None, hold: HOLD.0 });
        Self { mode, high: AtomicBool::new(mode == Mode::Always), ignored: AtomicBool::new(false), history }
    }

    /// Whether others want the processors.
    #[inline]
    pub fn is_high(&self) -> bool {
        self.high.load(Ordering::Relaxed)
    }

    /// From now on gaps say nothing, unless contention is always high: it is the work itself that is waited for which takes the processors.
    pub fn ignore(&self) {
        self.ignored.store(true, Ordering::Relaxed);
        self.high.store(self.mode == Mode::Always, Ordering::Relaxed);
    }

    /// A wait begins; whether contention is high.
    pub fn look(&self, now: Instant) -> bool {
        if !self.is_high() {
            return false;
        }
        if self.mode == Mode::Noticed {
            let mut history = self.history.lock();
            if history.end.is_none_or(|end| now >= end) {
                self.high.store(false, Ordering::Relaxed);
                // It takes two more: what was done about contention may itself have made one.
                history.gap = None;
            }
        }
        self.is_high()
    }

    /// A wait that didn't sleep has looked after so long a time; whether contention is high.
    #[inline]
    pub fn hear(&self, now: Instant, since_last_look: Duration) -> bool {
        if since_last_look >= GAP {
            self.note_gap(now, now.checked_sub(since_last_look).unwrap_or(now));
        }
        self.is_high()
    }

    /// Sleeps; where the sleep ends late, notices whether others had the processor since the thread's last one that did.
    pub fn sleep(&self, time: Duration) {
        let start = Instant::now();
        std::thread::sleep(time);
        let woken = Instant::now();
        if woken.saturating_duration_since(start) >= time + GAP {
            let next = |so_far| LATE_SLEEPS.try_with(|sleeps| sleeps.next(woken, so_far)).ok().flatten();
            self.hear_late_sleep(woken, || RunDelay::of_this_thread().and_then(next));
        }
    }

    /// A sleep has ended late; what has been `between` it and the thread's last one that did.
    #[cold]
    fn hear_late_sleep(&self, now: Instant, between: impl FnOnce() -> Option<BetweenLateSleeps>) {
        if self.notices()
            && let Some(BetweenLateSleeps { since, lost }) = between()
            && lost >= GAP
            && now.saturating_duration_since(since) <= NEAR
        {
            self.note_gap(now, since);
        }
    }

    /// Whether gaps say something.
    fn notices(&self) -> bool {
        self.mode == Mode::Noticed && !self.ignored.load(Ordering::Relaxed)
    }

    /// A thread hasn't run for a while between `since` and `now`.
    #[cold]
    fn note_gap(&self, now: Instant, since: Instant) {
        if !self.notices() {
            return;
        }
        let mut history = self.history.lock();
        // All threads find the same gap where all of them stood still, as in a debugger, and one thread where it looks and then sleeps.
        if history.gap.is_some_and(|before| before > since) {
            return;
        }
        let recent = |at: Option<Instant>| at.is_some_and(|at| now.saturating_duration_since(at) <= NEAR);
        let again = recent(history.gap.replace(now));
        // Other threads' waits may have noticed the same.
        if !again || self.is_high() {
            return;
        }
        history.hold = if recent(history.end) { HOLD.1.min(2 * history.hold) } else { HOLD.0 };
        history.end = now.checked_add(history.hold);
        self.high.store(true, Ordering::Relaxed);
        crate::trace::instant("contention", history.hold.as_millis() as u64);
    }
}

impl Default for Contention {
    fn default() -> Self {
        Self::new(Mode::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn gaps_that_follow_each_other_are_contention_for_a_while() {
        let (c, start) = (Contention::default(), Instant::now());
        assert!(!c.hear(start, GAP / 2) && !c.hear(start, MS), "one gap says nothing");
        assert!(!c.hear(start + 2 * NEAR, MS), "nor does another one much later");
        assert!(!c.hear(start + 2 * NEAR + MS / 2, MS), "nor what another thread finds of the same");
        let noticed = start + 2 * NEAR + 2 * MS;
        assert!(c.hear(noticed, MS));
        assert!(c.look(noticed + HOLD.0 / 2) && c.hear(noticed + HOLD.0 / 2, Duration::ZERO));
        assert!(!c.look(noticed + HOLD.0) && !c.is_high());
    }

    #[test]
    fn contention_that_comes_back_at_once_is_believed_for_longer() {
        let c = Contention::default();
        let mut now = Instant::now();
        let mut holds = Vec::new();
        for _ in 0..6 {
            c.hear(now, MS);
            assert!(c.hear(now + MS, MS));
            let end = c.history.lock().end.unwrap();
            holds.push((end - (now + MS)).as_millis());
            assert!(!c.look(end));
            now = end + MS;
        }
        assert_eq!(holds, [1_000, 2_000, 4_000, 8_000, 16_000, 16_000]);
        now += 10 * NEAR;
        c.hear(now, MS);
        c.hear(now + MS, MS);
        assert_eq!(c.history.lock().hold, HOLD.0, "a quiet time in between");
    }

    #[test]
    fn sleeps_behind_which_others_had_the_processor_are_gaps() {
        let start = Instant::now();
        // Each with the end of the late sleep before.
        let heard = |c: &Contention, sleeps: &[(u32, u32)], lost| {
            for (since, now) in sleeps {
                let since = start + *since * MS;
                c.hear_late_sleep(start + *now * MS, || Some(BetweenLateSleeps { since, lost }));
            }
            c.is_high()
        };
        let new = Contention::default;
        assert!(heard(&new(), &[(0, 7), (7, 14)], MS));
        assert!(!heard(&new(), &[(0, 7), (7, 14)], GAP / 2), "the timer was late");
        assert!(!heard(&new(), &[(0, 60), (60, 120)], MS), "long ago");
        assert!(!heard(&new(), &[(0, 7), (5, 12)], MS), "two threads may have found the same");
        assert!(heard(&new(), &[(0, 7), (2, 9), (4, 11), (7, 14)], MS), "but several threads' don't hide each other's");
        let c = new();
        assert!(
            !c.hear(start + 5 * MS, MS) && !heard(&c, &[(0, 7)], MS),
            "nor does one that has looked, then slept, find two"
        );
        assert!(heard(&c, &[(7, 14)], MS), "whichever way gaps are noticed");
        let (ignored, asked) = (new(), std::cell::Cell::new(0));
        ignored.ignore();
        for c in [&ignored, &Contention::new(Mode::Never), &Contention::new(Mode::Always)] {
            c.hear_late_sleep(start, || {
                asked.set(asked.get() + 1);
                None
            });
        }
        assert_eq!(asked.get(), 0, "nobody wants to know");
    }

    #[test]
    fn a_gap_while_contention_is_high_is_not_the_first_of_the_next_two() {
        let (c, start) = (Contention::default(), Instant::now());
        c.hear(start, MS);
        assert!(c.hear(start + MS, MS));
        let end = start + MS + HOLD.0;
        c.hear(end - MS, MS);
        assert!(!c.look(end) && !c.hear(end + MS, MS));
        assert!(c.hear(end + 2 * MS, MS));
    }

    #[test]
    fn it_can_be_switched() {
        let now = Instant::now();
        let gaps = |c: &Contention| (0..3).map(|i| c.hear(now + i * MS, MS)).last();
        assert_eq!(gaps(&Contention::new(Mode::Never)), Some(false));
        let always = Contention::new(Mode::Always);
        always.ignore();
        assert!(always.is_high() && always.look(now + HOLD.1));
        let ignored = Contention::default();
        ignored.ignore();
        assert_eq!(gaps(&ignored), Some(false));
    }
}
