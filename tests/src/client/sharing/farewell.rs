//! sync_files whose maker ends right after it has made them.

use std::os::fd::{AsFd, FromRawFd, OwnedFd};

use anyhow::{Context, Result, ensure};
use ash::vk;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use vk::ExternalSemaphoreHandleTypeFlags as Type;

use crate::gpu::Gpu;

/// How many devices end.
const TIMES: usize = 8;
/// Milliseconds until a file must be signalled whose work is over.
const SIGNALLED: u16 = 10_000;

pub fn run() -> Result<()> {
    for i in 0..TIMES {
        let Some(file) = last_words()? else { return Ok(()) };
        let mut files = [PollFd::new(file.as_fd(), PollFlags::POLLIN)];
        let signaled = poll(&mut files, PollTimeout::from(SIGNALLED))?;
        ensure!(signaled == 1, "device {i} has ended, and the file that it has left isn't signalled");
    }
    Ok(())
}

/// A file of a device that has ended since; none where there are no files, or it was signalled when it was made.
fn last_words() -> Result<Option<OwnedFd>> {
    let gpu = Gpu::new()?;
    if !gpu.has(ash::khr::external_semaphore_fd::NAME) {
        return Ok(None);
    }
    let files = ash::khr::external_semaphore_fd::Device::new(&gpu.instance, &gpu.device);
    let mut export = vk::ExportSemaphoreCreateInfo::default().handle_types(Type::SYNC_FD);
    // SAFETY: handles of this device; nothing is at work any more when it ends.
    unsafe {
        let semaphore =
            gpu.device.create_semaphore(&vk::SemaphoreCreateInfo::default().push_next(&mut export), None)?;
        let signals = [semaphore];
        let submit = vk::SubmitInfo::default().signal_semaphores(&signals);
        gpu.device.queue_submit(gpu.queue, &[submit], vk::Fence::null())?;
        let get = vk::SemaphoreGetFdInfoKHR::default().semaphore(semaphore).handle_type(Type::SYNC_FD);
        let fd = files.get_semaphore_fd(&get).context("vkGetSemaphoreFdKHR")?;
        let file = (fd >= 0).then(|| OwnedFd::from_raw_fd(fd));
        gpu.device.queue_wait_idle(gpu.queue)?;
        gpu.device.destroy_semaphore(semaphore, None);
        Ok(file)
    }
}
