//! Steps: a planned program, valid as it stands. Every object has a slot of its kind; a step names slots, and the worker keeps the handles.

use serde::{Deserialize, Serialize};

use crate::command::{Asked, Command, Id, View};
use crate::image::{Part, Rows, Shape};

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

/// What the queries of a pool tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Counts {
    /// Invocations of compute shaders.
    Invocations,
    Timestamps,
    /// Samples that pass, precisely.
    Samples,
    /// Vertices and primitives that are assembled, and invocations of vertex and fragment shaders.
    Geometry,
    /// Primitives that are generated (VK_EXT_primitives_generated_query).
    Primitives,
    /// Primitives that are captured, and those that would be with enough room (VK_EXT_transform_feedback).
    Captured,
}

impl Counts {
    /// Values of a result.
    pub fn results(self) -> u32 {
        match self {
            Self::Geometry => 4,
            Self::Captured => 2,
            _ => 1,
        }
    }
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
        shape: Shape,
    },
    DestroyImage {
        image: Id,
    },
    /// The host's processor changes the layout, from nothing known or by way of another one.
    TransitionImage {
        image: Id,
        new: bool,
    },
    /// The host's processor copies bytes drawn from `seed` to a part.
    CopyToImage {
        image: Id,
        part: Part,
        rows: Rows,
        seed: u64,
    },
    /// Reports a part, which the host's processor copies to memory, and what lies between its rows there.
    CopyFromImage {
        image: Id,
        part: Part,
        rows: Rows,
    },
    /// The host's processor copies between images.
    CopyImages {
        from: Id,
        to: Id,
        source: Part,
        target: Part,
    },
    /// A part goes to an image that is made alike, by way of memory and in the order that only the device knows.
    CarryImage {
        from: Id,
        to: Id,
        part: Part,
    },
    /// Reports how a part of a linear image lies in its memory, and what it holds.
    ReadRows {
        image: Id,
        part: Part,
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
    /// A pool with room for these sets, and all of them; `frees` where sets can be freed by themselves.
    CreateSets {
        pool: Id,
        sets: Vec<Id>,
        frees: bool,
    },
    /// Frees sets, and allocates them again.
    FreeSets {
        pool: Id,
        sets: Vec<Id>,
        at_once: bool,
    },
    /// Frees all sets of a pool, and allocates them again; in between sets of another layout are put in the place of some, where sets can be freed.
    ResetSets {
        pool: Id,
        sets: Vec<Id>,
        frees: bool,
    },
    WriteSet {
        set: Id,
        from: View,
        to: View,
        template: bool,
    },
    CreateQueries {
        pool: Id,
        counts: Counts,
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
