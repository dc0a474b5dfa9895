//! When the work that a fence guards is likely to end.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::base::clock::now;

/// Questions that are as close together, in nanoseconds, are a loop's whatever the work takes.
const CLOSE: u64 = 200_000;

/// Work is looked for as often as that is a small part of what it has taken so far.
const NAPS: u64 = 256;
/// Shorter naps aren't worth it: the kernel adds about 50 microseconds to each.
const SHORTEST_NAP: u64 = 40_000;
/// The longest: as much of a question's stay as isn't noticed.
const LONGEST_NAP: u64 = 250_000;

/// How long something has taken lately.
#[derive(Debug, Default)]
struct Usual {
    typical: AtomicU64,
    /// How far off `typical` has been.
    deviation: AtomicU64,
}

impl Usual {
    /// How long it takes at least.
    fn least(&self) -> u64 {
        let typical = self.typical.load(Ordering::Relaxed);
        let margin = (3 * self.deviation.load(Ordering::Relaxed)).clamp(typical / 16, typical / 4);
        typical - margin
    }

    /// Learns that it has taken so long now, or less where it was over at the first look (`at_once`).
    fn learn(&self, took: u64, at_once: bool) {
        let typical = self.typical.load(Ordering::Relaxed);
        let deviation = self.deviation.load(Ordering::Relaxed);
        // Sleeping too long costs time, waking too early costs a little power: follow shorter times at once, longer ones slowly.
        let new = match took {
            _ if at_once => typical.min(took) / 2,
            took if took < typical => took,
            took => typical + (took - typical) / 8,
        };
        self.typical.store(new, Ordering::Relaxed);
        let off = took.abs_diff(typical).min(typical);
        self.deviation.store(deviation - deviation / 8 + off / 8, Ordering::Relaxed);
    }
}

/// When what a fence guards was submitted, and how long such work has taken lately. Programs use a fence for the same
/// things again and again, so each keeps its own, one for each kind of [`Work`](crate::base::progress::Work). All of it is a guess at times: relaxed, and where two threads learn at once, one is forgotten.
#[derive(Debug, Default)]
pub struct Forecast {
    submitted: AtomicU64,
    /// When what stands in front of it was seen to end; a time before the submission where that is not known.
    front: AtomicU64,
    since_submission: Usual,
    /// Differs less from time to time: how long before what stands in front ends the work is submitted is the program's affair.
    since_front: Usual,
}

impl Forecast {
    /// Notes a submission.
    pub fn submitted(&self) {
        self.submitted.store(now(), Ordering::Relaxed);
    }

    /// Notes that what stands in front of the last submission was seen to end at this time.
    pub fn note_front(&self, ended: u64) {
        self.front.fetch_max(ended, Ordering::Relaxed);
    }

    /// When what stands in front of the last submission was seen to end, if that was after the submission.
    fn front(&self) -> Option<u64> {
        Some(self.front.load(Ordering::Relaxed)).filter(|front| *front > self.submitted_at())
    }

    /// When the last submission was.
    pub fn submitted_at(&self) -> u64 {
        self.submitted.load(Ordering::Relaxed)
    }

    /// How long the work has taken lately, from its submission on.
    pub fn usual(&self) -> u64 {
        self.since_submission.typical.load(Ordering::Relaxed)
    }

    /// When the work is due at the earliest: neither before the shortest time since its submission, nor before that since the end of what stands in front.
    pub fn due(&self) -> u64 {
        let after_submission = self.submitted_at().saturating_add(self.since_submission.least());
        let after_front = self.front().map(|front| front.saturating_add(self.since_front.least()));
        after_submission.max(after_front.unwrap_or(0))
    }

    /// For how long whoever looks for the end of the work may sleep between two looks, once it is due; `None` for work that hasn't taken long enough.
    pub fn nap(&self, now: u64) -> Option<u64> {
        let nap = now.saturating_sub(self.submitted_at()) / NAPS;
        (self.submitted_at() != 0 && nap >= SHORTEST_NAP).then_some(nap.min(LONGEST_NAP))
    }

    /// Learns from a wait that has ended now; `at_once` when the work had been done already at the first look.
    pub fn learn(&self, at_once: bool) {
        self.learn_at(now(), at_once);
    }

    /// The same of a wait whose work ended at this time.
    pub fn learn_at(&self, end: u64, at_once: bool) {
        self.since_submission.learn(end.saturating_sub(self.submitted_at()), at_once);
        if let Some(front) = self.front() {
            self.since_front.learn(end.saturating_sub(front), at_once);
        }
    }

    /// Learns from a question that found the work done, where the last one that didn't was at `refused`, or never (0). Two questions far apart tell little.
    pub fn hear(&self, refused: u64) {
        self.hear_at(now(), refused);
    }

    fn hear_at(&self, now: u64, refused: u64) {
        let took = now.saturating_sub(self.submitted.load(Ordering::Relaxed));
        if refused == 0 {
            self.learn_at(now, true);
        } else if now.saturating_sub(refused) <= (took / 8).max(CLOSE) {
            self.learn_at(now, false);
        }
    }

    /// Learns that work took so long from its submission on, with nothing in front of it.
    #[cfg(test)]
    pub fn learn_of(&self, took: u64, at_once: bool) {
        self.since_submission.learn(took, at_once);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forecasts_follow_shorter_times_at_once_and_longer_ones_slowly() {
        let f = Forecast::default();
        let learn = |took: u64, at_once| {
            f.submitted.store(now().saturating_sub(took), Ordering::Relaxed);
            f.learn(at_once);
            f.usual()
        };
        for _ in 0..100 {
            learn(8_000_000_000, false);
        }
        let long = f.usual();
        assert!(long > 0, "{long}");
        let short = learn(1_000, false);
        assert!(short < 1_000_000_000, "{short}");
        assert!(learn(1_000, true) <= short / 2 + 1);
    }

    /// llama.cpp waits for most of a token, then for the rest, which it has submitted sometimes long and sometimes shortly before the first ended.
    #[test]
    fn what_stands_behind_other_work_is_due_by_the_end_of_that() {
        const MS: u64 = 1_000_000;
        let f = Forecast::default();
        let submit = |token: u64| f.submitted.store((token + 1) * 10 * MS, Ordering::Relaxed);
        for token in 0..200 {
            submit(token);
            let front = f.submitted_at() + [MS, 4 * MS, 2 * MS][token as usize % 3];
            let before = f.due();
            f.note_front(front);
            let (due, end) = (f.due(), front + MS);
            assert!(due <= end && before <= end, "{token}: due {} ns late", due.max(before) - end);
            assert!(token < 100 || due >= end - MS / 10, "{token}: due {} ns early", end - due);
            f.learn_at(end, false);
        }
        // The next has nothing in front whose end anybody has seen, so that nothing is learned or known of that.
        submit(200);
        let known = f.since_front.typical.load(Ordering::Relaxed);
        assert!(f.due() < f.submitted_at() + 2 * MS, "{}", f.due() - f.submitted_at());
        f.note_front(f.submitted_at());
        f.learn_at(f.submitted_at() + 9 * MS, false);
        assert_eq!((f.front(), f.since_front.typical.load(Ordering::Relaxed)), (None, known));
    }

    #[test]
    fn questions_far_apart_tell_nothing() {
        let f = Forecast::default();
        let ms = 1_000_000;
        // Submitted 16 ms ago; refused so long ago, or never.
        let heard = |refused: Option<u64>| {
            f.submitted.store(ms, Ordering::Relaxed);
            f.hear_at(17 * ms, refused.map_or(0, |ago| 17 * ms - ago));
            f.usual()
        };
        assert_eq!(heard(Some(12 * ms)), 0, "it ended some time in the last 12 ms");
        let known = heard(Some(ms));
        assert!(known >= 2 * ms, "a program that asks every millisecond tells: {known}");
        assert_eq!(heard(Some(12 * ms)), known);
        assert!(heard(None) <= known / 2 + 1, "done at the first look");
    }

    #[test]
    fn only_long_work_is_looked_for_with_naps() {
        let f = Forecast::default();
        assert_eq!(f.nap(u64::MAX), None, "nothing was submitted");
        f.submitted.store(7, Ordering::Relaxed);
        let naps = [1_000_000, 10_000_000, 12_800_000, 40_000_000, 1_000_000_000].map(|took| f.nap(7 + took));
        assert_eq!(naps, [None, None, Some(50_000), Some(156_250), Some(LONGEST_NAP)]);
    }

    #[test]
    fn work_that_always_takes_as_long_is_due_late() {
        let (steady, varied) = (Forecast::default(), Forecast::default());
        let early = |f: &Forecast, times: [u64; 2]| {
            for i in 0..1000 {
                // Far enough from now that the test's own time doesn't count.
                f.submitted.store(now(), Ordering::Relaxed);
                let took = times[i % 2] * 1_000_000_000;
                f.learn_of(took, false);
            }
            f.submitted.store(0, Ordering::Relaxed);
            f.usual() - f.due()
        };
        let (steady, varied) = (early(&steady, [16, 16]), early(&varied, [8, 24]));
        assert!(steady.abs_diff(1_000_000_000) < 100, "{steady} is no sixteenth of 16 s");
        assert!(varied > 1_500_000_000, "{varied}");
    }
}
