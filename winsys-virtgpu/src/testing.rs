//! A context with a host that unit tests play themselves.

use std::num::NonZeroUsize;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};

use hesper_encoder::Codec;
use parking_lot::Mutex;

use crate::resource::{Handle, Release};
use crate::{BlobFlags, Capset, Error, Mapping, Resource, Shmem, Winsys, transport};

/// A context whose host does nothing by itself: the tests write what it would.
pub struct Host {
    capset: Capset,
    /// Command numbers of what was submitted, and the ring that each names.
    submitted: Mutex<Vec<(u32, u64)>>,
    /// So many submissions are refused first, as by a kernel without memory.
    pub refusals: AtomicU32,
    /// Numbers that rings were told the context has come to.
    pub roundtrips: Mutex<Vec<u64>>,
    /// Resources that were given back.
    pub released: Mutex<Vec<u32>>,
    /// Shared memories that weren't: their resource, and where they are mapped.
    memories: Mutex<Vec<(u32, usize, usize)>>,
    this: Weak<Host>,
}

/// Gives a resource back to the host, where that is still there.
struct Giver(Weak<Host>);

impl Release for Giver {
    fn release(&self, handle: &mut Handle) {
        if let Some(host) = self.0.upgrade() {
            host.memories.lock().retain(|(id, ..)| *id != handle.id);
            host.released.lock().push(handle.id);
        }
    }
}

impl Host {
    pub fn new() -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            capset: Capset { vk_xml_version: 0, venus_version: 0, codec: Codec::ALL },
            submitted: Mutex::default(),
            refusals: AtomicU32::new(0),
            roundtrips: Mutex::default(),
            released: Mutex::default(),
            memories: Mutex::default(),
            this: this.clone(),
        })
    }

    /// What was submitted since the last time.
    pub fn take(&self) -> Vec<(u32, u64)> {
        std::mem::take(&mut self.submitted.lock())
    }

    /// Hands bytes of a shared memory to `f`, as the host sees them, unless the guest has given them back.
    pub fn at<R>(&self, resource: u32, offset: usize, len: usize, f: impl FnOnce(*mut u8) -> R) -> R {
        let memories = self.memories.lock();
        let Some((_, base, _)) = memories.iter().find(|(id, _, size)| *id == resource && offset + len <= *size) else {
            panic!("{len} bytes at {offset} of resource {resource}, which isn't there or is smaller");
        };
        f(std::ptr::with_exposed_provenance_mut::<u8>(*base).wrapping_add(offset))
    }
}

impl Winsys for Host {
    fn capset(&self) -> &Capset {
        &self.capset
    }

    fn name(&self) -> &str {
        "a test"
    }

    fn alignment(&self) -> u64 {
        4096
    }

    fn create_shmem(&self, size: u64) -> Result<Shmem, Error> {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let mapping = Mapping::anonymous(size).unwrap();
        let base = mapping.base().expose_provenance();
        let handle = Handle { id: NEXT.fetch_add(1, Ordering::Relaxed), ..Handle::default() };
        self.memories.lock().push((handle.id, base, size as usize));
        Ok(Shmem::new(Resource::new(handle, size, Arc::new(Giver(self.this.clone()))), mapping))
    }

    fn create_blob(&self, _: u64, _: u64, _: BlobFlags, _: &[u8]) -> Result<Resource, Error> {
        Err(Error::Unsupported("blobs"))
    }

    fn map(&self, _: &Resource) -> Result<Mapping, Error> {
        Err(Error::Unsupported("blobs"))
    }

    unsafe fn map_at(&self, _: &Resource, _: NonZeroUsize) -> Result<Mapping, Error> {
        Err(Error::Unsupported("blobs"))
    }

    fn export(&self, _: &Resource) -> Result<OwnedFd, Error> {
        Err(Error::Unsupported("blobs"))
    }

    fn import(&self, _: BorrowedFd<'_>) -> Result<Resource, Error> {
        Err(Error::Unsupported("blobs"))
    }

    fn submit(&self, commands: &[u8]) -> Result<(), Error> {
        if self.refusals.try_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok() {
            return Err(Error::OutOfHostMemory);
        }
        let word = |at: usize| u32::from_le_bytes(commands[at..at + 4].try_into().unwrap());
        if commands[..4] == transport::submit_virtqueue_seqno(0, 0)[..4] {
            // Another thread may overtake this one, as on the way to a real host.
            std::thread::yield_now();
            self.roundtrips.lock().push(u64::from(word(16)) | u64::from(word(20)) << 32);
        }
        self.submitted.lock().push((word(0), u64::from(word(8)) | u64::from(word(12)) << 32));
        Ok(())
    }

    fn check(&self) -> Result<(), Error> {
        Ok(())
    }
}
