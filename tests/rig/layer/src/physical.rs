//! What a physical device is said to be able to.

use std::ffi::{CStr, CString, c_char, c_void};
use std::path::Path;
use std::sync::OnceLock;

use ash::vk;

use crate::chain::{self, Instance};
use crate::{apple, device_file, memory_types, queues};

const DMA_BUF: &CStr = c"VK_EXT_external_memory_dma_buf";
const HOST: &CStr = c"VK_EXT_external_memory_host";
const SUBMIT2: &CStr = c"VK_KHR_synchronization2";
const SHARED: vk::ExternalMemoryHandleTypeFlags = vk::ExternalMemoryHandleTypeFlags::DMA_BUF_EXT;
const SWAPCHAIN: &CStr = c"VK_KHR_swapchain";

/// `HESPER_TEST_LAYER_ONLY=<names, comma-separated>`: the only device extensions that are shown. With the names that the
/// protocol carries, a native program gets no more from the device than a guest does.
fn shown(e: &vk::ExtensionProperties) -> bool {
    static ONLY: OnceLock<Option<String>> = OnceLock::new();
    let only = ONLY.get_or_init(|| std::env::var("HESPER_TEST_LAYER_ONLY").ok());
    let name = e.extension_name_as_c_str().ok().and_then(|n| n.to_str().ok());
    only.as_ref().is_none_or(|only| name.is_some_and(|name| only.split(',').any(|o| o == name)))
}

unsafe fn real_extensions(instance: &Instance, device: vk::PhysicalDevice) -> Vec<vk::ExtensionProperties> {
    let next = instance.v1_0.enumerate_device_extension_properties;
    let mut n = 0;
    // SAFETY: a valid device, and room for as many as were counted.
    unsafe {
        if next(device, std::ptr::null(), &mut n, std::ptr::null_mut()) != vk::Result::SUCCESS {
            return Vec::new();
        }
        let mut list = vec![vk::ExtensionProperties::default(); n as usize];
        let _ = next(device, std::ptr::null(), &mut n, list.as_mut_ptr());
        list.truncate(n as usize);
        list
    }
}

fn has(list: &[vk::ExtensionProperties], name: &CStr) -> bool {
    list.iter().any(|e| e.extension_name_as_c_str() == Ok(name))
}

pub unsafe extern "system" fn enumerate_device_extension_properties(
    device: vk::PhysicalDevice,
    layer: *const c_char,
    count: *mut u32,
    to: *mut vk::ExtensionProperties,
) -> vk::Result {
    // SAFETY: called with valid arguments.
    unsafe {
        let Some(instance) = chain::instance_of(device) else { return vk::Result::ERROR_INITIALIZATION_FAILED };
        if !layer.is_null() {
            return (instance.v1_0.enumerate_device_extension_properties)(device, layer, count, to);
        }
        let mut list = real_extensions(&instance, device);
        list.retain(|e| shown(e) && !(queues::on() && e.extension_name_as_c_str() == Ok(SWAPCHAIN)));
        if let Some(host) = apple::host::host() {
            apple::extensions::show(host, &mut list);
        } else if has(&real_extensions(&instance, device), HOST) && !has(&list, DMA_BUF) {
            let mut e = vk::ExtensionProperties { spec_version: 1, ..Default::default() };
            for (t, f) in e.extension_name.iter_mut().zip(DMA_BUF.to_bytes()) {
                *t = *f as c_char;
            }
            list.push(e);
        }
        if to.is_null() {
            *count = list.len() as u32;
            return vk::Result::SUCCESS;
        }
        let n = (*count as usize).min(list.len());
        std::ptr::copy_nonoverlapping(list.as_ptr(), to, n);
        *count = n as u32;
        if n < list.len() { vk::Result::INCOMPLETE } else { vk::Result::SUCCESS }
    }
}

/// The extensions to ask the real driver for: without the one that it lacks, with the one that stands in for it.
pub unsafe fn device_extensions(
    instance: &Instance,
    device: vk::PhysicalDevice,
    info: &vk::DeviceCreateInfo,
) -> Vec<CString> {
    // SAFETY: valid arguments of vkCreateDevice.
    unsafe {
        let real = real_extensions(instance, device);
        let asked = if info.enabled_extension_count == 0 {
            &[]
        } else {
            std::slice::from_raw_parts(info.pp_enabled_extension_names, info.enabled_extension_count as usize)
        };
        let mut names: Vec<CString> = asked.iter().map(|n| CStr::from_ptr(*n).to_owned()).collect();
        names.retain(|n| n.as_c_str() != DMA_BUF || has(&real, DMA_BUF));
        if has(&real, HOST) && !names.iter().any(|n| n.as_c_str() == HOST) {
            names.push(HOST.to_owned());
        }
        // The layer submits by vkQueueSubmit2, whatever the program does.
        if queues::on() && has(&real, SUBMIT2) && !names.iter().any(|n| n.as_c_str() == SUBMIT2) {
            names.push(SUBMIT2.to_owned());
        }
        names
    }
}

/// Types that can't be shown to another process aren't host-visible there.
fn hide(p: &mut vk::PhysicalDeviceMemoryProperties) {
    if device_file::caught() && Path::new("/dev/nvidiactl").exists() {
        return;
    }
    use vk::MemoryPropertyFlags as F;
    let bits = memory_types::importable(p);
    for (i, t) in p.memory_types.iter_mut().enumerate() {
        if bits & (1 << i) == 0 {
            t.property_flags &= !(F::HOST_VISIBLE | F::HOST_COHERENT | F::HOST_CACHED);
        }
    }
}

/// The real properties.
pub unsafe fn real_memory_properties(
    instance: &Instance,
    device: vk::PhysicalDevice,
) -> vk::PhysicalDeviceMemoryProperties {
    let mut p = vk::PhysicalDeviceMemoryProperties::default();
    // SAFETY: a valid device.
    unsafe { (instance.v1_0.get_physical_device_memory_properties)(device, &mut p) };
    p
}

pub unsafe extern "system" fn get_memory_properties(
    device: vk::PhysicalDevice,
    to: *mut vk::PhysicalDeviceMemoryProperties,
) {
    // SAFETY: called with valid arguments.
    unsafe {
        if let Some(i) = chain::instance_of(device) {
            *to = real_memory_properties(&i, device);
            hide(&mut *to);
            memory_types::show(&mut *to);
        }
    }
}

pub unsafe extern "system" fn get_memory_properties2(
    device: vk::PhysicalDevice,
    to: *mut vk::PhysicalDeviceMemoryProperties2,
) {
    // SAFETY: called with valid arguments.
    unsafe {
        if let Some(i) = chain::instance_of(device) {
            (i.v1_1.get_physical_device_memory_properties2)(device, to);
            hide(&mut (*to).memory_properties);
            memory_types::show(&mut (*to).memory_properties);
        }
    }
}

pub unsafe extern "system" fn get_external_buffer_properties(
    device: vk::PhysicalDevice,
    info: *const vk::PhysicalDeviceExternalBufferInfo,
    to: *mut vk::ExternalBufferProperties,
) {
    // SAFETY: called with valid arguments.
    unsafe {
        let Some(i) = chain::instance_of(device) else { return };
        (i.v1_1.get_physical_device_external_buffer_properties)(device, info, to);
        if (*info).handle_type == SHARED {
            (*to).external_memory_properties = leaves_and_comes();
        }
    }
}

pub unsafe extern "system" fn get_image_format_properties2(
    device: vk::PhysicalDevice,
    info: *const vk::PhysicalDeviceImageFormatInfo2,
    to: *mut vk::ImageFormatProperties2,
) -> vk::Result {
    // SAFETY: called with valid arguments.
    unsafe {
        let Some(i) = chain::instance_of(device) else { return vk::Result::ERROR_INITIALIZATION_FAILED };
        let result = (i.v1_1.get_physical_device_image_format_properties2)(device, info, to);
        let asked = find((*info).p_next, vk::StructureType::PHYSICAL_DEVICE_EXTERNAL_IMAGE_FORMAT_INFO);
        let told = find((*to).p_next, vk::StructureType::EXTERNAL_IMAGE_FORMAT_PROPERTIES);
        if result == vk::Result::SUCCESS
            && let (Some(asked), Some(told)) = (asked, told)
            && (*asked.cast::<vk::PhysicalDeviceExternalImageFormatInfo>()).handle_type == SHARED
        {
            let told = told.cast_mut().cast::<vk::ExternalImageFormatProperties>();
            (*told).external_memory_properties = leaves_and_comes();
        }
        result
    }
}

/// The struct of this kind in a chain.
unsafe fn find(next: *const c_void, kind: vk::StructureType) -> Option<*const vk::BaseInStructure<'static>> {
    let mut p = next.cast::<vk::BaseInStructure<'static>>();
    // SAFETY: the caller's chain is valid.
    unsafe {
        while !p.is_null() && (*p).s_type != kind {
            p = (*p).p_next;
        }
    }
    (!p.is_null()).then_some(p)
}

/// What this layer makes of memory, whatever lies in it.
fn leaves_and_comes() -> vk::ExternalMemoryProperties {
    vk::ExternalMemoryProperties {
        external_memory_features: vk::ExternalMemoryFeatureFlags::EXPORTABLE
            | vk::ExternalMemoryFeatureFlags::IMPORTABLE,
        export_from_imported_handle_types: SHARED,
        compatible_handle_types: SHARED,
    }
}
