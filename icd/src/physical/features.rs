//! Features that the host may have and the driver can't serve: reported as off, and refused at device creation. And those that are the driver's own.

use ash::vk;
use hesper_encoder::Codec;
use hesper_encoder::bits::link;

use crate::generated::features::OFF;
use crate::physical::answers::Answers;

/// A member of a struct of features.
pub struct Feature {
    pub s_type: i32,
    /// Of its VkBool32 in the struct, in bytes.
    pub offset: usize,
    /// In Vulkan's words.
    pub name: &'static str,
    /// Extensions of which a host's codec must know one to carry what the feature needs; none where the driver lacks that itself.
    pub carried_with: &'static [u32],
}

impl Feature {
    /// Whether it is off on a host with this codec.
    fn is_off(&self, codec: &Codec) -> bool {
        !self.carried_with.iter().any(|number| codec.has(*number))
    }
}

/// Whether a struct of features, which then has one member, tells of what the driver does itself: swapchains. None of these structs travels.
pub fn of_driver(s_type: vk::StructureType) -> bool {
    use vk::StructureType as S;
    // VkPhysicalDevicePresentId2FeaturesKHR and VkPhysicalDevicePresentWait2FeaturesKHR.
    const ID_2: S = S::from_raw(1_000_479_002);
    const WAIT_2: S = S::from_raw(1_000_480_001);
    [
        S::PHYSICAL_DEVICE_PRESENT_ID_FEATURES_KHR,
        S::PHYSICAL_DEVICE_PRESENT_WAIT_FEATURES_KHR,
        ID_2,
        WAIT_2,
        S::PHYSICAL_DEVICE_SWAPCHAIN_MAINTENANCE_1_FEATURES_EXT,
    ]
    .contains(&s_type)
}

/// Switches them off in what a host with this codec answered.
pub fn switch_off(answers: &mut Answers, codec: &Codec) {
    for f in OFF.iter().filter(|f| f.is_off(codec)) {
        if let Some(word) = answers.word_mut(f.s_type, f.offset) {
            *word = vk::FALSE;
        }
    }
}

/// The first of them that a device is asked for, on a host with this codec.
///
/// # Safety
/// `next` must be null or the valid chain of a VkDeviceCreateInfo.
pub unsafe fn asked_for(next: *const core::ffi::c_void, codec: &Codec) -> Option<&'static Feature> {
    OFF.iter().filter(|f| f.is_off(codec)).find(|f| {
        // SAFETY: a valid chain, and a link of this sType has a VkBool32 at the offset.
        unsafe {
            link(next.cast(), f.s_type).is_some_and(|l| l.byte_add(f.offset).cast::<vk::Bool32>().read() != vk::FALSE)
        }
    })
}

#[cfg(test)]
mod tests {
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
        switch_off(&mut answers, &Codec::ALL);
        let f = answers.get_mut::<vk::PhysicalDeviceExtendedDynamicState3FeaturesEXT>().unwrap();
        assert_eq!((f.extended_dynamic_state3_viewport_swizzle, f.extended_dynamic_state3_polygon_mode), (0, 1));
        let mut lacking = OFF.iter().filter(|f| f.carried_with.is_empty());
        assert!(lacking.all(|f| answers.word_mut(f.s_type, f.offset).is_some_and(|w| *w == 0)), "all are asked for");
    }

    /// VK_NV_framebuffer_mixed_samples (153) is newer than VK_EXT_extended_dynamic_state3 in the protocol: a host may know the struct, and not the command.
    #[test]
    fn what_the_hosts_codec_can_not_carry_is_cut() {
        let mut older = Codec { version: 0x1_0004, ..Codec::ALL };
        older.mask[153 / 32] &= !(1 << (153 % 32));
        for (codec, expected) in [(older, vk::FALSE), (Codec::ALL, vk::TRUE)] {
            let (mut answers, _) = Answers::prepare(&FEATURES, &codec);
            let f = answers.get_mut::<vk::PhysicalDeviceExtendedDynamicState3FeaturesEXT>().unwrap();
            f.extended_dynamic_state3_coverage_modulation_mode = vk::TRUE;
            let asked = *f;
            switch_off(&mut answers, &codec);
            let f = answers.get_mut::<vk::PhysicalDeviceExtendedDynamicState3FeaturesEXT>().unwrap();
            assert_eq!(f.extended_dynamic_state3_coverage_modulation_mode, expected);
            let info = vk::DeviceCreateInfo { p_next: (&raw const asked).cast(), ..Default::default() };
            // SAFETY: a chain of the struct, whose own is no more than what `prepare` has made.
            let refused = unsafe { asked_for(info.p_next, &codec) };
            assert_eq!(refused.is_some(), expected == vk::FALSE);
        }
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
            unsafe { asked_for(info.p_next, &Codec::ALL) }.map(|f| f.name)
        };
        assert_eq!(asked(true, true), Some("extendedDynamicState3ViewportSwizzle"));
        assert_eq!(asked(false, true), None);
    }
}
