//! Steps: a planned program, valid as it stands. Every object has a slot of its kind; a step names slots, and the worker keeps the handles.

use serde::{Deserialize, Serialize};

use crate::command::{Asked, Command, Id, View};

/// What the planner must know of a device; the same on all drivers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// All queues: their families and the indices in them.
    pub queues: Vec<(u32, u32)>,
    /// For each queue family whether it draws and whether it computes.
    pub families: Vec<(bool, bool)>,
}

impl Facts {
    /// The queue families that queues are made of.
    pub fn family_count(&self) -> u32 {
        self.queues.iter().map(|(f, _)| f + 1).max().unwrap_or(0)
    }
}

/// The shader of a pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Shader {
    /// `to[i] = from[i] * factor + add`
    Scale(u32),
    /// `to[i] = to[i] * 31 + from[i] + add`
    Stir,
}

/// How a pipeline is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kin {
    /// Without relatives; the base pipeline and its index are garbage.
    None,
    AllowDerivatives,
    /// From the first pipeline of the same call.
    OfIndex,
    /// From an earlier pipeline.
    Of(Id),
}

/// One of several pipelines made by one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Make {
    pub pipeline: Id,
    pub shader: Shader,
    /// For pushed descriptors.
    pub pushed: bool,
    pub kin: Kin,
    /// Only if nothing has to be compiled.
    pub only_cached: bool,
    pub early_return: bool,
    /// The flags stand in a VkPipelineCreateFlags2CreateInfo, and the old ones are garbage.
    pub flags2: bool,
}

/// Which object private data belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Private {
    Buffer(Id),
    Memory(Id),
    Fence(Id),
    Pipeline(Id),
}

/// A semaphore and its value; 0 for a binary one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Semaphore {
    pub slot: Id,
    pub value: u64,
}

/// A batch of a submission.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    pub cbs: Vec<Id>,
    pub waits: Vec<Semaphore>,
    pub signals: Vec<Semaphore>,
}

/// How long a wait may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Patience {
    Forever,
    /// Longer than anything takes.
    Long,
    /// It ends with a time-out.
    Short,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    Allocate {
        memory: Id,
        size: u64,
        visible: bool,
    },
    Free {
        memory: Id,
    },
    CreateBuffer {
        buffer: Id,
        memory: Id,
        at: u64,
        size: u64,
    },
    DestroyBuffer {
        buffer: Id,
    },
    Map {
        memory: Id,
        at: u64,
        size: u64,
    },
    Unmap {
        memory: Id,
    },
    /// Writes bytes drawn from `seed` through the mapping.
    Write {
        memory: Id,
        at: u64,
        size: u64,
        seed: u64,
    },
    /// Reports what the mapping shows.
    Read {
        memory: Id,
        at: u64,
        size: u64,
    },
    CreateImage {
        image: Id,
    },
    DestroyImage {
        image: Id,
    },
    CreatePool {
        pool: Id,
        family: u32,
        resets: bool,
        primaries: Vec<Id>,
        secondaries: Vec<Id>,
    },
    ResetPool {
        pool: Id,
        release: bool,
    },
    TrimPool {
        pool: Id,
    },
    DestroyPool {
        pool: Id,
    },
    ResetBuffer {
        cb: Id,
        release: bool,
    },
    Record {
        cb: Id,
        secondary: bool,
        once: bool,
        simultaneous: bool,
        commands: Vec<Command>,
    },
    Submit {
        queue: usize,
        batches: Vec<Batch>,
        fence: Option<Id>,
        second_form: bool,
    },
    CreateFence {
        fence: Id,
        signalled: bool,
    },
    DestroyFence {
        fence: Id,
    },
    WaitFences {
        fences: Vec<Id>,
        all: bool,
        patience: Patience,
    },
    FenceStatus {
        fence: Id,
    },
    /// Asks until it is signalled.
    SpinFence {
        fence: Id,
    },
    ResetFences {
        fences: Vec<Id>,
    },
    QueueIdle {
        queue: usize,
    },
    DeviceIdle,
    CreateEvent {
        event: Id,
        host: bool,
    },
    SetEvent {
        event: Id,
    },
    ResetEvent {
        event: Id,
    },
    EventStatus {
        event: Id,
    },
    DestroyEvent {
        event: Id,
    },
    CreateSemaphore {
        semaphore: Id,
        timeline: bool,
    },
    DestroySemaphore {
        semaphore: Id,
    },
    Signal {
        semaphore: Semaphore,
    },
    WaitSemaphore {
        semaphore: Semaphore,
    },
    Counter {
        semaphore: Id,
    },
    CreatePipelines {
        makes: Vec<Make>,
        cached: bool,
        layout_goes: bool,
    },
    DestroyPipeline {
        pipeline: Id,
    },
    CreateSets {
        pool: Id,
        sets: Vec<Id>,
    },
    ResetSets {
        pool: Id,
        sets: Vec<Id>,
    },
    WriteSet {
        set: Id,
        from: View,
        to: View,
        template: bool,
    },
    CreateQueries {
        pool: Id,
        timestamps: bool,
    },
    DestroyQueries {
        pool: Id,
    },
    ResetQueries {
        pool: Id,
        first: u32,
        count: u32,
    },
    Results {
        pool: Id,
        first: u32,
        count: u32,
        timestamps: bool,
        asked: Asked,
    },
    SetPrivate {
        of: Private,
        value: u64,
    },
    GetPrivate {
        of: Private,
    },
    /// Two threads, which start together.
    Parallel {
        left: Vec<Step>,
        right: Vec<Step>,
    },
}
