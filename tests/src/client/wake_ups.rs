//! Calls that need an answer, each after a rest in which the host's thread may fall asleep: a wake-up that is lost shows as a call that
//! takes long, or never ends.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ash::vk;

use crate::gpu::Gpu;

/// Rests are spread around the millisecond for which the host's thread looks for work before it sleeps, over a test server's socket and with
/// `HESPER_IDLE_US=1000`.
const SHORTEST: Duration = Duration::from_micros(200);
const SPREAD_US: u64 = 1800;

/// What a thread sleeps again and again beside the calls: where such a sleep takes long, the machine had no processor for its programs, and none
/// of the calls says anything about wake-ups.
const WITNESS: Duration = Duration::from_millis(1);

/// Makes CALLS calls from each of THREADS threads; fails if one takes `longest` or more.
pub fn calls(threads: u32, calls: u32, longest: Duration) -> Result<()> {
    let gpu = Gpu::new()?;
    let gpu = &gpu;
    let over = &AtomicBool::new(false);
    let (all, sleep) = std::thread::scope(|s| {
        let witness = s.spawn(|| longest_sleep(over));
        let threads: Vec<_> = (0..threads).map(|thread| s.spawn(move || slowest(gpu, thread, calls))).collect();
        let panicked = |_| anyhow::anyhow!("a thread panicked");
        let all: Result<Vec<Duration>> = threads.into_iter().map(|t| t.join().map_err(panicked)?).collect();
        over.store(true, Ordering::Relaxed);
        (all, witness.join().map_err(panicked))
    });
    let (slowest, sleep) = (all?.into_iter().max().context("no threads")?, sleep?);
    let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
    println!("{} calls, the slowest took {:.1} ms", threads * calls, ms(slowest));
    println!("the longest of the sleeps of {WITNESS:?} took {:.1} ms", ms(sleep));
    ensure!(slowest < longest, "a call took {slowest:?}, and a sleep of {WITNESS:?} beside it {sleep:?}");
    Ok(())
}

/// How long the longest sleep takes until the calls are over.
fn longest_sleep(over: &AtomicBool) -> Duration {
    let mut longest = Duration::ZERO;
    while !over.load(Ordering::Relaxed) {
        let start = Instant::now();
        std::thread::sleep(WITNESS);
        longest = longest.max(start.elapsed());
    }
    longest
}

/// How long the slowest of a thread's calls takes.
fn slowest(gpu: &Gpu, thread: u32, calls: u32) -> Result<Duration> {
    // SAFETY: an event of this device, which this thread has to itself and destroys when nothing uses it any more.
    let event = unsafe { gpu.device.create_event(&vk::EventCreateInfo::default(), None)? };
    let mut slowest = Duration::ZERO;
    for call in 0..calls {
        let spread = u64::from(call + thread * calls).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        std::thread::sleep(SHORTEST + Duration::from_micros(spread % SPREAD_US));
        let start = Instant::now();
        // SAFETY: as above.
        let set = unsafe { gpu.device.get_event_status(event) }?;
        slowest = slowest.max(start.elapsed());
        ensure!(!set, "an event that nobody has set is set");
    }
    // SAFETY: as above.
    unsafe { gpu.device.destroy_event(event, None) };
    Ok(slowest)
}

/// Makes memory, maps it, has the device fill it, waits, and looks at it, COUNT times.
pub fn fills(count: u32) -> Result<()> {
    let gpu = Gpu::new()?;
    for round in 0..count {
        let buffer = gpu.buffer(4096)?;
        gpu.run(|cmd| {
            // SAFETY: recording; inside the buffer.
            unsafe { gpu.device.cmd_fill_buffer(cmd, buffer.buffer, 0, vk::WHOLE_SIZE, round + 1) };
        })?;
        buffer.expect("what the device has filled", |_| round + 1)?;
        gpu.free(buffer);
    }
    Ok(())
}
