//! Fences as sync_files, within one process: what leaves, what comes, and what is left behind.

use anyhow::{Context, Result, ensure};
use ash::vk;
use vk::ExternalFenceHandleTypeFlags as Type;

use crate::gpu::{Gpu, PATIENCE};

pub fn run(gpu: &Gpu) -> Result<()> {
    if !gpu.has(ash::khr::external_fence_fd::NAME) {
        return Ok(());
    }
    let d = &gpu.device;
    let files = ash::khr::external_fence_fd::Device::new(&gpu.instance, d);
    let get = |fence| {
        let info = vk::FenceGetFdInfoKHR::default().fence(fence).handle_type(Type::SYNC_FD);
        // SAFETY: a fence of this device.
        unsafe { files.get_fence_fd(&info) }.context("vkGetFenceFdKHR")
    };
    let put = |fence, fd| {
        let temporary = vk::FenceImportFlags::TEMPORARY;
        let info = vk::ImportFenceFdInfoKHR::default().fence(fence).handle_type(Type::SYNC_FD);
        // SAFETY: a fence of this device.
        unsafe { files.import_fence_fd(&info.flags(temporary).fd(fd)) }.context("vkImportFenceFdKHR")
    };
    let mut export = vk::ExportFenceCreateInfo::default().handle_types(Type::SYNC_FD);
    // SAFETY: handles of this device, destroyed after their last use.
    unsafe {
        let one = d.create_fence(&vk::FenceCreateInfo::default().push_next(&mut export), None)?;
        let other = d.create_fence(&vk::FenceCreateInfo::default(), None)?;
        let buffer = gpu.buffer(1 << 16)?;
        let work = gpu.record(|cmd| d.cmd_fill_buffer(cmd, buffer.buffer, 0, vk::WHOLE_SIZE, 7))?;
        let cmds = [work];
        let submit = [vk::SubmitInfo::default().command_buffers(&cmds)];
        for round in 0..3 {
            d.queue_submit(gpu.queue, &submit, one)?;
            let fd = get(one)?;
            ensure!(!d.get_fence_status(one)?, "round {round}: a fence whose payload has left is signalled");
            put(other, fd)?;
            d.wait_for_fences(&[other], true, PATIENCE)?;
            ensure!(d.get_fence_status(other)?, "round {round}: what was waited for isn't signalled");
            // The first one again, although nobody has waited for it, beside the second one.
            d.queue_submit(gpu.queue, &submit, one)?;
            d.wait_for_fences(&[one, other], true, PATIENCE)?;
            // A signalled payload leaves as -1, or as a file that is signalled; either leaves the fence reset.
            let fd = get(one)?;
            ensure!(!d.get_fence_status(one)?, "round {round}: an export doesn't reset");
            d.reset_fences(&[other])?;
            ensure!(!d.get_fence_status(other)?, "round {round}: a reset doesn't end what came from outside");
            put(other, fd)?;
            d.wait_for_fences(&[one, other], false, PATIENCE)?;
            d.reset_fences(&[one, other])?;
            let none = d.wait_for_fences(&[one, other], false, 1_000_000);
            ensure!(none == Err(vk::Result::TIMEOUT), "round {round}: {none:?}");
        }
        d.queue_wait_idle(gpu.queue)?;
        buffer.expect("what was filled", |_| 7)?;
        d.free_command_buffers(gpu.pool, &cmds);
        d.destroy_fence(one, None);
        d.destroy_fence(other, None);
        gpu.free(buffer);
    }
    Ok(())
}
