//! Semaphores as sync_files, within one process: what is imported beside a signal, and what is destroyed as soon as the program may.

use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};

use anyhow::{Context, Result};
use ash::vk;
use vk::ExternalSemaphoreHandleTypeFlags as Type;

use crate::gpu::{Gpu, PATIENCE};

pub fn run(gpu: &Gpu) -> Result<()> {
    if !gpu.has(ash::khr::external_semaphore_fd::NAME) {
        return Ok(());
    }
    imports_beside_a_signal(gpu)?;
    destroyed_at_once(gpu)
}

/// Submits nothing but a wait and a signal, and waits for its end.
fn submit(gpu: &Gpu, wait: Option<vk::Semaphore>, signal: Option<vk::Semaphore>) -> Result<()> {
    let (waits, signals): (Vec<_>, Vec<_>) = (wait.into_iter().collect(), signal.into_iter().collect());
    let stages = vec![vk::PipelineStageFlags::ALL_COMMANDS; waits.len()];
    let info = vk::SubmitInfo::default().wait_semaphores(&waits).wait_dst_stage_mask(&stages);
    // SAFETY: handles of this device; the fence is destroyed after its last use.
    unsafe {
        let fence = gpu.device.create_fence(&vk::FenceCreateInfo::default(), None)?;
        gpu.device.queue_submit(gpu.queue, &[info.signal_semaphores(&signals)], fence)?;
        gpu.device.wait_for_fences(&[fence], true, PATIENCE)?;
        gpu.device.destroy_fence(fence, None);
    }
    Ok(())
}

/// Imports are temporary: the wait that takes one leaves the signal that the semaphore had before, which it got without a word of sharing.
fn imports_beside_a_signal(gpu: &Gpu) -> Result<()> {
    let files = ash::khr::external_semaphore_fd::Device::new(&gpu.instance, &gpu.device);
    let nothing = gpu.record(|_| ())?;
    // SAFETY: handles of this device, destroyed after their last use.
    unsafe {
        let semaphore = gpu.device.create_semaphore(&vk::SemaphoreCreateInfo::default(), None)?;
        for round in 0..4 {
            submit(gpu, None, Some(semaphore))?;
            let file = if round % 2 == 0 { None } else { gpu.submit_and_tell(nothing)? };
            let info = vk::ImportSemaphoreFdInfoKHR::default()
                .semaphore(semaphore)
                .flags(vk::SemaphoreImportFlags::TEMPORARY)
                .handle_type(Type::SYNC_FD)
                .fd(file.map_or(-1, IntoRawFd::into_raw_fd));
            files.import_semaphore_fd(&info).context("vkImportSemaphoreFdKHR")?;
            submit(gpu, Some(semaphore), None).context("a wait for what was imported")?;
            submit(gpu, Some(semaphore), None)
                .with_context(|| format!("round {round}: the signal before the import"))?;
        }
        gpu.device.destroy_semaphore(semaphore, None);
        gpu.device.free_command_buffers(gpu.pool, &[nothing]);
    }
    Ok(())
}

/// An export ends nothing of the program's: its semaphore may go when the submission that has signalled it is over.
fn destroyed_at_once(gpu: &Gpu) -> Result<()> {
    let files = ash::khr::external_semaphore_fd::Device::new(&gpu.instance, &gpu.device);
    let buffer = gpu.buffer(1 << 16)?;
    let mut export = vk::ExportSemaphoreCreateInfo::default().handle_types(Type::SYNC_FD);
    let info = vk::SemaphoreCreateInfo::default().push_next(&mut export);
    // SAFETY: handles of this device, destroyed after their last use.
    unsafe {
        let work = gpu.record(|cmd| gpu.device.cmd_fill_buffer(cmd, buffer.buffer, 0, vk::WHOLE_SIZE, 5))?;
        for _ in 0..32 {
            let semaphore = gpu.device.create_semaphore(&info, None)?;
            submit(gpu, None, Some(semaphore))?;
            // What holds up the queue, and with it whatever the driver does for the export.
            let (cmds, fence) = ([work; 1], gpu.device.create_fence(&vk::FenceCreateInfo::default(), None)?);
            gpu.device.queue_submit(gpu.queue, &[vk::SubmitInfo::default().command_buffers(&cmds)], fence)?;
            let get = vk::SemaphoreGetFdInfoKHR::default().semaphore(semaphore).handle_type(Type::SYNC_FD);
            let fd = files.get_semaphore_fd(&get).context("vkGetSemaphoreFdKHR")?;
            gpu.device.destroy_semaphore(semaphore, None);
            drop((fd >= 0).then(|| OwnedFd::from_raw_fd(fd)));
            gpu.device.wait_for_fences(&[fence], true, PATIENCE)?;
            gpu.device.destroy_fence(fence, None);
        }
        gpu.device.queue_wait_idle(gpu.queue)?;
        gpu.device.free_command_buffers(gpu.pool, &[work]);
    }
    buffer.expect("what was filled", |_| 5)?;
    gpu.free(buffer);
    Ok(())
}
