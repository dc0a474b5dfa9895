//! The loader's protocol for layers (vk_layer.h): who comes next, for each instance and device.

use std::collections::HashMap;
use std::ffi::{CStr, c_char, c_void};
use std::sync::Arc;
use std::sync::OnceLock;

use ash::vk;
use ash::vk::Handle;
use parking_lot::Mutex;

use crate::physical;

type GetInstanceProc = unsafe extern "system" fn(vk::Instance, *const c_char) -> vk::PFN_vkVoidFunction;
type GetDeviceProc = unsafe extern "system" fn(vk::Device, *const c_char) -> vk::PFN_vkVoidFunction;

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

/// What comes after this layer for one instance.
pub struct Instance {
    get_proc: GetInstanceProc,
    pub handle: vk::Instance,
    pub v1_0: ash::InstanceFnV1_0,
    pub v1_1: ash::InstanceFnV1_1,
}

/// What comes after this layer for one device.
pub struct Device {
    get_proc: GetDeviceProc,
    pub physical: vk::PhysicalDevice,
    pub v1_0: ash::DeviceFnV1_0,
    pub v1_1: ash::DeviceFnV1_1,
    pub v1_3: ash::DeviceFnV1_3,
}

type Table<T> = OnceLock<Mutex<HashMap<usize, Arc<T>>>>;
static INSTANCES: Table<Instance> = OnceLock::new();
static DEVICES: Table<Device> = OnceLock::new();

/// Objects of one instance or device share the loader's dispatch pointer, which is their first word.
unsafe fn key(handle: u64) -> usize {
    // SAFETY: a valid dispatchable handle.
    unsafe { *(handle as usize as *const usize) }
}

unsafe fn look_up<T>(table: &Table<T>, handle: u64) -> Option<Arc<T>> {
    // SAFETY: as in `key`.
    table.get_or_init(Mutex::default).lock().get(&unsafe { key(handle) }).cloned()
}

/// The instance of a physical device.
pub unsafe fn instance_of(physical: vk::PhysicalDevice) -> Option<Arc<Instance>> {
    // SAFETY: a valid handle.
    unsafe { look_up(&INSTANCES, physical.as_raw()) }
}

/// What comes after this layer for `device`, or for the device of a queue or a command buffer.
pub unsafe fn device(device: impl Handle) -> Option<Arc<Device>> {
    // SAFETY: a valid dispatchable handle.
    unsafe { look_up(&DEVICES, device.as_raw()) }
}

pub unsafe fn next_instance_proc(instance: vk::Instance, name: *const c_char) -> vk::PFN_vkVoidFunction {
    if instance == vk::Instance::null() {
        return None;
    }
    // SAFETY: a valid instance.
    unsafe { look_up(&INSTANCES, instance.as_raw()).and_then(|i| (i.get_proc)(instance, name)) }
}

pub unsafe fn next_device_proc(device: vk::Device, name: *const c_char) -> vk::PFN_vkVoidFunction {
    // SAFETY: a valid device.
    unsafe { look_up(&DEVICES, device.as_raw()).and_then(|d| (d.get_proc)(device, name)) }
}

/// Finds the loader's struct in a chain and moves it on for the next layer.
unsafe fn take_link(mut p: *const c_void, tag: vk::StructureType) -> Option<*mut Link> {
    while !p.is_null() {
        let info = p.cast_mut().cast::<LayerCreateInfo>();
        // SAFETY: structs of a valid chain; those with the tag are the loader's.
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

fn address(f: vk::PFN_vkVoidFunction) -> *const c_void {
    f.map_or(std::ptr::null(), |f| f as *const c_void)
}

pub unsafe extern "system" fn create_instance(
    info: *const vk::InstanceCreateInfo,
    allocator: *const vk::AllocationCallbacks,
    to: *mut vk::Instance,
) -> vk::Result {
    // SAFETY: called by the loader with valid arguments.
    unsafe {
        let Some(link) = take_link((*info).p_next, vk::StructureType::LOADER_INSTANCE_CREATE_INFO) else {
            return vk::Result::ERROR_INITIALIZATION_FAILED;
        };
        let get_proc = (*link).get_instance_proc;
        let Some(create) = get_proc(vk::Instance::null(), c"vkCreateInstance".as_ptr()) else {
            return vk::Result::ERROR_INITIALIZATION_FAILED;
        };
        let create = std::mem::transmute::<unsafe extern "system" fn(), vk::PFN_vkCreateInstance>(create);
        let result = create(info, allocator, to);
        if result == vk::Result::SUCCESS {
            let handle = *to;
            let load = |name: &CStr| address(get_proc(handle, name.as_ptr()));
            let instance = Instance {
                get_proc,
                handle,
                v1_0: ash::InstanceFnV1_0::load(load),
                v1_1: ash::InstanceFnV1_1::load(load),
            };
            INSTANCES.get_or_init(Mutex::default).lock().insert(key(handle.as_raw()), Arc::new(instance));
        }
        result
    }
}

pub unsafe extern "system" fn destroy_instance(instance: vk::Instance, allocator: *const vk::AllocationCallbacks) {
    if instance == vk::Instance::null() {
        return;
    }
    // SAFETY: a valid instance.
    unsafe {
        let table = INSTANCES.get_or_init(Mutex::default);
        let next = table.lock().remove(&key(instance.as_raw()));
        if let Some(i) = next {
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
    // SAFETY: called by the loader with valid arguments.
    unsafe {
        let (Some(link), Some(instance)) =
            (take_link((*info).p_next, vk::StructureType::LOADER_DEVICE_CREATE_INFO), instance_of(physical_device))
        else {
            return vk::Result::ERROR_INITIALIZATION_FAILED;
        };
        let get_proc = std::mem::transmute::<*const c_void, GetDeviceProc>((*link).last);
        let names = physical::device_extensions(&instance, physical_device, &*info);
        let pointers: Vec<*const c_char> = names.iter().map(|n| n.as_ptr()).collect();
        let mut info = *info;
        info.enabled_extension_count = pointers.len() as u32;
        info.pp_enabled_extension_names = pointers.as_ptr();
        let Some(create) = ((*link).get_instance_proc)(instance.handle, c"vkCreateDevice".as_ptr()) else {
            return vk::Result::ERROR_INITIALIZATION_FAILED;
        };
        let create = std::mem::transmute::<unsafe extern "system" fn(), vk::PFN_vkCreateDevice>(create);
        let result = create(physical_device, &info, allocator, to);
        if result == vk::Result::SUCCESS {
            let handle = *to;
            let load = |name: &CStr| address(get_proc(handle, name.as_ptr()));
            let device = Device {
                get_proc,
                physical: physical_device,
                v1_0: ash::DeviceFnV1_0::load(load),
                v1_1: ash::DeviceFnV1_1::load(load),
                v1_3: ash::DeviceFnV1_3::load(load),
            };
            DEVICES.get_or_init(Mutex::default).lock().insert(key(handle.as_raw()), Arc::new(device));
        }
        result
    }
}

pub unsafe extern "system" fn destroy_device(device: vk::Device, allocator: *const vk::AllocationCallbacks) {
    if device == vk::Device::null() {
        return;
    }
    // SAFETY: a valid device.
    unsafe {
        let table = DEVICES.get_or_init(Mutex::default);
        let next = table.lock().remove(&key(device.as_raw()));
        if let Some(d) = next {
            (d.v1_0.destroy_device)(device, allocator);
        }
        hesper_winsys::trace::flush();
    }
}
