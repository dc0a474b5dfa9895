//! Waits for work of several lengths: how late they end, and what they cost.
//!
//! A timestamp of the device says when the work ended. The device's clock may be another one than the program's: how far they are apart is what
//! the smallest of many differences tells, seen by a program that never sleeps.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use ash::vk;
use nix::sys::resource::{UsageWho, getrusage};

use super::measure::{Bench, processor_time, row};
use crate::buffer::Buffer;
use crate::gpu::{Gpu, PATIENCE};

/// Milliseconds of work.
const LENGTHS: [u32; 4] = [1, 5, 20, 100];
const RUNS: usize = 15;
/// Words of a fill.
const WORDS: usize = 1 << 18;

/// Work between two timestamps.
struct Work<'a> {
    gpu: &'a Gpu,
    buffer: Buffer,
    queries: vk::QueryPool,
    fence: vk::Fence,
    start: Instant,
}

/// What a run showed, in nanoseconds.
struct Run {
    /// Of the work on the device.
    length: f64,
    /// From the end of the work on the device's clock to that of the wait on the program's.
    end: f64,
    waited: Duration,
}

impl Work<'_> {
    fn record(&self, fills: u32) -> Result<vk::CommandBuffer> {
        let d = &self.gpu.device;
        self.gpu.record(|cmd| {
            // SAFETY: recording; the queries and the buffer are this device's.
            unsafe {
                d.cmd_reset_query_pool(cmd, self.queries, 0, 2);
                d.cmd_write_timestamp(cmd, vk::PipelineStageFlags::TOP_OF_PIPE, self.queries, 0);
                for i in 0..fills {
                    d.cmd_fill_buffer(cmd, self.buffer.buffer, 0, vk::WHOLE_SIZE, i);
                    self.gpu.barrier(cmd);
                }
                d.cmd_write_timestamp(cmd, vk::PipelineStageFlags::BOTTOM_OF_PIPE, self.queries, 1);
            }
        })
    }

    fn run(&self, work: vk::CommandBuffer, spins: bool) -> Result<Run> {
        let d = &self.gpu.device;
        let work = [work];
        // SAFETY: handles of this device, waited for before they are used again.
        unsafe {
            d.reset_fences(&[self.fence])?;
            d.queue_submit(self.gpu.queue, &[vk::SubmitInfo::default().command_buffers(&work)], self.fence)?;
            let begun = Instant::now();
            if spins {
                while !d.get_fence_status(self.fence)? {}
            } else {
                d.wait_for_fences(&[self.fence], true, PATIENCE)?;
            }
            let (end, waited) = (self.start.elapsed().as_nanos() as f64, begun.elapsed());
            let mut times = [0u64; 2];
            d.get_query_pool_results(self.queries, 0, &mut times, vk::QueryResultFlags::TYPE_64)?;
            let period = f64::from(self.gpu.properties.limits.timestamp_period);
            let times = times.map(|t| t as f64 * period);
            Ok(Run { length: times[1] - times[0], end: end - times[1], waited })
        }
    }
}

impl Bench<'_> {
    /// Waits for work of 1 to 100 ms.
    pub fn waits(&self) -> Result<()> {
        let gpu = self.gpu;
        let queries = vk::QueryPoolCreateInfo::default().query_type(vk::QueryType::TIMESTAMP).query_count(2);
        // SAFETY: a valid device; both are destroyed after their last use.
        let (queries, fence) = unsafe {
            (gpu.device.create_query_pool(&queries, None)?, gpu.device.create_fence(&Default::default(), None)?)
        };
        let work = Work { gpu, buffer: gpu.buffer(WORDS)?, queries, fence, start: Instant::now() };
        for length in LENGTHS {
            self.waits_for(&work, length)?;
        }
        // SAFETY: all work has ended.
        unsafe {
            gpu.device.destroy_query_pool(queries, None);
            gpu.device.destroy_fence(fence, None);
        }
        gpu.free(work.buffer);
        Ok(())
    }

    fn waits_for(&self, work: &Work<'_>, length: u32) -> Result<()> {
        let short = work.record(8)?;
        let near = |from: f64, run: Result<Run>| Ok::<_, anyhow::Error>(from.min(run?.end));
        let mut apart = (0..100).try_fold(f64::MAX, |from, _| near(from, work.run(short, true)))?;
        let each = middle((0..9).map(|_| Ok(work.run(short, true)?.length)).collect::<Result<_>>()?) / 8.0;
        ensure!(each > 0.0, "the device's clock stands still");
        let long = work.record((f64::from(length) * 1e6 / each).ceil() as u32)?;
        // A first one, from which a driver may learn.
        work.run(long, false)?;
        let (processor, sleeps) = (processor_time()?, sleeps()?);
        let runs = (0..RUNS).map(|_| work.run(long, false)).collect::<Result<Vec<_>>>()?;
        let (processor, sleeps) = (processor_time()? - processor, self::sleeps()? - sleeps);
        apart = (0..100).try_fold(apart, |from, _| near(from, work.run(short, true)))?;
        let waited: f64 = runs.iter().map(|r| r.waited.as_secs_f64()).sum();
        let what = format!("wait for {length} ms");
        row(&format!("{what}: work"), middle(runs.iter().map(|r| r.length).collect()) / 1e6, "ms");
        row(&format!("{what}: late"), middle(runs.iter().map(|r| r.end - apart).collect()) / 1e3, "us");
        row(&format!("{what}: latest"), runs.iter().map(|r| r.end - apart).fold(0.0, f64::max) / 1e3, "us");
        row(&format!("{what}: processor time"), processor / RUNS as f64 / 1e3, "us");
        row(&format!("{what}: sleeps a second"), sleeps / waited, "1/s");
        // SAFETY: their work has ended.
        unsafe { self.gpu.device.free_command_buffers(self.gpu.pool, &[short, long]) };
        Ok(())
    }
}

fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// How often the process's threads have gone to sleep.
fn sleeps() -> Result<f64> {
    Ok(getrusage(UsageWho::RUSAGE_SELF)?.voluntary_context_switches() as f64)
}
