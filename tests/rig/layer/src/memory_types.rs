//! The memory types that are shown: the driver's, with a second one where it has but one (`second_type`), or an Apple host's
//! (`apple::memory`).

use ash::vk;

use crate::{apple, second_type};

/// What is behind a type that is shown.
pub struct Real {
    /// The driver's type.
    pub index: u32,
    /// Whether its memory is never mapped by programs, and so left to the driver.
    pub is_devices_own: bool,
}

/// Shows them in place of the driver's.
pub fn show(p: &mut vk::PhysicalDeviceMemoryProperties) {
    match apple::host::host() {
        Some(host) => apple::memory::show(host, p),
        None => second_type::split(p),
    }
}

/// What is behind `shown`.
pub fn real(real: &vk::PhysicalDeviceMemoryProperties, shown: u32) -> Real {
    match apple::host::host() {
        Some(host) => Real { index: 0, is_devices_own: !apple::memory::is_mapped(host, shown) },
        None => match second_type::real_type(real, shown) {
            Some(index) => Real { index, is_devices_own: true },
            None => Real { index: shown, is_devices_own: false },
        },
    }
}

/// The types that are shown for a resource, of those that the driver names.
pub fn of_resource(real: &vk::PhysicalDeviceMemoryProperties, bits: u32, is_sparse: bool) -> u32 {
    match apple::host::host() {
        Some(host) => apple::memory::of_resources(host),
        None if is_sparse => second_type::of_sparse(real, bits, importable(real)),
        None => second_type::of_others(real, bits),
    }
}

/// Memory types that take host pointers: the host-visible ones, without the device's own where there are others.
pub fn importable(p: &vk::PhysicalDeviceMemoryProperties) -> u32 {
    use vk::MemoryPropertyFlags as F;
    let types = p.memory_types.iter().take(p.memory_type_count as usize).enumerate();
    let bits = |want: &dyn Fn(F) -> bool| {
        types.clone().filter(|(_, t)| want(t.property_flags)).fold(0, |b, (i, _)| b | 1 << i)
    };
    let plain = bits(&|f| f.contains(F::HOST_VISIBLE) && !f.contains(F::DEVICE_LOCAL));
    if plain != 0 { plain } else { bits(&|f| f.contains(F::HOST_VISIBLE)) }
}
