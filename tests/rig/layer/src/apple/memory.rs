//! The types of memory: one heap, which device and processor share.

use ash::vk;

use super::host::Host;

/// The types in their order.
fn types(host: Host) -> &'static [vk::MemoryPropertyFlags] {
    use vk::MemoryPropertyFlags as F;
    const SHARED: F = F::from_raw(
        F::DEVICE_LOCAL.as_raw() | F::HOST_VISIBLE.as_raw() | F::HOST_COHERENT.as_raw() | F::HOST_CACHED.as_raw(),
    );
    const MEMORYLESS: F = F::from_raw(F::DEVICE_LOCAL.as_raw() | F::LAZILY_ALLOCATED.as_raw());
    match host {
        // What Metal calls private, shared and memoryless.
        Host::MoltenVk | Host::MoltenVkBare => &[F::DEVICE_LOCAL, SHARED, MEMORYLESS],
        Host::KosmicKrisp => &[SHARED],
    }
}

/// Shows them in place of the real device's one type.
pub fn show(host: Host, p: &mut vk::PhysicalDeviceMemoryProperties) {
    for (to, flags) in p.memory_types.iter_mut().zip(types(host)) {
        *to = vk::MemoryType { property_flags: *flags, heap_index: 0 };
    }
    p.memory_type_count = types(host).len() as u32;
    p.memory_heaps[0].flags = vk::MemoryHeapFlags::DEVICE_LOCAL;
}

/// Whether programs map memory of a type.
pub fn is_mapped(host: Host, shown: u32) -> bool {
    types(host).get(shown as usize).is_some_and(|flags| flags.contains(vk::MemoryPropertyFlags::HOST_VISIBLE))
}

/// The types that buffers and images may be in: all but memoryless, which is for attachments that nobody loads or stores.
pub fn of_resources(host: Host) -> u32 {
    let lazily = vk::MemoryPropertyFlags::LAZILY_ALLOCATED;
    types(host).iter().enumerate().filter(|(_, flags)| !flags.contains(lazily)).fold(0, |bits, (i, _)| bits | 1 << i)
}
