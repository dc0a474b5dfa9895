//! How fast the machine's processors are, and which of them slow each other: two hyperthreads of a core do, and a virtual machine is seldom told which of its processors are such.
//! Those of its host change, too, so this is how it was when it was looked at.

use std::fmt;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use hesper_rig::pin;

/// How long one look takes.
const LOOK: Duration = Duration::from_millis(2);
/// A thread that comes to less of its pace beside another shares something with it.
const SHARED: f64 = 0.85;
/// In so many looks in a row: what other machines on the host do meanwhile is rarely seen three times.
const TIMES: usize = 3;
/// Of more processors only the first ones are looked at: there are half as many pairs as the square.
const MOST: usize = 16;

/// What was seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pace {
    /// Steps a microsecond of a thread that has its processor to itself: of the slowest processor and of the fastest.
    pub alone: (f64, f64),
    /// Two processors, and what part of its pace a thread on the first had beside one on the second, at best.
    pub shared: Vec<(usize, usize, f64)>,
    /// Processors that weren't looked at.
    pub left_out: usize,
}

impl Pace {
    /// Looks at the processors that this thread may use; one or two seconds for 16.
    ///
    /// # Errors
    /// Where threads can't be started or kept to a processor.
    pub fn of_this_machine() -> Result<Self> {
        Self::of(&pin::allowed()?, |one, beside| steps(one, beside, LOOK))
    }

    /// `look` tells the pace of a thread on a processor, while there may be one on another.
    fn of(processors: &[usize], mut look: impl FnMut(usize, Option<usize>) -> Result<f64>) -> Result<Self> {
        let (looked_at, left_out) = processors.split_at(processors.len().min(MOST));
        let mut pace = Self { alone: (f64::MAX, 0.0), shared: Vec::new(), left_out: left_out.len() };
        for (i, one) in looked_at.iter().enumerate() {
            let mut alone = 0.0f64;
            for _ in 0..TIMES {
                alone = alone.max(look(*one, None)?);
            }
            pace.alone = (pace.alone.0.min(alone), pace.alone.1.max(alone));
            for other in &looked_at[i + 1..] {
                let (mut best, mut looks) = (0.0f64, 0);
                while looks < TIMES && best < SHARED {
                    let before = look(*one, None)?;
                    let beside = look(*one, Some(*other))?;
                    best = best.max(beside / before.max(look(*one, None)?));
                    looks += 1;
                }
                if best < SHARED {
                    pace.shared.push((*one, *other, best));
                }
            }
        }
        Ok(pace)
    }
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0} to {:.0} steps/us a processor", self.alone.0, self.alone.1)?;
        if self.left_out > 0 {
            write!(f, " ({} weren't looked at)", self.left_out)?;
        }
        let mut word = ", less beside another:";
        for (one, other, part) in &self.shared {
            write!(f, "{word} {one} and {other} {part:.2}")?;
            word = ",";
        }
        Ok(())
    }
}

/// Some arithmetic whose steps don't wait for each other, so that a core has something to share (a hyperthread of an Intel Xeon keeps two thirds of its pace beside the other).
fn work(numbers: &mut [u64; 4]) {
    for _ in 0..500 {
        for (number, factor) in numbers.iter_mut().zip([3, 5, 7, 9]) {
            *number = number.wrapping_mul(factor).wrapping_add(1).rotate_left(7);
        }
    }
    black_box(numbers);
}

/// Steps a microsecond of a thread on one processor, while there may be one on another.
fn steps(one: usize, beside: Option<usize>, look: Duration) -> Result<f64> {
    let (works, ends) = (AtomicBool::new(beside.is_none()), AtomicBool::new(false));
    let (works, ends) = (&works, &ends);
    let start = |name: &str| thread::Builder::new().name(name.to_owned());
    thread::scope(|scope| {
        let other = beside.map(|processor| {
            start("beside").spawn_scoped(scope, move || {
                let stays = pin::this_thread(processor);
                works.store(true, Ordering::Relaxed);
                let mut numbers = [1; 4];
                while !ends.load(Ordering::Relaxed) {
                    work(&mut numbers);
                }
                stays
            })
        });
        let other = other.transpose().context("starting a thread")?;
        let counting = start("pace").spawn_scoped(scope, move || {
            pin::this_thread(one)?;
            while !works.load(Ordering::Relaxed) {
                thread::yield_now();
            }
            let (begin, mut count, mut numbers) = (Instant::now(), 0u32, [1; 4]);
            while begin.elapsed() < look {
                work(&mut numbers);
                count += 500;
            }
            Ok(f64::from(count) / begin.elapsed().as_secs_f64() / 1e6)
        });
        let ended = |_| anyhow::anyhow!("a thread panicked");
        let pace = counting.context("starting a thread").and_then(|thread| thread.join().map_err(ended)?);
        // However that went, the other thread works until it is told.
        ends.store(true, Ordering::Relaxed);
        other.map(|thread| thread.join().map_err(ended)?).transpose()?;
        pace
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_threads_on_one_processor_slow_each_other() {
        let first = pin::allowed().unwrap()[0];
        // Many turns on the processor; other tests may begin or end in between.
        let look = Duration::from_millis(100);
        let slowed = || steps(first, Some(first), look).unwrap() < SHARED * steps(first, None, look).unwrap();
        assert!((0..10).any(|_| slowed()));
    }

    #[test]
    fn this_machine_has_a_pace() {
        let pace = Pace::of_this_machine().unwrap();
        println!("{pace}");
        assert!(pace.alone.0 > 0.0 && pace.alone.0 <= pace.alone.1, "{pace:?}");
    }

    #[test]
    fn those_that_share_a_core_are_found_and_what_passes_is_not() {
        let mut disturbed = 0;
        let pace = Pace::of(&(0..18).collect::<Vec<_>>(), |one, beside| {
            Ok(match (one, beside) {
                (4, None) => 80.0,
                (2, Some(5)) => 67.0,
                // Twice in a row something else is to blame.
                (1, Some(3)) if disturbed < 2 => {
                    disturbed += 1;
                    50.0
                }
                _ => 100.0,
            })
        });
        let wanted = Pace { alone: (80.0, 100.0), shared: vec![(2, 5, 0.67)], left_out: 2 };
        assert_eq!((pace.unwrap(), disturbed), (wanted, 2));
        assert!(Pace::of(&[0], |_, _| Ok(1.0)).unwrap().shared.is_empty());
        assert!(Pace::of(&[0, 1], |_, _| anyhow::bail!("no threads")).is_err());
    }

    #[test]
    fn what_was_seen_is_told() {
        let mut pace = Pace { alone: (250.4, 411.0), ..Pace::default() };
        assert_eq!(pace.to_string(), "250 to 411 steps/us a processor");
        pace.shared = vec![(2, 5, 0.67), (7, 9, 0.641)];
        assert_eq!(
            pace.to_string(),
            "250 to 411 steps/us a processor, less beside another: 2 and 5 0.67, 7 and 9 0.64"
        );
        pace.left_out = 4;
        assert!(pace.to_string().starts_with("250 to 411 steps/us a processor (4 weren't looked at), less"));
    }
}
