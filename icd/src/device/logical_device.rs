//! VkDevice.

use std::ffi::{CStr, c_char, c_void};
use std::ptr;
use std::time::Duration;

use ash::vk;
use ash::vk::Handle;
use hesper_encoder::generated::{reply, request};
use hesper_winsys::Error;

use crate::base::chain::{find, slice};
use crate::base::forwarding::{result_of, result_of_error};
use crate::base::gate::Gate;
use crate::base::log::warn_;
use crate::base::object::{Object, Part, Whole, part};
use crate::base::settings;
use crate::base::slab::fresh_id;
use crate::device::private_values::PrivateValues;
use crate::memory::allocation::FreedMemory;
use crate::memory::report::Reports;
use crate::memory::sharing::Sharing;
use crate::physical::device_extensions::{
    self, ACCELERATION_STRUCTURE, DEFERRED_HOST_OPERATIONS, DMA_BUF, MEMORY_FD, SEMAPHORE_FD, SWAPCHAIN,
};
use crate::physical::extensions::{self, ExtensionSet, Origin};
use crate::physical::features;
use crate::physical::physical_device::PhysicalDevice;
use crate::physical::probe::findings;
use crate::pipelines::compiling;
use crate::submission::host_queues::{self, HostQueues};
use crate::submission::order::Uploads;
use crate::submission::queue::{self, Queue};
use crate::submission::{observer, wait_idle};
use crate::sync::semaphore;
use crate::wsi::device as below;
use crate::wsi::swapchain;
use crate::{memory, physical, pipelines, recording, submission, sync};

/// All that a VkDevice points at.
#[repr(C)]
pub struct Device {
    below: below::Device,
    extensions: ExtensionSet,
    /// What the program has attached to it and its objects.
    pub private: PrivateValues,
    /// Core version as major << 16 | minor.
    version: u32,
}
part!(vk::Device, Device, below: below::Device);
// SAFETY: all that is behind a VkDevice.
unsafe impl Whole for Device {}

/// Whether a set has the extension of this name.
fn has(set: &ExtensionSet, name: &CStr) -> bool {
    extensions::device_extension(name).is_some_and(|e| set.contains(e.number))
}

/// What each floor keeps for a new device.
///
/// # Safety
/// A valid physical device.
unsafe fn floors(
    object: Object,
    physical: vk::PhysicalDevice,
    extensions: &ExtensionSet,
    reports: Reports,
) -> below::Device {
    // SAFETY: valid by contract; it ends with its instance, after the device.
    let lowest = unsafe { physical::device::Device::new(object, physical) };
    let device = memory::device::Device::new(lowest, reports);
    let device = pipelines::device::Device::new(device);
    let device = recording::device::Device::new(device);
    let device = sync::device::Device::new(device, has(extensions, SEMAPHORE_FD) || has(extensions, SWAPCHAIN));
    let device = submission::device::Device::new(device);
    let device = below::Device::new(device);
    // Nobody has set it before.
    let _ = device.pending.set(observer::of(&device));
    device
}

/// Whether a chain names other physical devices than this one; the host has a device group of one, and naming it says nothing.
///
/// # Safety
/// Null or a valid chain.
unsafe fn groups_others(next: *const c_void, own: vk::PhysicalDevice) -> bool {
    // SAFETY: valid by contract.
    let group = unsafe { find::<vk::DeviceGroupDeviceCreateInfo>(next) };
    // SAFETY: the struct's array of this length.
    let named = group.map(|g| unsafe { slice(g.p_physical_devices, g.physical_device_count) });
    named.unwrap_or_default().iter().any(|p| *p != own)
}

/// The first feature that a device is asked for, is tried out, and isn't there.
///
/// # Safety
/// Null or the valid chain of a VkDeviceCreateInfo.
unsafe fn lacking_probed(d: &PhysicalDevice, next: *const c_void) -> Option<&'static str> {
    // SAFETY: by contract.
    unsafe { findings::is_asked_for(next).then(|| findings::asked_for(next, d.findings())).flatten() }
}

pub unsafe fn create_device(
    physical: vk::PhysicalDevice,
    p_create_info: *const vk::DeviceCreateInfo,
    _: *const vk::AllocationCallbacks,
    p_device: *mut vk::Device,
) -> vk::Result {
    // SAFETY: a valid handle and create info.
    let (d, mut info) = unsafe { (PhysicalDevice::of(physical), *p_create_info) };
    // SAFETY: the info's array of this length.
    let names = unsafe { slice(info.pp_enabled_extension_names, info.enabled_extension_count) };
    // SAFETY: a valid handle, and strings.
    let extensions = match unsafe { device_extensions::enabled(physical, names) } {
        Ok(set) => set,
        Err(e) => return e,
    };
    // What the driver does itself the host need not have; and what was tried out works on a device that never enabled it.
    let local = |n: &CStr| extensions::device_extension(n).is_some_and(|e| e.origin != Origin::Host);
    // SAFETY: each name is a string.
    let mut names: Vec<&CStr> = names.iter().map(|n| unsafe { CStr::from_ptr(*n) }).filter(|n| !local(n)).collect();
    // The host shares memory as dma-bufs alone: what the program shares, and the pictures of its windows.
    let windows = settings::get().dma_bufs && d.connection().winsys.exports_dma_bufs() && has(&extensions, SWAPCHAIN);
    let shares = names.contains(&MEMORY_FD) || d.offers(MEMORY_FD) && windows;
    names.extend([MEMORY_FD, DMA_BUF].into_iter().filter(|n| shares && !names.contains(n)).collect::<Vec<_>>());
    // An extension that the host gets needs what is the driver's own here (Vulkan specification, VUID-vkCreateDevice-ppEnabledExtensionNames-01387).
    if names.contains(&ACCELERATION_STRUCTURE) {
        names.push(DEFERRED_HOST_OPERATIONS);
    }
    let names: Vec<*const c_char> = names.iter().map(|n| n.as_ptr()).collect();
    // SAFETY: the info's array of this length.
    let queues = unsafe { slice(info.p_queue_create_infos, info.queue_create_info_count) };
    // SAFETY: valid infos with their arrays.
    let host_queues = unsafe { HostQueues::of(queues) };
    let queues_for_host = host_queues.infos();
    info.p_queue_create_infos = queues_for_host.as_ptr();
    info.queue_create_info_count = queues_for_host.len() as u32;
    info.enabled_extension_count = names.len() as u32;
    info.pp_enabled_extension_names = names.as_ptr();
    // SAFETY: the info's chain.
    let lacking = unsafe { features::asked_for(info.p_next, |extension| d.offers(extension)) };
    // SAFETY: as above.
    let lacking = lacking.or_else(|| unsafe { lacking_probed(d, info.p_next) });
    if let Some(name) = lacking {
        warn_!("a device with {name} was asked for, which needs what this driver lacks");
        return vk::Result::ERROR_FEATURE_NOT_PRESENT;
    }
    // Features are either here or in the chain.
    // SAFETY: the info's chain.
    if unsafe { find::<vk::PhysicalDeviceFeatures2>(info.p_next) }.is_some() {
        info.p_enabled_features = ptr::null();
    }
    // SAFETY: the info's chain.
    if unsafe { groups_others(info.p_next, physical) } {
        return vk::Result::ERROR_INITIALIZATION_FAILED;
    }

    let api = d.properties.api_version;
    let version = (vk::api_version_major(api) << 16) | vk::api_version_minor(api);
    let connection = d.connection();
    // SAFETY: a valid physical device, and the info's chain.
    let below = unsafe {
        let object = Object::new(fresh_id(), connection.clone());
        floors(object, physical, &extensions, Reports::of(info.p_next))
    };
    let private = PrivateValues::default();
    let device: vk::Device = Box::new(Device { below, extensions, private, version }).into_handle();
    let (mut out, none) = (device, ptr::null());
    let p = &raw mut out;
    // SAFETY: a valid handle, the create info with what was changed above, and locals; all live until the call is over.
    let created = result_of(unsafe {
        connection.call(
            reply::create_device_size(physical, &info, none, p),
            |w| request::create_device(w, 1, physical, &info, none, p),
            |r| reply::create_device(r, physical, &info, none, p),
        )
    });
    if created != vk::Result::SUCCESS {
        // SAFETY: made above, and nobody else has it.
        drop(unsafe { Device::take(device) });
        return created;
    }
    // SAFETY: a new device.
    if let Err(e) = unsafe { fetch_queues(device, queues) } {
        // SAFETY: nobody else has the device.
        unsafe { destroy_device(device, none) };
        return result_of_error(&e);
    }
    connection.room.add(device.as_raw(), Box::new(FreedMemory(device)));
    // SAFETY: the output parameter.
    unsafe { p_device.write(device) };
    vk::Result::SUCCESS
}

/// Fetches all queues of a new device; those that were fetched before an error end with the device.
///
/// # Safety
/// A valid device that nobody else has yet.
unsafe fn fetch_queues(device: vk::Device, infos: &[vk::DeviceQueueCreateInfo]) -> Result<(), Error> {
    let each = infos.iter().enumerate().flat_map(|(i, info)| {
        let earlier = infos.get(..i).unwrap_or_default();
        (0..info.queue_count).map(move |index| (info, index, host_queues::index(earlier, info, index)))
    });
    let mut queues = Vec::new();
    let mut fetched = Ok(());
    for (info, index, at_host) in each {
        // SAFETY: valid by contract.
        match unsafe { queue::fetch(device, info, index, at_host) } {
            Ok(q) => queues.push(q),
            Err(e) => {
                fetched = Err(e);
                break;
            }
        }
    }
    // SAFETY: valid by contract.
    let d = unsafe { Device::of(device) };
    if settings::get().uploads {
        // Nobody has set it before.
        let _ = d.sharing.set(Sharing::between(infos.iter().map(|i| i.queue_family_index)));
    }
    // Nobody has set them before.
    let _ = d.queues.set(queues);
    fetched
}

pub unsafe fn destroy_device(device: vk::Device, _: *const vk::AllocationCallbacks) {
    if device == vk::Device::null() {
        return;
    }
    // SAFETY: a valid device, whose last use this is.
    let d = unsafe { Device::of(device) };
    d.connection().room.remove(device.as_raw());
    // SAFETY: as above.
    unsafe { end_sharing(device, d) };
    // SAFETY: work on the device is over, and its objects have been destroyed: what the floors keep is used by nobody.
    unsafe {
        swapchain::close(device);
        d.slots.close(device);
        let mut locked = d.order.lock();
        // Their mark ends with them, or waits among its queue's fences.
        locked.set_uploads(Uploads::None);
        locked.state.crossing.close(device);
        drop(locked);
        d.own.close(device);
        d.staging.close(device);
        for end in d.recordings.close() {
            // A lost host has no need of it.
            let _ = d.connection().post_end(device.as_raw(), end);
        }
        memory::allocation::forget_freed(device);
        compiling::close(device);
        d.store.close(device);
    }
    // SAFETY: the last look at it.
    let Some(object) = (unsafe { Device::take(device) }) else { return };
    let (connection, handle) = (object.connection(), object.handle());
    // SAFETY: queues end with their device.
    let queues: Vec<Box<Queue>> = object.queues().iter().filter_map(|q| unsafe { Queue::take(*q) }).collect();
    for q in &queues {
        // SAFETY: the host's device is still there, and the queue is idle.
        unsafe { q.destroy_fences(handle) };
    }
    // SAFETY: the object is still behind its handle.
    let sent = connection.send(|w| unsafe { request::destroy_device(w, 0, handle, ptr::null()) });
    // The timelines may be used again only when the host has let go of them.
    let _ = sent.and_then(|s| connection.report(connection.ring.wait(s)));
    for q in queues {
        connection.timelines.release(q.timeline);
    }
}

/// How long a device waits at its end for the files that have left it: far longer than a monitor needs that looks now and then.
const LAST_FILES: Duration = Duration::from_secs(5);

/// Ends what is still at work for others: submissions of the driver's own, of which the program knows nothing, and files that have left.
///
/// # Safety
/// A valid device, on which no work of the program's is left.
unsafe fn end_sharing(device: vk::Device, d: &Device) {
    if d.semaphores.any_ending() {
        // SAFETY: by contract. A lost host has nothing at work.
        let _ = unsafe { device_wait_idle(device) };
    }
    // SAFETY: nothing is at work.
    unsafe { semaphore::close(device) };
    // A lost host signals nothing more, and the kernel need not know of the loss.
    if d.connection().check().is_ok() {
        d.left.settle(LAST_FILES);
    }
}

pub unsafe fn device_wait_idle(device: vk::Device) -> vk::Result {
    // SAFETY: a valid device.
    for q in unsafe { Device::of(device) }.queues() {
        // SAFETY: the device's queue.
        match unsafe { wait_idle::queue_wait_idle(*q) } {
            vk::Result::SUCCESS => {}
            e => return e,
        }
    }
    vk::Result::SUCCESS
}

/// VK_EXT_debug_utils is enabled with the instance, and its device commands come with it.
const DEBUG_UTILS: u32 = 129;

impl Device {
    /// Whether what the gate tells of is part of this device: its version, or an extension that was enabled.
    pub fn knows(&self, gate: &Gate) -> bool {
        gate.version <= self.version
            || gate.extensions.iter().any(|n| self.extensions.contains(*n) || *n == DEBUG_UTILS)
    }
}
