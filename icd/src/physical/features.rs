//! Features that the host may have and the driver can't serve: reported as off, and refused at device creation. And those that are the driver's own.

use std::ffi::{CStr, c_void};

use ash::vk;
use hesper_encoder::bits::link;

use crate::base::chain::find_tagged;
use crate::generated::features::OFF;
use crate::physical::answers::Answers;

/// Mappings at addresses that the program picks.
pub const MAP_MEMORY_PLACED: &CStr = c"VK_EXT_map_memory_placed";

/// A member of a struct of features.
pub struct Feature {
    pub s_type: i32,
    /// Of its VkBool32 in the struct, in bytes.
    pub offset: usize,
    /// In Vulkan's words.
    pub name: &'static str,
}

/// A struct of features that the driver serves itself. It never travels.
pub struct OfDriver {
    s_type: vk::StructureType,
    /// Where this extension is not offered, all of them are off.
    pub extension: &'static CStr,
    /// The struct's members, and whether the driver has them.
    members: &'static [(&'static str, bool)],
}

/// VkPhysicalDevicePresentId2FeaturesKHR.
const PRESENT_ID_2: vk::StructureType = vk::StructureType::from_raw(1_000_479_002);
/// VkPhysicalDeviceInternallySynchronizedQueuesFeaturesKHR.
const INTERNALLY_SYNCHRONIZED_QUEUES: vk::StructureType = vk::StructureType::from_raw(1_000_504_000);
/// VkPhysicalDevicePresentWait2FeaturesKHR.
const PRESENT_WAIT_2: vk::StructureType = vk::StructureType::from_raw(1_000_480_001);

static OF_DRIVER: [OfDriver; 8] = [
    OfDriver {
        s_type: vk::StructureType::PHYSICAL_DEVICE_PRESENT_ID_FEATURES_KHR,
        extension: c"VK_KHR_present_id",
        members: &[("presentId", true)],
    },
    OfDriver {
        s_type: vk::StructureType::PHYSICAL_DEVICE_PRESENT_WAIT_FEATURES_KHR,
        extension: c"VK_KHR_present_wait",
        members: &[("presentWait", true)],
    },
    OfDriver { s_type: PRESENT_ID_2, extension: c"VK_KHR_present_id2", members: &[("presentId2", true)] },
    OfDriver { s_type: PRESENT_WAIT_2, extension: c"VK_KHR_present_wait2", members: &[("presentWait2", true)] },
    OfDriver {
        s_type: vk::StructureType::PHYSICAL_DEVICE_SWAPCHAIN_MAINTENANCE_1_FEATURES_EXT,
        extension: c"VK_EXT_swapchain_maintenance1",
        members: &[("swapchainMaintenance1", true)],
    },
    OfDriver {
        s_type: vk::StructureType::PHYSICAL_DEVICE_DEVICE_MEMORY_REPORT_FEATURES_EXT,
        extension: c"VK_EXT_device_memory_report",
        members: &[("deviceMemoryReport", true)],
    },
    OfDriver {
        s_type: INTERNALLY_SYNCHRONIZED_QUEUES,
        extension: c"VK_KHR_internally_synchronized_queues",
        members: &[("internallySynchronizedQueues", true)],
    },
    OfDriver {
        s_type: vk::StructureType::PHYSICAL_DEVICE_MAP_MEMORY_PLACED_FEATURES_EXT,
        extension: MAP_MEMORY_PLACED,
        // The kernel maps whole blobs alone.
        members: &[("memoryMapPlaced", true), ("memoryMapRangePlaced", false), ("memoryUnmapReserve", true)],
    },
];

/// The struct with this sType, if it tells of what the driver does itself.
pub fn of_driver(s_type: vk::StructureType) -> Option<&'static OfDriver> {
    OF_DRIVER.iter().find(|s| s.s_type == s_type)
}

impl OfDriver {
    /// Says which features there are.
    ///
    /// # Safety
    /// A valid struct of this sType.
    pub unsafe fn fill(&self, to: *mut vk::BaseOutStructure<'static>, offered: bool) {
        // SAFETY: the members follow the head.
        let first = unsafe { to.add(1) }.cast::<vk::Bool32>();
        for (i, (_, there)) in self.members.iter().enumerate() {
            // SAFETY: one of as many members as the struct has.
            unsafe { first.add(i).write((offered && *there).into()) };
        }
    }

    /// The first feature that a device is asked for and isn't there.
    ///
    /// # Safety
    /// Null or the valid chain of a VkDeviceCreateInfo.
    unsafe fn asked_for(&self, next: *const c_void, offered: bool) -> Option<&'static str> {
        // SAFETY: valid by contract.
        let asked = unsafe { find_tagged(next, self.s_type) }?;
        // SAFETY: the members follow the head.
        let first = unsafe { asked.add(1) }.cast::<vk::Bool32>();
        let lacking = |i: usize, there: bool| {
            // SAFETY: one of as many members as the struct has.
            !(offered && there) && unsafe { first.add(i).read() } != vk::FALSE
        };
        self.members.iter().enumerate().find(|(i, (_, there))| lacking(*i, *there)).map(|(_, (name, _))| *name)
    }
}

/// Switches them off in what the host answered.
pub fn switch_off(answers: &mut Answers) {
    for f in &OFF {
        if let Some(word) = answers.word_mut(f.s_type, f.offset) {
            *word = vk::FALSE;
        }
    }
}

/// The first feature that a device is asked for and the driver doesn't serve, of which `offers` tells whether it has an extension of the driver's own.
///
/// # Safety
/// `next` must be null or the valid chain of a VkDeviceCreateInfo.
pub unsafe fn asked_for(next: *const c_void, offers: impl Fn(&CStr) -> bool) -> Option<&'static str> {
    let off = OFF.iter().find(|f| {
        // SAFETY: a valid chain, and a link of this sType has a VkBool32 at the offset.
        unsafe {
            link(next.cast(), f.s_type).is_some_and(|l| l.byte_add(f.offset).cast::<vk::Bool32>().read() != vk::FALSE)
        }
    });
    // SAFETY: a valid chain.
    let lacking = || OF_DRIVER.iter().find_map(|s| unsafe { s.asked_for(next, offers(s.extension)) });
    off.map(|f| f.name).or_else(lacking)
}

#[cfg(test)]
mod tests {
    use hesper_encoder::Codec;

    use super::*;
    use crate::generated::queries::FEATURES;

    /// A host that has everything.
    #[test]
    fn what_the_host_has_is_cut() {
        let (mut answers, _) = Answers::prepare(&FEATURES, &Codec::ALL);
        let on = |f: &mut vk::PhysicalDeviceExtendedDynamicState3FeaturesEXT<'_>| {
            f.extended_dynamic_state3_viewport_swizzle = vk::TRUE;
            f.extended_dynamic_state3_polygon_mode = vk::TRUE;
        };
        on(answers.get_mut::<vk::PhysicalDeviceExtendedDynamicState3FeaturesEXT>().unwrap());
        switch_off(&mut answers);
        let f = answers.get_mut::<vk::PhysicalDeviceExtendedDynamicState3FeaturesEXT>().unwrap();
        assert_eq!((f.extended_dynamic_state3_viewport_swizzle, f.extended_dynamic_state3_polygon_mode), (0, 1));
        assert!(OFF.iter().all(|f| answers.word_mut(f.s_type, f.offset).is_some_and(|w| *w == 0)), "all are asked for");
    }

    #[test]
    fn a_device_can_not_have_them() {
        let asked = |swizzle, polygon| {
            let mut f = vk::PhysicalDeviceExtendedDynamicState3FeaturesEXT::default()
                .extended_dynamic_state3_viewport_swizzle(swizzle)
                .extended_dynamic_state3_polygon_mode(polygon);
            let mut other = vk::PhysicalDeviceMultiviewFeatures::default();
            let info = vk::DeviceCreateInfo::default().push_next(&mut f).push_next(&mut other);
            // SAFETY: a valid chain.
            unsafe { asked_for(info.p_next, |_| true) }
        };
        assert_eq!(asked(true, true), Some("extendedDynamicState3ViewportSwizzle"));
        assert_eq!(asked(false, true), None);
    }

    #[test]
    fn features_of_the_drivers_own_are_told_and_refused_by_the_same_table() {
        for own in &OF_DRIVER {
            for offered in [true, false] {
                // As long as the longest of these structs.
                let mut told =
                    vk::PhysicalDeviceMapMemoryPlacedFeaturesEXT { s_type: own.s_type, ..Default::default() };
                assert!(own.members.len() <= 3);
                // SAFETY: a struct that is long enough.
                unsafe { of_driver(own.s_type).unwrap().fill((&raw mut told).cast(), offered) };
                let asked = |s: &vk::PhysicalDeviceMapMemoryPlacedFeaturesEXT<'_>| {
                    // SAFETY: a chain of one struct.
                    unsafe { asked_for(std::ptr::from_ref(s).cast(), |e| e == own.extension && offered) }
                };
                assert_eq!(asked(&told), None, "{:?}", own.extension);
                told = told.memory_map_placed(true).memory_map_range_placed(true).memory_unmap_reserve(true);
                let lacking = own.members.iter().find(|(_, there)| !(offered && *there)).map(|(name, _)| *name);
                assert_eq!(asked(&told), lacking, "{:?}", own.extension);
            }
        }
        assert!(of_driver(vk::StructureType::PHYSICAL_DEVICE_FEATURES_2).is_none());
    }
}
