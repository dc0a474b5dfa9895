//! Times of calls, and the objects that the calls are made with.

use std::time::Instant;

use anyhow::{Context, Result};
use ash::vk;
use serde_json::json;

use crate::gpu::{Buffer, Gpu};
use crate::shaders::Pipeline;

pub fn row(name: &str, value: f64, unit: &str) {
    println!("{}", json!({ "name": name, "value": value, "unit": unit }));
}

/// The middle of the times that `f` takes, in nanoseconds for each of its `n` parts.
pub fn time(rounds: u32, n: u32, mut f: impl FnMut() -> Result<()>) -> Result<f64> {
    let mut times = Vec::new();
    for _ in 0..rounds {
        let start = Instant::now();
        f()?;
        times.push(start.elapsed().as_nanos() as f64 / f64::from(n));
    }
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}

/// A device, and what calls are made with.
pub struct Bench<'a> {
    pub gpu: &'a Gpu,
    pub a: Buffer,
    pub b: Buffer,
    pub pipeline: Pipeline,
    pub set: vk::DescriptorSet,
    /// One small dispatch.
    pub small: vk::CommandBuffer,
}

impl<'a> Bench<'a> {
    pub fn new(gpu: &'a Gpu) -> Result<Self> {
        let kind = vk::DescriptorType::STORAGE_BUFFER;
        let (a, b) = (gpu.buffer(1024)?, gpu.buffer(1024)?);
        let pipeline = gpu.scale(2, vk::DescriptorSetLayoutCreateFlags::empty(), kind)?;
        let pool = gpu.descriptor_pool(1, kind)?;
        let set = gpu.set(pool, pipeline.set_layout, &[&a, &b])?;
        let small = gpu.record(|cmd| gpu.cmd_scale(cmd, &pipeline, set, 64, 0))?;
        Ok(Self { gpu, a, b, pipeline, set, small })
    }

    /// Waits until the host has run all that it was told, with work that no driver can do without it.
    pub fn drain(&self) -> Result<()> {
        self.gpu.submit(&[self.small])
    }
}

/// Nanoseconds that the process's threads have run.
pub fn processor_time() -> Result<f64> {
    let mut sum = 0.0;
    for task in std::fs::read_dir("/proc/self/task")? {
        let text = std::fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
        sum += text.split(' ').next().and_then(|t| t.parse::<f64>().ok()).unwrap_or(0.0);
    }
    (sum > 0.0).then_some(sum).context("no /proc/self/task/*/schedstat here")
}
