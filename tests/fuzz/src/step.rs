//! Steps: a planned program, valid as it stands. Every object has a slot of its kind; a step names slots, and the worker keeps the handles.

use serde::{Deserialize, Serialize};

/// A slot of an object's kind.
pub type Id = u32;

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

/// A region of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Region {
    pub from: u64,
    pub to: u64,
    pub size: u64,
}

/// A part of a buffer in a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    pub buffer: Id,
    pub at: u64,
    /// `None` for the rest of the buffer.
    pub size: Option<u64>,
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

/// How dispatches get their buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Bind {
    Set(Id),
    Push(View, View),
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

/// How a query's result is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    pub wide: bool,
    pub wait: bool,
    pub availability: bool,
    pub partial: bool,
    /// Values beyond what one query has, between the queries.
    pub gap: u32,
}

impl Asked {
    /// Values from one query to the next.
    pub fn values(&self) -> u64 {
        1 + u64::from(self.availability) + u64::from(self.gap)
    }

    /// Bytes of a value.
    pub fn value_size(&self) -> u64 {
        if self.wide { 8 } else { 4 }
    }
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

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    Copy {
        from: Id,
        to: Id,
        regions: Vec<Region>,
        second_form: bool,
    },
    Update {
        to: Id,
        at: u64,
        size: u64,
        seed: u64,
    },
    Fill {
        to: Id,
        at: u64,
        size: Option<u64>,
        value: u32,
    },
    BindAndDispatch {
        pipeline: Id,
        bind: Bind,
        count: u32,
        add: u32,
        constants_only_once: bool,
        passing_layout: bool,
    },
    /// Everything before it, memory included, comes before everything after it.
    Barrier {
        style: u8,
    },
    SetEvent {
        event: Id,
        second_form: bool,
    },
    ResetEvent {
        event: Id,
    },
    WaitEvent {
        event: Id,
        host: bool,
    },
    BeginQuery {
        pool: Id,
        query: u32,
    },
    EndQuery {
        pool: Id,
        query: u32,
    },
    Timestamp {
        pool: Id,
        query: u32,
        second_form: bool,
    },
    ResetQueries {
        pool: Id,
        first: u32,
        count: u32,
    },
    CopyResults {
        pool: Id,
        first: u32,
        count: u32,
        to: Id,
        at: u64,
        stride: u64,
        asked: Asked,
    },
    Execute {
        cb: Id,
    },
    /// From nothing known to the layout that images keep.
    InitImage {
        image: Id,
    },
    ClearImage {
        image: Id,
        value: u8,
    },
    ImageToBuffer {
        image: Id,
        to: Id,
        at: u64,
        second_form: bool,
    },
    BufferToImage {
        image: Id,
        from: Id,
        at: u64,
        second_form: bool,
    },
    /// First vertices and counts; `stride` bytes from one to the next, with garbage in between.
    Draws {
        image: Id,
        draws: Vec<(u32, u32)>,
        stride: u32,
        indexed: bool,
        offset: Option<i32>,
    },
}
