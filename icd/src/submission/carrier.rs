//! Sending uploads: in a command buffer of the driver's own, in front of the program's or by itself.

use std::ptr;
use std::sync::Arc;

use ash::vk;
use hesper_encoder::generated::request;
use hesper_winsys::Error;

use crate::base::object::Part;
use crate::memory::allocation;
use crate::recording::command_buffer;
use crate::submission::device::Device;
use crate::submission::mark::Mark;
use crate::submission::order::{Locked, Uploads};
use crate::submission::queue::Queue;
use crate::submission::staging_block::StagingBlock;
use crate::submission::updates::Updates;

/// Records the updates that wait into a command buffer for a queue of their family; `None` where none wait.
///
/// # Safety
/// A queue of the locked device. The command buffer must be submitted to it before the lock is given back, or not at all.
///
/// # Errors
/// A lost host, or no memory; the updates still wait.
pub unsafe fn record(locked: &mut Locked<'_>, queue: &Queue) -> Result<Option<vk::CommandBuffer>, Error> {
    let known = locked.state.carriers.iter().find(|(family, _)| *family == queue.family).map(|(_, c)| *c);
    let Uploads::Waiting(waiting) = locked.uploads() else { return Ok(None) };
    // SAFETY: a queue of a living device, by contract.
    let staging = unsafe { &Device::of(queue.device).staging };
    // SAFETY: the command buffer is used under the lock alone, and its last submission has ended: uploads only wait on an idle device.
    unsafe {
        if let Some(carrier) = known {
            fill(carrier, &waiting.updates, staging)?;
            return Ok(Some(carrier));
        }
        let carrier = Device::of(queue.device).own.command_buffer(queue.device, queue.family)?;
        fill(carrier, &waiting.updates, staging)?;
        locked.state.carriers.push((queue.family, carrier));
        Ok(Some(carrier))
    }
}

/// Records updates, and a barrier that makes everything later wait for them.
///
/// # Safety
/// A command buffer that isn't at work, and the staging block of its device, whose lock over submissions the caller holds while the updates wait.
unsafe fn fill(carrier: vk::CommandBuffer, updates: &Updates, staging: &StagingBlock) -> Result<(), Error> {
    use vk::{AccessFlags as A, PipelineStageFlags as S};
    let once = vk::CommandBufferUsageFlags::ONE_TIME_SUBMIT;
    let info = vk::CommandBufferBeginInfo::default().flags(once);
    let checked = |result| if result == vk::Result::SUCCESS { Ok(()) } else { Err(Error::OutOfHostMemory) };
    let barrier = |after: S, access: A| {
        let order = vk::MemoryBarrier::default().src_access_mask(A::TRANSFER_WRITE).dst_access_mask(access);
        let (flags, buffers, images) = (vk::DependencyFlags::empty(), ptr::null(), ptr::null());
        // SAFETY: a command buffer of the caller's that is being recorded, and pointers to locals.
        unsafe {
            command_buffer::record(carrier, |w| {
                request::cmd_pipeline_barrier(
                    w,
                    0,
                    carrier,
                    S::TRANSFER,
                    after,
                    flags,
                    1,
                    &order,
                    0,
                    buffers,
                    0,
                    images,
                );
            });
        }
    };
    // SAFETY: a command buffer of the caller's that isn't at work.
    checked(unsafe { command_buffer::begin(carrier, &info) })?;
    // SAFETY: by contract.
    let mut filling = unsafe { staging.fill() };
    for u in updates.list() {
        if u.ordered {
            barrier(S::TRANSFER, A::TRANSFER_WRITE);
        }
        let (size, data) = (u.data.len() as vk::DeviceSize, u.data.as_ptr().cast());
        if let Some((from, src_offset)) = filling.put(&u.data) {
            let region = vk::BufferCopy { src_offset, dst_offset: u.offset, size };
            // SAFETY: as above, and a pointer to a local.
            unsafe {
                command_buffer::record(carrier, |w| {
                    request::cmd_copy_buffer(w, 0, carrier, from, u.buffer, 1, &region);
                });
            }
            continue;
        }
        // SAFETY: as above; the buffer is alive, since its destruction sends what names it.
        unsafe {
            command_buffer::record(carrier, |w| {
                request::cmd_update_buffer(w, 0, carrier, u.buffer, u.offset, size, data);
            });
        }
    }
    // The program's own barrier towards the host, which it needs before it maps the memory, was put off with its upload.
    let mappable = updates.list().iter().any(|u| allocation::is_host_visible(u.memory));
    let after = if mappable { S::ALL_COMMANDS | S::HOST } else { S::ALL_COMMANDS };
    barrier(after, A::MEMORY_READ | A::MEMORY_WRITE);
    // SAFETY: as above.
    checked(unsafe { command_buffer::end_command_buffer(carrier) })
}

/// Sends the updates that wait in a submission of their own, with a mark right behind them.
///
/// # Safety
/// The lock of a living device.
///
/// # Errors
/// A lost host, or no memory; the updates still wait.
pub unsafe fn send(locked: &mut Locked<'_>) -> Result<(), Error> {
    let Uploads::Waiting(waiting) = locked.uploads() else { return Ok(()) };
    let handle = waiting.queue;
    // SAFETY: a queue of the locked device.
    unsafe {
        let queue = Queue::of(handle);
        let Some(carrier) = record(locked, queue)? else { return Ok(()) };
        let mark = Arc::new(Mark::new(queue.device, &queue.pending)?);
        let batch = vk::SubmitInfo::default().command_buffers(std::slice::from_ref(&carrier));
        let submission = queue.submit_own(locked, handle, &batch, mark.fence())?;
        mark.submitted(submission.clone());
        locked.uploads_sent(handle, submission, Some(mark));
    }
    Ok(())
}

/// Sends the updates that wait in a submission of their own, which signals the semaphore for a submission to another queue.
///
/// # Safety
/// The lock of a living device.
///
/// # Errors
/// A lost host, or no memory; the updates still wait.
pub unsafe fn send_across(locked: &mut Locked<'_>) -> Result<(), Error> {
    let Uploads::Waiting(waiting) = locked.uploads() else { return Ok(()) };
    let handle = waiting.queue;
    // SAFETY: a queue of the locked device, which is idle.
    unsafe {
        let queue = Queue::of(handle);
        let Some(carrier) = record(locked, queue)? else { return Ok(()) };
        let semaphore = locked.state.crossing.unsignalled(queue.device)?;
        let batch = vk::SubmitInfo::default().command_buffers(std::slice::from_ref(&carrier));
        let batch = batch.signal_semaphores(std::slice::from_ref(&semaphore));
        let submission = queue.submit_own(locked, handle, &batch, vk::Fence::null())?;
        locked.state.crossing.is_signalled();
        locked.uploads_sent(handle, submission, None);
        if let Uploads::Sent(sent) = locked.uploads() {
            sent.signals = Some(semaphore);
        }
    }
    Ok(())
}

/// The mark of uploads that were sent, put behind everything submitted to their queue if there is none yet; `None` where none are under way.
///
/// # Safety
/// The lock of a living device.
///
/// # Errors
/// A lost host, or no memory.
pub unsafe fn mark(locked: &mut Locked<'_>) -> Result<Option<Arc<Mark>>, Error> {
    let Uploads::Sent(sent) = locked.uploads() else { return Ok(None) };
    if let Some(mark) = &sent.mark {
        return Ok(Some(mark.clone()));
    }
    let handle = sent.queue;
    // SAFETY: a queue of the locked device. What was submitted to it since the uploads waits for nothing that the program does: a submission
    // that may do so puts the mark first.
    let mark = unsafe {
        let queue = Queue::of(handle);
        let mark = Arc::new(Mark::new(queue.device, &queue.pending)?);
        mark.submitted(queue.submit_own(locked, handle, &vk::SubmitInfo::default(), mark.fence())?);
        mark
    };
    if let Uploads::Sent(sent) = locked.uploads() {
        sent.mark = Some(mark.clone());
    }
    Ok(Some(mark))
}
