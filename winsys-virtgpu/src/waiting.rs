//! Waiting for something that the other side writes into memory: look, look again for a while, then sleep in between.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::contention::Contention;

/// How a wait proceeds. A wait looks without pause for some microseconds, then yields the processor between looks until `spin` is
/// over, then sleeps, longer each time. Where other programs want the processors, it sleeps from the start.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// How long a wait may keep a core busy.
    pub spin: Duration,
}

impl Patience {
    /// Sleeps from the start.
    pub const ASLEEP: Self = Self { spin: Duration::ZERO };
}

impl Default for Patience {
    fn default() -> Self {
        Self { spin: Duration::from_micros(100) }
    }
}

/// How long a wait looks without letting others run: where cores are few, one of them may be the one that is waited for.
const ALONE: Duration = Duration::from_micros(4);
/// The longest sleep between two looks.
const LONGEST: Duration = Duration::from_millis(8);
/// The first one; sleeps take the kernel's timer slack of about 50 microseconds on top.
const SHORTEST: Duration = Duration::from_micros(20);

/// One wait in progress.
#[derive(Debug)]
pub struct Wait<'a> {
    contention: &'a Contention,
    spin: Duration,
    looks: u32,
    start: Option<Instant>,
    /// What passed before it last asked for the time.
    waited: Duration,
    sleep: Duration,
    sleeps: u32,
    /// Past the first moments.
    yields: bool,
}

/// What a pause between two looks was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// Some nanoseconds.
    Short,
    /// A sleep: time to look after rarer things too, such as the host's health.
    Slept,
}

fn single_core() -> bool {
    static SINGLE: OnceLock<bool> = OnceLock::new();
    *SINGLE.get_or_init(|| std::thread::available_parallelism().is_ok_and(|n| n.get() == 1))
}

impl<'a> Wait<'a> {
    /// Begins a wait.
    pub fn new(patience: Patience, contention: &'a Contention) -> Self {
        Self {
            contention,
            spin: patience.spin,
            looks: 0,
            start: None,
            waited: Duration::ZERO,
            sleep: SHORTEST,
            sleeps: 0,
            yields: false,
        }
    }

    /// How often it has slept.
    pub fn sleeps(&self) -> u32 {
        self.sleeps
    }

    /// How long the wait has taken; it doesn't look any longer without sleeping where it hasn't run for a while and others want the processor.
    fn look_for_gap(&mut self, start: Instant) -> Duration {
        let waited = start.elapsed();
        if self.sleeps == 0 && self.contention.hear(start + waited, waited.saturating_sub(self.waited)) {
            self.spin = Duration::ZERO;
        }
        self.waited = waited;
        waited
    }

    /// Pauses before the next look, at most until `deadline`.
    pub fn pause(&mut self, deadline: Option<Instant>) -> Pause {
        self.looks = self.looks.saturating_add(1);
        let Some(start) = self.start else {
            let now = Instant::now();
            self.start = Some(now);
            if self.contention.look(now) {
                self.spin = Duration::ZERO;
            }
            return Pause::Short;
        };
        // Asking for the time costs more than a look does.
        if !self.yields && !self.looks.is_multiple_of(16) && !self.spin.is_zero() {
            core::hint::spin_loop();
            return Pause::Short;
        }
        let waited = self.look_for_gap(start);
        if waited < self.spin {
            self.yields |= waited >= ALONE || single_core();
            if self.yields {
                std::thread::yield_now();
                // At once, and not at the next pause: while others had the processor the other side has mostly answered, and there is no next pause.
                self.look_for_gap(start);
            }
            return Pause::Short;
        }
        self.yields = true;
        let left = deadline.map_or(LONGEST, |d| d.saturating_duration_since(Instant::now()));
        self.contention.sleep(self.sleep.min(left));
        self.sleeps = self.sleeps.saturating_add(1);
        // A small part of what has passed: the wait is at most that much too long, and the sleeps are few.
        self.sleep = (waited / 32).clamp(SHORTEST, LONGEST);
        Pause::Slept
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
    use nix::unistd::Pid;

    use super::*;
    use crate::contention::Mode;

    /// Has this thread, and those that it begins, run on one processor.
    fn stay_on_one_processor() {
        // Other tests of this process have more.
        single_core();
        let me = Pid::from_raw(0);
        let allowed = sched_getaffinity(me).unwrap();
        let first = (0..CpuSet::count()).find(|i| allowed.is_set(*i).unwrap()).unwrap();
        let mut one = CpuSet::new();
        one.set(first).unwrap();
        sched_setaffinity(me, &one).unwrap();
    }

    /// Whether `work` beside a thread that always runs on the same processor has contention noticed, within a time by far long enough.
    fn is_noticed_beside_another(mut work: impl FnMut(&Contention)) -> bool {
        stay_on_one_processor();
        let (contention, over) = (Contention::new(Mode::Noticed), AtomicBool::new(false));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    core::hint::spin_loop();
                }
            });
            let begin = Instant::now();
            while !contention.is_high() && begin.elapsed() < Duration::from_secs(20) {
                work(&contention);
            }
            over.store(true, Ordering::Relaxed);
        });
        contention.is_high()
    }

    /// A yield that leaves the processor to others for a turn of theirs is mostly the last pause of its wait: the other side has answered meanwhile.
    #[test]
    #[cfg_attr(miri, ignore = "nobody computes beside")]
    fn a_yield_that_took_long_is_noticed_though_the_wait_is_over() {
        let noticed = is_noticed_beside_another(|contention| {
            let mut wait = Wait::new(Patience::default(), contention);
            while !wait.yields {
                wait.pause(None);
            }
        });
        assert!(noticed);
    }

    /// A program that computes for a while, then waits asleep, as between submissions that follow each other.
    #[test]
    #[cfg_attr(miri, ignore = "nobody computes beside")]
    fn waits_that_do_nothing_but_sleep_notice_others() {
        // Nobody can notice by a count that the kernel doesn't keep.
        if crate::run_delay::RunDelay::of_this_thread().is_none() {
            return;
        }
        let noticed = is_noticed_beside_another(|contention| {
            let begin = Instant::now();
            while begin.elapsed() < Duration::from_millis(3) {
                core::hint::spin_loop();
            }
            let mut wait = Wait::new(Patience::ASLEEP, contention);
            while wait.sleeps() == 0 {
                wait.pause(None);
            }
        });
        assert!(noticed);
    }
}
