//! Resources of the context: blobs of device memory, and shared memory.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;

use nix::unistd::{Whence, lseek};
use parking_lot::Mutex;

use crate::{Error, Mapping};

/// Gives a resource back; the back ends implement it.
pub trait Release: Send + Sync {
    /// Forgets the resource at the host and whatever the guest holds of it.
    fn release(&self, resource: &mut Handle);
}

/// What names a resource.
#[derive(Debug, Default)]
pub struct Handle {
    /// The host's id (`res_handle`), which commands name.
    pub id: u32,
    /// The kernel's handle, of the `virtgpu` back end.
    pub bo: u32,
    /// The file that holds the memory until it is mapped, of the `vtest` back end.
    pub fd: Mutex<Option<OwnedFd>>,
}

/// A resource, given back on drop.
pub struct Resource {
    pub(crate) handle: Handle,
    pub(crate) size: u64,
    owner: Arc<dyn Release>,
}

impl Resource {
    pub(crate) fn new(handle: Handle, size: u64, owner: Arc<dyn Release>) -> Self {
        Self { handle, size, owner }
    }

    /// The host's id.
    pub fn id(&self) -> u32 {
        self.handle.id
    }

    /// Bytes, rounded up as the back end needs it.
    pub fn size(&self) -> u64 {
        self.size
    }
}

/// Bytes of the memory behind a file.
///
/// # Errors
/// [`Error::Refused`] for a file that isn't memory, such as a pipe.
pub(crate) fn file_size(fd: BorrowedFd<'_>) -> Result<u64, Error> {
    // dma-bufs answer lseek, but report no size to fstat.
    let end = lseek(fd, 0, Whence::SeekEnd).map_err(|e| Error::os("size of a blob", e))?;
    let _ = lseek(fd, 0, Whence::SeekSet);
    Ok(end.max(0) as u64)
}

impl Drop for Resource {
    fn drop(&mut self) {
        self.owner.release(&mut self.handle);
    }
}

/// Shared memory that both sides see: rings, command streams, replies.
pub struct Shmem {
    // Unmapped before the resource is given back.
    mapping: Mapping,
    resource: Resource,
}

impl Shmem {
    pub(crate) fn new(resource: Resource, mapping: Mapping) -> Self {
        Self { mapping, resource }
    }

    /// The host's id.
    pub fn id(&self) -> u32 {
        self.resource.id()
    }

    /// The memory.
    #[inline]
    pub fn mapping(&self) -> &Mapping {
        &self.mapping
    }
}
