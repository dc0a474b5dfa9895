//! Whether other programs want the processors that this one and its host run on.
//!
//! As soon as every processor has a thread that always runs, whoever looks for something again and again, or yields in between, uses its turn up and loses the
//! processor for milliseconds, while whoever sleeps is preferred when it wakes. The host's thread looks for work like that, too. So under contention
//! waits sleep from their start, the GPU tells of the end of fences by memory where it can (the driver's `sync/feedback.rs`), and where the host's thread runs on the same processors, it sleeps
//! as soon as it has nothing to do (`ring/parking.rs`).
//!
//! A wait that looks without sleeping notices time in which it didn't run, and one that sleeps, that it runs again much later than it asked to: most waits of a program
//! whose submissions follow each other do nothing but sleep. One such gap may be an interrupt's; two that follow each other closely count as
//! contention, which is taken for granted for a while. Then the ordinary ways are tried again: where gaps come back at once, the next while is
//! twice as long.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// The shortest time between two looks that counts as a gap: longer than interrupts, shorter than a scheduler's turn.
const GAP: Duration = Duration::from_micros(500);
/// Two gaps at most this far apart are contention.
const NEAR: Duration = Duration::from_millis(50);
/// How long contention is taken for granted at first, and at most: what is done about it costs a machine that is quiet again a twentieth, and what isn't, one that is
/// busy four fifths.
const HOLD: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(16));

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
        if self.mode == Mode::Noticed && self.history.lock().end.is_none_or(|end| now >= end) {
            self.high.store(false, Ordering::Relaxed);
        }
        self.is_high()
    }

    /// A wait that didn't sleep has looked after so long a time; whether contention is high.
    #[inline]
    pub fn hear(&self, now: Instant, since_last_look: Duration) -> bool {
        if since_last_look >= GAP {
            self.note_gap(now, since_last_look);
        }
        self.is_high()
    }

    /// Sleeps, and notices when the processor comes back late.
    pub fn sleep(&self, time: Duration) {
        let start = Instant::now();
        std::thread::sleep(time);
        let woken = Instant::now();
        self.hear_sleep(woken, time, woken.saturating_duration_since(start));
    }

    /// A sleep of `asked` has taken so long. Kernels and hypervisors join timers that end at nearly the same time, by an eighth of a sleep at most, so half of it is
    /// somebody else's turn.
    fn hear_sleep(&self, now: Instant, asked: Duration, took: Duration) {
        let late = took.saturating_sub(asked);
        if late >= GAP + asked / 2 {
            self.note_gap(now, late);
        }
    }

    #[cold]
    fn note_gap(&self, now: Instant, length: Duration) {
        if self.mode != Mode::Noticed || self.ignored.load(Ordering::Relaxed) {
            return;
        }
        let mut history = self.history.lock();
        let recent = |at: Option<Instant>| at.is_some_and(|at| now.saturating_duration_since(at) <= NEAR);
        // All threads find the same gap where all of them stood still, as in a debugger.
        let same = history.gap.is_some_and(|before| now.saturating_duration_since(before) < length);
        let again = recent(history.gap.replace(now)) && !same;
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
    fn sleeps_that_end_late_are_gaps() {
        let start = Instant::now();
        let late_twice = |asked: Duration, took: Duration| {
            let c = Contention::default();
            c.hear_sleep(start, asked, took);
            c.hear_sleep(start + took, asked, took);
            c.is_high()
        };
        assert!(late_twice(GAP / 10, GAP * 2) && late_twice(2 * MS, 4 * MS));
        assert!(!late_twice(GAP / 10, GAP), "an interrupt");
        assert!(!late_twice(8 * MS, 12 * MS), "timers that were joined");
        let c = Contention::default();
        c.hear_sleep(start, MS, 3 * MS);
        assert!(!c.is_high() && c.hear(start + 2 * MS, MS), "whichever way gaps are noticed");
        let before = Instant::now();
        Contention::default().sleep(MS);
        assert!(before.elapsed() >= MS);
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
