//! Where the data of larger uploads waits for the GPU: it copies from memory that it shares with the processor faster than it takes bytes out of a command buffer.
//! (A token with 8192 others behind it begins with 90 KB, a third of it the mask: 55 us of the host's time as vkCmdUpdateBuffer, and some 30 us of the GPU's.)

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use ash::vk;
use hesper_winsys::trace;

use crate::base::settings;
use crate::memory::own_block::OwnBlock;
use crate::submission::updates::PIECES;

/// Uploads from so many bytes on are copied from the block.
const LARGE: usize = 8 << 10;
/// Bytes of uploads for which it has room.
pub const ROOM: usize = 256 << 10;
/// Each begins at such a place, in bytes.
const ALIGNED: usize = 16;
const SIZE: usize = ROOM + PIECES * ALIGNED;

/// Whether an upload of so many bytes is to be copied from the block.
pub fn is_large(bytes: usize) -> bool {
    settings::get().staging.unwrap_or(bytes >= LARGE)
}

/// A device's block, made once somebody has wanted it.
///
/// It is filled under the lock over the device's submissions, for a submission whose predecessor with uploads has ended: uploads only wait on an idle device
/// (`order`). So the GPU reads in it only between that submission and its end, and nobody writes then.
#[derive(Default)]
pub struct StagingBlock {
    /// Relaxed: a wish, which is granted a moment later just as well.
    wanted: AtomicBool,
    /// `None` inside where there is no memory for it.
    block: OnceLock<Option<OwnBlock>>,
}

impl StagingBlock {
    /// Makes the block if somebody has wanted it.
    ///
    /// # Safety
    /// The device that this belongs to, whose lock over submissions this thread doesn't hold.
    pub unsafe fn prepare(&self, device: vk::Device) {
        if self.wanted.load(Ordering::Relaxed) && self.block.get().is_none() {
            let usage = vk::BufferUsageFlags::TRANSFER_SRC;
            // SAFETY: by contract.
            self.block.get_or_init(|| unsafe { OwnBlock::new(device, SIZE as vk::DeviceSize, usage) });
        }
    }

    /// Whether there is a block.
    pub fn is_there(&self) -> bool {
        self.get().is_some()
    }

    /// There was an upload for it; a later one will find it.
    pub fn want(&self) {
        self.wanted.store(true, Ordering::Relaxed);
    }

    /// The block.
    fn get(&self) -> Option<&OwnBlock> {
        self.block.get().and_then(Option::as_ref)
    }

    /// Begins to fill it anew.
    ///
    /// # Safety
    /// The caller holds the lock over the submissions of the device that this belongs to, and uploads are waiting.
    pub unsafe fn fill(&self) -> Filling<'_> {
        Filling { block: self.get(), used: 0 }
    }

    /// Gives the memory back.
    ///
    /// # Safety
    /// The device that this belongs to, whose work is over.
    pub unsafe fn close(&self, device: vk::Device) {
        if let Some(block) = self.get() {
            // SAFETY: by contract.
            unsafe { block.destroy(device) };
        }
    }
}

/// The block while it is filled.
pub struct Filling<'a> {
    block: Option<&'a OwnBlock>,
    used: usize,
}

impl Filling<'_> {
    /// Puts data in, if it is large and there is room; the buffer to copy it from, and where in it.
    pub fn put(&mut self, data: &[u8]) -> Option<(vk::Buffer, vk::DeviceSize)> {
        let block = self.block.filter(|_| is_large(data.len()))?;
        let at = self.used;
        let end = at.checked_add(data.len()).filter(|end| *end <= SIZE)?;
        // SAFETY: inside of the block, whose bytes nobody else reads or writes while it is filled.
        unsafe { block.bytes().add(at).copy_from_nonoverlapping(data.as_ptr(), data.len()) };
        self.used = end.next_multiple_of(ALIGNED);
        trace::instant("upload in the block", data.len() as u64);
        Some((block.buffer, at as vk::DeviceSize))
    }
}
