//! What is tried out.

use ash::vk;
use hesper_winsys::Capset;

use crate::physical::probe::features::Features;

/// The device that is tried out, as the host's driver shows it.
pub struct Subject<'a> {
    /// deviceUUID; zeros where the host doesn't tell.
    pub uuid: [u8; 16],
    pub driver: vk::DriverId,
    pub driver_version: u32,
    pub limits: &'a vk::PhysicalDeviceLimits,
    /// What the trial's device enables.
    pub features: Features,
    /// What the host's Venus says of itself.
    pub capset: &'a Capset,
}
