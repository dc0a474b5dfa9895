//! `HESPER_TEST_LAYER_DISCRETE`: a device with one kind of memory shows it as two, one that only the host's programs map and one that
//! only the device has, as graphics cards have without access to all of their memory.

use std::sync::OnceLock;

use ash::vk;

use crate::chain;

/// Whether it was asked for.
pub fn on() -> bool {
    static ON: OnceLock<bool> = OnceLock::new();
    *ON.get_or_init(|| std::env::var_os("HESPER_TEST_LAYER_DISCRETE").is_some())
}

/// The device's own memory, which stands behind the one real type.
const OWN: usize = 1;

/// Shows the second type. What has several types already stays as it is.
pub fn split(p: &mut vk::PhysicalDeviceMemoryProperties) {
    if !on() || p.memory_type_count != 1 {
        return;
    }
    let [first, own, ..] = &mut p.memory_types;
    (own.heap_index, own.property_flags) = (first.heap_index, vk::MemoryPropertyFlags::DEVICE_LOCAL);
    first.property_flags &= !vk::MemoryPropertyFlags::DEVICE_LOCAL;
    p.memory_type_count = 2;
}

/// The real type behind a shown one, where that isn't the same.
pub fn real_type(properties: &vk::PhysicalDeviceMemoryProperties, shown: u32) -> Option<u32> {
    (on() && properties.memory_type_count == 1 && shown as usize == OWN).then_some(0)
}

/// What fits into the real type fits into the second one.
trait Widen {
    fn widen(&mut self);
}

impl Widen for vk::MemoryRequirements {
    fn widen(&mut self) {
        if self.memory_type_bits == 1 {
            self.memory_type_bits |= 1 << OWN;
        }
    }
}

impl Widen for vk::MemoryRequirements2<'_> {
    fn widen(&mut self) {
        self.memory_requirements.widen();
    }
}

/// Defines questions for requirements that hand on and widen the answer.
macro_rules! widened {
    ($($entry:ident($version:ident, $what:ty, $answer:ty);)*) => {$(
        pub unsafe extern "system" fn $entry(device: vk::Device, what: $what, to: *mut $answer) {
            // SAFETY: called with valid arguments.
            unsafe {
                let Some(d) = chain::device(device) else { return };
                (d.$version.$entry)(device, what, to);
                (*to).widen();
            }
        }
    )*};
}

widened! {
    get_buffer_memory_requirements(v1_0, vk::Buffer, vk::MemoryRequirements);
    get_image_memory_requirements(v1_0, vk::Image, vk::MemoryRequirements);
    get_buffer_memory_requirements2(v1_1, *const vk::BufferMemoryRequirementsInfo2, vk::MemoryRequirements2);
    get_image_memory_requirements2(v1_1, *const vk::ImageMemoryRequirementsInfo2, vk::MemoryRequirements2);
    get_device_buffer_memory_requirements(v1_3, *const vk::DeviceBufferMemoryRequirements, vk::MemoryRequirements2);
    get_device_image_memory_requirements(v1_3, *const vk::DeviceImageMemoryRequirements, vk::MemoryRequirements2);
}
