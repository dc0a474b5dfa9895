//! VkDevice.

use std::ffi::{CStr, c_char};
use std::ptr;

use ash::vk;
use ash::vk::Handle;
use hesper_encoder::generated::{reply, request};

use crate::base::chain::{find, find_tagged, slice};
use crate::base::forwarding::{result_of, result_of_error};
use crate::base::gate::Gate;
use crate::base::log::warn_;
use crate::base::object::{Object, Part, Whole, part};
use crate::base::slab::fresh_id;
use crate::device::private_values::PrivateValues;
use crate::memory::allocation::FreedMemory;
use crate::physical::device_extensions;
use crate::physical::extensions::{self, ExtensionSet, Origin};
use crate::physical::features;
use crate::physical::physical_device::PhysicalDevice;
use crate::pipelines::compiling;
use crate::submission::device as below;
use crate::submission::queue::{self, Queue};
use crate::submission::{observer, wait_idle};
use crate::{memory, physical, pipelines, recording, sync};

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

/// What each floor keeps for a new device.
unsafe fn floors(object: Object, physical: vk::PhysicalDevice) -> below::Device {
    // SAFETY: a valid physical device of the caller's.
    let lowest = unsafe { physical::device::Device::new(object, physical) };
    let device = memory::device::Device::new(lowest);
    // Nobody has set it before.
    let _ = device.pending.set(&observer::Observer);
    let device = pipelines::device::Device::new(device);
    let device = recording::device::Device::new(device);
    let device = sync::device::Device::new(device);
    below::Device::new(device)
}

pub unsafe fn create_device(
    physical: vk::PhysicalDevice,
    p_create_info: *const vk::DeviceCreateInfo,
    _: *const vk::AllocationCallbacks,
    p_device: *mut vk::Device,
) -> vk::Result {
    // SAFETY: by valid usage; what is made here lives until the call is over.
    unsafe {
        let d = PhysicalDevice::of(physical);
        let connection = d.connection().clone();
        let mut info = *p_create_info;
        let names = slice(info.pp_enabled_extension_names, info.enabled_extension_count);
        let enabled = match device_extensions::enabled(physical, names) {
            Ok(set) => set,
            Err(e) => return e,
        };
        // What the driver does itself the host need not have.
        let local = |n: &CStr| extensions::device_extension(n).is_some_and(|e| e.origin == Origin::Driver);
        let names: Vec<*const c_char> = names.iter().copied().filter(|n| !local(CStr::from_ptr(*n))).collect();
        info.enabled_extension_count = names.len() as u32;
        info.pp_enabled_extension_names = names.as_ptr();
        if let Some(f) = features::asked_for(info.p_next) {
            warn_!("a device with {} was asked for, which needs what this driver lacks", f.name);
            return vk::Result::ERROR_FEATURE_NOT_PRESENT;
        }
        // Features are either here or in the chain.
        if find::<vk::PhysicalDeviceFeatures2>(info.p_next).is_some() {
            info.p_enabled_features = ptr::null();
        }
        // The host has a device group of one; naming it says nothing.
        let own = physical;
        let mut groups = find_tagged(info.p_next, vk::StructureType::DEVICE_GROUP_DEVICE_CREATE_INFO);
        if let Some(g) = groups.take() {
            let g: *mut vk::DeviceGroupDeviceCreateInfo = g.cast();
            if slice((*g).p_physical_devices, (*g).physical_device_count).iter().any(|p| *p != own) {
                return vk::Result::ERROR_INITIALIZATION_FAILED;
            }
        }

        let version =
            (vk::api_version_major(d.properties.api_version) << 16) | vk::api_version_minor(d.properties.api_version);
        let object = Object::new(fresh_id(), connection.clone());
        let device: vk::Device = Box::new(Device {
            below: floors(object, physical),
            extensions: enabled,
            private: PrivateValues::default(),
            version,
        })
        .into_handle();
        let (mut out, none) = (device, ptr::null());
        let p = &raw mut out;
        let created = result_of(connection.call(
            reply::create_device_size(physical, &info, none, p),
            |w| request::create_device(w, 1, physical, &info, none, p),
            |r| reply::create_device(r, physical, &info, none, p),
        ));
        if created != vk::Result::SUCCESS {
            Device::take(device);
            return created;
        }
        let mut queues = Vec::new();
        for q in slice(info.p_queue_create_infos, info.queue_create_info_count) {
            for index in 0..q.queue_count {
                match queue::fetch(device, q, index) {
                    Ok(q) => queues.push(q),
                    Err(e) => {
                        let _ = Device::of(device).queues.set(queues);
                        destroy_device(device, none);
                        return result_of_error(&e);
                    }
                }
            }
        }
        connection.room.add(device.as_raw(), Box::new(FreedMemory(device)));
        // Nobody else has the handle yet.
        let _ = Device::of(device).queues.set(queues);
        *p_device = device;
    }
    vk::Result::SUCCESS
}

pub unsafe fn destroy_device(device: vk::Device, _: *const vk::AllocationCallbacks) {
    // SAFETY: by valid usage nothing uses the device or its queues any more.
    unsafe {
        if device != vk::Device::null() {
            Device::of(device).connection().room.remove(device.as_raw());
            Device::of(device).slots.close(device);
            Device::of(device).own.close(device);
            Device::of(device).connection().close_recordings(device.as_raw());
            memory::allocation::forget_freed(device);
            compiling::close(device);
            Device::of(device).store.close(device);
        }
        let Some(object) = Device::take(device) else { return };
        let connection = object.connection().clone();
        let queues: Vec<Box<Queue>> = object.queues().iter().filter_map(|q| Queue::take(*q)).collect();
        let handle = object.handle();
        for q in &queues {
            q.destroy_fences(handle);
        }
        let sent = connection.send(|w| request::destroy_device(w, 0, handle, ptr::null()));
        // The timelines may be used again only when the host has let go of them.
        let _ = sent.and_then(|s| connection.report(connection.ring.wait(s)));
        for q in queues {
            connection.release_timeline(q.timeline);
        }
    }
}

pub unsafe fn device_wait_idle(device: vk::Device) -> vk::Result {
    // SAFETY: by valid usage.
    unsafe {
        for q in Device::of(device).queues() {
            match wait_idle::queue_wait_idle(*q) {
                vk::Result::SUCCESS => {}
                e => return e,
            }
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
