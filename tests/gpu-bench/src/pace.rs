//! How fast the machine's processors are, and which of them slow each other: two hyperthreads of a core do, and a virtual machine is seldom told which of its processors are such.
//! Those of its host change, too, so this is how it was when it was looked at.

use std::fmt;
use std::hint::black_box;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// How long one measurement takes.
const LOOK: Duration = Duration::from_millis(2);
/// A thread that comes to less of its pace beside another shares something with it.
const SHARED: f64 = 0.85;
/// So often in a row: what other machines on the host do meanwhile is rarely seen three times.
const TIMES: usize = 3;
/// Of more processors only the first ones are looked at: there are half as many pairs as the square.
const MOST: usize = 16;

/// What was seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pace {
    /// Steps a microsecond of a thread that has its processor, and its machine, to itself: of the slowest processor and of the fastest.
    pub alone: (f64, f64),
    /// Two processors, and what part of its pace a thread on the first had beside one on the second, at best.
    pub shared: Vec<(usize, usize, f64)>,
}

impl Pace {
    /// Looks at the processors that this thread may use; half a second for 16.
    ///
    /// # Errors
    /// Where threads can't be kept to a processor.
    pub fn of_this_machine() -> Result<Self> {
        let allowed = sched_getaffinity(Pid::from_raw(0)).context("asking for the processors")?;
        let processors = (0..CpuSet::count()).filter(|i| allowed.is_set(*i).unwrap_or(false)).take(MOST);
        let processors: Vec<_> = processors.collect();
        let mut pace = Self { alone: (f64::MAX, 0.0), shared: Vec::new() };
        for (i, one) in processors.iter().enumerate() {
            let mut alone = 0.0f64;
            for _ in 0..TIMES {
                alone = alone.max(steps(*one, None, LOOK)?);
            }
            pace.alone = (pace.alone.0.min(alone), pace.alone.1.max(alone));
            for other in &processors[i + 1..] {
                let mut best = 0.0f64;
                let mut looks = 0;
                while looks < TIMES && best < SHARED {
                    let before = steps(*one, None, LOOK)?;
                    let beside = steps(*one, Some(*other), LOOK)?;
                    best = best.max(beside / before.min(steps(*one, None, LOOK)?));
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
        let mut word = ", less beside another:";
        for (one, other, part) in &self.shared {
            write!(f, "{word} {one} and {other} {part:.2}")?;
            word = ",";
        }
        Ok(())
    }
}

/// Keeps the calling thread to a processor.
fn stay(processor: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(processor)?;
    sched_setaffinity(Pid::from_raw(0), &set).with_context(|| format!("keeping a thread to processor {processor}"))
}

/// Some arithmetic whose steps don't wait for each other, so that a core has something to share.
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
    let (start, ends) = (Barrier::new(1 + usize::from(beside.is_some())), AtomicBool::new(false));
    let (start, ends) = (&start, &ends);
    thread::scope(|scope| {
        let other = beside.map(|processor| {
            scope.spawn(move || {
                let stays = stay(processor);
                start.wait();
                let mut numbers = [1; 4];
                while !ends.load(Ordering::Relaxed) {
                    work(&mut numbers);
                }
                stays
            })
        });
        let counting = scope.spawn(|| {
            let stays = stay(one);
            start.wait();
            let (begin, mut count, mut numbers) = (Instant::now(), 0u32, [1; 4]);
            while begin.elapsed() < look {
                work(&mut numbers);
                count += 500;
            }
            let pace = f64::from(count) / begin.elapsed().as_secs_f64() / 1e6;
            ends.store(true, Ordering::Relaxed);
            stays.map(|()| pace)
        });
        let ended = |_| anyhow::anyhow!("a thread panicked");
        let pace = counting.join().map_err(ended)??;
        other.map(|thread| thread.join().map_err(ended)?).transpose()?;
        Ok(pace)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_threads_on_one_processor_halve_it() {
        let first = sched_getaffinity(Pid::from_raw(0)).unwrap();
        let first = (0..CpuSet::count()).find(|i| first.is_set(*i).unwrap_or(false)).unwrap();
        // Many turns on the processor.
        let look = Duration::from_millis(200);
        let (alone, shared) = (steps(first, None, look).unwrap(), steps(first, Some(first), look).unwrap());
        assert!(shared < SHARED * alone, "{alone} and {shared}");
    }

    #[test]
    fn this_machine_has_a_pace() {
        let pace = Pace::of_this_machine().unwrap();
        println!("{pace}");
        assert!(pace.alone.0 > 0.0 && pace.alone.0 <= pace.alone.1, "{pace:?}");
    }

    #[test]
    fn pairs_are_told() {
        let mut pace = Pace { alone: (250.4, 411.0), shared: Vec::new() };
        assert_eq!(pace.to_string(), "250 to 411 steps/us a processor");
        pace.shared = vec![(2, 5, 0.67), (7, 9, 0.641)];
        assert_eq!(
            pace.to_string(),
            "250 to 411 steps/us a processor, less beside another: 2 and 5 0.67, 7 and 9 0.64"
        );
    }
}
