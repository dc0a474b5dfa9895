//! Works until the device is lost, and then a little more: every later call must fail too, and soon.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use ash::vk;

use crate::gpu::{Gpu, PATIENCE};

pub fn run() -> Result<()> {
    let gpu = Gpu::new()?;
    let word = gpu.buffer(1)?;
    let buffer = gpu.record(|cmd| {
        // SAFETY: recording; inside the buffer.
        unsafe { gpu.device.cmd_fill_buffer(cmd, word.buffer, 0, 4, 1) };
    })?;
    // SAFETY: handles of this device.
    let fence = unsafe { gpu.device.create_fence(&vk::FenceCreateInfo::default(), None)? };
    println!("spinning");
    let start = Instant::now();
    let mut looks = false;
    let error = loop {
        // Waiting and looking in turns: a lost host must be noticed either way.
        looks = !looks;
        // SAFETY: handles of this device; the fence is waited for before it is used again.
        let step = unsafe {
            let submit = [vk::SubmitInfo::default().command_buffers(std::slice::from_ref(&buffer))];
            let submitted = gpu.device.queue_submit(gpu.queue, &submit, fence);
            submitted
                .and_then(|()| match looks {
                    true => look(&gpu, fence),
                    false => gpu.device.wait_for_fences(&[fence], true, PATIENCE),
                })
                .and_then(|()| gpu.device.reset_fences(&[fence]))
        };
        if let Err(e) = step {
            break e;
        }
        ensure!(start.elapsed() < Duration::from_secs(60), "nobody has killed the host");
    };
    let lost = vk::Result::ERROR_DEVICE_LOST;
    ensure!(error == lost, "the end was {error:?}");
    let after = Instant::now();
    // SAFETY: handles of a lost device may still be used.
    unsafe {
        for (what, result) in [
            ("vkDeviceWaitIdle", gpu.device.device_wait_idle()),
            ("vkWaitForFences", gpu.device.wait_for_fences(&[fence], true, PATIENCE)),
            ("vkQueueSubmit", gpu.device.queue_submit(gpu.queue, &[], vk::Fence::null())),
        ] {
            if result != Err(lost) {
                bail!("{what} on a lost device: {result:?}");
            }
        }
        let info = vk::MemoryAllocateInfo::default().allocation_size(4096);
        ensure!(gpu.device.allocate_memory(&info, None).is_err(), "memory of a lost device");
        gpu.device.destroy_fence(fence, None);
    }
    gpu.free(word);
    drop(gpu);
    ensure!(after.elapsed() < Duration::from_secs(1), "calls on a lost device took {:?}", after.elapsed());
    println!("lost");
    Ok(())
}

/// Asks until the fence is signalled.
fn look(gpu: &Gpu, fence: vk::Fence) -> ash::prelude::VkResult<()> {
    // SAFETY: handles of this device.
    while !unsafe { gpu.device.get_fence_status(fence)? } {}
    Ok(())
}
