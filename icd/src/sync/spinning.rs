//! Programs that ask for a fence in a loop instead of waiting for it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use ash::vk;
use hesper_winsys::contention::Contention;

use crate::base::clock::now;
use crate::base::settings::{self, Strategy};
use crate::base::thread_use::ThreadUse;
use crate::sync::forecast::Forecast;
use crate::sync::staying::{Time, stay};
use crate::sync::wait::sleep;

/// A question that a program asks again and again: it spins. Whoever asks the host every 20 microseconds finds its thread
/// asleep each time, and sees the end of the work 80 microseconds late. So a question stays in the driver for a while where
/// its work is likely to end soon: when it was submitted a moment ago, when the same was asked a moment ago, or when it came to
/// that the last time. While the work isn't due yet, the question is asleep. What is kept is a guess: relaxed, since nothing is found by way of it.
#[derive(Debug, Default)]
pub struct Spinning {
    answered: AtomicU64,
    /// What the asking thread had had of the processors by then, where others want them.
    ran: AtomicU64,
    sleeps: AtomicU64,
    patience: AtomicU64,
    /// Whether the last answer was the end of the work.
    over: AtomicBool,
}

/// Within this time after an answer, the same question is part of a loop (llama.cpp's loop pauses for 27 to 70 microseconds).
const LOOP: u64 = 100_000;
/// The same in microseconds for which the thread ran, which has what the kernel does at each switch as well.
const LOOKING_LOOP: u64 = 300;
/// The first and the longest time for which a loop's question stays.
const PATIENCE: (u64, u64) = (50_000, 500_000);
/// The longest time for which a question stays that is asleep: a part of somebody else's turn.
const LOOKING: u64 = 1_000_000;
/// The longest time for which a question holds up what else goes to the host.
const STAY: u64 = 100_000;
/// How long after its submission small work is waited for.
const YOUNG: u64 = 60_000;

impl Spinning {
    /// The answer of `ask` to a question about work that was submitted as `forecast` says. `ask` has the host wait for some
    /// nanoseconds before it answers. `refused` is that of [`stay`].
    pub fn ask(
        &self,
        strategy: Strategy,
        contention: &Contention,
        forecast: &Forecast,
        refused: &AtomicU64,
        mut ask: impl FnMut(u64) -> vk::Result,
    ) -> vk::Result {
        let start = now();
        if strategy == Strategy::Block || contention.is_high() {
            return self.ask_once(start, refused, ask);
        }
        let mut result = ask(0);
        if result != vk::Result::NOT_READY {
            self.over.store(result == vk::Result::SUCCESS, Ordering::Relaxed);
            return result;
        }
        // The first answer may have taken long by itself: the host had to wake up.
        let awake = now();
        let loops = start.saturating_sub(self.answered.load(Ordering::Relaxed)) <= LOOP;
        let patience = self.next_patience(loops, PATIENCE.1).min(settings::spin_limit());
        let young = forecast.submitted_at().saturating_add(YOUNG.min(settings::spin_limit()));
        let end = awake.saturating_add(patience).max(young);
        refused.store(awake, Ordering::Relaxed);
        if patience > 0 {
            let sleep = |time| sleep(contention, time);
            result = stay(end, forecast, refused, Time { now, sleep }, || ask(0));
        } else {
            // Small work of a program that doesn't ask in a loop.
            while result == vk::Result::NOT_READY && now() < end {
                result = ask(0);
            }
        }
        self.answered.store(now(), Ordering::Relaxed);
        self.over.store(result == vk::Result::SUCCESS, Ordering::Relaxed);
        result
    }

    /// Whether the program came to asking in a loop for what was submitted last.
    pub fn loops(&self) -> bool {
        self.patience.load(Ordering::Relaxed) > 0 && self.over.load(Ordering::Relaxed)
    }

    /// The program waits instead.
    pub fn forget(&self) {
        self.patience.store(0, Ordering::Relaxed);
    }

    /// One question, which stays at the host: where processors are few, or others want them, asking on and on would take them from the work, and the
    /// host's thread would fall asleep between two questions of a program that is held up.
    fn ask_once(&self, start: u64, refused: &AtomicU64, mut ask: impl FnMut(u64) -> vk::Result) -> vk::Result {
        let loops = start.saturating_sub(self.answered.load(Ordering::Relaxed)) <= LOOP;
        let result = ask(self.next_patience(loops, PATIENCE.1).min(STAY).min(settings::spin_limit()));
        if result == vk::Result::NOT_READY {
            refused.store(now(), Ordering::Relaxed);
        }
        self.answered.store(now(), Ordering::Relaxed);
        self.over.store(result == vk::Result::SUCCESS, Ordering::Relaxed);
        result
    }

    /// The answer of `look` to a question about work whose end the GPU tells, where others want the processors: `look` looks for some nanoseconds, asleep in
    /// between, since a program that asks on and on would lose a turn for each that it takes. `thread` is what the asking thread has had of the processors: a program
    /// that spins has run for a moment since the last answer, however long it stood still, and one that slept by itself doesn't spin.
    pub fn look(&self, thread: impl Fn() -> ThreadUse, look: impl FnOnce(u64) -> vk::Result) -> vk::Result {
        let (ran, sleeps) = (self.ran.load(Ordering::Relaxed), self.sleeps.load(Ordering::Relaxed));
        let now = thread();
        let loops = ran > 0 && now.sleeps == sleeps && now.ran.checked_sub(ran).is_some_and(|ran| ran <= LOOKING_LOOP);
        let result = look(self.next_patience(loops, LOOKING));
        let now = thread();
        self.ran.store(now.ran, Ordering::Relaxed);
        self.sleeps.store(now.sleeps, Ordering::Relaxed);
        self.over.store(result == vk::Result::SUCCESS, Ordering::Relaxed);
        result
    }

    /// The work was over when the program asked again.
    pub fn note_over(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// How long a question stays that is or isn't part of a loop.
    fn next_patience(&self, loops: bool, longest: u64) -> u64 {
        let before = self.patience.load(Ordering::Relaxed);
        let patience = match self.over.load(Ordering::Relaxed) {
            true => before.min(longest),
            false if loops => (2 * before).clamp(PATIENCE.0, longest),
            false => 0,
        };
        self.patience.store(patience, Ordering::Relaxed);
        patience
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;

    #[test]
    fn questions_of_a_loop_stay_longer_each_time() {
        let s = Spinning::default();
        let next = |loops| s.next_patience(loops, PATIENCE.1);
        assert_eq!(next(false), 0, "asked for the first time");
        let stays: Vec<u64> = (0..6).map(|_| next(true)).collect();
        assert_eq!(stays, [50_000, 100_000, 200_000, 400_000, 500_000, 500_000]);
        s.over.store(true, Ordering::Relaxed);
        assert_eq!(next(false), 500_000, "the next work, where the last was waited for like this");
        s.over.store(false, Ordering::Relaxed);
        assert_eq!(next(false), 0, "asked now and then");
        s.over.store(true, Ordering::Relaxed);
        assert_eq!(next(false), 0, "and found to be over");
    }

    #[test]
    fn where_others_want_the_processors_a_loops_questions_sleep() {
        let s = Spinning::default();
        let (thread, stays) = (Cell::new(ThreadUse { ran: 7_000, sleeps: 5 }), RefCell::new(Vec::new()));
        let ask = |ran, sleeps, answer| {
            let before = thread.get();
            thread.set(ThreadUse { ran: before.ran + ran, sleeps: before.sleeps + sleeps });
            let look = |stay| {
                stays.borrow_mut().push(stay);
                // Asleep.
                thread.set(ThreadUse { sleeps: thread.get().sleeps + 3, ..thread.get() });
                answer
            };
            assert_eq!(s.look(|| thread.get(), look), answer);
        };
        for _ in 0..7 {
            ask(LOOKING_LOOP, 0, vk::Result::NOT_READY);
        }
        assert_eq!(*stays.borrow(), [0, 50_000, 100_000, 200_000, 400_000, 800_000, LOOKING]);
        ask(0, 0, vk::Result::SUCCESS);
        ask(9 * LOOKING_LOOP, 2, vk::Result::NOT_READY);
        assert_eq!(stays.borrow().last(), Some(&LOOKING), "the next work");
        ask(2 * LOOKING_LOOP, 0, vk::Result::NOT_READY);
        assert_eq!(stays.borrow().last(), Some(&0), "asked now and then");
        for _ in 0..3 {
            ask(1, 1, vk::Result::NOT_READY);
            assert_eq!(stays.borrow().last(), Some(&0), "by a program that sleeps in between");
        }
        assert_eq!(s.next_patience(true, PATIENCE.1), PATIENCE.0);
    }
}
