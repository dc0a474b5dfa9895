//! Replies whose counts are larger than the arrays they count: a caller that believes them must stay inside its memory.
#![expect(
    clippy::undocumented_unsafe_blocks,
    reason = "all decode into structs of the test's own, as the decoders want them"
)]

use ash::vk;
use hesper_encoder::Reader;
use hesper_encoder::generated::{output, reply};

const TOO_MANY: u32 = u32::MAX - 5;

/// Words of a reply, little endian.
#[derive(Default)]
struct Reply(Vec<u8>);

impl Reply {
    fn u32(mut self, v: u32) -> Self {
        self.0.extend(v.to_le_bytes());
        self
    }
    fn u64(mut self, v: u64) -> Self {
        self.0.extend(v.to_le_bytes());
        self
    }
    /// `n` zero bytes, as the elements of an array.
    fn zeros(mut self, n: usize) -> Self {
        self.0.resize(self.0.len() + n, 0);
        self
    }
    fn read<T>(&self, decode: impl FnOnce(&mut Reader) -> T) -> T {
        let mut r = Reader::new(&self.0);
        let value = decode(&mut r);
        assert!(!r.is_bad(), "the reply is well formed");
        assert!(r.take(1).is_none(), "the whole reply was read");
        value
    }
}

#[test]
fn memory_types_and_heaps() {
    let reply = Reply::default().u32(8).u64(1);
    let reply = reply.u32(TOO_MANY).u64(32).zeros(32 * 8).u32(TOO_MANY).u64(16).zeros(16 * 12);
    let mut p = vk::PhysicalDeviceMemoryProperties::default();
    reply.read(|r| unsafe { reply::get_physical_device_memory_properties(r, vk::PhysicalDevice::null(), &mut p) });
    assert_eq!((p.memory_type_count, p.memory_heap_count), (32, 16));
}

#[test]
fn global_priorities() {
    let s_type = vk::StructureType::QUEUE_FAMILY_GLOBAL_PRIORITY_PROPERTIES_KHR.as_raw() as u32;
    let reply = Reply::default().u32(s_type).u64(0).u32(TOO_MANY).u64(16).zeros(16 * 4);
    let mut p = vk::QueueFamilyGlobalPriorityPropertiesKHR::default();
    reply.read(|r| unsafe { output::queue_family_global_priority_properties_reply(r, &mut p) });
    assert_eq!(p.priority_count, 16);
}

#[test]
fn devices_of_a_group() {
    let s_type = vk::StructureType::PHYSICAL_DEVICE_GROUP_PROPERTIES.as_raw() as u32;
    let reply = Reply::default().u32(s_type).u64(0).u32(TOO_MANY).u64(32).zeros(32 * 8).u32(0);
    let mut p = vk::PhysicalDeviceGroupProperties::default();
    reply.read(|r| unsafe { output::physical_device_group_properties_reply(r, &mut p) });
    assert_eq!(p.physical_device_count, 32);
}

/// The array is the caller's, and so is its length.
#[test]
fn format_modifiers() {
    let s_type = vk::StructureType::DRM_FORMAT_MODIFIER_PROPERTIES_LIST_EXT.as_raw() as u32;
    let reply = Reply::default().u32(s_type).u64(0).u32(TOO_MANY).u64(2).zeros(2 * 16);
    let mut room = [vk::DrmFormatModifierPropertiesEXT::default(); 2];
    let mut p = vk::DrmFormatModifierPropertiesListEXT::default().drm_format_modifier_properties(&mut room);
    reply.read(|r| unsafe { output::drm_format_modifier_properties_list_ext_reply(r, &mut p) });
    assert_eq!(p.drm_format_modifier_count, 2);

    // Without an array only the number was asked for, and is not cut.
    let reply = Reply::default().u32(s_type).u64(0).u32(7).u64(0);
    let mut p = vk::DrmFormatModifierPropertiesListEXT::default();
    reply.read(|r| unsafe { output::drm_format_modifier_properties_list_ext_reply(r, &mut p) });
    assert_eq!(p.drm_format_modifier_count, 7);
}
