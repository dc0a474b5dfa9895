//! How far a ring has been written, and how much of that the host was shown.

use super::parking::Parked;
use crate::reply_place::Place;

/// Bytes of posted commands that the host isn't shown at once.
pub const POSTED: usize = 4096;

/// Bytes of chunks in commands that the host isn't shown at once: these chunks can't be used again meanwhile.
pub const POINTED_AT: usize = 1 << 20;

pub struct Write {
    /// Where the next command goes.
    pub tail: u64,
    /// What the host has been shown of that.
    pub shown: u64,
    /// Bytes of chunks that the rest points at.
    pub pointed_at: usize,
    /// What the host's thread waits in, once it has come to the end of what it was shown.
    pub parked: Option<Parked>,
    /// Where the host writes the next reply unless it is told otherwise, where that is known. This is so because whoever asks for a reply in this ring
    /// does so under the lock that this struct lies in, and leaves here what lies behind that reply, or `None` where the reply's size isn't known.
    pub next_reply: Option<Place>,
    /// The last part of a chunk that the ring was pointed at.
    pub last_part: Option<LastPart>,
}

/// A part of a chunk that a command in the ring points at.
#[derive(Clone, Copy)]
pub struct LastPart {
    /// Where that command begins in the ring, and ends.
    pub from: u64,
    pub to: u64,
    pub resource: u32,
    /// Bytes from the resource's start, and how many the part has.
    pub start: usize,
    pub len: usize,
}

impl Write {
    pub fn at(position: u64) -> Self {
        Self { tail: position, shown: position, pointed_at: 0, parked: None, next_reply: None, last_part: None }
    }

    /// Bytes that the host hasn't been shown.
    pub fn posted(&self) -> usize {
        (self.tail - self.shown) as usize
    }

    /// The last part, where it can still be lengthened by what lies at `start` of this resource: the host hasn't been shown the command that points at it, nothing was
    /// written behind that command, and nothing lies between the two parts. Then the host runs the same commands in the same order.
    pub fn part_before(&self, resource: u32, start: usize) -> Option<LastPart> {
        self.last_part
            .filter(|p| p.to == self.tail && p.from >= self.shown && (p.resource, p.start + p.len) == (resource, start))
    }

    /// Where the last command ends.
    pub fn end(&self) -> u64 {
        self.parked.filter(|p| p.to() == self.tail).map_or(self.tail, |p| p.from)
    }
}
