//! How a wait for the GPU proceeds.
//!
//! There are two ways to see that the GPU is done. *Polling* asks the host's driver again and again over the main ring:
//! each question takes some microseconds, the answer is there as soon as the work is done, and the host's thread stays
//! awake for the next submission; it keeps a core busy on both sides. *Blocking* has the host's driver wait, on a side ring:
//! nobody is kept busy, but two threads have to be woken. A wait dozes until shortly before the work is due, polls for a
//! bounded time, then blocks. Where the GPU is the host's processor, polling would take away what it waits for, and a
//! wait blocks after a glance.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use ash::vk;
use hesper_winsys::trace;

use crate::base::clock::now;
use crate::base::settings::{self, Strategy};
use crate::physical::device::Device;

/// The longest wait that the host is asked for at once: a lost host is noticed in between.
const SLICE: Duration = Duration::from_secs(1);
/// How long a wait polls before it blocks from the start: for what has been done already, or nearly.
const GLANCE: u64 = 50_000;
/// Shorter dozes aren't worth it: the kernel adds about 50 microseconds to each sleep.
const SHORTEST_DOZE: u64 = 100_000;

/// When what a fence guards was submitted, and how long such work has taken lately. Programs use a fence for the same
/// kind of work again and again, so each keeps its own.
#[derive(Debug, Default)]
pub struct Forecast {
    submitted: AtomicU64,
    typical: AtomicU64,
    /// How far off `typical` has been.
    deviation: AtomicU64,
}

impl Forecast {
    /// Notes a submission.
    pub fn submitted(&self) {
        self.submitted.store(now(), Ordering::Relaxed);
    }

    /// When the work is due at the earliest.
    pub fn due(&self) -> u64 {
        let typical = self.typical.load(Ordering::Relaxed);
        let margin = (3 * self.deviation.load(Ordering::Relaxed)).clamp(typical / 16, typical / 4);
        self.submitted.load(Ordering::Relaxed).saturating_add(typical - margin)
    }

    /// Learns from a wait that has ended now; `at_once` when the work had been done already at the first look.
    fn learn(&self, at_once: bool) {
        self.learn_of(now().saturating_sub(self.submitted.load(Ordering::Relaxed)), at_once);
    }

    fn learn_of(&self, took: u64, at_once: bool) {
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

/// A question that a program asks again and again: it spins. Whoever asks the host every 20 microseconds finds its thread
/// asleep each time, and sees the end of the work 80 microseconds late. So a question stays in the driver for a while where
/// its work is likely to end soon: when it was submitted a moment ago, when the same was asked a moment ago, or when it came to
/// that the last time.
#[derive(Debug, Default)]
pub struct Spinning {
    answered: AtomicU64,
    patience: AtomicU64,
    /// Whether the last answer was the end of the work.
    over: AtomicBool,
}

/// Within this time after an answer, the same question is part of a loop (llama.cpp's loop pauses for 27 to 70 microseconds).
const LOOP: u64 = 100_000;
/// The first and the longest time for which a loop's question stays.
const PATIENCE: (u64, u64) = (50_000, 500_000);
/// The longest time for which a question holds up what else goes to the host.
const STAY: u64 = 100_000;
/// How long after its submission small work is waited for.
const YOUNG: u64 = 60_000;

impl Spinning {
    /// The answer of `ask` to a question about work that was submitted as `forecast` says. `ask` has the host wait for some
    /// nanoseconds before it answers.
    pub fn ask(&self, device: &Device, forecast: &Forecast, mut ask: impl FnMut(u64) -> vk::Result) -> vk::Result {
        let start = now();
        if device.strategy == Strategy::Block {
            return self.ask_once(start, ask);
        }
        let mut result = ask(0);
        if result != vk::Result::NOT_READY {
            self.over.store(result == vk::Result::SUCCESS, Ordering::Relaxed);
            return result;
        }
        // The first answer may have taken long by itself: the host had to wake up.
        let awake = now();
        let patience = self.next_patience(start).min(spin_limit());
        let young = forecast.submitted.load(Ordering::Relaxed).saturating_add(YOUNG.min(spin_limit()));
        let end = awake.saturating_add(patience).max(young);
        while result == vk::Result::NOT_READY && now() < end {
            result = ask(0);
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

    /// One question, which stays at the host: where processors are few, asking on and on would take them from the work, and the
    /// host's thread would fall asleep between two questions of a program that is held up.
    fn ask_once(&self, start: u64, mut ask: impl FnMut(u64) -> vk::Result) -> vk::Result {
        let result = ask(self.next_patience(start).min(STAY).min(spin_limit()));
        self.answered.store(now(), Ordering::Relaxed);
        self.over.store(result == vk::Result::SUCCESS, Ordering::Relaxed);
        result
    }

    /// How long a question that came at `start` stays.
    fn next_patience(&self, start: u64) -> u64 {
        let loops = start.saturating_sub(self.answered.load(Ordering::Relaxed)) <= LOOP;
        let before = self.patience.load(Ordering::Relaxed);
        let patience = match self.over.load(Ordering::Relaxed) {
            true => before,
            false if loops => (2 * before).clamp(PATIENCE.0, PATIENCE.1),
            false => 0,
        };
        self.patience.store(patience, Ordering::Relaxed);
        patience
    }
}

/// `HESPER_SPIN_US` in nanoseconds.
fn spin_limit() -> u64 {
    u64::try_from(settings::get().spin.as_nanos()).unwrap_or(u64::MAX)
}

/// A wait of at most `timeout` nanoseconds. `poll` asks on the main ring, where the host waits for some nanoseconds, whether it is over
/// (SUCCESS, or NOT_READY or TIMEOUT), `block` has the host wait on a side ring. `forecasts` are those of what is waited for.
pub fn wait<'a>(
    device: &Device,
    timeout: u64,
    forecasts: impl Iterator<Item = &'a Forecast> + Clone,
    mut poll: impl FnMut(u64) -> vk::Result,
    block: impl FnMut(u64) -> vk::Result,
) -> vk::Result {
    let start = now();
    let end = start.saturating_add(timeout);
    // Where the GPU is the host's processor, one question stays for all of the time.
    let (spin, stay) = match device.strategy {
        Strategy::Poll => (spin_limit(), 0),
        Strategy::Block => (0, spin_limit().min(GLANCE).min(timeout)),
    };
    if device.strategy == Strategy::Poll {
        let due = forecasts.clone().map(Forecast::due).max().unwrap_or(0).min(end);
        if let Some(doze) = due.checked_sub(start).filter(|d| *d > SHORTEST_DOZE) {
            let _span = trace::span("doze");
            std::thread::sleep(Duration::from_nanos(doze - SHORTEST_DOZE / 2));
        }
    }
    let enough = now().saturating_add(spin);
    let mut at_once = true;
    let polling = trace::span("poll");
    // Once at least: the main ring has run everything before it answers, which `block` relies on.
    loop {
        match poll(stay) {
            vk::Result::NOT_READY | vk::Result::TIMEOUT => {}
            result => {
                forecasts.for_each(|f| f.learn(at_once));
                return result;
            }
        }
        at_once = false;
        let now = now();
        if now >= end {
            return vk::Result::TIMEOUT;
        }
        if now >= enough {
            break;
        }
    }
    drop(polling);
    let _span = trace::span("block");
    let result = in_slices(end.saturating_sub(now()), block);
    if result == vk::Result::SUCCESS {
        forecasts.for_each(|f| f.learn(false));
    }
    result
}

/// Repeats a wait of the host until it ends or `timeout` nanoseconds are over.
fn in_slices(timeout: u64, mut block: impl FnMut(u64) -> vk::Result) -> vk::Result {
    let slice = SLICE.as_nanos() as u64;
    let start = now();
    loop {
        let left = timeout.saturating_sub(now().saturating_sub(start));
        match block(left.min(slice)) {
            vk::Result::TIMEOUT if left > slice => {}
            result => return result,
        }
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
            f.typical.load(Ordering::Relaxed)
        };
        for _ in 0..100 {
            learn(8_000_000_000, false);
        }
        let long = f.typical.load(Ordering::Relaxed);
        assert!(long > 0, "{long}");
        let short = learn(1_000, false);
        assert!(short < 1_000_000_000, "{short}");
        assert!(learn(1_000, true) <= short / 2 + 1);
    }

    #[test]
    fn questions_of_a_loop_stay_longer_each_time() {
        let s = Spinning::default();
        let at = 1_000_000_000;
        assert_eq!(s.next_patience(at), 0, "asked for the first time");
        s.answered.store(at, Ordering::Relaxed);
        let stays: Vec<u64> = (0..6).map(|_| s.next_patience(at + LOOP / 2)).collect();
        assert_eq!(stays, [50_000, 100_000, 200_000, 400_000, 500_000, 500_000]);
        s.over.store(true, Ordering::Relaxed);
        assert_eq!(s.next_patience(at + 9 * LOOP), 500_000, "the next work, where the last was waited for like this");
        s.over.store(false, Ordering::Relaxed);
        assert_eq!(s.next_patience(at + 2 * LOOP), 0, "asked now and then");
        s.over.store(true, Ordering::Relaxed);
        assert_eq!(s.next_patience(at + 2 * LOOP), 0, "and found to be over");
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
            f.typical.load(Ordering::Relaxed) - f.due()
        };
        let (steady, varied) = (early(&steady, [16, 16]), early(&varied, [8, 24]));
        assert!(steady.abs_diff(1_000_000_000) < 100, "{steady} is no sixteenth of 16 s");
        assert!(varied > 1_500_000_000, "{varied}");
    }

    #[test]
    fn a_wait_in_slices_ends_in_time() {
        let mut asked = Vec::new();
        let _span = trace::span("block");
        let result = in_slices(5_000, |left| {
            asked.push(left);
            vk::Result::TIMEOUT
        });
        assert_eq!((result, asked.len()), (vk::Result::TIMEOUT, 1));
        assert!(asked[0] <= 5_000, "{asked:?}");
        assert_eq!(in_slices(u64::MAX, |_| vk::Result::SUCCESS), vk::Result::SUCCESS);
    }
}
