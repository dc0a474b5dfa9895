//! What is tried out.

use std::ffi::CStr;

use ash::vk;

/// The device that is tried out, as the host's driver shows it.
pub struct Subject<'a> {
    /// deviceUUID; zeros where the host doesn't tell.
    pub uuid: [u8; 16],
    pub driver: vk::DriverId,
    pub driver_version: u32,
    pub limits: &'a vk::PhysicalDeviceLimits,
    /// Whether the device has an extension that isn't tried out.
    pub offers: &'a dyn Fn(&CStr) -> bool,
}
