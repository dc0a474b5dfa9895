//! What the device is like: whose it is, its limits, its subgroups, its queues.

use std::ffi::c_char;

use ash::vk;

use super::host::{Host, host};
use crate::chain;

/// Apple's number as a vendor.
const APPLE: u32 = 0x106b;
/// The host's page, which KosmicKrisp maps memory by.
const PAGE: usize = 16 << 10;

fn copy(name: &mut [c_char], text: &str) {
    name.fill(0);
    let room = name.len() - 1;
    for (to, from) in name.iter_mut().zip(text.bytes().take(room)) {
        *to = from as c_char;
    }
}

fn change(host: Host, p: &mut vk::PhysicalDeviceProperties) {
    (p.vendor_id, p.device_type) = (APPLE, vk::PhysicalDeviceType::INTEGRATED_GPU);
    copy(&mut p.device_name, "Apple M4, imitated");
    p.sparse_properties = Default::default();
    let l = &mut p.limits;
    l.sparse_address_space_size = 0;
    match host {
        Host::MoltenVk | Host::MoltenVkBare => {
            l.min_memory_map_alignment = 256;
            (l.min_uniform_buffer_offset_alignment, l.non_coherent_atom_size) = (256, 256);
        }
        Host::KosmicKrisp => {
            p.api_version = p.api_version.min(vk::make_api_version(0, 1, 3, u32::MAX >> 20));
            l.min_memory_map_alignment = PAGE;
            l.non_coherent_atom_size = 64;
            l.max_memory_allocation_count = 4096;
            l.timestamp_compute_and_graphics = vk::FALSE;
        }
    }
}

/// The lanes of a subgroup, of which shaders may only use what doesn't tell that there are fewer.
const LANES: u32 = 32;
const OPERATIONS: vk::SubgroupFeatureFlags = vk::SubgroupFeatureFlags::BASIC;

fn name(host: Host) -> (vk::DriverId, &'static str) {
    match host {
        Host::MoltenVk | Host::MoltenVkBare => (vk::DriverId::MOLTENVK, "MoltenVK"),
        // VK_DRIVER_ID_MESA_KOSMICKRISP.
        Host::KosmicKrisp => (vk::DriverId::from_raw(28), "KosmicKrisp"),
    }
}

/// Changes the structs of a chain.
unsafe fn change_chain(host: Host, mut p: *mut vk::BaseOutStructure) {
    use vk::StructureType as S;
    let (id, text) = name(host);
    // SAFETY: the caller's chain is valid, and each struct is what its tag tells.
    unsafe {
        while !p.is_null() {
            match (*p).s_type {
                S::PHYSICAL_DEVICE_SUBGROUP_PROPERTIES => {
                    let s = &mut *p.cast::<vk::PhysicalDeviceSubgroupProperties>();
                    (s.subgroup_size, s.supported_operations) = (LANES, OPERATIONS);
                }
                S::PHYSICAL_DEVICE_VULKAN_1_1_PROPERTIES => {
                    let s = &mut *p.cast::<vk::PhysicalDeviceVulkan11Properties>();
                    (s.subgroup_size, s.subgroup_supported_operations) = (LANES, OPERATIONS);
                }
                S::PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_PROPERTIES => {
                    let s = &mut *p.cast::<vk::PhysicalDeviceSubgroupSizeControlProperties>();
                    (s.min_subgroup_size, s.max_subgroup_size) = (LANES, LANES);
                    s.required_subgroup_size_stages = vk::ShaderStageFlags::empty();
                }
                S::PHYSICAL_DEVICE_VULKAN_1_3_PROPERTIES => {
                    let s = &mut *p.cast::<vk::PhysicalDeviceVulkan13Properties>();
                    (s.min_subgroup_size, s.max_subgroup_size) = (LANES, LANES);
                    s.required_subgroup_size_stages = vk::ShaderStageFlags::empty();
                }
                S::PHYSICAL_DEVICE_DRIVER_PROPERTIES => {
                    let s = &mut *p.cast::<vk::PhysicalDeviceDriverProperties>();
                    s.driver_id = id;
                    copy(&mut s.driver_name, text);
                }
                S::PHYSICAL_DEVICE_VULKAN_1_2_PROPERTIES => {
                    let s = &mut *p.cast::<vk::PhysicalDeviceVulkan12Properties>();
                    s.driver_id = id;
                    copy(&mut s.driver_name, text);
                }
                _ => {}
            }
            p = (*p).p_next;
        }
    }
}

pub unsafe extern "system" fn get_properties(device: vk::PhysicalDevice, to: *mut vk::PhysicalDeviceProperties) {
    // SAFETY: called with valid arguments; what the driver has written is changed.
    unsafe {
        let (Some(host), Some(i)) = (host(), chain::instance_of(device)) else { return };
        (i.v1_0.get_physical_device_properties)(device, to);
        change(host, &mut *to);
    }
}

pub unsafe extern "system" fn get_properties2(device: vk::PhysicalDevice, to: *mut vk::PhysicalDeviceProperties2) {
    // SAFETY: called with valid arguments; what the driver has written is changed.
    unsafe {
        let (Some(host), Some(i)) = (host(), chain::instance_of(device)) else { return };
        (i.v1_1.get_physical_device_properties2)(device, to);
        change(host, &mut (*to).properties);
        change_chain(host, (*to).p_next.cast());
    }
}

/// KosmicKrisp keeps no times.
fn change_family(host: Host, p: &mut vk::QueueFamilyProperties) {
    if host == Host::KosmicKrisp {
        p.timestamp_valid_bits = 0;
    }
}

pub unsafe extern "system" fn get_queue_family_properties(
    device: vk::PhysicalDevice,
    count: *mut u32,
    to: *mut vk::QueueFamilyProperties,
) {
    // SAFETY: called with valid arguments; what the driver has written is changed.
    unsafe {
        let (Some(host), Some(i)) = (host(), chain::instance_of(device)) else { return };
        (i.v1_0.get_physical_device_queue_family_properties)(device, count, to);
        if !to.is_null() {
            (0..*count as usize).for_each(|n| change_family(host, &mut *to.add(n)));
        }
    }
}

pub unsafe extern "system" fn get_queue_family_properties2(
    device: vk::PhysicalDevice,
    count: *mut u32,
    to: *mut vk::QueueFamilyProperties2,
) {
    // SAFETY: called with valid arguments; what the driver has written is changed.
    unsafe {
        let (Some(host), Some(i)) = (host(), chain::instance_of(device)) else { return };
        (i.v1_1.get_physical_device_queue_family_properties2)(device, count, to);
        if !to.is_null() {
            (0..*count as usize).for_each(|n| change_family(host, &mut (*to.add(n)).queue_family_properties));
        }
    }
}
