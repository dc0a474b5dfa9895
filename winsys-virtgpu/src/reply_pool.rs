//! Shared memory for replies.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::reply_place::{MemoryNumber, Place, ReplyPlace};
use crate::shared::Mutex;
use crate::{Error, Shmem, Winsys};

/// Bytes of an ordinary reply memory.
const REPLIES: usize = 1 << 20;
/// Bytes of a reply that are zeros before it is written: a cache line, which the host is about to write anyway, and which holds what most
/// replies are.
const CLEARED: usize = 64;

/// A piece of shared memory for replies.
struct Memory {
    shmem: Shmem,
    number: MemoryNumber,
}

#[derive(Default)]
struct Replies {
    /// The memory that is being filled.
    memory: Option<Arc<Memory>>,
    next: usize,
    /// Up to where replies that are more than cleared may have left something.
    written_to: usize,
    /// Memories that were full, oldest first.
    full: VecDeque<Arc<Memory>>,
}

/// How replies lie in a pool's memory.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// Each in cache lines of its own.
    Apart,
    /// Each begins where the one before ends, in the order in which room is taken: a host that has just written that one needn't be told of it. Such
    /// a reply takes as many bytes as there is room for, not fewer.
    Behind,
}

/// Memory for replies: slices cut one after the other.
pub struct ReplyPool {
    winsys: Arc<dyn Winsys>,
    placement: Placement,
    /// A single memory is begun anew whenever no reader holds a slice of it. Several are filled one after the other: for replies that are much
    /// together, so that neither processor has in its cache what the other one is about to write there, or has written.
    memories: usize,
    replies: Mutex<Replies>,
}

/// Room for one reply.
///
/// Its first [`CLEARED`] bytes, or all of a shorter one's, are zeros until the host writes them, so that a reply that was never written, or only begun, isn't taken for an
/// older one: no reply is all zeros there, and what follows in it is announced by a number that isn't zero. Fresh memory is all zeros;
/// whoever has read a reply leaves zeros where it began, and where a larger one has lain they are written before the next one.
pub struct Reply {
    memory: Arc<Memory>,
    offset: usize,
    size: usize,
    placement: Placement,
}

impl ReplyPool {
    /// An empty pool.
    pub fn new(winsys: Arc<dyn Winsys>, placement: Placement, memories: usize) -> Self {
        Self { winsys, placement, memories, replies: Mutex::default() }
    }

    /// Room for `size` bytes.
    pub fn take(&self, size: usize) -> Result<Reply, Error> {
        let placement = self.placement;
        let step = match placement {
            Placement::Apart => CLEARED,
            // What all replies' sizes are multiples of (WIRE.md 1.1).
            Placement::Behind => 4,
        };
        let size =
            size.max(1).checked_next_multiple_of(step).filter(|s| *s <= 1 << 30).ok_or(Error::OutOfHostMemory)?;
        if size > REPLIES / 4 {
            return Ok(Reply { memory: Arc::new(self.make(size)?), offset: 0, size, placement });
        }
        let r = &mut *self.replies.lock();
        // All readers are done, and what they did to the memory came before they let go of it, where nobody else refers to it.
        let is_unread = |memory: &mut Arc<Memory>| Arc::get_mut(memory).is_some();
        if let Some(memory) = &mut r.memory {
            if self.memories == 1 && is_unread(memory) {
                r.next = 0;
            }
            if r.next + size <= REPLIES {
                let reply = Reply { memory: memory.clone(), offset: r.next, size, placement };
                if r.next > 0 && r.next < r.written_to {
                    reply.clear();
                }
                r.next += size;
                if size > CLEARED {
                    r.written_to = r.written_to.max(r.next);
                }
                return Ok(reply);
            }
        }
        let has_unread = r.full.front_mut().is_some_and(is_unread);
        let made = if has_unread && r.full.len() + 1 >= self.memories {
            None
        } else {
            match self.make(REPLIES) {
                // What there is serves as well.
                Err(_) if has_unread => None,
                made => Some(made?),
            }
        };
        let is_new = made.is_some();
        let begun = made.map(Arc::new).or_else(|| r.full.pop_front()).ok_or(Error::OutOfHostMemory)?;
        let before = r.memory.replace(begun.clone());
        r.full.extend(before);
        if r.full.len() >= self.memories {
            // Whoever reads there keeps it.
            r.full.pop_front();
        }
        r.written_to = if is_new { size } else { REPLIES };
        r.next = size;
        Ok(Reply { memory: begun, offset: 0, size, placement })
    }

    fn make(&self, size: usize) -> Result<Memory, Error> {
        Ok(Memory { shmem: self.winsys.create_shmem(size as u64)?, number: MemoryNumber::next() })
    }
}

impl Reply {
    /// Where the host is to write `size` bytes at most: where replies lie one behind the other, exactly as many as there is room for.
    pub fn place(&self, size: usize) -> ReplyPlace {
        let is_exact = self.placement == Placement::Behind;
        debug_assert!(!is_exact || size.next_multiple_of(4) == self.size, "a reply of another size");
        ReplyPlace {
            resource: self.memory.shmem.id(),
            start: Place { memory: self.memory.number, offset: self.offset },
            size: if is_exact { self.size } else { size },
            is_exact,
            room: self.memory.shmem.mapping().len().saturating_sub(self.offset),
        }
    }

    /// Hands the first `size` bytes to `read`, where they are; the host can change them at any time.
    ///
    /// # Errors
    /// [`Error::OutOfHostMemory`] where there are fewer, which whoever has asked for room for them doesn't see.
    pub fn in_place<R>(&self, size: usize, read: impl FnOnce(*const u8) -> R) -> Result<R, Error> {
        let at = self.memory.shmem.mapping().at(self.offset, size).ok_or(Error::OutOfHostMemory)?;
        Ok(read(at))
    }

    /// Hands a private copy of the first `size` bytes to `read`: the host can change the original at any time.
    ///
    /// # Errors
    /// [`Error::OutOfHostMemory`] where there is no memory for the copy.
    pub fn with_bytes<R>(&self, size: usize, read: impl FnOnce(&[u8]) -> R) -> Result<R, Error> {
        let mut small = [0; 512];
        if let Some(bytes) = small.get_mut(..size) {
            self.memory.shmem.mapping().read(self.offset, bytes);
            return Ok(read(bytes));
        }
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(size).map_err(|_| Error::OutOfHostMemory)?;
        bytes.resize(size, 0);
        self.memory.shmem.mapping().read(self.offset, &mut bytes);
        Ok(read(&bytes))
    }

    fn clear(&self) {
        let zeros = &[0; CLEARED];
        self.memory.shmem.mapping().write(self.offset, zeros.get(..self.size).unwrap_or(zeros));
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_that_is_not_written_is_not_an_older_one() {
        let host = crate::testing::Host::new();
        let pool = ReplyPool::new(host.clone(), Placement::Apart, 1);
        for _ in 0..3 {
            let reply = pool.take(40).unwrap();
            assert_eq!(reply.offset, 0, "the same place again");
            assert!(reply.with_bytes(40, |b| b.iter().all(|b| *b == 0)).unwrap(), "an older reply is left");
            assert!(reply.memory.shmem.mapping().write(0, &[7; 40]));
        }
    }

    /// Places of any size, wherever texels have lain.
    #[test]
    fn what_lay_there_is_no_reply() {
        for (placement, memories) in [(Placement::Apart, 1), (Placement::Apart, 3), (Placement::Behind, 1)] {
            let pool = ReplyPool::new(crate::testing::Host::new(), placement, memories);
            for round in 0..40 {
                let sizes = [200_000, 40, 70_000, 64, 8, 131_072];
                let held: Vec<Reply> = sizes.iter().map(|size| pool.take(size / (1 + round % 3)).unwrap()).collect();
                for (reply, size) in held.iter().zip(sizes) {
                    let is_clear = reply.with_bytes(CLEARED.min(reply.size), |b| b.iter().all(|b| *b == 0)).unwrap();
                    assert!(is_clear, "{memories} {round} {size}");
                    assert!(reply.memory.shmem.mapping().write(reply.offset, &vec![7; reply.size]));
                }
            }
        }
    }

    #[test]
    fn several_memories_are_filled_one_after_the_other() {
        let pool = ReplyPool::new(crate::testing::Host::new(), Placement::Apart, 3);
        let half = || pool.take(REPLIES / 4).unwrap();
        let round = || -> Vec<u32> { (0..12).map(|_| half().place(1).resource).collect() };
        let first = round();
        let mut different = first.clone();
        different.dedup();
        assert_eq!((different.len(), round()), (3, first.clone()));
        let held = half();
        assert_eq!(held.place(1).resource, first[0]);
        let again: Vec<u32> = (1..24).map(|_| half().place(1).resource).collect();
        assert!(!again[11..].contains(&first[0]), "somebody reads there");
        assert_eq!(again[11 + 4..], first[4..], "the others are used again");
    }

    #[test]
    fn a_reply_that_no_memory_holds_is_an_error() {
        let host = crate::testing::Host::new();
        let reply = ReplyPool::new(host.clone(), Placement::Apart, 1).take(1000).unwrap();
        assert!(matches!(reply.with_bytes(usize::MAX, <[u8]>::len), Err(Error::OutOfHostMemory)));
        assert_eq!(reply.with_bytes(1000, <[u8]>::len).ok(), Some(1000));
    }
}
