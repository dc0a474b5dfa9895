//! Where the host writes replies.
//!
//! One encoder writes all replies of a ring, each behind the one before, unless it is told of another place (WIRE.md 2.3). Telling it takes a command for each reply, and
//! the host a look for the resource under its locks. So a ring keeps in mind where the next reply would go.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::transport;

/// Tells a memory from all others that a process has had, even where their resources have the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryNumber(u64);

impl MemoryNumber {
    /// The next one.
    pub fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// A byte of a memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub memory: MemoryNumber,
    /// Bytes from the resource's start.
    pub offset: usize,
}

/// The place of one reply.
#[derive(Clone, Copy, Debug)]
pub struct ReplyPlace {
    /// The memory's resource, which stays until the reply has been read.
    pub resource: u32,
    pub start: Place,
    /// Bytes of the reply: exactly so many where it is exact, whatever the result, else at most.
    pub size: usize,
    pub is_exact: bool,
    /// Bytes of the memory from the start on.
    pub room: usize,
}

impl ReplyPlace {
    /// Where the host writes the next reply if it isn't told otherwise, where that is known.
    pub fn end(&self) -> Option<Place> {
        let end = Place { memory: self.start.memory, offset: self.start.offset + self.size };
        self.is_exact.then_some(end)
    }

    /// The command that has the reply go there.
    pub fn command(&self) -> [u8; 36] {
        let bytes = if self.is_exact { self.room } else { self.size };
        transport::set_reply(self.resource, self.start.offset, bytes)
    }
}
