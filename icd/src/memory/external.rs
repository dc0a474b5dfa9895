//! File descriptors of memory that is exported, and what can be done with those of others.

use std::ffi::c_int;
use std::os::fd::IntoRawFd;

use ash::vk;
use hesper_encoder::generated::{reply, request, types};
use hesper_winsys::Error;

use crate::base::forwarding::{result_of, result_of_error};
use crate::base::object;
use crate::memory::{allocation, import, mapped};

pub unsafe fn get_memory_fd_khr(device: vk::Device, info: *const vk::MemoryGetFdInfoKHR, to: *mut c_int) -> vk::Result {
    // SAFETY: a valid device and info.
    let (connection, memory) = unsafe { (object::get(device).connection(), (*info).memory) };
    let Some(resource) = allocation::exportable(memory) else { return vk::Result::ERROR_VALIDATION_FAILED_EXT };
    // Where nobody imports, the blob's file is here, or there is none.
    if connection.winsys.imports() {
        // SAFETY: a valid device and memory of its own.
        if let Err(e) = unsafe { mapped::check_blob(device, memory) } {
            return e;
        }
    }
    match connection.report(connection.winsys.export(resource)) {
        Ok(fd) => {
            // SAFETY: the output parameter; the descriptor is the program's from now on.
            unsafe { to.write(fd.into_raw_fd()) };
            vk::Result::SUCCESS
        }
        // What else can stand in the way is the number of files.
        Err(Error::Refused(_)) => vk::Result::ERROR_TOO_MANY_OBJECTS,
        Err(e) => result_of_error(&e),
    }
}

pub unsafe fn get_memory_fd_properties_khr(
    device: vk::Device,
    handle_type: vk::ExternalMemoryHandleTypeFlags,
    fd: c_int,
    to: *mut vk::MemoryFdPropertiesKHR,
) -> vk::Result {
    // Vulkan has no such question about opaque descriptors.
    if handle_type != vk::ExternalMemoryHandleTypeFlags::DMA_BUF_EXT {
        return vk::Result::ERROR_INVALID_EXTERNAL_HANDLE;
    }
    // SAFETY: a valid device.
    let connection = unsafe { object::get(device) }.connection();
    let resource = match import::resource(connection, handle_type, fd) {
        Ok(resource) => resource,
        Err(e) => return e,
    };
    let mut told = types::MemoryResourcePropertiesMESA::default();
    let p = &raw mut told;
    // SAFETY: a valid device, and a pointer to a local.
    let result = result_of(unsafe {
        connection.call(
            reply::get_memory_resource_properties_mesa_size(device, resource.id(), p),
            |w| request::get_memory_resource_properties_mesa(w, 1, device, resource.id(), p),
            |r| reply::get_memory_resource_properties_mesa(r, device, resource.id(), p),
        )
    });
    // SAFETY: a valid output struct, whose head stays.
    unsafe { (*to).memory_type_bits = told.memory_type_bits };
    result
}
