//! Freed memory that is kept for the next allocation.

use std::collections::VecDeque;

use ash::vk;
use parking_lot::Mutex;

/// Freed memory that is kept for the next allocation of the same size and type: programs stage uploads in memory that they
/// allocate, map and free again and again, and each new blob costs several calls to the host.
#[derive(Default)]
pub struct Freed(Mutex<VecDeque<Kept>>);

/// A piece that is kept.
pub struct Kept {
    pub memory: vk::DeviceMemory,
    pub size: vk::DeviceSize,
    pub memory_type: u32,
}

/// Bytes of a piece that is kept, of all that are, and how many those are at most.
pub const KEPT_PIECE: vk::DeviceSize = 8 << 20;
const KEPT_BYTES: vk::DeviceSize = 64 << 20;
pub const KEPT_PIECES: usize = 64;

impl Freed {
    /// A piece of this size and type.
    pub fn take(&self, size: vk::DeviceSize, memory_type: u32) -> Option<vk::DeviceMemory> {
        let mut kept = self.0.lock();
        // The newest is the likeliest to be in a cache.
        let at = kept.iter().rposition(|k| k.size == size && k.memory_type == memory_type)?;
        kept.remove(at).map(|k| k.memory)
    }

    /// Keeps a piece; returns those that must go for it.
    pub fn keep(&self, piece: Kept) -> Vec<vk::DeviceMemory> {
        let mut kept = self.0.lock();
        kept.push_back(piece);
        let mut gone = Vec::new();
        while kept.len() > KEPT_PIECES || kept.iter().map(|k| k.size).sum::<vk::DeviceSize>() > KEPT_BYTES {
            gone.extend(kept.pop_front().map(|k| k.memory));
        }
        gone
    }

    /// All pieces, which are kept no longer.
    pub fn take_all(&self) -> Vec<vk::DeviceMemory> {
        self.0.lock().drain(..).map(|k| k.memory).collect()
    }
}
