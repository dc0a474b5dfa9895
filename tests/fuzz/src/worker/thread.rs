//! One thread of a program: what it uses, and what it has seen.

use ash::vk;

use super::device::Gpu;
use super::drawing::Drawing;
use super::handles::Handles;
use super::image_objects::Images;
use super::poison::Edge;
use crate::step::Patience;
use crate::wire::{Note, Place, Seen};

/// What both threads of a program use.
pub struct Shared {
    pub gpu: Gpu,
    pub handles: Handles,
    pub images: Images,
    pub drawing: std::sync::OnceLock<Result<Drawing, vk::Result>>,
}

/// A program can't go on.
pub struct Ended;

/// One thread of a program.
pub struct Thread<'a> {
    pub shared: &'a Shared,
    pub edge: Edge,
    /// Pipeline layouts of the recording, which go when it has ended: Vulkan forbids it before.
    pub passing: Vec<vk::PipelineLayout>,
    /// Templates that the recording pushes by, which go when it has ended, too.
    pub templates: Vec<vk::DescriptorUpdateTemplate>,
    pub notes: Vec<Note>,
    pub calls: u64,
    pub at: Place,
}

impl<'a> Thread<'a> {
    pub fn new(shared: &'a Shared, at: Place) -> Self {
        Self { shared, edge: Edge::new(), passing: Vec::new(), templates: Vec::new(), notes: Vec::new(), calls: 0, at }
    }

    pub fn see(&mut self, seen: Seen) {
        self.notes.push(Note { at: self.at, seen });
    }

    /// The result of a call that has to succeed.
    ///
    /// # Errors
    /// When it hasn't.
    pub fn must<T>(&mut self, what: &str, result: Result<T, vk::Result>) -> Result<T, Ended> {
        self.calls += 1;
        result.map_err(|e| {
            self.see(Seen::Ended(format!("{what}: {e:?}")));
            Ended
        })
    }

    /// Counts calls that return nothing.
    pub fn called(&mut self, calls: u64) {
        self.calls += calls;
    }

    pub fn nanoseconds(patience: Patience) -> u64 {
        match patience {
            Patience::Forever => u64::MAX,
            Patience::Long => 60_000_000_000,
            Patience::Short => 200_000,
        }
    }
}
