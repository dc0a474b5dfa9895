//! How long things take that programs wait for.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use ash::vk;
use serde::{Deserialize, Serialize};

use super::gpu::{Gpu, Words};
use super::work::{self, Shader};

/// Words of a submission that is as short as one can be.
const FEW: usize = 1 << 10;
/// Words by which throughput is measured: 64 MiB.
const MANY: usize = 16 << 20;

/// Medians.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pace {
    /// Microseconds of a question that the host answers (vkGetEventStatus).
    pub answer_us: f64,
    /// Microseconds from a submission of one small dispatch until its fence has been waited for.
    pub submission_us: f64,
    /// Microseconds of recording a dispatch.
    pub record_us: Option<f64>,
    /// GiB/s at which the guest's processor writes mapped memory, and reads it.
    pub write_gib_s: Option<f64>,
    pub read_gib_s: Option<f64>,
    /// GiB/s at which the device copies mapped memory.
    pub copy_gib_s: Option<f64>,
}

/// Those that tell whether something is wrong, for about `time` each.
pub fn short(gpu: &Gpu, time: Duration) -> Result<Pace> {
    let (answer_us, submission_us) = (answer(gpu, time)?, submission(gpu, time)?);
    Ok(Pace { answer_us, submission_us, record_us: None, write_gib_s: None, read_gib_s: None, copy_gib_s: None })
}

/// All of them, for about `time` each.
pub fn long(gpu: &Gpu, time: Duration) -> Result<Pace> {
    let some = short(gpu, time)?;
    let record_us = Some(recording(gpu, time)?);
    let (from, to) = (Words::new(gpu, MANY)?, Words::new(gpu, MANY)?);
    let rate = |us: f64| Some(from.size() as f64 / (us / 1e6) / (1u64 << 30) as f64);
    let write = median(time, || {
        from.write(|i| i);
        Ok(())
    })?;
    let commands = gpu.record(|device, commands| work::copy(device, commands, &from, &to))?;
    let copy = median(time, || gpu.run(commands))?;
    let read = median(time, || {
        anyhow::ensure!(to.others(|i| i) == 0, "the copy isn't what was copied");
        Ok(())
    })?;
    let pace = Pace { record_us, write_gib_s: rate(write), read_gib_s: rate(read), copy_gib_s: rate(copy), ..some };
    from.free(gpu);
    to.free(gpu);
    Ok(pace)
}

fn answer(gpu: &Gpu, time: Duration) -> Result<f64> {
    // SAFETY: valid parameters of a valid device.
    let event = unsafe { gpu.device.create_event(&vk::EventCreateInfo::default(), None) }.context("vkCreateEvent")?;
    let median = median(time, || {
        // SAFETY: the event lives until below.
        unsafe { gpu.device.get_event_status(event) }.map(drop).context("vkGetEventStatus")
    });
    // SAFETY: nobody uses it any more.
    unsafe { gpu.device.destroy_event(event, None) };
    median
}

fn submission(gpu: &Gpu, time: Duration) -> Result<f64> {
    let (from, to) = (Words::new(gpu, FEW)?, Words::new(gpu, FEW)?);
    let shader = Shader::new(gpu, [from.buffer, to.buffer])?;
    let commands = gpu.record(|device, commands| shader.record(device, commands, FEW as u32, 1))?;
    let median = median(time, || gpu.run(commands));
    shader.destroy(gpu);
    from.free(gpu);
    to.free(gpu);
    median
}

fn recording(gpu: &Gpu, time: Duration) -> Result<f64> {
    const DISPATCHES: u32 = 256;
    let (from, to) = (Words::new(gpu, FEW)?, Words::new(gpu, FEW)?);
    let shader = Shader::new(gpu, [from.buffer, to.buffer])?;
    let each = median(time, || {
        let recorded = gpu.record(|device, commands| {
            for seed in 0..DISPATCHES {
                shader.record(device, commands, FEW as u32, seed);
            }
        })?;
        gpu.forget(recorded);
        Ok(())
    });
    shader.destroy(gpu);
    from.free(gpu);
    to.free(gpu);
    Ok(each? / f64::from(DISPATCHES))
}

/// The median of `work` in microseconds, done again and again for about `time`, at least five times after once for nothing.
fn median(time: Duration, mut work: impl FnMut() -> Result<()>) -> Result<f64> {
    work()?;
    let start = Instant::now();
    let mut times = Vec::new();
    while times.len() < 5 || start.elapsed() < time {
        let start = Instant::now();
        work()?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    Ok(times.get(times.len() / 2).map_or(0.0, |t| t.as_secs_f64() * 1e6))
}
