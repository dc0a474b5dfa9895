//! Memory that others share with this process: dma-bufs become resources of the context, and those memory (WIRE.md 6.5).

use std::ffi::{c_int, c_void};
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd};

use ash::vk;
use hesper_encoder::generated::types;
use hesper_winsys::{Error, Resource};

use crate::base::chain::find;
use crate::base::connection::Connection;
use crate::base::forwarding::result_of_error;
use crate::base::object::Part;
use crate::memory::device::Device;
use crate::physical::device_extensions::MEMORY_FD;
use crate::physical::handle_types::OFFERED;

/// What an allocation imports.
pub struct Import {
    resource: Resource,
    /// The program's descriptor, which Vulkan takes from the program only when the allocation succeeds.
    fd: c_int,
}

impl Import {
    /// What an allocation with this info imports, which may be nothing.
    ///
    /// # Errors
    /// [`vk::Result::ERROR_INVALID_EXTERNAL_HANDLE`] for a descriptor that is no memory of the host's, or less of it than is asked for; a lost host,
    /// or no memory.
    ///
    /// # Safety
    /// A valid device, and an info with its chain.
    pub unsafe fn of(device: vk::Device, info: &vk::MemoryAllocateInfo<'_>) -> Result<Option<Self>, vk::Result> {
        // SAFETY: the chain of a valid struct.
        let asked = unsafe { find::<vk::ImportMemoryFdInfoKHR>(info.p_next) };
        let Some(asked) = asked.filter(|i| !i.handle_type.is_empty()) else { return Ok(None) };
        // SAFETY: valid by contract.
        let d = unsafe { Device::of(device) };
        if !d.physical().offers(MEMORY_FD) {
            return Err(vk::Result::ERROR_INVALID_EXTERNAL_HANDLE);
        }
        let resource = resource(d.connection(), asked.handle_type, asked.fd)?;
        if resource.size() < info.allocation_size {
            return Err(vk::Result::ERROR_INVALID_EXTERNAL_HANDLE);
        }
        Ok(Some(Self { resource, fd: asked.fd }))
    }

    /// The struct that tells the host of it, in front of a chain.
    pub fn link(&self, next: *const c_void) -> types::ImportMemoryResourceInfoMESA {
        types::ImportMemoryResourceInfoMESA { p_next: next, resource_id: self.resource.id(), ..Default::default() }
    }

    /// The resource, when the host has imported it: the descriptor is the driver's then, which has no further use for it.
    pub fn taken(self) -> Resource {
        // SAFETY: the program has handed it over, by Vulkan's rule for a successful import.
        drop(unsafe { OwnedFd::from_raw_fd(self.fd) });
        self.resource
    }
}

/// The resource behind a descriptor, which the main ring knows from now on.
///
/// # Errors
/// As for [`Import::of`].
pub fn resource(
    connection: &Connection,
    handle_type: vk::ExternalMemoryHandleTypeFlags,
    fd: c_int,
) -> Result<Resource, vk::Result> {
    if fd < 0 || !OFFERED.contains(handle_type) {
        return Err(vk::Result::ERROR_INVALID_EXTERNAL_HANDLE);
    }
    // SAFETY: the program's descriptor, used for the length of the call alone; the kernel says so where none is open under the number.
    let fd = unsafe { BorrowedFd::borrow_raw(fd) };
    let imported = connection.winsys.import(fd).and_then(|resource| {
        connection.ring.roundtrip()?;
        Ok(resource)
    });
    connection.report(imported).map_err(|e| match e {
        Error::Refused(_) | Error::Unsupported(_) => vk::Result::ERROR_INVALID_EXTERNAL_HANDLE,
        e => result_of_error(&e),
    })
}
