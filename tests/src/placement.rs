//! Which processors guest and host run on in benchmarks, and how near to each other these are: what one of them has written comes from its caches to the
//! other's, and where they share none that takes several times as long.

use std::fmt;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use hesper_rig::pin;

/// Two processors are near where a word goes from one to the other and back within this time: two cores below one cache of the third level take some 100 ns.
const NEAR: Duration = Duration::from_nanos(180);
/// A machine has both where one of its pairs takes so many times as long as another.
const APART: f64 = 1.5;
/// Processors that the guest's is tried with.
const TRIED: usize = 15;
const BATCHES: u32 = 20;
const ROUND_TRIPS: u32 = 5_000;

/// How near two processors are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Distance {
    Near,
    Far,
}

impl Distance {
    /// Its name, in results and baselines.
    pub fn name(self) -> &'static str {
        match self {
            Self::Near => "near",
            Self::Far => "far",
        }
    }
}

impl fmt::Display for Distance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A processor for the guest, and one for its host.
#[derive(Clone, Copy, Debug)]
pub struct Placement {
    pub guest: usize,
    pub host: usize,
    /// How long a word takes from one to the other and back.
    pub round_trip: Duration,
}

impl Placement {
    /// How near its processors are.
    pub fn distance(&self) -> Distance {
        if self.round_trip <= NEAR { Distance::Near } else { Distance::Far }
    }

    /// The machine's: one of near processors and one of far ones, where it has both; none where there is a single processor.
    ///
    /// # Errors
    /// Where threads can't be kept to a processor.
    pub fn of_this_machine() -> Result<Vec<Self>> {
        let mut processors = pin::allowed()?.into_iter();
        let Some(guest) = processors.next() else { return Ok(Vec::new()) };
        let mut all = processors
            .take(TRIED)
            .map(|host| Ok(Self { guest, host, round_trip: round_trip(guest, host)? }))
            .collect::<Result<Vec<_>>>()?;
        all.sort_by_key(|p| p.round_trip);
        Ok(ends(&all))
    }
}

/// The nearest pair, and the farthest one if that is another kind.
fn ends(sorted: &[Placement]) -> Vec<Placement> {
    let (Some(near), Some(far)) = (sorted.first(), sorted.last()) else { return Vec::new() };
    let both = far.distance() != near.distance() && far.round_trip > near.round_trip.mul_f64(APART);
    if both { vec![*near, *far] } else { vec![*near] }
}

/// The shortest time of a batch, for one round trip: what else runs there only makes it longer.
fn round_trip(one: usize, other: usize) -> Result<Duration> {
    let (word, start) = (AtomicU32::new(0), Barrier::new(2));
    // Waits until the word is `now`, and makes the next number of it.
    let pass = |now: u32| {
        while word.load(Ordering::Acquire) != now {
            core::hint::spin_loop();
        }
        word.store(now + 1, Ordering::Release);
    };
    let rounds = BATCHES * ROUND_TRIPS;
    std::thread::scope(|scope| {
        let answering = scope.spawn(|| {
            let stays = pin::this_thread(other);
            start.wait();
            (0..rounds).for_each(|i| pass(2 * i + 1));
            stays
        });
        let asking = scope.spawn(|| {
            let stays = pin::this_thread(one);
            start.wait();
            let mut shortest = Duration::MAX;
            for batch in 0..BATCHES {
                let begin = Instant::now();
                (0..ROUND_TRIPS).for_each(|i| pass(2 * (batch * ROUND_TRIPS + i)));
                shortest = shortest.min(begin.elapsed());
            }
            stays.map(|()| shortest / ROUND_TRIPS)
        });
        let ended = |_| anyhow::anyhow!("a thread panicked");
        answering.join().map_err(ended)??;
        asking.join().map_err(ended)?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_and_far_ones_are_told_apart() {
        let at = |ns| Placement { guest: 0, host: 1, round_trip: Duration::from_nanos(ns) };
        let of = |all: &[u64]| {
            ends(&all.iter().map(|ns| at(*ns)).collect::<Vec<_>>()).iter().map(Placement::distance).collect::<Vec<_>>()
        };
        assert_eq!(of(&[90, 110, 400]), [Distance::Near, Distance::Far]);
        assert_eq!((of(&[90, 120]), of(&[300, 700]), of(&[])), (vec![Distance::Near], vec![Distance::Far], vec![]));
        assert_eq!(of(&[170, 190]), [Distance::Near], "nearly the same");
    }

    #[test]
    fn this_machine_has_some() {
        let all = Placement::of_this_machine().unwrap();
        let several = std::thread::available_parallelism().is_ok_and(|n| n.get() > 1);
        assert_eq!(!all.is_empty(), several);
        for p in all {
            println!("{} and {}: {:?}, {}", p.guest, p.host, p.round_trip, p.distance());
            assert!(p.guest != p.host && p.round_trip > Duration::from_nanos(5), "{p:?}");
        }
    }
}
