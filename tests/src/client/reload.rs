//! Loader and driver loaded, used by several threads, and unloaded while those threads still live; then the threads end, the process forks,
//! and all of it begins anew.
//!
//! The C library keeps a library for as long as a thread that has used it lives, and unmaps it when another one is closed after that. So nothing
//! of a round runs on a thread that outlives it, and each round ends with the loader opened and closed once more.

use std::sync::{Arc, Barrier};

use anyhow::{Context, Result, anyhow, ensure};

use crate::forks::{forked, works};
use crate::gpu::Gpu;
use crate::pause::pause;

const THREADS: usize = 4;
/// How seldom a fork's child loads everything itself.
const CHILD_WORKS: u32 = 50;

/// COUNT rounds in four quarters with a pause after each.
pub fn run(count: u32) -> Result<()> {
    for quarter in 1..=4 {
        for n in 0..count / 4 {
            let round = std::thread::spawn(move || round(n)).join().map_err(|_| anyhow!("a thread panicked"))?;
            round.with_context(|| format!("round {n} of quarter {quarter}"))?;
            // SAFETY: loads the system's Vulkan loader, of which nothing is used.
            drop(unsafe { ash::Entry::load() }.context("loading libvulkan.so.1")?);
        }
        let maps = std::fs::read_to_string("/proc/self/maps")?;
        ensure!(!maps.contains("/libvulkan.so"), "the loader is still there");
        pause(&format!("quarter {quarter}"))?;
    }
    Ok(())
}

fn round(n: u32) -> Result<()> {
    let (used, unloaded) = (Arc::new(Barrier::new(THREADS + 1)), Arc::new(Barrier::new(THREADS + 1)));
    let gpu = Arc::new(Gpu::new()?);
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let (gpu, used, unloaded) = (gpu.clone(), used.clone(), unloaded.clone());
            std::thread::spawn(move || {
                let done = uses(&gpu);
                drop(gpu);
                used.wait();
                unloaded.wait();
                done
            })
        })
        .collect();
    used.wait();
    let gpu = Arc::into_inner(gpu).context("a thread still has the device")?;
    let word = works(&gpu);
    drop(gpu);
    unloaded.wait();
    for thread in threads {
        thread.join().map_err(|_| anyhow!("a thread panicked"))??;
    }
    word?;
    forked("after the end", || if n.is_multiple_of(CHILD_WORKS) { works(&Gpu::new()?) } else { Ok(()) })
}

/// Calls that leave something of the driver with the calling thread.
fn uses(gpu: &Gpu) -> Result<()> {
    for words in [16, 4096] {
        let buffer = gpu.buffer(words)?;
        buffer.fill(|i| !i);
        buffer.expect("a thread's memory", |i| !i)?;
        gpu.free(buffer);
    }
    Ok(())
}
