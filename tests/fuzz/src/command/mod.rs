//! Commands: what a planned program records.

mod image;
mod pass;

use serde::{Deserialize, Serialize};

pub use crate::id::Id;
pub use image::{ImageCommand, Placed};
pub use pass::{CAPTURED, How, Load, Pass, Style, Target, Work};

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

/// How descriptors are pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pushing {
    Together,
    /// One call for each binding.
    Apart,
    /// One write of two descriptors, which runs on into the second binding.
    Across,
    /// A template with one entry of two descriptors, which lie apart.
    AcrossTemplate,
    Template,
    /// vkCmdPushDescriptorSet2 and vkCmdPushDescriptorSetWithTemplate2.
    SecondForm,
    SecondTemplate,
}

/// How dispatches get their buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Bind {
    Set(Id),
    Push(View, View, Pushing),
}

/// How a query's result is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Values of a query's result.
    pub results: u32,
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
        u64::from(self.results) + u64::from(self.availability) + u64::from(self.gap)
    }

    /// Bytes of a value.
    pub fn value_size(&self) -> u64 {
        if self.wide { 8 } else { 4 }
    }
}

/// A command, or several that belong together.
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
    Image(ImageCommand),
    Pass(Pass),
    /// First vertices and counts; `stride` bytes from one to the next, with garbage in between.
    Draws {
        image: Id,
        draws: Vec<(u32, u32)>,
        stride: u32,
        indexed: bool,
        offset: Option<i32>,
    },
}
