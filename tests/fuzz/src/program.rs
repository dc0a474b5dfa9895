//! Programs: what is generated, shrunk and kept.
//!
//! A program is a list of wishes with small numbers in them. The planner (`plan`) turns it into calls: it knows which of them are valid at
//! which point, takes numbers modulo what there is, adds what is missing (objects, barriers, waits) and leaves out what can't be.
//! So every list is a valid program, also after any part of it has been taken away.

use serde::{Deserialize, Serialize};

/// A program and what it runs on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    pub machine: Machine,
    /// With garbage in everything that Vulkan ignores.
    pub poison: bool,
    /// With a new instance, not only a new device.
    pub fresh_instance: bool,
    /// What to do.
    pub ops: Vec<Op>,
}

/// A kind of host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Machine {
    /// Its device has memory of its own that can't be mapped.
    pub discrete: bool,
    /// It has two families of two queues each, instead of one queue.
    pub queues: bool,
}

/// A part of a copy between buffers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    pub from: u16,
    pub to: u16,
    pub size: u16,
    /// One of eight makes use of single bytes; the others round to words.
    pub grain: u8,
}

/// A part of an image: level, layers, a box of texels, and how these lie in memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spot {
    pub mip: u8,
    pub layer: u8,
    pub at: u16,
    pub size: u16,
    pub rows: u8,
}

/// A draw of some vertices in a pass, or something else that is done there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stroke {
    pub first: u8,
    pub count: u8,
    pub style: u8,
}

/// Defines an enum whose variants hold numbers, and for each a strategy that draws all of them.
macro_rules! wishes {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $kind:ident { $($field:ident: $of:ty),* $(,)? })* }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub enum $name { $($(#[$doc])* $kind { $($field: $of),* },)* }

        impl $name {
            /// The names of all kinds.
            pub const KINDS: &[&str] = &[$(stringify!($kind)),*];

            /// Draws one of a kind.
            pub fn of_kind(kind: &str, mix: &crate::mix::Mix) -> proptest::strategy::BoxedStrategy<Self> {
                use proptest::strategy::Strategy;
                use crate::mix::Drawn;
                match kind {
                    $(stringify!($kind) => {
                        (proptest::strategy::Just(()), $(<$of as Drawn>::drawn(mix),)*)
                            .prop_map(|((), $($field,)*)| Self::$kind { $($field),* })
                            .boxed()
                    })*
                    _ => unreachable!("{kind} is no kind of wish"),
                }
            }
        }
    };
}

wishes! {
    /// What a program does outside of recordings.
    Op {
        /// New memory, with the buffers in it gone.
        Allocate { memory: u8, size: u8 }
        Free { memory: u8 }
        /// Frees, and allocates the same again.
        Renew { memory: u8 }
        CreateBuffer { buffer: u8, at: u8, size: u8 }
        DestroyBuffer { buffer: u8 }
        Map { memory: u8, at: u8, part: bool }
        Unmap { memory: u8 }
        HostWrite { memory: u8, at: u16, size: u16, seed: u8 }
        HostRead { memory: u8 }
        /// Writes to a mapped source, copies out of it, submits that alone, and waits.
        Upload { queue: u8, from: u8, to: u8, pieces: Vec<Piece>, seed: u8, style: u8 }
        /// Uploads from buffer to buffer, with nothing else in between.
        Burst { queue: u8, hops: Vec<u8>, pieces: Vec<Piece>, seed: u8, style: u8 }
        /// Uploads to one buffer, each over the one before and somewhere else, with nothing in between.
        Series { queue: u8, from: u8, to: u8, pieces: Vec<Piece>, seed: u8, style: u8 }
        ReadBack { queue: u8, buffer: u8 }
        Record { cb: u8, flags: u8, commands: Vec<Cmd> }
        ResetBuffer { cb: u8, release: bool }
        ResetPool { pool: u8, release: bool }
        TrimPool { pool: u8 }
        DestroyPool { pool: u8 }
        Submit { queue: u8, cbs: Vec<u8>, fence: u8, wait: u8, signal: u8, style: u8 }
        /// Submits what waits for an event or a semaphore of the program's.
        SubmitBlocked { queue: u8, on: u8, fence: u8, commands: Vec<Cmd>, style: u8 }
        WaitFences { fence: u8, others: u8, style: u8 }
        FenceStatus { fence: u8 }
        ResetFence { fence: u8 }
        DestroyFence { fence: u8 }
        QueueIdle { queue: u8 }
        DeviceIdle { }
        SetEvent { event: u8 }
        ResetEvent { event: u8 }
        EventStatus { event: u8 }
        DestroyEvent { event: u8 }
        HostSignal { timeline: u8, by: u8 }
        HostWait { timeline: u8 }
        Counter { timeline: u8 }
        DestroySemaphore { timeline: u8 }
        MakePipelines { pipeline: u8, count: u8, flavour: u8, style: u8 }
        DestroyPipeline { pipeline: u8 }
        WriteSet { set: u8, from: u8, to: u8, at: u8, style: u8 }
        FreeSets { pool: u8, which: u8, at_once: bool }
        ResetSets { pool: u8 }
        ResetQueries { pool: u8, first: u8, count: u8 }
        Results { pool: u8, first: u8, count: u8, flags: u8 }
        DestroyQueries { pool: u8 }
        /// Counts, asks for the result, resets that query by a command, perhaps counts anew, and asks again.
        Recount { queue: u8, pool: u8, query: u8, pipeline: u8, to: u8, style: u8 }
        CreateImage { image: u8, texels: u8, form: u8, style: u8 }
        DestroyImage { image: u8 }
        ReadImage { queue: u8, image: u8 }
        /// Looks at a linear image through a mapping.
        ReadRows { image: u8, spot: Spot }
        /// What the host's processor does to images; a carried one is copied in the order that only the device knows.
        CopyToImage { image: u8, spot: Spot, seed: u8 }
        CopyFromImage { image: u8, spot: Spot }
        CopyImages { from: u8, to: u8, spot: Spot, other: Spot }
        CarryImage { from: u8, mip: u8, aspect: u8 }
        TransitionImage { image: u8 }
        SetPrivate { object: u8, value: u8 }
        GetPrivate { object: u8 }
        /// Two threads.
        Parallel { left: Vec<Op>, right: Vec<Op> }
        /// One thread uploads into memory that another one maps.
        MapRace { queue: u8, count: u8, seed: u8 }
    }
}

wishes! {
    /// What is recorded.
    Cmd {
        Copy { from: u8, to: u8, pieces: Vec<Piece>, second_form: bool }
        Update { to: u8, at: u16, size: u16, seed: u8 }
        Fill { to: u8, at: u16, size: u16, value: u8 }
        Dispatch { pipeline: u8, from: u8, to: u8, at: u8, count: u8, style: u8 }
        /// A dispatch, bound with a pipeline layout that is destroyed as soon as the recording has ended.
        PassingLayout { pipeline: u8, from: u8, to: u8, count: u8, style: u8 }
        Barrier { style: u8 }
        SetEvent { event: u8, second_form: bool }
        ResetEvent { event: u8 }
        WaitEvent { event: u8 }
        Count { pool: u8, query: u8, reset: bool, pipeline: u8, to: u8 }
        Timestamp { pool: u8, query: u8, reset: bool, second_form: bool }
        ResetQueries { pool: u8, first: u8, count: u8 }
        CopyResults { pool: u8, first: u8, count: u8, to: u8, at: u8, flags: u8 }
        Execute { cb: u8 }
        ClearImage { image: u8, value: u8, spot: Spot }
        ImageToBuffer { image: u8, to: u8, at: u8, spot: Spot, style: u8 }
        BufferToImage { image: u8, from: u8, at: u8, spot: Spot, style: u8 }
        CopyImage { from: u8, to: u8, spot: Spot, other: Spot, style: u8 }
        BlitImage { from: u8, to: u8, spot: Spot, other: Spot, style: u8 }
        ResolveImage { from: u8, to: u8, spot: Spot, other: Spot, second_form: bool }
        Pass { image: u8, other: u8, depth: u8, counted: u8, loads: u8, style: u8, strokes: Vec<Stroke> }
        Draws { image: u8, count: u8, first: u8, stride: u8, indexed: u8 }
    }
}
