//! A device with one type of memory shows two. The first one's is what programs map. The second one's is never shown to another process,
//! so it isn't imported (`memory`), and lavapipe can bind it to pages of sparse resources, which it can't with imported memory.
//!
//! Sparse resources are in such memory only. With `HESPER_TEST_LAYER_DISCRETE` everything may be, and the first type isn't the device's
//! own: as graphics cards have it without access to all of their memory.

use std::sync::OnceLock;

use ash::vk;

use crate::device_file;

/// Whether the first type shall look like memory of the host.
fn is_discrete() -> bool {
    static ON: OnceLock<bool> = OnceLock::new();
    *ON.get_or_init(|| std::env::var_os("HESPER_TEST_LAYER_DISCRETE").is_some())
}

/// The second type, which is the one real type.
const SECOND: usize = 1;

/// Shows the second type. What has several types already stays as it is.
pub fn split(p: &mut vk::PhysicalDeviceMemoryProperties) {
    if p.memory_type_count != 1 {
        return;
    }
    let [first, second, ..] = &mut p.memory_types;
    (second.heap_index, second.property_flags) = (first.heap_index, vk::MemoryPropertyFlags::DEVICE_LOCAL);
    if is_discrete() {
        first.property_flags &= !vk::MemoryPropertyFlags::DEVICE_LOCAL;
    }
    p.memory_type_count = 2;
}

/// The real type behind a shown one, where that isn't the same.
pub fn real_type(real: &vk::PhysicalDeviceMemoryProperties, shown: u32) -> Option<u32> {
    (real.memory_type_count == 1 && shown as usize == SECOND).then_some(0)
}

/// The types that a sparse resource may be in, of those that the driver names: none whose memory is `imported`, where there are others.
pub fn of_sparse(real: &vk::PhysicalDeviceMemoryProperties, bits: u32, imported: u32) -> u32 {
    match bits & !imported {
        _ if real.memory_type_count == 1 => 1 << SECOND,
        0 => bits,
        _ if device_file::caught() => bits,
        others => others,
    }
}

/// The types that any other resource may be in.
pub fn of_others(real: &vk::PhysicalDeviceMemoryProperties, bits: u32) -> u32 {
    if real.memory_type_count == 1 && is_discrete() { bits | 1 << SECOND } else { bits }
}
