//! What a recording awaits: pipelines that it has bound while the host compiles them, and until they are there the chunks that it has filled.
//!
//! The invariant: no part of a recording is sent while it names a pipeline that isn't known to be there. A recording that binds one in doubt goes on; `Stream` asks here before it
//! sends anything, and sends what was kept, in order, before anything else.

use ash::vk;
use hesper_winsys::{Chunk, Error};

use crate::pipelines::compiling::InDoubt;

/// Room for as many pipelines is made at once.
const SOME: usize = 16;
/// Chunks that are kept at most, so that a recording without an end doesn't take all memory.
const PARTS: usize = 16;

/// A part of a recording, the bytes from the first place to the second of a chunk.
pub type Part = (Chunk, usize, usize);

/// The pipelines in doubt of one recording, and its parts that are kept from the host.
#[derive(Default)]
pub struct Awaited {
    pipelines: Vec<InDoubt>,
    parts: Vec<Part>,
}

impl Awaited {
    /// Whether nothing is awaited.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.pipelines.is_empty() && self.parts.is_empty()
    }

    /// The recording binds one more, or one again.
    pub fn add(&mut self, pipeline: InDoubt) {
        if self.pipelines.capacity() == 0 {
            self.pipelines.reserve(SOME);
        }
        if !self.pipelines.iter().any(|known| known.is(&pipeline)) {
            self.pipelines.push(pipeline);
        }
    }

    /// Whether all pipelines are there by now, without waiting for the host to compile.
    ///
    /// # Errors
    /// That of one which couldn't be made.
    pub fn look(&mut self) -> Result<bool, Error> {
        let mut all = Ok(());
        self.pipelines.retain(|pipeline| {
            let is_there = all.is_ok() && pipeline.is_answered();
            if is_there {
                all = pipeline.settle();
            }
            !is_there
        });
        all.map_err(why)?;
        Ok(self.pipelines.is_empty())
    }

    /// Waits for all pipelines.
    ///
    /// # Errors
    /// That of the first which couldn't be made.
    pub fn settle(&mut self) -> Result<(), Error> {
        self.pipelines.iter().for_each(InDoubt::hasten);
        self.pipelines.iter().try_for_each(InDoubt::settle).map_err(why)?;
        self.pipelines.clear();
        Ok(())
    }

    /// Whether another part can be kept.
    pub fn has_room(&self) -> bool {
        self.parts.len() < PARTS
    }

    /// Keeps a part, behind those that are kept.
    pub fn keep(&mut self, part: Part) {
        self.parts.push(part);
    }

    /// The parts that were kept, to be sent now that all pipelines are there, or dropped with the recording.
    pub fn take_parts(&mut self) -> Vec<Part> {
        std::mem::take(&mut self.parts)
    }

    /// Whether the host may read in a chunk that was kept, as it was told of an earlier part of it.
    pub fn is_read(&self) -> bool {
        self.parts.iter().any(|(_, from, _)| *from > 0)
    }

    /// The recording is dropped.
    pub fn forget_pipelines(&mut self) {
        self.pipelines.clear();
    }
}

/// The error of a recording that binds a pipeline which couldn't be made.
pub fn why(result: vk::Result) -> Error {
    match result {
        vk::Result::ERROR_OUT_OF_HOST_MEMORY => Error::OutOfHostMemory,
        vk::Result::ERROR_OUT_OF_DEVICE_MEMORY => Error::OutOfDeviceMemory,
        vk::Result::ERROR_DEVICE_LOST => Error::Lost("the pipeline was never made".into()),
        _ => Error::Refused("a pipeline that couldn't be made".into()),
    }
}
