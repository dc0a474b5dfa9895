//! When a silent host is taken for dead.
//!
//! A monitor at the host sets a bit in every ring's status once a second, also while the ring's own thread is busy. The host is
//! given up only when neither that bit nor the head has shown any life for long, and when a question that took another way
//! (`question`) wasn't answered either.
//!
//! Silence is measured in time that waits saw pass: from look to look, and never more than a little for each. A guest that was
//! suspended, a program that was stopped, or one that waits only now and then, sees one short step pass and not the hours in between.

use std::time::{Duration, Instant};

use crate::health::{GIVE_UP, SAY};

/// How often the host's monitor reports.
pub const MONITOR_US: u32 = 1_000_000;
/// How much silence there is before the host is asked. The question is a command of the context, so a server whose worker has died finds that
/// out, and closes the connection.
const ASK: Duration = Duration::from_millis(1250);
/// The longest silence that one look can tell of. Waits look every few milliseconds.
const STEP: Duration = Duration::from_millis(50);

/// What to do after a look at a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing: the host has been heard, or not for a short while only.
    Wait,
    /// Ask the host in another way, if it isn't being asked already.
    Ask,
    /// The same, and say that the host is waited for; once in a silence.
    Say,
    /// Say that the host is there again.
    Back,
    /// Give the host up.
    Lost,
}

/// How long a ring has been silent, whoever waits for it. All who wait share one, since the look that hears the host also
/// clears the bit that told of it.
#[derive(Debug, Default)]
pub struct Silence {
    looked: Option<Instant>,
    head: u32,
    silent: Duration,
    said: bool,
}

impl Silence {
    /// Notes that at `now` the host's head was `head`, and whether it gave another sign of life since the last look.
    pub fn look(&mut self, now: Instant, alive: bool, head: u32) -> Verdict {
        let step = self.looked.map_or(Duration::ZERO, |last| now.saturating_duration_since(last)).min(STEP);
        // Two who wait may get here in another order than they looked at the clock.
        self.looked = self.looked.max(Some(now));
        let moved = std::mem::replace(&mut self.head, head) != head;
        if alive || moved {
            self.silent = Duration::ZERO;
            return if std::mem::take(&mut self.said) { Verdict::Back } else { Verdict::Wait };
        }
        self.silent += step;
        match self.silent {
            s if s < ASK => Verdict::Wait,
            s if s >= SAY && !std::mem::replace(&mut self.said, s >= SAY) => Verdict::Say,
            s if s < GIVE_UP => Verdict::Ask,
            _ => Verdict::Lost,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Eight who wait, each looking every few milliseconds at the same ring; `host` says at which milliseconds the monitor
    /// reports. The verdicts other than to wait, with their times in milliseconds.
    fn eight_wait(length: u64, host: impl Fn(u64) -> bool) -> Vec<(u64, Verdict)> {
        let start = Instant::now();
        let mut ring = Silence::default();
        let (mut bit, mut seed) = (false, 1u64);
        let mut next = [0u64; 8];
        let mut verdicts = Vec::new();
        for t in 0..length {
            bit |= host(t);
            for due in &mut next {
                if *due <= t {
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    *due = t + 1 + (seed >> 33) % 6;
                    match ring.look(start + MS * t as u32, std::mem::take(&mut bit), 0) {
                        Verdict::Wait => {}
                        other => verdicts.push((t, other)),
                    }
                }
            }
        }
        verdicts
    }

    #[test]
    fn eight_who_wait_for_a_healthy_host_never_doubt_it() {
        assert_eq!(eight_wait(600_000, |t| t % 1000 == 0), []);
        // Late by a second, now and then: asked, but nothing is said.
        let late = eight_wait(600_000, |t| t % 2000 == 0 || t % 7000 == 0);
        assert!(late.iter().all(|(_, v)| *v == Verdict::Ask));
    }

    #[test]
    fn a_dead_host_is_asked_and_then_given_up() {
        let verdicts = eight_wait(310_000, |t| t < 5000 && t % 1000 == 0);
        let first = |v| verdicts.iter().find(|(_, w)| *w == v).unwrap().0;
        // Last heard at 4 s.
        assert!((5250..5270).contains(&first(Verdict::Ask)), "asked after {} ms", first(Verdict::Ask));
        assert!((14_000..14_020).contains(&first(Verdict::Say)), "said after {} ms", first(Verdict::Say));
        assert_eq!(verdicts.iter().filter(|(_, v)| *v == Verdict::Say).count(), 1, "said once");
        assert!((304_000..304_020).contains(&first(Verdict::Lost)), "given up after {} ms", first(Verdict::Lost));
    }

    #[test]
    fn a_host_that_was_stopped_for_two_minutes_is_waited_for() {
        let verdicts = eight_wait(600_000, |t| t % 1000 == 0 && !(60_000..180_000).contains(&t));
        let said: Vec<_> = verdicts.iter().filter(|(_, v)| *v != Verdict::Ask).map(|(_, v)| *v).collect();
        assert_eq!(said, [Verdict::Say, Verdict::Back]);
    }

    #[test]
    fn a_host_that_answers_is_waited_for() {
        // Its monitor is dead, but every question is answered after 100 ms.
        let start = Instant::now();
        let mut ring = Silence::default();
        let mut asked = None;
        for t in 0..120_000u32 {
            let answered = asked.is_some_and(|a| t >= a + 100);
            if answered {
                asked = None;
            }
            match ring.look(start + MS * t, answered, 0) {
                Verdict::Wait => {}
                Verdict::Ask => asked = asked.or(Some(t)),
                other => panic!("{other:?} after {t} ms"),
            }
        }
    }

    #[test]
    fn a_head_that_moves_is_a_sign_of_life() {
        let start = Instant::now();
        let mut ring = Silence::default();
        assert!((0..60_000u32).all(|t| ring.look(start + MS * t, false, t / 1000) == Verdict::Wait));
    }

    #[test]
    fn time_that_nobody_saw_pass_does_not_count() {
        let start = Instant::now();
        let mut ring = Silence::default();
        // A suspended guest: a second of silence, a night, and some milliseconds until the monitor runs again.
        let night = Duration::from_secs(8 * 3600);
        for t in 0..800u32 {
            assert_eq!(ring.look(start + MS * t, false, 1), Verdict::Wait);
        }
        for t in 800..1150u32 {
            assert_eq!(ring.look(start + night + MS * t, false, 1), Verdict::Wait);
        }
        assert_eq!(ring.look(start + night + MS * 1150, true, 1), Verdict::Wait);
        // A program that looks once a minute, and sleeps in between.
        for minute in 0..20 {
            assert_eq!(ring.look(start + night * 2 + Duration::from_secs(60) * minute, false, 1), Verdict::Wait);
        }
    }

    #[test]
    fn a_clock_that_goes_back_between_two_who_wait_adds_nothing() {
        let start = Instant::now() + Duration::from_secs(60);
        let mut ring = Silence::default();
        for t in 0..1150u32 {
            assert_eq!(ring.look(start + MS * t, false, 1), Verdict::Wait);
            assert_eq!(ring.look(start + MS * t - MS * 40, false, 1), Verdict::Wait);
        }
    }
}
