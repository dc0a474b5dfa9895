//! Pipelines of which nobody knows yet that they are there.
//!
//! A pipeline is there when the host's reply to its creation says so, with a handle that isn't null; a positive result isn't enough
//! (VK_PIPELINE_COMPILE_REQUIRED). The host ends the context of whoever names an object that isn't there, so every command that
//! takes a VkPipeline asks this table first; the code generator refuses a default body to commands that take one.
//!
//! | state | named by a command (bind, derive, link, query) | destroyed |
//! | --- | --- | --- |
//! | not in the table: there | the command is sent | sent |
//! | compiling | waits for the reply, or goes with a recording that the host is told of behind the reply (`recording::awaited`), then as below or above | marked; destroyed at the host when the reply says that it is there |
//! | failed | the command fails | forgotten |

use ash::vk;
use ash::vk::Handle;

enum State<C> {
    Compiling { creation: C, destroyed: bool },
    Failed(vk::Result),
}

/// Room for as many pipelines is made at once.
const SOME: usize = 64;

struct Entry<C> {
    pipeline: u64,
    device: vk::Device,
    state: State<C>,
}

/// The table; `C` is a creation whose reply hasn't been read.
pub struct Unsettled<C> {
    /// By pipeline, ascending: mostly the order in which they were created, so that a new one is the last.
    entries: Vec<Entry<C>>,
}

impl<C: Clone> Unsettled<C> {
    /// An empty table.
    pub const fn new() -> Self {
        Self { entries: Vec::new() }
    }

    /// Pipelines in the table.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// The place of a pipeline, or the place where it would be.
    fn find(&self, pipeline: vk::Pipeline) -> Result<usize, usize> {
        self.entries.binary_search_by_key(&pipeline.as_raw(), |e| e.pipeline)
    }

    fn get(&self, pipeline: vk::Pipeline) -> Option<&Entry<C>> {
        self.entries.get(self.find(pipeline).ok()?)
    }

    /// A pipeline's creation was sent.
    pub fn began(&mut self, device: vk::Device, pipeline: vk::Pipeline, creation: C) {
        let state = State::Compiling { creation, destroyed: false };
        if self.entries.capacity() == 0 {
            self.entries.reserve(SOME);
        }
        let (Ok(at) | Err(at)) = self.find(pipeline);
        self.entries.insert(at, Entry { pipeline: pipeline.as_raw(), device, state });
    }

    /// The creation that has to be waited for before a pipeline is named; `None` for one that is there.
    ///
    /// # Errors
    /// Why a pipeline isn't there.
    pub fn creation_of(&self, pipeline: vk::Pipeline) -> Result<Option<C>, vk::Result> {
        match self.get(pipeline).map(|e| &e.state) {
            None => Ok(None),
            Some(State::Compiling { creation, .. }) => Ok(Some(creation.clone())),
            Some(State::Failed(e)) => Err(*e),
        }
    }

    /// The reply was read: whether the pipeline is there, or why not. Returns whether it has to be destroyed at the host, as the
    /// program has done away with it.
    pub fn answered(&mut self, pipeline: vk::Pipeline, there: Result<(), vk::Result>) -> bool {
        let Ok(at) = self.find(pipeline) else { return false };
        let Some(Entry { state: state @ State::Compiling { .. }, .. }) = self.entries.get_mut(at) else { return false };
        let destroyed = matches!(state, State::Compiling { destroyed: true, .. });
        match there {
            Err(e) if !destroyed => *state = State::Failed(e),
            _ => drop(self.entries.remove(at)),
        }
        there.is_ok() && destroyed
    }

    /// The program destroys a pipeline; whether the table has seen to that.
    pub fn destroy(&mut self, pipeline: vk::Pipeline) -> bool {
        let Ok(at) = self.find(pipeline) else { return false };
        match self.entries.get_mut(at).map(|e| &mut e.state) {
            Some(State::Compiling { destroyed, .. }) => *destroyed = true,
            _ => drop(self.entries.remove(at)),
        }
        true
    }

    /// The creations of a device whose replies haven't been read, oldest first: ids grow.
    pub fn creations_of(&self, device: vk::Device) -> Vec<C> {
        let of = |e: &Entry<C>| match &e.state {
            State::Compiling { creation, .. } if e.device == device => Some(creation.clone()),
            _ => None,
        };
        self.entries.iter().filter_map(of).collect()
    }

    /// A device goes, and all of its pipelines with it.
    pub fn forget(&mut self, device: vk::Device) {
        self.entries.retain(|e| e.device != device);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHY: vk::Result = vk::Result::PIPELINE_COMPILE_REQUIRED;

    fn device(n: u64) -> vk::Device {
        vk::Device::from_raw(n)
    }

    fn pipeline(n: u64) -> vk::Pipeline {
        vk::Pipeline::from_raw(n)
    }

    #[test]
    fn a_pipeline_is_named_only_when_it_is_there() {
        let mut t = Unsettled::new();
        assert_eq!(t.creation_of(pipeline(1)), Ok(None), "never in doubt");
        t.began(device(1), pipeline(1), 'a');
        t.began(device(1), pipeline(2), 'b');
        assert_eq!((t.creation_of(pipeline(1)), t.creation_of(pipeline(2))), (Ok(Some('a')), Ok(Some('b'))));
        assert!(!t.answered(pipeline(1), Ok(())) && !t.answered(pipeline(2), Err(WHY)));
        assert_eq!((t.creation_of(pipeline(1)), t.creation_of(pipeline(2))), (Ok(None), Err(WHY)));
        assert!(!t.destroy(pipeline(1)), "the host has it");
        assert!(t.destroy(pipeline(2)), "the host has nothing");
        assert_eq!(t.len(), 0);
    }

    #[test]
    fn a_pipeline_destroyed_while_it_compiles_is_destroyed_at_the_host_if_it_is_there() {
        let mut t = Unsettled::new();
        for n in 1..=2 {
            t.began(device(1), pipeline(n), n);
            assert!(t.destroy(pipeline(n)));
        }
        assert!(t.answered(pipeline(1), Ok(())), "it has to be destroyed now");
        assert!(!t.answered(pipeline(2), Err(WHY)), "there is nothing to destroy");
        assert_eq!(t.len(), 0);
    }

    #[test]
    fn devices_are_apart() {
        let mut t = Unsettled::new();
        for (d, p) in [(1, 1), (2, 2), (1, 3), (1, 4)] {
            t.began(device(d), pipeline(p), p);
        }
        t.answered(pipeline(4), Err(WHY));
        assert_eq!(t.creations_of(device(1)), [1, 3]);
        t.forget(device(1));
        assert_eq!((t.len(), t.creation_of(pipeline(2))), (1, Ok(Some(2))));
    }
}
