//! VkDevice.

use std::ffi::{CStr, c_char};
use std::ptr;

use ash::vk;
use hesper_encoder::generated::{reply, request};

use crate::buffer;
use crate::chain::{find, find_tagged, slice};
use crate::compiling::{self, Recorders};
use crate::extensions::{self, ExtensionSet, Origin};
use crate::feedback::{self, Slots};
use crate::forwarding::{result_of, result_of_error};
use crate::image;
use crate::memory::{self, Freed};
use crate::object::{self, Object, dispatchable};
use crate::own::{self, OwnCommandBuffers};
use crate::physical_device::{self, PhysicalDevice};
use crate::pipeline_store::{self, Store};
use crate::procs::{self, Scope};
use crate::queue::{self, Queue};
use crate::requirements::Known;
use crate::settings;
use crate::slab::fresh_id;
use crate::upload::{self, Uploads};
use crate::wait::Strategy;

/// What a VkDevice points at.
#[repr(C)]
pub struct Device {
    object: Object,
    pub physical: vk::PhysicalDevice,
    /// All queues that were asked for, made with the device: the host hands each out once (WIRE.md 7.1).
    pub queues: Vec<vk::Queue>,
    /// How waits for its work proceed.
    pub strategy: Strategy,
    /// What buffers and images of some kinds need.
    pub buffers: Known<buffer::Kind>,
    pub images: Known<image::Kind>,
    /// Freed memory, for the next allocation of its size.
    pub freed: Freed,
    /// Pipelines from earlier starts.
    pub store: Store,
    /// What is on its way into memory that the program can't map.
    pub uploads: Uploads,
    /// Where the GPU tells of work that has ended.
    pub slots: Slots,
    /// Command buffers of the driver's own.
    pub own: OwnCommandBuffers,
    /// Which threads record.
    pub recorders: Recorders,
    extensions: ExtensionSet,
    /// Core version as major << 16 | minor.
    version: u32,
}
dispatchable!(vk::Device, Device);

impl Device {
    /// The physical device, which outlives this one.
    pub fn physical(&self) -> &PhysicalDevice {
        // SAFETY: an instance is destroyed after its devices.
        unsafe { object::get(self.physical) }
    }
}

/// What was asked for, or what suits the host's device.
fn strategy(kind: vk::PhysicalDeviceType) -> Strategy {
    let suits = if kind == vk::PhysicalDeviceType::CPU { Strategy::Block } else { Strategy::Poll };
    settings::get().strategy.unwrap_or(suits)
}

pub unsafe fn create_device(
    physical: vk::PhysicalDevice,
    p_create_info: *const vk::DeviceCreateInfo,
    _: *const vk::AllocationCallbacks,
    p_device: *mut vk::Device,
) -> vk::Result {
    // SAFETY: by valid usage; what is made here lives until the call is over.
    unsafe {
        let d = object::get(physical);
        let connection = d.connection().clone();
        let mut info = *p_create_info;
        let names = slice(info.pp_enabled_extension_names, info.enabled_extension_count);
        let enabled = match physical_device::enabled(physical, names) {
            Ok(set) => set,
            Err(e) => return e,
        };
        // What the driver does itself the host need not have.
        let local = |n: &CStr| extensions::device_extension(n).is_some_and(|e| e.origin == Origin::Driver);
        let names: Vec<*const c_char> = names.iter().copied().filter(|n| !local(CStr::from_ptr(*n))).collect();
        info.enabled_extension_count = names.len() as u32;
        info.pp_enabled_extension_names = names.as_ptr();
        #[allow(deprecated)]
        {
            info.enabled_layer_count = 0;
            info.pp_enabled_layer_names = ptr::null();
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
        let device: vk::Device = object::into_handle(Box::new(Device {
            object,
            physical,
            queues: Vec::new(),
            buffers: Known::default(),
            images: Known::default(),
            freed: Freed::default(),
            store: Store::default(),
            uploads: Uploads::default(),
            slots: Slots::default(),
            own: OwnCommandBuffers::default(),
            recorders: Recorders::default(),
            strategy: strategy(d.properties.device_type),
            extensions: enabled,
            version,
        }));
        let (mut out, none) = (device, ptr::null());
        let p = &raw mut out;
        let created = result_of(connection.call(
            reply::create_device_size(physical, &info, none, p),
            |w| request::create_device(w, 1, physical, &info, none, p),
            |r| reply::create_device(r, physical, &info, none, p),
        ));
        if created != vk::Result::SUCCESS {
            object::take(device);
            return created;
        }
        let mut queues = Vec::new();
        for q in slice(info.p_queue_create_infos, info.queue_create_info_count) {
            for index in 0..q.queue_count {
                match queue::fetch(device, q, index) {
                    Ok(q) => queues.push(q),
                    Err(e) => {
                        object_mut(device).queues = queues;
                        destroy_device(device, none);
                        return result_of_error(&e);
                    }
                }
            }
        }
        object_mut(device).queues = queues;
        *p_device = device;
    }
    vk::Result::SUCCESS
}

/// Only while the device is being made: nobody else has the handle yet.
unsafe fn object_mut<'a>(device: vk::Device) -> &'a mut Device {
    // SAFETY: made by `into_handle`, and not shared yet by contract.
    unsafe { &mut *(<vk::Device as vk::Handle>::as_raw(device) as usize as *mut Device) }
}

pub unsafe fn destroy_device(device: vk::Device, _: *const vk::AllocationCallbacks) {
    // SAFETY: by valid usage nothing uses the device or its queues any more.
    unsafe {
        if device != vk::Device::null() {
            upload::close(device);
            feedback::close(device);
            own::close(device);
            memory::forget_freed(device);
            compiling::close(device);
            pipeline_store::close(device);
        }
        let Some(object) = object::take(device) else { return };
        hesper_winsys::trace::flush();
        let connection = object.connection().clone();
        let queues: Vec<Box<Queue>> = object.queues.iter().filter_map(|q| object::take(*q)).collect();
        let handle = device_handle(&object);
        for q in &queues {
            q.destroy_idle_fence(handle);
        }
        let sent = connection.send(|w| request::destroy_device(w, 0, handle, ptr::null()));
        // The timelines may be used again only when the host has let go of them.
        let _ = sent.and_then(|s| connection.report(connection.ring.wait(s)));
        for q in queues {
            connection.give_timeline_back(q.timeline);
        }
    }
}

fn device_handle(object: &Device) -> vk::Device {
    <vk::Device as vk::Handle>::from_raw(ptr::from_ref(object) as usize as u64)
}

pub unsafe fn device_wait_idle(device: vk::Device) -> vk::Result {
    // SAFETY: by valid usage.
    unsafe {
        for q in &object::get(device).queues {
            match queue::queue_wait_idle(*q) {
                vk::Result::SUCCESS => {}
                e => return e,
            }
        }
    }
    vk::Result::SUCCESS
}

pub unsafe fn get_device_proc_addr(device: vk::Device, p_name: *const c_char) -> vk::PFN_vkVoidFunction {
    if p_name.is_null() {
        return None;
    }
    // SAFETY: by valid usage.
    let (d, name) = unsafe { (object::get(device), CStr::from_ptr(p_name)) };
    let p = procs::find(name).filter(|p| p.scope == Scope::Device)?;
    let known = p.gate.version <= d.version
        || p.gate.extensions.iter().any(|n| d.extensions.contains(*n) || instance_level(*n));
    if known { p.get() } else { None }
}

/// VK_EXT_debug_utils is enabled with the instance, and its device commands come with it.
fn instance_level(number: u32) -> bool {
    number == 129
}
