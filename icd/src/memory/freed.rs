//! Freed memory that is kept for the next allocation.

use std::collections::VecDeque;

use ash::vk;
use parking_lot::Mutex;

/// Freed memory that is kept for the next allocation of the same size and type: programs stage uploads in memory that they
/// allocate, map and free again and again, and each new blob costs several calls to the host.
#[derive(Default)]
pub struct Freed(Mutex<Pieces>);

#[derive(Default)]
struct Pieces {
    pieces: VecDeque<Piece>,
    /// Of all of them, as a sum that needn't be counted for each new one.
    bytes: vk::DeviceSize,
}

/// A piece of memory that is kept.
pub struct Piece {
    pub memory: vk::DeviceMemory,
    pub size: vk::DeviceSize,
    pub memory_type: u32,
}

/// Bytes of a piece that is kept, at most.
pub const KEPT_PIECE: vk::DeviceSize = 16 << 20;
/// Bytes of all pieces together, at most.
const KEPT_BYTES: vk::DeviceSize = 64 << 20;
/// Pieces, at most.
const KEPT_PIECES: usize = 64;

impl Freed {
    /// A piece of this size and type, which is kept no longer.
    pub fn reuse(&self, size: vk::DeviceSize, memory_type: u32) -> Option<vk::DeviceMemory> {
        let mut kept = self.0.lock();
        // The newest is the likeliest to be in a cache.
        let at = kept.pieces.iter().rposition(|k| k.size == size && k.memory_type == memory_type)?;
        let piece = kept.pieces.remove(at)?;
        kept.bytes -= piece.size;
        Some(piece.memory)
    }

    /// Keeps a piece; returns those that must go for it.
    pub fn keep(&self, piece: Piece) -> Vec<vk::DeviceMemory> {
        let mut kept = self.0.lock();
        // No more than `KEPT_PIECE` each, so that the sum has room.
        kept.bytes += piece.size;
        kept.pieces.push_back(piece);
        let mut gone = Vec::new();
        while kept.pieces.len() > KEPT_PIECES || kept.bytes > KEPT_BYTES {
            let Some(oldest) = kept.pieces.pop_front() else { break };
            kept.bytes -= oldest.size;
            gone.push(oldest.memory);
        }
        gone
    }

    /// All pieces, which are kept no longer.
    pub fn empty(&self) -> Vec<vk::DeviceMemory> {
        let mut kept = self.0.lock();
        kept.bytes = 0;
        kept.pieces.drain(..).map(|k| k.memory).collect()
    }
}

#[cfg(test)]
mod tests {
    use ash::vk::Handle;

    use super::*;

    fn piece(id: u64, size: vk::DeviceSize) -> Piece {
        Piece { memory: vk::DeviceMemory::from_raw(id), size, memory_type: 1 }
    }

    #[test]
    fn the_newest_of_a_size_and_type_is_used_again() {
        let freed = Freed::default();
        for (id, size) in [(1, 64), (2, 64), (3, 128)] {
            assert!(freed.keep(piece(id, size)).is_empty());
        }
        assert_eq!((freed.reuse(64, 0), freed.reuse(32, 1)), (None, None));
        assert_eq!(freed.reuse(64, 1).map(Handle::as_raw), Some(2));
        assert_eq!(freed.empty().len(), 2);
        assert!(freed.empty().is_empty() && freed.reuse(64, 1).is_none());
    }

    #[test]
    fn the_oldest_go_first() {
        let freed = Freed::default();
        let gone: Vec<_> = (1..=10).flat_map(|id| freed.keep(piece(id, KEPT_PIECE))).map(Handle::as_raw).collect();
        assert_eq!(gone, [1, 2, 3, 4, 5, 6], "64 MiB are kept");
        let gone: usize = (11..=100).map(|id| freed.keep(piece(id, 1)).len()).sum();
        assert_eq!((gone, freed.empty().len()), (30, KEPT_PIECES));
    }
}
