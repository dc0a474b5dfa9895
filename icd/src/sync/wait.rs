//! How a wait for the GPU proceeds.
//!
//! There are two ways to see that the GPU is done. *Polling* asks the host's driver again and again over the main ring:
//! each question takes some microseconds, the answer is there as soon as the work is done, and the host's thread stays
//! awake for the next submission; it keeps a core busy on both sides. *Blocking* has the host's driver wait, on a side ring:
//! nobody is kept busy, but two threads have to be woken. A wait dozes until shortly before the work is due, polls for a
//! bounded time (with naps, if the work takes so long that they are a small part of it), then blocks; for work that other work stands behind it blocks without polling, unless work or timeout are short. Where the GPU is the host's processor, polling would take away what it waits for: the host waits for a
//! moment before it answers, and a wait blocks after one such question, or, where the work is usually over soon, once it takes longer than that.
//! (There a fence whose work takes longer has a slot, and `looking` says how its waits proceed; for timelines the question doesn't stay, as `semaphore` says.)

use std::time::Duration;

use ash::vk;
use hesper_winsys::contention::Contention;
use hesper_winsys::{Error, trace};

use crate::base::clock::now;
use crate::base::forwarding::result_of_error;
use crate::base::settings::{self, Strategy};
use crate::sync::forecast::Forecast;

/// The longest wait that the host is asked for at once, in nanoseconds: a lost host is noticed in between.
const SLICE: u64 = 1_000_000_000;
/// How long a wait sleeps between two questions that can't block in the host.
const NAP: u64 = 1_000_000;
/// What takes less, in nanoseconds, isn't blocked for where it may as well be polled for: two threads wake up after each other then (80 to 250 microseconds for the host's, seen in traces
/// over vtest).
pub const WORTH_BLOCKING: u64 = 400_000;
/// How much later than its work a wait ends, at least, that blocks with the guest asleep.
const WAKING: u64 = 150_000;
/// How long a wait polls before it blocks from the start: for what has been done already, or nearly.
const GLANCE: u64 = 50_000;
/// Shorter dozes aren't worth it: the kernel adds about 50 microseconds to each sleep.
pub const SHORTEST_DOZE: u64 = 100_000;
/// The longest doze without a question in between, early in a wait; later it is an eighth of what has passed. So a wait whose work ends much
/// sooner than such work did before is at most that much too long, and a host that is lost meanwhile is noticed.
const LONGEST_DOZE: u64 = 2_000_000;

/// A wait of at most `timeout` nanoseconds, for all, or for one, of what `forecasts` tells of. `poll` asks on the main ring, where the host waits for
/// some nanoseconds, whether it is over (SUCCESS, or NOT_READY or TIMEOUT), `block` has the host wait on a side ring, where there is one to be had.
pub fn wait<'a>(
    strategy: Strategy,
    contention: &Contention,
    timeout: u64,
    all: bool,
    forecasts: impl Iterator<Item = &'a Forecast> + Clone,
    mut poll: impl FnMut(u64) -> vk::Result,
    mut block: impl FnMut(u64) -> Result<vk::Result, Error>,
) -> vk::Result {
    let start = now();
    let end = start.saturating_add(timeout);
    let sleep = |time| sleep(contention, time);
    // Of several things it isn't told which one ended when.
    let learns = forecasts.clone().nth(1).is_none();
    let learn = |end, at_once| {
        if learns {
            forecasts.clone().for_each(|f| f.learn_at(end, at_once));
        }
    };
    // Where the GPU is the host's processor, each question stays for a while, in which other threads' commands wait.
    let (spin, stay) = match strategy {
        Strategy::Poll => (spin_limit(contention), 0),
        Strategy::Block => (
            worth_staying(forecasts.clone().map(Forecast::usual).max().unwrap_or(0), spin_limit(contention)),
            spin_limit(contention).min(GLANCE).min(timeout),
        ),
        Strategy::Aside | Strategy::Followed => (0, 0),
    };
    // Where others want the processors, the work's end is seen late, and what was learned of that says little: the host's driver wakes whoever waits in it sooner.
    if matches!(strategy, Strategy::Poll | Strategy::Followed) && !contention.is_high() {
        let times = forecasts.clone().map(Forecast::due);
        let due = if all { times.max() } else { times.min() };
        if let Some(over) = doze(start, due.unwrap_or(0).min(end), u64::MAX, now, sleep, || poll(0)) {
            learn(now(), false);
            return over;
        }
    }
    let polls_since = now();
    // A question that stays is a nap at the host.
    let naps = matches!(strategy, Strategy::Poll | Strategy::Followed);
    let nap = |now| if naps { forecasts.clone().map(|f| f.nap(now)).min().flatten() } else { None };
    let mut at_once = true;
    let polling = trace::span("poll");
    // Once at least: the main ring has run everything before it answers, which `block` relies on.
    loop {
        match poll(stay) {
            vk::Result::NOT_READY | vk::Result::TIMEOUT => {}
            result => {
                learn(now(), at_once);
                return result;
            }
        }
        at_once = false;
        let now = now();
        if now >= end {
            return vk::Result::TIMEOUT;
        }
        // Less than at first where other programs have come to want the processor; until a timeout that would be over while threads wake up.
        let soon = strategy == Strategy::Followed && end - now < WORTH_BLOCKING;
        let spin = if soon { spin_limit(contention) } else { spin.min(spin_limit(contention)) };
        let left = polls_since.saturating_add(spin).saturating_sub(now);
        if left == 0 {
            break;
        }
        if let Some(nap) = nap(now) {
            sleep(nap.min(end - now).min(left));
        }
    }
    drop(polling);
    let _span = trace::span("block");
    let block_or_nap = |slice: u64| match block(slice) {
        Ok(result) => result,
        Err(e @ Error::Lost(_)) => result_of_error(&e),
        // Without memory or files for a side ring: not on the main ring, where nobody may be kept from ending what is waited for.
        Err(_) => {
            sleep(NAP.min(slice));
            match poll(0) {
                vk::Result::NOT_READY => vk::Result::TIMEOUT,
                result => result,
            }
        }
    };
    let result = in_slices(end.saturating_sub(now()), now, block_or_nap);
    if result == vk::Result::SUCCESS {
        let late = if strategy == Strategy::Followed { WAKING } else { 0 };
        learn(now().saturating_sub(late), false);
    }
    result
}

/// For how many nanoseconds a wait for the GPU may keep a processor busy.
fn spin_limit(contention: &Contention) -> u64 {
    if contention.is_high() { 0 } else { settings::spin_limit() }
}

/// For how long questions that stay are better than a side ring, whose thread has to be woken: for work that is over within `limit` as a rule, until it
/// takes half as long again.
fn worth_staying(usual: u64, limit: u64) -> u64 {
    if usual <= limit { usual + usual / 2 } else { 0 }
}

/// Sleeps for some nanoseconds, and notices whether others want the processor.
pub fn sleep(contention: &Contention, time: u64) {
    let _span = trace::span("doze");
    contention.sleep(Duration::from_nanos(time));
}

/// Sleeps until shortly before `due`, in pieces of at most `piece` with a question in between; the result where one of them says that the wait is over.
pub fn doze(
    start: u64,
    due: u64,
    piece: u64,
    mut now: impl FnMut() -> u64,
    mut sleep: impl FnMut(u64),
    mut ask: impl FnMut() -> vk::Result,
) -> Option<vk::Result> {
    loop {
        let at = now();
        let left = due.checked_sub(at).filter(|left| *left > SHORTEST_DOZE)? - SHORTEST_DOZE / 2;
        let longest = LONGEST_DOZE.max(at.saturating_sub(start) / 8).min(piece);
        sleep(left.min(longest));
        if left <= longest {
            return None;
        }
        match ask() {
            vk::Result::NOT_READY | vk::Result::TIMEOUT => {}
            over => return Some(over),
        }
    }
}

/// Repeats a wait, which may be shorter than it is asked to be, until it ends or `timeout` nanoseconds are over.
fn in_slices(timeout: u64, mut now: impl FnMut() -> u64, mut block: impl FnMut(u64) -> vk::Result) -> vk::Result {
    let start = now();
    loop {
        let left = timeout.saturating_sub(now().saturating_sub(start));
        match block(left.min(SLICE)) {
            vk::Result::TIMEOUT if now().saturating_sub(start) < timeout => {}
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn long_work_is_polled_for_with_naps() {
        let (forecast, polls) = ([Forecast::default()], Cell::new(0));
        forecast[0].submitted();
        std::thread::sleep(Duration::from_millis(15));
        let poll = |_| {
            polls.set(polls.get() + 1);
            vk::Result::NOT_READY
        };
        let timeout = 3_000_000;
        let told = wait(Strategy::Poll, &Contention::default(), timeout, true, forecast.iter(), poll, |_| {
            Ok(vk::Result::TIMEOUT)
        });
        assert_eq!(told, vk::Result::TIMEOUT);
        assert!(polls.get() < 60, "{} questions in two milliseconds", polls.get());
    }

    #[test]
    fn a_wait_in_slices_ends_in_time() {
        let (time, mut asked) = (Cell::new(7), Vec::new());
        let mut wait = |timeout| {
            in_slices(
                timeout,
                || time.get(),
                |slice| {
                    asked.push(slice);
                    time.set(time.get() + slice);
                    vk::Result::TIMEOUT
                },
            )
        };
        assert_eq!(wait(2 * SLICE + 5), vk::Result::TIMEOUT);
        assert_eq!(wait(5), vk::Result::TIMEOUT);
        assert_eq!(asked, [SLICE, SLICE, 5, 5]);
        assert_eq!(in_slices(u64::MAX, || 0, |_| vk::Result::SUCCESS), vk::Result::SUCCESS);
    }

    #[test]
    fn a_wait_without_a_side_ring_asks_until_it_is_over() {
        let asked = Cell::new(0);
        let poll = |_| {
            asked.set(asked.get() + 1);
            if asked.get() < 5 { vk::Result::NOT_READY } else { vk::Result::SUCCESS }
        };
        let none = |_| Err(Error::OutOfHostMemory);
        assert_eq!(
            wait(Strategy::Block, &Contention::default(), u64::MAX, true, [].iter(), poll, none),
            vk::Result::SUCCESS
        );
        assert_eq!(
            wait(Strategy::Block, &Contention::default(), NAP, true, [].iter(), |_| vk::Result::TIMEOUT, none),
            vk::Result::TIMEOUT
        );
        let lost = |_| Err(Error::Lost("gone".into()));
        assert_eq!(
            wait(Strategy::Block, &Contention::default(), u64::MAX, true, [].iter(), |_| vk::Result::TIMEOUT, lost),
            vk::Result::ERROR_DEVICE_LOST
        );
    }

    #[test]
    fn short_work_is_stayed_for() {
        let forecast = [Forecast::default()];
        let blocked = |forecast: &[Forecast; 1], questions| {
            forecast[0].submitted();
            let asked = Cell::new(0);
            let poll = |_| {
                asked.set(asked.get() + 1);
                if asked.get() > questions { vk::Result::SUCCESS } else { vk::Result::TIMEOUT }
            };
            let blocked = Cell::new(false);
            let block = |_| {
                blocked.set(true);
                Ok(vk::Result::SUCCESS)
            };
            // However old the process is.
            forecast[0].submitted();
            assert_eq!(
                wait(Strategy::Block, &Contention::default(), u64::MAX, true, forecast.iter(), poll, block),
                vk::Result::SUCCESS
            );
            blocked.get()
        };
        assert!(blocked(&forecast, 1), "nothing is known of it");
        assert_eq!((worth_staying(400, 1000), worth_staying(1000, 1000), worth_staying(1001, 1000)), (600, 1500, 0));
        // Work that usually takes as long as a wait may keep a core busy.
        while forecast[0].usual() < settings::spin_limit() / 2 {
            forecast[0].learn_of(settings::spin_limit(), false);
        }
        assert!(!blocked(&forecast, 3));
        assert!(blocked(&forecast, u64::MAX), "it takes much longer this time");
    }

    #[test]
    fn a_wait_aside_asks_once_and_stays_for_nothing() {
        let (asked, known) = (std::cell::RefCell::new(Vec::new()), [Forecast::default()]);
        // Also for work that usually is over soon.
        while known[0].usual() < settings::spin_limit() / 2 {
            known[0].learn_of(settings::spin_limit(), false);
        }
        let poll = |stay| {
            asked.borrow_mut().push(stay);
            vk::Result::TIMEOUT
        };
        let block = |_| Ok(vk::Result::SUCCESS);
        assert_eq!(
            wait(Strategy::Aside, &Contention::default(), u64::MAX, true, known.iter(), poll, block),
            vk::Result::SUCCESS
        );
        assert_eq!(*asked.borrow(), [0]);
    }

    #[test]
    fn a_wait_for_work_that_is_followed_dozes_until_it_is_due_and_then_blocks() {
        let (asked, blocked, known) = (Cell::new(0), Cell::new(0), [Forecast::default()]);
        while known[0].usual() < 15_000_000 {
            known[0].learn_of(20_000_000, false);
        }
        known[0].submitted();
        let poll = |_| {
            asked.set(asked.get() + 1);
            vk::Result::NOT_READY
        };
        let block = |_| {
            blocked.set(now() - known[0].submitted_at());
            Ok(vk::Result::SUCCESS)
        };
        let told = wait(Strategy::Followed, &Contention::default(), u64::MAX, true, known.iter(), poll, block);
        assert_eq!(told, vk::Result::SUCCESS);
        assert!(asked.get() <= 9, "{} questions", asked.get());
        assert!(blocked.get() >= 10_000_000, "blocked after {} ns", blocked.get());
    }

    /// How late a wait is that dozes for work which ends at `ends` and is due at `due`; and the number of questions.
    fn lateness(due: u64, ends: u64) -> (u64, u32) {
        let (time, asked) = (Cell::new(0), Cell::new(0));
        let ask = || {
            asked.set(asked.get() + 1);
            if time.get() >= ends { vk::Result::SUCCESS } else { vk::Result::NOT_READY }
        };
        let over = doze(0, due, u64::MAX, || time.get(), |nap| time.set(time.get() + nap), ask);
        assert!(over.is_none_or(|r| r == vk::Result::SUCCESS));
        (time.get().saturating_sub(ends), asked.get())
    }

    #[test]
    fn work_that_ends_much_sooner_than_before_is_noticed() {
        const MS: u64 = 1_000_000;
        let (late, _) = lateness(10_000 * MS, MS);
        assert!(late <= LONGEST_DOZE, "{late} ns for work of 1 ms");
        let (late, asked) = lateness(10_000 * MS, 8_000 * MS);
        assert!(late <= 1_000 * MS && asked < 80, "{late} ns, {asked} questions");
        assert_eq!(lateness(MS, 5 * MS), (0, 0), "a short doze asks nothing");
    }

    #[test]
    fn a_lost_host_ends_a_doze() {
        let (time, mut asked) = (Cell::new(0), 0);
        let lost = || {
            asked += 1;
            vk::Result::ERROR_DEVICE_LOST
        };
        let over = doze(0, u64::MAX, u64::MAX, || time.get(), |nap| time.set(time.get() + nap), lost);
        assert_eq!((over, asked), (Some(vk::Result::ERROR_DEVICE_LOST), 1));
    }

    #[test]
    fn one_of_several_teaches_nobody() {
        let forecasts = [Forecast::default(), Forecast::default()];
        let wait = |all, n| {
            let over = |_| vk::Result::SUCCESS;
            wait(Strategy::Block, &Contention::default(), u64::MAX, all, forecasts.iter().take(n), over, |slice| {
                Ok(over(slice))
            })
        };
        forecasts.iter().for_each(|f| f.learn_of(1 << 40, false));
        let known = forecasts.each_ref().map(Forecast::due);
        for all in [false, true] {
            assert_eq!(wait(all, 2), vk::Result::SUCCESS);
            assert_eq!(forecasts.each_ref().map(Forecast::due), known);
        }
        assert_eq!(wait(false, 1), vk::Result::SUCCESS);
        let learned = forecasts.each_ref().map(Forecast::due);
        assert!(learned[0] != known[0] && learned[1] == known[1]);
    }
}
