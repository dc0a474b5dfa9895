//! What the decoders of one context share: memory, objects, how far the context has come.

use std::collections::{HashMap, HashSet};
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::{Arc, Mutex};

use hesper_decoder::Decoded;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::unistd::ftruncate;

use super::answers;
use super::capabilities::Capabilities;
use super::journal::{Journal, locked};
use crate::test_server::memory::Shared;

pub struct Context {
    capabilities: Arc<Capabilities>,
    journal: Arc<Journal>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    last_resource: u32,
    memory: HashMap<u32, (OwnedFd, Arc<Shared>)>,
    /// Ids of the objects that are there.
    objects: HashSet<u64>,
    /// The last number that each ring was told (WIRE.md 5.7).
    come_to: HashMap<u64, u64>,
}

impl Context {
    pub fn new(capabilities: Arc<Capabilities>, journal: Arc<Journal>) -> Self {
        Self { capabilities, journal, state: Mutex::default() }
    }

    /// Writes down what is wrong with what came.
    pub fn complain(&self, why: String) {
        self.journal.complain(why);
    }

    /// Memory of its own for a blob: its number, and its file for the client.
    pub fn create_memory(&self, size: u64) -> io::Result<(u32, OwnedFd)> {
        let file = memfd_create(c"blob", MFdFlags::MFD_CLOEXEC)?;
        ftruncate(&file, i64::try_from(size).map_err(|_| io::ErrorKind::InvalidInput)?)?;
        let shared = Arc::new(Shared::map(&file, size as usize)?);
        let theirs = file.try_clone()?;
        let mut state = locked(&self.state);
        state.last_resource += 1;
        let resource = state.last_resource;
        state.memory.insert(resource, (file, shared));
        Ok((resource, theirs))
    }

    /// The file of a blob once more.
    pub fn file(&self, resource: u32) -> Option<OwnedFd> {
        let state = locked(&self.state);
        let (file, _) = state.memory.get(&resource)?;
        file.as_fd().try_clone_to_owned().ok()
    }

    pub fn forget_memory(&self, resource: u32) {
        locked(&self.state).memory.remove(&resource);
    }

    /// The memory of a blob.
    ///
    /// # Errors
    /// When there is no such blob.
    pub fn memory(&self, resource: u32) -> Result<Arc<Shared>, String> {
        let state = locked(&self.state);
        state.memory.get(&resource).map(|(_, shared)| shared.clone()).ok_or_else(|| format!("no resource {resource}"))
    }

    /// The context has come to a number that a ring may wait for.
    pub fn come_to(&self, ring: u64, number: u64) {
        locked(&self.state).come_to.insert(ring, number);
    }

    /// Whether it has.
    pub fn has_come_to(&self, ring: u64, number: u64) -> bool {
        locked(&self.state).come_to.get(&ring).is_some_and(|n| *n >= number)
    }

    /// Takes a command that isn't the transport's: notes what it makes and ends, and keeps it; the reply if there is to be one.
    ///
    /// # Errors
    /// When it names what isn't there, or makes what is.
    pub fn take(&self, command: Decoded) -> Result<Option<Vec<u8>>, String> {
        let mut state = locked(&self.state);
        if let Some(id) = command.named.iter().find(|id| !state.objects.contains(id)) {
            return Err(format!("{} names {id}, which isn't there: {:#?}", command.name, command.values));
        }
        // Physical devices are asked for by the ids that they have already.
        let again = command.name == "vkEnumeratePhysicalDevices";
        for id in &command.made {
            if !state.objects.insert(*id) && !again {
                return Err(format!("{} makes {id}, which is there", command.name));
            }
        }
        let whole = matches!(command.name, "vkDestroyInstance" | "vkDestroyDevice");
        let ends = command.name.starts_with("vkDestroy") || command.name == "vkFreeMemory";
        if let Some(id) = command.named.last().filter(|_| ends && (whole || command.named.len() > 1)) {
            state.objects.remove(id);
        }
        drop(state);
        let reply = command.replies.then(|| answers::reply(&self.capabilities, &command));
        self.journal.keep(command);
        Ok(reply)
    }
}
