//! What the Vulkan loader finds in the shared object (Vulkan loader-driver interface, version 7).

use std::ffi::{CStr, c_char};

use ash::vk;

use crate::base::forwarding::guard;
use crate::loader::procs::{self, Scope};
use crate::loader::trial;
use crate::physical::probe::trial as probe;

/// The newest interface version that this driver knows.
const VERSION: u32 = 7;

/// The name of no entry point. Looking it up panics, by which a test sees that a build catches panics: whether it does depends on how it is linked.
const PANICS: &CStr = c"hesperPanics";

/// Settles the interface's version: the lower of both.
///
/// # Safety
/// `version` must be valid for reads and writes.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn vk_icdNegotiateLoaderICDInterfaceVersion(version: *mut u32) -> vk::Result {
    if version.is_null() {
        return vk::Result::ERROR_INITIALIZATION_FAILED;
    }
    // SAFETY: not null, valid by contract.
    unsafe { *version = (*version).min(VERSION) };
    vk::Result::SUCCESS
}

/// Any entry point by name. Without an instance only those that make one.
///
/// # Safety
/// `name` must be a NUL-terminated string.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn vk_icdGetInstanceProcAddr(
    instance: vk::Instance,
    name: *const c_char,
) -> vk::PFN_vkVoidFunction {
    // What every program asks first, so that nothing can be asked before the driver knows how to try out devices.
    probe::register(trial::serve);
    let wanted = move |s| instance != vk::Instance::null() || s == Scope::Global;
    // SAFETY: no handle; the name is handed on.
    unsafe { guard(vk::Instance::null(), "vk_icdGetInstanceProcAddr", None, || lookup(name, wanted)) }
}

/// Entry points that take a physical device.
///
/// # Safety
/// `name` must be a NUL-terminated string.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn vk_icdGetPhysicalDeviceProcAddr(
    _: vk::Instance,
    name: *const c_char,
) -> vk::PFN_vkVoidFunction {
    let wanted = |s| s == Scope::PhysicalDevice;
    // SAFETY: no handle; the name is handed on.
    unsafe { guard(vk::Instance::null(), "vk_icdGetPhysicalDeviceProcAddr", None, || lookup(name, wanted)) }
}

unsafe fn lookup(name: *const c_char, wanted: impl Fn(Scope) -> bool) -> vk::PFN_vkVoidFunction {
    if name.is_null() {
        return None;
    }
    // SAFETY: not null, so NUL-terminated by contract.
    let name = unsafe { CStr::from_ptr(name) };
    let Some(found) = procs::find(name) else {
        #[allow(clippy::panic)]
        if name == PANICS {
            panic!("{PANICS:?} was looked up, which is no bug");
        }
        return None;
    };
    if wanted(found.scope) { found.get() } else { None }
}

pub unsafe fn get_instance_proc_addr(instance: vk::Instance, name: *const c_char) -> vk::PFN_vkVoidFunction {
    // SAFETY: handed on.
    unsafe { vk_icdGetInstanceProcAddr(instance, name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_a_failure() {
        let none = vk::Instance::null();
        // SAFETY: no instance, names that end in NUL.
        let [known, panics] =
            [c"vkCreateInstance", PANICS].map(|name| unsafe { vk_icdGetInstanceProcAddr(none, name.as_ptr()) });
        assert!(known.is_some() && panics.is_none());
    }
}
