//! The loader's protocol for layers (vk_layer.h): instances and devices come and go.

use std::ffi::{c_char, c_void};

use ash::vk;

use crate::chain::{self, GetDeviceProc, GetInstanceProc};
use crate::{apple, failing, host_trace, physical, queues};

/// `VkLayerInstanceLink` and `VkLayerDeviceLink`: the same but for the last member.
#[repr(C)]
struct Link {
    next: *mut Link,
    get_instance_proc: GetInstanceProc,
    last: *const c_void,
}

/// `VkLayerInstanceCreateInfo` and `VkLayerDeviceCreateInfo`, as far as the link.
#[repr(C)]
struct LayerCreateInfo {
    s_type: vk::StructureType,
    p_next: *const c_void,
    function: i32,
    link: *mut Link,
}

const LINK_INFO: i32 = 0;

/// Finds the loader's struct in a chain and moves it on for the next layer.
unsafe fn take_link(mut p: *const c_void, tag: vk::StructureType) -> Option<*mut Link> {
    while !p.is_null() {
        let info = p.cast_mut().cast::<LayerCreateInfo>();
        // SAFETY: the caller's chain is valid; structs with the tag and this function are the loader's.
        unsafe {
            if (*info).s_type == tag && (*info).function == LINK_INFO {
                let link = (*info).link;
                (*info).link = (*link).next;
                return Some(link);
            }
            p = (*info).p_next;
        }
    }
    None
}

pub unsafe extern "system" fn create_instance(
    info: *const vk::InstanceCreateInfo,
    allocator: *const vk::AllocationCallbacks,
    to: *mut vk::Instance,
) -> vk::Result {
    if let Some(code) = failing::now("vkCreateInstance") {
        return code;
    }
    // SAFETY: the loader calls with valid arguments, and its link names functions of the types that it says.
    unsafe {
        let Some(link) = take_link((*info).p_next, vk::StructureType::LOADER_INSTANCE_CREATE_INFO) else {
            return vk::Result::ERROR_INITIALIZATION_FAILED;
        };
        let get_proc = (*link).get_instance_proc;
        let Some(create) = get_proc(vk::Instance::null(), c"vkCreateInstance".as_ptr()) else {
            return vk::Result::ERROR_INITIALIZATION_FAILED;
        };
        let create = std::mem::transmute::<unsafe extern "system" fn(), vk::PFN_vkCreateInstance>(create);
        let span = host_trace::span("host vkCreateInstance");
        let result = create(info, allocator, to);
        drop(span);
        if result == vk::Result::SUCCESS {
            chain::add_instance(*to, get_proc);
        }
        result
    }
}

pub unsafe extern "system" fn destroy_instance(instance: vk::Instance, allocator: *const vk::AllocationCallbacks) {
    if instance == vk::Instance::null() {
        return;
    }
    // SAFETY: the instance isn't null, so it is valid, and this is its last use.
    unsafe {
        if let Some(i) = chain::remove_instance(instance) {
            (i.v1_0.destroy_instance)(instance, allocator);
        }
    }
}

pub unsafe extern "system" fn create_device(
    physical_device: vk::PhysicalDevice,
    info: *const vk::DeviceCreateInfo,
    allocator: *const vk::AllocationCallbacks,
    to: *mut vk::Device,
) -> vk::Result {
    // SAFETY: called with valid arguments.
    if let Some(code) = failing::now("vkCreateDevice").or_else(|| unsafe { apple::refusal(&*info) }) {
        return code;
    }
    // SAFETY: the loader calls with valid arguments, and its link names functions of the types that it says.
    unsafe {
        let (Some(link), Some(instance)) = (
            take_link((*info).p_next, vk::StructureType::LOADER_DEVICE_CREATE_INFO),
            chain::instance_of(physical_device),
        ) else {
            return vk::Result::ERROR_INITIALIZATION_FAILED;
        };
        let get_proc = std::mem::transmute::<*const c_void, GetDeviceProc>((*link).last);
        let names = physical::device_extensions(&instance, physical_device, &*info);
        let pointers: Vec<*const c_char> = names.iter().map(|n| n.as_ptr()).collect();
        let asked = queues::families::Asked::of(&*info);
        let one = asked.real_queue();
        let mut real = *info;
        if !host_trace::only() {
            real.enabled_extension_count = pointers.len() as u32;
            real.pp_enabled_extension_names = pointers.as_ptr();
        }
        if queues::on() {
            (real.queue_create_info_count, real.p_queue_create_infos) = (1, &one);
        }
        let Some(create) = ((*link).get_instance_proc)(instance.handle, c"vkCreateDevice".as_ptr()) else {
            return vk::Result::ERROR_INITIALIZATION_FAILED;
        };
        let create = std::mem::transmute::<unsafe extern "system" fn(), vk::PFN_vkCreateDevice>(create);
        let span = host_trace::span("host vkCreateDevice");
        let result = create(physical_device, &real, allocator, to);
        drop(span);
        if result == vk::Result::SUCCESS {
            let device = chain::add_device(*to, physical_device, get_proc);
            if queues::on() {
                queues::add_device(device, &asked);
            }
        }
        result
    }
}

pub unsafe extern "system" fn destroy_device(device: vk::Device, allocator: *const vk::AllocationCallbacks) {
    if device == vk::Device::null() {
        return;
    }
    // SAFETY: the device isn't null, so it is valid, and this is its last use.
    unsafe {
        queues::remove_device(device);
        if let Some(d) = chain::remove_device(device) {
            (d.v1_0.destroy_device)(device, allocator);
        }
    }
}
