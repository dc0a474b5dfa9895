//! Everything from the loader to a dispatch and back, over and over in one process.

use anyhow::{Context, Result};
use ash::vk;

use crate::gpu::Gpu;
use crate::pause::pause;

const N: usize = 64;

/// COUNT starts, with a pause after each EVERY of them.
pub fn run(count: u32, every: u32) -> Result<()> {
    for n in 1..=count {
        start(n).with_context(|| format!("start {n}"))?;
        if n.is_multiple_of(every) {
            pause(&format!("{n}"))?;
        }
    }
    Ok(())
}

fn start(n: u32) -> Result<()> {
    let gpu = Gpu::new()?;
    let kind = vk::DescriptorType::STORAGE_BUFFER;
    let (a, b) = (gpu.buffer(N)?, gpu.buffer(N)?);
    let pipeline = gpu.scale(3, vk::DescriptorSetLayoutCreateFlags::empty(), kind)?;
    let pool = gpu.descriptor_pool(1, kind)?;
    let set = gpu.set(pool, pipeline.set_layout, &[&a, &b])?;
    a.fill(|i| i + n);
    gpu.run(|cmd| {
        gpu.cmd_scale(cmd, &pipeline, set, N as u32, n);
        gpu.barrier(cmd);
    })?;
    b.expect("the dispatch", |i| (i + n) * 3 + n)?;
    // SAFETY: nothing uses the pool's set any more.
    unsafe { gpu.device.destroy_descriptor_pool(pool, None) };
    gpu.free_pipeline(pipeline);
    gpu.free(a);
    gpu.free(b);
    Ok(())
}
