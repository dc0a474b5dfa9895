//! What is known of each object at a point of the program, and of what is in flight.

use std::collections::BTreeSet;

use super::access::{Access, At, Clock};
use crate::command::Id;
use crate::step::Counts;

/// Something that is destroyed or changed only while no submission uses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Object {
    Buffer(Id),
    Cb(Id),
    Event(Id),
    Fence(Id),
    Image(Id),
    Pipeline(Id),
    Queries(Id),
    Semaphore(Id),
    Set(Id),
}

/// What the program owes to submissions that wait for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Promise {
    Event(Id),
    Timeline(Id, u64),
}

/// A submission that the program hasn't seen end.
#[derive(Clone, Debug)]
pub struct Flight {
    pub at: At,
    /// What has ended when it has, itself included.
    pub done: Clock,
    pub accesses: Vec<Access>,
    pub uses: BTreeSet<Object>,
    /// What the program must do before it can end.
    pub blocked: BTreeSet<Promise>,
    pub fence: Option<Id>,
}

#[derive(Clone, Debug)]
pub struct Memory {
    pub size: u64,
    pub visible: bool,
    pub mapped: Option<(u64, u64)>,
}

#[derive(Clone, Copy, Debug)]
pub struct Buffer {
    pub memory: Id,
    pub at: u64,
    pub size: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CbState {
    Initial,
    Recorded,
    /// Submitted once and for all, or what it used is gone.
    Invalid,
}

/// What the execution of a command buffer needs and changes, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    ResetQueries {
        pool: Id,
        first: u32,
        count: u32,
    },
    /// The query must have been reset.
    EndQuery {
        pool: Id,
        query: u32,
    },
    /// The results must have been reset or there, and all there if `all`.
    NeedQueries {
        pool: Id,
        first: u32,
        count: u32,
        all: bool,
    },
    SetEvent(Id),
    ResetEvent(Id),
    WaitEvent(Id),
    WaitHostEvent(Id),
}

#[derive(Clone, Debug)]
pub struct Cb {
    pub secondary: bool,
    pub state: CbState,
    pub once: bool,
    pub simultaneous: bool,
    /// Whether it begins with a barrier that orders it behind everything earlier on its queue.
    pub ordered: bool,
    pub accesses: Vec<Access>,
    pub uses: BTreeSet<Object>,
    pub changes: Vec<Change>,
}

#[derive(Clone, Debug)]
pub struct Pool {
    pub family: u32,
    pub resets: bool,
    pub cbs: Vec<Id>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FenceState {
    Unsignalled,
    Pending(At),
    Signalled,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventState {
    Unset,
    SetByHost,
    /// By a command on this queue.
    SetOn(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Query {
    Unknown,
    Reset,
    There,
}

#[derive(Clone, Debug)]
pub struct Queries {
    pub counts: Counts,
    pub state: Vec<Query>,
    /// The last one whose result the program has got alone.
    pub got: Option<Id>,
}

#[derive(Clone, Debug)]
pub struct Timeline {
    /// The highest value that was signalled or will be by what was submitted.
    pub value: u64,
    /// Who signals which value, as far as it isn't known to have happened.
    pub signals: Vec<(u64, At, Clock)>,
    /// A value that the program will signal; nobody else does meanwhile.
    pub promised: Option<u64>,
}

#[derive(Clone, Debug, Default)]
pub struct Binary {
    /// The submission that signals it, with all that has ended then.
    pub signal: Option<(At, Clock)>,
}

#[derive(Clone, Copy, Debug)]
pub struct Pipeline {
    pub pushed: bool,
    pub derivable: bool,
    /// Whether a command has bound it, so that it is known to be compiled.
    pub bound: bool,
}

#[derive(Clone, Debug)]
pub struct Set {
    /// What the shader reads and writes.
    pub views: Option<[SetView; 2]>,
}

#[derive(Clone, Copy, Debug)]
pub struct SetView {
    pub buffer: Id,
    pub at: u64,
    pub size: u64,
}

#[derive(Clone, Debug, Default)]
pub struct Queue {
    /// How many submissions it got.
    pub number: u64,
    /// What semaphores have put before everything that comes.
    pub after: Clock,
    /// What has ended when all submissions have.
    pub done: Clock,
}
