//! Who comes next, for each instance and device.

use std::collections::HashMap;
use std::ffi::{CStr, CString, c_char, c_void};
use std::sync::Arc;

use ash::vk;
use ash::vk::Handle;
use parking_lot::Mutex;

pub type GetInstanceProc = unsafe extern "system" fn(vk::Instance, *const c_char) -> vk::PFN_vkVoidFunction;
pub type GetDeviceProc = unsafe extern "system" fn(vk::Device, *const c_char) -> vk::PFN_vkVoidFunction;

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
    pub handle: vk::Device,
    pub physical: vk::PhysicalDevice,
    pub v1_0: ash::DeviceFnV1_0,
    pub v1_1: ash::DeviceFnV1_1,
    pub v1_2: ash::DeviceFnV1_2,
    pub v1_3: ash::DeviceFnV1_3,
    pub host_image_copy: ash::ext::host_image_copy::DeviceFn,
}

/// Things by the dispatch pointer of the instance or device that they belong to.
pub struct Table<T>(Mutex<Option<HashMap<usize, Arc<T>>>>);

static INSTANCES: Table<Instance> = Table::new();
static DEVICES: Table<Device> = Table::new();

/// Objects of one instance or device share the loader's dispatch pointer, which is their first word.
pub unsafe fn key(handle: impl Handle) -> usize {
    // SAFETY: the caller vouches for a dispatchable handle, which points at its dispatch pointer.
    unsafe { *(handle.as_raw() as usize as *const usize) }
}

impl<T> Table<T> {
    pub const fn new() -> Self {
        Self(Mutex::new(None))
    }

    pub fn insert(&self, key: usize, thing: Arc<T>) {
        self.0.lock().get_or_insert_default().insert(key, thing);
    }

    pub fn remove(&self, key: usize) -> Option<Arc<T>> {
        self.0.lock().as_mut()?.remove(&key)
    }

    /// The thing that belongs to the instance or device of a dispatchable handle.
    pub unsafe fn of(&self, handle: impl Handle) -> Option<Arc<T>> {
        // SAFETY: the caller's handle is valid, as `key` demands.
        let key = unsafe { key(handle) };
        self.0.lock().as_ref()?.get(&key).cloned()
    }
}

/// A function by its name, or else by the name that it had as an extension of the Khronos group.
fn address(get_proc: impl Fn(*const c_char) -> vk::PFN_vkVoidFunction, name: &CStr) -> *const c_void {
    let found = get_proc(name.as_ptr()).or_else(|| {
        let name = CString::new([name.to_bytes(), b"KHR"].concat()).ok()?;
        get_proc(name.as_ptr())
    });
    found.map_or(std::ptr::null(), |f| f as *const c_void)
}

/// Notes what comes after this layer for a new instance.
pub unsafe fn add_instance(handle: vk::Instance, get_proc: GetInstanceProc) {
    // SAFETY: the handle was made a moment ago, by the chain that `get_proc` belongs to.
    let load = |name: &CStr| address(|n| unsafe { get_proc(handle, n) }, name);
    let (v1_0, v1_1) = (ash::InstanceFnV1_0::load(load), ash::InstanceFnV1_1::load(load));
    // SAFETY: as above.
    INSTANCES.insert(unsafe { key(handle) }, Arc::new(Instance { get_proc, handle, v1_0, v1_1 }));
}

/// Notes what comes after this layer for a new device.
pub unsafe fn add_device(handle: vk::Device, physical: vk::PhysicalDevice, get_proc: GetDeviceProc) -> Arc<Device> {
    // SAFETY: the handle was made a moment ago, by the chain that `get_proc` belongs to.
    let load = |name: &CStr| address(|n| unsafe { get_proc(handle, n) }, name);
    let device = Arc::new(Device {
        get_proc,
        handle,
        physical,
        v1_0: ash::DeviceFnV1_0::load(load),
        v1_1: ash::DeviceFnV1_1::load(load),
        v1_2: ash::DeviceFnV1_2::load(load),
        v1_3: ash::DeviceFnV1_3::load(load),
        host_image_copy: ash::ext::host_image_copy::DeviceFn::load(load),
    });
    // SAFETY: as above.
    DEVICES.insert(unsafe { key(handle) }, device.clone());
    device
}

/// Forgets an instance; returns how to destroy it.
pub unsafe fn remove_instance(instance: vk::Instance) -> Option<Arc<Instance>> {
    // SAFETY: the caller's instance is still there.
    INSTANCES.remove(unsafe { key(instance) })
}

/// Forgets a device; returns how to destroy it.
pub unsafe fn remove_device(device: vk::Device) -> Option<Arc<Device>> {
    // SAFETY: the caller's device is still there.
    DEVICES.remove(unsafe { key(device) })
}

/// The instance of a physical device.
pub unsafe fn instance_of(physical: vk::PhysicalDevice) -> Option<Arc<Instance>> {
    // SAFETY: the caller's handle is valid.
    unsafe { INSTANCES.of(physical) }
}

/// What comes after this layer for `device`, or for the device of a queue or a command buffer.
pub unsafe fn device(device: impl Handle) -> Option<Arc<Device>> {
    // SAFETY: the caller's handle is valid and dispatchable.
    unsafe { DEVICES.of(device) }
}

pub unsafe fn next_instance_proc(instance: vk::Instance, name: *const c_char) -> vk::PFN_vkVoidFunction {
    if instance == vk::Instance::null() {
        return None;
    }
    // SAFETY: the instance isn't null, so the caller's is valid, and so is the name.
    unsafe { INSTANCES.of(instance).and_then(|i| (i.get_proc)(instance, name)) }
}

pub unsafe fn next_device_proc(device: vk::Device, name: *const c_char) -> vk::PFN_vkVoidFunction {
    // SAFETY: the caller's device and name are valid.
    unsafe { DEVICES.of(device).and_then(|d| (d.get_proc)(device, name)) }
}
