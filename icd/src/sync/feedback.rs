//! Feedback: the GPU itself writes into memory that a submission has ended, and looking costs a load.
//!
//! A fence gets a *slot*, a word in coherent memory, and its submissions end with a command buffer that waits for all work before
//! it and writes the word. The host's fence is signalled a moment later, so once the word was seen the host is told to wait for it: what
//! the program does to the fence next comes after that.
//!
//! The additional commands cost a GPU more than questions to the host do (docs/choices.md), so this is for where questions are worse:
//! where the GPU is the host's processor, and the work isn't over at once or a program asks for its fence in a loop. There the questions, and the host's thread
//! that answers them, would take the processor from the work that they ask about. And where other programs want the processors: there a question costs both sides a turn, and a
//! host that stays in one mostly spins.

use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};

use ash::vk;
use hesper_encoder::generated::request;
use hesper_winsys::Error;
use parking_lot::Mutex;

use crate::memory::own_block::OwnBlock;
use crate::recording::command_buffer;
use crate::recording::own::OwnCommandBuffers;

/// Slots of a device: fences beyond that do without.
const SLOTS: u32 = 1024;
/// Bytes of all of them.
const SIZE: u64 = SLOTS as u64 * 4;

/// A device's slots.
#[derive(Default)]
pub struct Slots(Mutex<State>);

#[derive(Default)]
struct State {
    block: Option<OwnBlock>,
    /// There is no suitable memory.
    failed: bool,
    used: u32,
    free: Vec<(u32, Writers)>,
}

/// What writes a slot, for each queue family that it was used with.
type Writers = Vec<(u32, vk::CommandBuffer)>;

/// A fence's slot.
pub struct Slot {
    index: u32,
    block: OwnBlock,
    writers: Mutex<Writers>,
}

impl Slots {
    /// A slot, if there is one left.
    ///
    /// # Safety
    /// The device whose slots these are.
    pub unsafe fn take(&self, device: vk::Device) -> Option<Slot> {
        let mut state = self.0.lock();
        if state.block.is_none() && !state.failed {
            // SAFETY: a valid device.
            state.block = unsafe { OwnBlock::new(device, SIZE, vk::BufferUsageFlags::TRANSFER_DST) };
            state.failed = state.block.is_none();
        }
        let block = state.block?;
        let fresh = (state.used < SLOTS).then_some((state.used, Writers::new()));
        let (index, writers) = state.free.pop().or(fresh)?;
        state.used = state.used.max(index + 1);
        Some(Slot { index, block, writers: Mutex::new(writers) })
    }

    /// Takes a slot back whose fence is destroyed.
    pub fn give_back(&self, slot: Slot) {
        self.0.lock().free.push((slot.index, slot.writers.into_inner()));
    }

    /// Gives back the memory, when nothing runs on the device any more.
    ///
    /// # Safety
    /// The device whose slots these are, whose work is over.
    pub unsafe fn close(&self, device: vk::Device) {
        let block = self.0.lock().block.take();
        if let Some(b) = block {
            // SAFETY: nothing writes the slots any more, and nobody looks at them.
            unsafe { b.destroy(device) };
        }
    }
}

impl Slot {
    fn word(&self) -> &AtomicU32 {
        // SAFETY: inside of the block, whose mapping lives as long as the device does, and so longer than its fences.
        unsafe { AtomicU32::from_ptr(self.block.bytes().cast::<u32>().add(self.index as usize)) }
    }

    /// Whether it has been written.
    #[inline]
    pub fn is_written(&self) -> bool {
        // Acquire: what the submission wrote into mapped memory before the word is there for whoever finds the word written.
        self.word().load(Ordering::Acquire) != 0
    }

    /// Empties it, before a submission that writes it.
    pub fn clear(&self) {
        // Relaxed: the store shows nothing else of this process. The GPU's write comes later in any case: the submission reaches the host behind a ring's tail, whose store
        // comes after this one.
        self.word().store(0, Ordering::Relaxed);
    }

    /// A command buffer that writes it when everything before has ended.
    pub unsafe fn writer(
        &self,
        own: &OwnCommandBuffers,
        device: vk::Device,
        family: u32,
    ) -> Result<vk::CommandBuffer, Error> {
        use vk::{AccessFlags as A, PipelineStageFlags as S};
        let mut writers = self.writers.lock();
        if let Some((_, writer)) = writers.iter().find(|(f, _)| *f == family) {
            return Ok(*writer);
        }
        // SAFETY: a living device; the command buffer is nobody else's.
        unsafe {
            let writer = own.command_buffer(device, family)?;
            let checked = |result| if result == vk::Result::SUCCESS { Ok(()) } else { Err(Error::OutOfHostMemory) };
            checked(command_buffer::begin(writer, &vk::CommandBufferBeginInfo::default()))?;
            let order = |before: S, after: S, from: A, to: A| {
                let order = vk::MemoryBarrier::default().src_access_mask(from).dst_access_mask(to);
                let (flags, buffers, images) = (vk::DependencyFlags::empty(), ptr::null(), ptr::null());
                command_buffer::record(writer, |w| {
                    request::cmd_pipeline_barrier(w, 0, writer, before, after, flags, 1, &order, 0, buffers, 0, images);
                });
            };
            // Whoever finds the word written may read all that was written before it, as after a fence.
            order(S::ALL_COMMANDS, S::TRANSFER | S::HOST, A::MEMORY_WRITE, A::TRANSFER_WRITE | A::HOST_READ);
            let (buffer, at) = (self.block.buffer, u64::from(self.index) * 4);
            command_buffer::record(writer, |w| request::cmd_fill_buffer(w, 0, writer, buffer, at, 4, 1));
            order(S::TRANSFER, S::HOST, A::TRANSFER_WRITE, A::HOST_READ);
            checked(command_buffer::end_command_buffer(writer))?;
            writers.push((family, writer));
            Ok(writer)
        }
    }
}
