//! Waits for work that other work stands behind on its queue: each ends when its own is done, and not before.

use anyhow::{Result, ensure};
use ash::vk;

use crate::gpu::{Gpu, PATIENCE};

/// Words that a submission writes, again and again: some milliseconds on a processor.
const WORDS: usize = 1 << 20;
const FILLS: u32 = 64;

/// Makes ROUNDS pairs of submissions, and waits for the first of each, then for the second.
pub fn run(rounds: u32) -> Result<()> {
    let gpu = Gpu::new()?;
    let buffers = [gpu.buffer(WORDS)?, gpu.buffer(WORDS)?];
    let make = || -> Result<vk::Fence> {
        // SAFETY: a valid device.
        Ok(unsafe { gpu.device.create_fence(&vk::FenceCreateInfo::default(), None)? })
    };
    let fences = [make()?, make()?];
    for round in 0..rounds {
        let mut submitted = Vec::new();
        for (i, (to, fence)) in buffers.iter().zip(fences).enumerate() {
            let recorded = gpu.record(|cmd| {
                for n in 0..FILLS {
                    // SAFETY: recording; inside the buffer.
                    unsafe { gpu.device.cmd_fill_buffer(cmd, to.buffer, 0, to.size, n) };
                    gpu.barrier(cmd);
                }
                // SAFETY: as above.
                unsafe { gpu.device.cmd_fill_buffer(cmd, to.buffer, 0, to.size, value(round, i)) };
                gpu.barrier(cmd);
            })?;
            let submit = [vk::SubmitInfo::default().command_buffers(std::slice::from_ref(&recorded))];
            // SAFETY: handles of this device; the fence was waited for since it was used last.
            unsafe { gpu.device.queue_submit(gpu.queue, &submit, fence)? };
            submitted.push(recorded);
        }
        for (i, (to, fence)) in buffers.iter().zip(fences).enumerate() {
            // SAFETY: handles of this device.
            unsafe { gpu.device.wait_for_fences(&[fence], true, PATIENCE)? };
            let last = to.get(WORDS - 1);
            ensure!(last == value(round, i), "buffer {i} of round {round} ends with {last} after its wait");
            // SAFETY: as above; nothing is at work with the fence.
            unsafe { gpu.device.reset_fences(&[fence])? };
        }
        // SAFETY: command buffers of this pool, whose fences have been waited for.
        unsafe { gpu.device.free_command_buffers(gpu.pool, &submitted) };
    }
    for fence in fences {
        // SAFETY: a fence of this device that nothing uses any more.
        unsafe { gpu.device.destroy_fence(fence, None) };
    }
    buffers.into_iter().for_each(|b| gpu.free(b));
    println!("ok");
    Ok(())
}

fn value(round: u32, i: usize) -> u32 {
    0xf000_0000 | round << 1 | i as u32
}
