//! `HESPER_TEST_LAYER_VENDOR=<number>`: the device is one of that vendor's (VkPhysicalDeviceProperties::vendorID, decimal), for what is known of hosts
//! with such devices.

use std::sync::OnceLock;

use ash::vk;

use crate::chain;

fn vendor() -> Option<u32> {
    static VENDOR: OnceLock<Option<u32>> = OnceLock::new();
    *VENDOR.get_or_init(|| std::env::var("HESPER_TEST_LAYER_VENDOR").ok()?.parse().ok())
}

/// Whether there is another vendor.
pub fn on() -> bool {
    vendor().is_some()
}

pub unsafe extern "system" fn get_properties(device: vk::PhysicalDevice, to: *mut vk::PhysicalDeviceProperties) {
    // SAFETY: called with valid arguments; what the driver has written is changed.
    unsafe {
        let (Some(vendor), Some(i)) = (vendor(), chain::instance_of(device)) else { return };
        (i.v1_0.get_physical_device_properties)(device, to);
        (*to).vendor_id = vendor;
    }
}

pub unsafe extern "system" fn get_properties2(device: vk::PhysicalDevice, to: *mut vk::PhysicalDeviceProperties2) {
    // SAFETY: called with valid arguments; what the driver has written is changed.
    unsafe {
        let (Some(vendor), Some(i)) = (vendor(), chain::instance_of(device)) else { return };
        (i.v1_1.get_physical_device_properties2)(device, to);
        (*to).properties.vendor_id = vendor;
    }
}
