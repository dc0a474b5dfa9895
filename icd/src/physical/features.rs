//! Features that the host may have and the driver can't serve: reported as off, and refused at device creation. And those that are the driver's own.

use ash::vk;
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

/// Switches them off in what the host answered.
pub fn switch_off(answers: &mut Answers) {
    for f in &OFF {
        if let Some(word) = answers.word_mut(f.s_type, f.offset) {
            *word = vk::FALSE;
        }
    }
}

/// The first of them that a device is asked for.
///
/// # Safety
/// `next` must be null or the valid chain of a VkDeviceCreateInfo.
pub unsafe fn asked_for(next: *const core::ffi::c_void) -> Option<&'static Feature> {
    OFF.iter().find(|f| {
        // SAFETY: a valid chain, and a link of this sType has a VkBool32 at the offset.
        unsafe {
            link(next.cast(), f.s_type).is_some_and(|l| l.byte_add(f.offset).cast::<vk::Bool32>().read() != vk::FALSE)
        }
    })
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
            unsafe { asked_for(info.p_next) }.map(|f| f.name)
        };
        assert_eq!(asked(true, true), Some("extendedDynamicState3ViewportSwizzle"));
        assert_eq!(asked(false, true), None);
    }
}
