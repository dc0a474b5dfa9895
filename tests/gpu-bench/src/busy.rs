//! Other work on the machine, beside guest and host.

use std::fmt;
use std::hint::black_box;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use crate::run_queue::BUSY;

/// Which work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    Idle,
    /// Threads that compute, as a percentage of the processors.
    Threads(u32),
    /// A thread for every second processor that copies memory, larger than caches.
    Memory,
}

/// Bytes that each thread of [`Load::Memory`] copies from, and as many to.
const HOG: usize = 256 << 20;

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Idle => f.write_str("idle"),
            Self::Threads(percent) => write!(f, "busy{percent}"),
            Self::Memory => f.write_str("memory"),
        }
    }
}

impl FromStr for Load {
    type Err = String;

    /// `idle`, `memory`, or `busy` with a percentage.
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "idle" => Ok(Self::Idle),
            "memory" => Ok(Self::Memory),
            _ => {
                let percent = text.strip_prefix("busy").and_then(|n| n.parse().ok());
                percent.map(Self::Threads).ok_or_else(|| format!("{text} is none of idle, memory, busy50, busy100, …"))
            }
        }
    }
}

/// Threads at work until dropped.
pub struct Work {
    ends: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    /// Starts the work.
    pub fn start(self) -> Work {
        let processors = thread::available_parallelism().map_or(1, |n| n.get());
        let count = match self {
            Self::Idle => 0,
            Self::Threads(percent) => (processors * percent as usize).div_ceil(100),
            Self::Memory => processors.div_ceil(2),
        };
        let ends = Arc::new(AtomicBool::new(false));
        let thread = |_| {
            let ends = Arc::clone(&ends);
            let work = move || if self == Self::Memory { copy(&ends) } else { compute(&ends) };
            thread::Builder::new().name(BUSY.to_owned()).spawn(work).expect("a system that starts threads")
        };
        let threads = (0..count).map(thread).collect();
        Work { ends, threads }
    }
}

fn compute(ends: &AtomicBool) {
    let mut n = 1u64;
    while !ends.load(Ordering::Relaxed) {
        for _ in 0..10_000 {
            n = black_box(n.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17));
        }
    }
}

fn copy(ends: &AtomicBool) {
    let (from, mut to) = (vec![1u8; HOG], vec![0u8; HOG]);
    while !ends.load(Ordering::Relaxed) {
        for (from, to) in from.chunks(1 << 20).zip(to.chunks_mut(1 << 20)) {
            to.copy_from_slice(black_box(from));
            if ends.load(Ordering::Relaxed) {
                break;
            }
        }
        black_box(&to);
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // Nothing in them panics.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loads_are_read_back_and_end() {
        for load in [Load::Idle, Load::Threads(50), Load::Threads(200)] {
            assert_eq!(load.to_string().parse(), Ok(load));
            drop(load.start());
        }
        assert_eq!("memory".parse(), Ok(Load::Memory));
        assert!("busy".parse::<Load>().is_err());
    }
}
