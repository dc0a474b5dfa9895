//! What commands read and write, and in which order.

use serde::{Deserialize, Serialize};

use crate::command::Id;

/// Something that commands read and write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Resource {
    Memory(Id),
    Image(Id),
    Queries(Id),
    Event(Id),
}

/// A read or write of a part: bytes of memory, queries of a pool, a whole image or event (0 to 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    pub on: Resource,
    pub from: u64,
    pub to: u64,
    pub write: bool,
}

impl Access {
    pub fn read(on: Resource, from: u64, to: u64) -> Self {
        Self { on, from, to, write: false }
    }

    pub fn write(on: Resource, from: u64, to: u64) -> Self {
        Self { on, from, to, write: true }
    }

    /// Whether the order of both matters.
    pub fn conflicts(&self, other: &Self) -> bool {
        self.on == other.on && self.from < other.to && other.from < self.to && (self.write || other.write)
    }
}

/// Whether the order of some of `a` and some of `b` matters.
pub fn conflict(a: &[Access], b: &[Access]) -> bool {
    a.iter().any(|a| b.iter().any(|b| a.conflicts(b)))
}

/// A submission: the queue and the number on it, from 1 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct At {
    pub queue: usize,
    pub number: u64,
}

/// A vector clock: for each queue how many of its submissions are before something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clock(Vec<u64>);

impl Clock {
    pub fn covers(&self, at: At) -> bool {
        self.0.get(at.queue).is_some_and(|n| *n >= at.number)
    }

    pub fn include(&mut self, at: At) {
        if self.0.len() <= at.queue {
            self.0.resize(at.queue + 1, 0);
        }
        self.0[at.queue] = self.0[at.queue].max(at.number);
    }

    pub fn join(&mut self, other: &Self) {
        for (queue, number) in other.0.iter().enumerate() {
            self.include(At { queue, number: *number });
        }
    }
}
