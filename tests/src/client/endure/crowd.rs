//! One process of a crowd: threads that do everything a little, until a line of input comes.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, anyhow};

use crate::gpu::Gpu;
use crate::pause::pause;
use crate::threads::Thread;

/// How many rounds share a pipeline: compiling takes the host most of a round.
const PIPELINE: u32 = 8;

/// At the end, the rounds of the thread that has come furthest least, and of all together.
pub fn run(threads: u32) -> Result<()> {
    let gpu = Gpu::new()?;
    let (queue, over) = (Mutex::new(()), AtomicBool::new(false));
    let (gpu, queue, over) = (&gpu, &queue, &over);
    let rounds: Vec<u32> = std::thread::scope(|s| {
        let work = |t: u32| {
            let mut thread = Thread::new(gpu, Some(queue), t)?;
            let mut round = 0;
            while !over.load(Ordering::Relaxed) {
                // Not all of them compile at the same time.
                let new_pipeline = (round + t).is_multiple_of(PIPELINE);
                thread.round(round, new_pipeline).with_context(|| format!("round {round}"))?;
                round += 1;
            }
            thread.end()?;
            Ok::<_, anyhow::Error>(round)
        };
        let threads: Vec<_> = (0..threads)
            .map(|t| {
                s.spawn(move || {
                    let done = work(t).with_context(|| format!("thread {t}"));
                    if let Err(e) = &done {
                        // Whoever waits for the end of the crowd shall see it at once.
                        eprintln!("{e:#}");
                    }
                    done
                })
            })
            .collect();
        let input = pause("working");
        over.store(true, Ordering::Relaxed);
        let rounds = threads.into_iter().map(|t| t.join().map_err(|_| anyhow!("a thread panicked"))?);
        rounds.collect::<Result<_>>().and_then(|rounds| input.map(|()| rounds))
    })?;
    let least = rounds.iter().min().copied().unwrap_or(0);
    println!("{least} {}", rounds.iter().sum::<u32>());
    Ok(())
}
