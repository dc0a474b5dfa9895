//! The extensions of a physical device.

use std::ffi::{CStr, c_char};
use std::ptr;

use ash::vk;
use hesper_winsys::Error;

use crate::base::object::{self, Part};
use crate::generated::forward;
use crate::physical::extensions::{self, DEVICE_EXTENSIONS, DeviceExtension, ExtensionSet, Origin};
use crate::physical::features::MAP_MEMORY_PLACED;
use crate::physical::handle_types;
use crate::physical::physical_device::PhysicalDevice;

/// What sharing memory stands on at the host.
pub const DMA_BUF: &CStr = c"VK_EXT_external_memory_dma_buf";
/// What sharing memory is offered by.
pub const MEMORY_FD: &CStr = c"VK_KHR_external_memory_fd";

/// What operations are deferred for, and what defers them.
pub const ACCELERATION_STRUCTURE: &CStr = c"VK_KHR_acceleration_structure";
pub const DEFERRED_HOST_OPERATIONS: &CStr = c"VK_KHR_deferred_host_operations";

/// What sharing fences and semaphores is offered by.
pub const FENCE_FD: &CStr = c"VK_KHR_external_fence_fd";
pub const SEMAPHORE_FD: &CStr = c"VK_KHR_external_semaphore_fd";
/// What images reach windows by.
pub const SWAPCHAIN: &CStr = c"VK_KHR_swapchain";

/// The largest alignment in bytes that placed mappings may have (Vulkan specification, "Required Limits", minPlacedMemoryMapAlignment).
const LARGEST_STEP: u64 = 65536;

/// Asks for the extensions that the host has and the protocol can carry, and adds the driver's own.
///
/// # Safety
/// A valid physical device.
pub unsafe fn ask(device: vk::PhysicalDevice) -> Result<Vec<(&'static DeviceExtension, u32)>, Error> {
    // SAFETY: a valid handle and pointers to locals.
    unsafe {
        let mut n = 0;
        let _ = forward::enumerate_device_extension_properties(device, ptr::null(), &mut n, ptr::null_mut());
        let mut host = vec![vk::ExtensionProperties::default(); n.min(4096) as usize];
        n = host.len() as u32;
        let _ = forward::enumerate_device_extension_properties(device, ptr::null(), &mut n, host.as_mut_ptr());
        host.truncate(n as usize);
        let codec = object::get(device).connection().codec;
        let mut list = Vec::new();
        for e in &DEVICE_EXTENSIONS {
            let theirs = host.iter().find(|h| h.extension_name_as_c_str() == Ok(e.name));
            match theirs {
                _ if e.origin == Origin::Driver => list.push((e, e.spec_version)),
                _ if e.origin == Origin::Probe => {}
                Some(h) if codec.has(e.number) => list.push((e, e.spec_version.min(h.spec_version))),
                _ => {}
            }
        }
        // Deferred operations only serve ray tracing.
        if !list.iter().any(|(e, _)| e.name == ACCELERATION_STRUCTURE) {
            list.retain(|(e, _)| e.name != DEFERRED_HOST_OPERATIONS);
        }
        // What the program takes for an opaque descriptor is a dma-buf at the host, too.
        if !list.iter().any(|(e, _)| e.name == DMA_BUF) || !exports(device) {
            list.retain(|(e, _)| e.name != MEMORY_FD && e.name != DMA_BUF);
        }
        let winsys = &object::get(device).connection().winsys;
        // A placed mapping lies beside the driver's own, at multiples of the step of blobs.
        if !winsys.maps_again() || winsys.alignment() > LARGEST_STEP {
            list.retain(|(e, _)| e.name != MAP_MEMORY_PLACED);
        }
        // Files that tell of work are the guest kernel's.
        if !winsys.fences() {
            list.retain(|(e, _)| e.name != FENCE_FD && e.name != SEMAPHORE_FD);
        }
        Ok(list)
    }
}

/// Whether memory can leave the host's driver as a dma-buf. One that only takes dma-bufs in has the extension as well, and its virglrenderer ends
/// with the first allocation that is to be exported (WIRE.md 6.1).
///
/// # Safety
/// A valid physical device.
unsafe fn exports(device: vk::PhysicalDevice) -> bool {
    let usage = vk::BufferUsageFlags::TRANSFER_SRC;
    let info = vk::PhysicalDeviceExternalBufferInfo::default().usage(usage).handle_type(handle_types::HOST);
    let mut told = vk::ExternalBufferProperties::default();
    // SAFETY: a valid handle, and structs made here.
    unsafe { forward::get_physical_device_external_buffer_properties(device, &info, &mut told) };
    handle_types::leaves(&told.external_memory_properties)
}

pub unsafe fn enumerate_device_extension_properties(
    device: vk::PhysicalDevice,
    p_layer_name: *const c_char,
    p_count: *mut u32,
    p_properties: *mut vk::ExtensionProperties,
) -> vk::Result {
    // SAFETY: null or a string.
    if !p_layer_name.is_null() && !unsafe { CStr::from_ptr(p_layer_name) }.is_empty() {
        return vk::Result::ERROR_LAYER_NOT_PRESENT;
    }
    // SAFETY: a valid handle.
    let list: Vec<_> = unsafe { offered(device) }.map(|(e, v)| (e.name, v)).collect();
    // SAFETY: a count, and room for as many elements or null.
    unsafe { extensions::list(list.into_iter(), p_count, p_properties) }
}

/// The extensions that a device has, with their versions.
unsafe fn offered(device: vk::PhysicalDevice) -> impl Iterator<Item = (&'static DeviceExtension, u32)> {
    // SAFETY: a valid handle; devices live as long as their instance.
    let d = unsafe { PhysicalDevice::of(device) };
    let found = d.findings();
    let probed = DEVICE_EXTENSIONS.iter().filter(move |e| e.origin == Origin::Probe && found.of(e.name).is_some());
    d.extensions.iter().copied().chain(probed.map(|e| (e, e.spec_version)))
}

/// What a device may enable: the extensions named, by number.
pub unsafe fn enabled(device: vk::PhysicalDevice, names: &[*const c_char]) -> Result<ExtensionSet, vk::Result> {
    // SAFETY: a valid handle.
    let d = unsafe { PhysicalDevice::of(device) };
    let mut set = ExtensionSet::default();
    for name in names {
        // SAFETY: a string, as each name that vkCreateDevice is given.
        let name = unsafe { CStr::from_ptr(*name) };
        // Trying out makes a device, so only who names such an extension has it tried out.
        let known = extensions::device_extension(name).filter(|e| match e.origin {
            Origin::Probe => d.findings().of(name).is_some(),
            Origin::Host | Origin::Driver => d.offers(name),
        });
        set.insert(known.ok_or(vk::Result::ERROR_EXTENSION_NOT_PRESENT)?.number);
    }
    Ok(set)
}
