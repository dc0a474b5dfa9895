//! Uploads that travel with the next submission.
//!
//! A program that writes to memory which it can't map copies from memory that it can: it records a copy, submits it, and waits, only
//! to use its own memory again. Doing so costs two ways to the host and a start of the GPU, and llama.cpp does it some eight times for
//! each token. When nothing is at work that could change the source meanwhile, all that anybody can see of such a submission is that later
//! work finds the data. So it isn't sent at all: the data is copied at once, the fence counts as signalled, and the next submission gets
//! a command buffer in front that puts the data in place (vkCmdUpdateBuffer, or a copy from a `staging_block`) and a barrier that makes everything later wait for it.
//! (llama.cpp has a second way, too: it submits the copy without a fence, and then nothing with one. With nothing at work, that fence counts
//! as signalled as well.)
//!
//! An upload is put off when all of this holds; `order` has what follows from it:
//! * The recording, submitted once and without semaphores, holds nothing but barriers and copies between buffers.
//! * Everything submitted earlier is known to have ended, so what the processor reads at the source is what the GPU would have read. (Vulkan
//!   demands a barrier towards the host for that. The GPU has ended its submissions with one: every host driver makes coherent memory visible
//!   before it signals a fence, and a slot that commands write comes after such a barrier.)
//! * The source is mapped by the program, and so no upload that is put off writes it; it is read fast by the processor.
//! * The target isn't mapped or shared: nobody can look at it but with a later submission.
//! * All of its copies can be put off. One that can't leaves the uploads as they were.

use ash::vk;
use hesper_winsys::trace;

use crate::base::object::Part;
use crate::base::settings;
use crate::memory::{allocation, buffer};
use crate::recording::command_buffer;
use crate::recording::held_copies::CopyCommand;
use crate::submission::batch::Batch;
use crate::submission::device::Device;
use crate::submission::order::{Locked, Uploads, Waiting};
use crate::submission::queue::Queue;
use crate::submission::staging_block::{self, StagingBlock, is_large};
use crate::submission::updates::{PIECES, Staging, Updates};

/// The largest piece that vkCmdUpdateBuffer takes, and bytes in such pieces that wait at most for a submission to travel with. Where there is a staging block, larger ones wait in it.
const PIECE: usize = 65536;
const BYTES: usize = 128 << 10;

/// Puts off a submission that does nothing but upload, or nothing at all; false where it has to be sent.
///
/// # Safety
/// A valid queue, and batches by valid usage of the submission.
pub unsafe fn put_off<B: Batch>(locked: &mut Locked<'_>, handle: vk::Queue, queue: &Queue, batches: &[B]) -> bool {
    // SAFETY: command buffers of the submission, which nobody records meanwhile.
    let copies = |c| unsafe { command_buffer::held_copies(c) };
    // SAFETY: the batches' arrays are valid.
    let buffers = || batches.iter().flat_map(|b| unsafe { b.buffers() });
    if !settings::get().uploads || !batches.iter().all(Batch::is_plain) || !buffers().all(|c| copies(c).is_some()) {
        return false;
    }
    // A lost host is told of by the way that sends.
    if !locked.has_all_ended() || queue.connection().check().is_err() {
        return false;
    }
    let mut copies = buffers().filter_map(copies).flatten().peekable();
    if copies.peek().is_none() {
        return true;
    }
    let mut waiting = match std::mem::take(locked.uploads()) {
        Uploads::Waiting(waiting) => waiting,
        // Everything has ended, so nothing that was sent is still under way.
        _ => Waiting { queue: handle, updates: Updates::default() },
    };
    let mut staging = std::mem::take(&mut locked.state.staging);
    staging.clear();
    // SAFETY: a valid queue, whose device is alive.
    let block = unsafe { &Device::of(queue.device).staging };
    let put_off = stage(&mut staging, &waiting.updates, copies, block)
        // Looked at again, in case one of them was mapped meanwhile.
        && locked.announce_uploads()
        && staging.iter().all(|u| allocation::out_of_sight(u.memory));
    if put_off {
        staging.iter().for_each(|u| waiting.updates.add(u));
        trace::instant("upload put off", waiting.updates.bytes() as u64);
        // SAFETY: as above; the program was told nothing of the submission yet.
        buffers().for_each(|c| unsafe { command_buffer::forget_held(c) });
    }
    locked.state.staging = staging;
    let none = waiting.updates.list().is_empty();
    locked.set_uploads(if none { Uploads::None } else { Uploads::Waiting(waiting) });
    put_off
}

/// Stages what some copies would put into buffers behind the updates that wait already; false unless all of it can be put off.
fn stage<'c>(
    staging: &mut Staging,
    waiting: &Updates,
    mut copies: impl Iterator<Item = &'c CopyCommand>,
    block: &StagingBlock,
) -> bool {
    let has_block = block.is_there();
    let most = if has_block { staging_block::ROOM } else { BYTES };
    let is_small = |bytes: &usize| !is_large(*bytes);
    let (all, small) = (waiting.bytes(), waiting.list().iter().map(|u| u.data.len()).filter(is_small).sum::<usize>());
    let mut more_small = 0;
    copies.all(|c| {
        let before = staging.bytes();
        if read(staging, waiting, c).is_none() {
            return false;
        }
        let size = staging.bytes() - before;
        if is_small(&size) {
            more_small += size;
        } else if !has_block {
            block.want();
        }
        (has_block || size <= PIECE)
            && all + staging.bytes() <= most
            && small + more_small <= BYTES
            && waiting.list().len() + staging.len() <= PIECES
    })
}

/// Stages what a copy would put into a buffer, if it can be put off.
fn read(staging: &mut Staging, waiting: &Updates, c: &CopyCommand) -> Option<()> {
    let r = &c.region;
    // As vkCmdUpdateBuffer demands, and a copy that may come in its place.
    let fits = (1..=staging_block::ROOM as vk::DeviceSize).contains(&r.size)
        && r.size.is_multiple_of(4)
        && r.dst_offset.is_multiple_of(4);
    let (from, to) = buffer::place(c.from).zip(buffer::place(c.to)).filter(|_| fits)?;
    // A thread that is about to map the source has marked it as mapped, and waits for the lock to send what writes it.
    if waiting.write(from.0) || !allocation::out_of_sight(to.0) {
        return None;
    }
    let source = from.1.checked_add(r.src_offset)?;
    let place = to.1.checked_add(r.dst_offset).filter(|p| p.checked_add(r.size).is_some())?;
    let (written, memory) = ((c.to, r.dst_offset), (to.0, place));
    // SAFETY: all this is done under the lock, which `after_unmapping` waits for.
    let copy = |data: &mut [u8]| unsafe { allocation::read(from.0, source, data) };
    staging.add(written, memory, r.size as usize, copy).then_some(())
}
