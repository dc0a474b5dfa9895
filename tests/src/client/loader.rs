//! Where the entry points of Vulkan come from.

use std::ffi::CStr;

use anyhow::{Context, Result};
use ash::{Device, Entry, Instance, vk};
use hesper_rig_open::{Driver, VARIABLE};

/// The Vulkan loader's, or those of the driver that [`VARIABLE`] names.
///
/// # Errors
/// When there is no loader, or the driver can't be opened.
pub fn entry() -> Result<Entry> {
    match std::env::var(VARIABLE) {
        Ok(library) => Ok(Driver::open(&library)?.entry()),
        // SAFETY: the system's Vulkan loader, whose entry points are used as Vulkan demands.
        Err(_) => unsafe { Entry::load() }.context("loading libvulkan.so.1"),
    }
}

/// A device's entry point with this name, as a pointer of type `F`, for what ash doesn't know.
///
/// # Errors
/// When there is none.
///
/// # Safety
/// `F` must be the type of that function.
pub unsafe fn function<F: Copy>(i: &Instance, d: &Device, name: &CStr) -> Result<F> {
    const { assert!(size_of::<F>() == size_of::<vk::PFN_vkVoidFunction>()) };
    // SAFETY: valid handles and a name; a pointer to the function that F is one to, by contract.
    unsafe {
        let found = i.get_device_proc_addr(d.handle(), name.as_ptr());
        let found = found.with_context(|| format!("there is no {}", name.to_string_lossy()))?;
        Ok(std::mem::transmute_copy(&found))
    }
}
