//! Waits for what the GPU itself tells of (`feedback`): looks at memory instead of questions to the host.
//!
//! Where the GPU is the host's processor, each question takes that processor from the work which it asks about, and where many want
//! the processor, whoever waits in the host for the work is late by all turns of its thread. A look needs no thread of the host. A wait sleeps for half
//! of the time that the work usually takes, then yields between looks for at most `HESPER_SPIN_US`, then sleeps between them, as long as is a small part of what
//! has passed: a sleep costs a guest more than the time slept, and yielding lets whatever else wants the processor go first. Under contention it sleeps from the start, on every
//! device whose GPU tells.

use std::time::{Duration, Instant};

use ash::vk;
use hesper_winsys::contention::Contention;
use hesper_winsys::trace;
use hesper_winsys::waiting::{Patience, Wait};

use crate::base::clock::now;
use crate::base::settings;
use crate::sync::forecast::Forecast;
use crate::sync::wait::{doze, sleep};

/// The longest sleep between two looks while the work isn't due, in nanoseconds: a look costs a load.
const LONGEST: u64 = 20_000_000;

/// A wait of at most `timeout` nanoseconds until `is_over`, for what `forecasts` tells of. `ask` is called now and then and asks the
/// host, which may be lost: the result where that ends the wait.
pub fn look<'a>(
    contention: &Contention,
    timeout: u64,
    forecasts: impl Iterator<Item = &'a Forecast> + Clone,
    mut is_over: impl FnMut() -> bool,
    mut ask: impl FnMut() -> Option<vk::Result>,
) -> vk::Result {
    let _span = trace::span("look");
    let start = now();
    let end = start.saturating_add(timeout);
    // Of several things it isn't told which one ended when, so nothing is learned of them, and what was is old.
    let only = forecasts.clone().next().filter(|_| forecasts.clone().nth(1).is_none());
    let learn = |at_once| only.into_iter().for_each(|f| f.learn(at_once));
    let half = only.map_or(0, |f| f.submitted_at().saturating_add(f.usual() / 2)).min(end);
    let mut at_once = true;
    let mut one_look = |at_once| {
        if is_over() {
            learn(at_once);
            return vk::Result::SUCCESS;
        }
        ask().unwrap_or(vk::Result::NOT_READY)
    };
    match one_look(true) {
        vk::Result::NOT_READY => {}
        over => return over,
    }
    if let Some(over) = doze(start, half, LONGEST, now, |time| sleep(contention, time), || one_look(false)) {
        return over;
    }
    let spin = Duration::from_nanos(settings::spin_limit());
    let deadline = Instant::now().checked_add(Duration::from_nanos(end.saturating_sub(now())));
    let mut pauses = Wait::new(Patience { spin }, contention);
    loop {
        match one_look(at_once) {
            vk::Result::NOT_READY => {}
            over => return over,
        }
        at_once = false;
        if now() >= end {
            return vk::Result::TIMEOUT;
        }
        pauses.pause(deadline);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const MS: u64 = 1_000_000;

    /// A wait for what is over at the `over`th look; and the number of looks.
    fn wait(timeout: u64, forecasts: &[Forecast], over: u32) -> (vk::Result, u32) {
        let looks = Cell::new(0);
        let is_over = || {
            looks.set(looks.get() + 1);
            looks.get() >= over
        };
        (look(&Contention::default(), timeout, forecasts.iter(), is_over, || None), looks.get())
    }

    #[test]
    fn a_wait_looks_until_it_is_over_or_its_time_is() {
        let forecast = [Forecast::default()];
        assert_eq!(wait(0, &forecast, 1), (vk::Result::SUCCESS, 1), "what is over needs no time");
        let (result, looks) = wait(0, &forecast, u32::MAX);
        assert!(result == vk::Result::TIMEOUT && looks <= 2, "{result}, {looks} looks");
        let (result, looks) = wait(u64::MAX, &forecast, 100);
        assert_eq!((result, looks), (vk::Result::SUCCESS, 100));
        let start = now();
        assert_eq!(wait(3 * MS, &forecast, u32::MAX).0, vk::Result::TIMEOUT);
        assert!(now() - start >= 3 * MS);
    }

    #[test]
    fn a_lost_host_ends_it() {
        let asked = Cell::new(0);
        let ask = || {
            asked.set(asked.get() + 1);
            (asked.get() > 3).then_some(vk::Result::ERROR_DEVICE_LOST)
        };
        assert_eq!(look(&Contention::default(), u64::MAX, [].iter(), || false, ask), vk::Result::ERROR_DEVICE_LOST);
        assert_eq!(asked.get(), 4);
    }

    #[test]
    fn it_learns_how_long_the_work_takes() {
        let forecasts = [Forecast::default(), Forecast::default()];
        forecasts.iter().for_each(Forecast::submitted);
        std::thread::sleep(Duration::from_millis(4));
        assert_eq!(wait(u64::MAX, &forecasts, 2).0, vk::Result::SUCCESS);
        assert_eq!(forecasts.each_ref().map(Forecast::usual), [0, 0], "of several it isn't told which one ended when");
        assert_eq!(wait(u64::MAX, &forecasts[..1], 3).0, vk::Result::SUCCESS);
        assert!(forecasts[0].usual() > MS / 4, "{} ns", forecasts[0].usual());
    }
}
