//! What the device of a trial enables: what shaders of matrices use beside what is tried out, as far as the host has it.

use std::ffi::CStr;

use ash::vk;
use hesper_encoder::generated::types;

use crate::generated::queries::FEATURES;
use crate::physical::answers::Answers;

const MATRICES: &CStr = ash::khr::cooperative_matrix::NAME;
const BFLOAT16: &CStr = c"VK_KHR_shader_bfloat16";

/// Features of the host's device, none of them without VK_KHR_cooperative_matrix, by their names in Vulkan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Features {
    pub cooperative_matrix: vk::Bool32,
    pub shader_int16: vk::Bool32,
    pub storage_buffer16_bit_access: vk::Bool32,
    pub storage_buffer8_bit_access: vk::Bool32,
    pub shader_float16: vk::Bool32,
    pub shader_int8: vk::Bool32,
    pub buffer_device_address: vk::Bool32,
    pub vulkan_memory_model: vk::Bool32,
    pub vulkan_memory_model_device_scope: vk::Bool32,
    /// shaderBFloat16Type, and the two others of its struct.
    pub bfloat16: vk::Bool32,
    pub bfloat16_dot_product: vk::Bool32,
    pub bfloat16_cooperative_matrix: vk::Bool32,
}

impl Features {
    /// By what the host's device answered; `offers` tells of its extensions.
    pub fn of(
        core: &vk::PhysicalDeviceFeatures,
        more: &Answers,
        api_version: u32,
        offers: &dyn Fn(&CStr) -> bool,
    ) -> Self {
        // The shaders are for Vulkan 1.3, and need maintenance4 for work groups whose size is a specialization constant.
        if !offers(MATRICES) || api_version < vk::API_VERSION_1_3 {
            return Self::default();
        }
        let mut bfloat16 = types::PhysicalDeviceShaderBfloat16FeaturesKHR::default();
        let mut matrices = vk::PhysicalDeviceCooperativeMatrixFeaturesKHR::default();
        let mut features11 = vk::PhysicalDeviceVulkan11Features::default();
        let mut features12 = vk::PhysicalDeviceVulkan12Features::default();
        if offers(BFLOAT16) {
            matrices.p_next = (&raw mut bfloat16).cast();
        }
        features12.p_next = (&raw mut matrices).cast();
        features11.p_next = (&raw mut features12).cast();
        // SAFETY: a chain of structs made here.
        unsafe { more.fill((&raw mut features11).cast(), &FEATURES, |_| {}) };
        if matrices.cooperative_matrix == vk::FALSE {
            return Self::default();
        }
        Self {
            cooperative_matrix: matrices.cooperative_matrix,
            shader_int16: core.shader_int16,
            storage_buffer16_bit_access: features11.storage_buffer16_bit_access,
            storage_buffer8_bit_access: features12.storage_buffer8_bit_access,
            shader_float16: features12.shader_float16,
            shader_int8: features12.shader_int8,
            buffer_device_address: features12.buffer_device_address,
            vulkan_memory_model: features12.vulkan_memory_model,
            vulkan_memory_model_device_scope: features12.vulkan_memory_model_device_scope,
            bfloat16: bfloat16.shader_b_float16_type,
            bfloat16_dot_product: bfloat16.shader_b_float16_dot_product,
            bfloat16_cooperative_matrix: bfloat16.shader_b_float16_cooperative_matrix,
        }
    }

    /// Whether matrices are there, without which nothing else of this is.
    pub fn has_matrices(&self) -> bool {
        self.cooperative_matrix != vk::FALSE
    }

    /// Whether a shader may have matrices of bfloat16.
    pub fn has_bfloat16_matrices(&self) -> bool {
        self.bfloat16 != vk::FALSE && self.bfloat16_cooperative_matrix != vk::FALSE
    }
}

#[cfg(test)]
mod tests {
    use hesper_encoder::Codec;

    use super::*;

    /// What a device has that answers as `answer` corrects it.
    fn of(api_version: u32, offered: &[&CStr], answer: impl FnOnce(&mut Answers)) -> Features {
        let core = vk::PhysicalDeviceFeatures { shader_int16: vk::TRUE, ..Default::default() };
        let (mut more, _) = Answers::prepare(&FEATURES, &Codec::ALL);
        let features12: &mut vk::PhysicalDeviceVulkan12Features = more.get_mut().unwrap();
        features12.shader_float16 = vk::TRUE;
        let matrices: &mut vk::PhysicalDeviceCooperativeMatrixFeaturesKHR = more.get_mut().unwrap();
        matrices.cooperative_matrix = vk::TRUE;
        // The third member of VkPhysicalDeviceShaderBfloat16FeaturesKHR, and the first.
        for offset in [16, 24] {
            *more.word_mut(1_000_141_000, offset).unwrap() = vk::TRUE;
        }
        answer(&mut more);
        Features::of(&core, &more, api_version, &|name| offered.contains(&name))
    }

    #[test]
    fn they_are_the_hosts() {
        let all = of(vk::API_VERSION_1_3, &[MATRICES, BFLOAT16], |_| {});
        assert!(all.has_matrices() && all.has_bfloat16_matrices());
        assert_eq!((all.shader_int16, all.shader_float16, all.shader_int8), (vk::TRUE, vk::TRUE, vk::FALSE));
        let without = of(vk::API_VERSION_1_3, &[MATRICES], |_| {});
        assert!(without.has_matrices() && without.bfloat16 == vk::FALSE && !without.has_bfloat16_matrices());
        let type_alone = of(vk::API_VERSION_1_3, &[MATRICES, BFLOAT16], |more| {
            *more.word_mut(1_000_141_000, 24).unwrap() = vk::FALSE;
        });
        assert!(type_alone.bfloat16 == vk::TRUE && !type_alone.has_bfloat16_matrices());
    }

    /// The extension alone says nothing: a device may have it without its feature.
    #[test]
    fn without_matrices_there_is_nothing() {
        assert_eq!(of(vk::API_VERSION_1_2, &[MATRICES, BFLOAT16], |_| {}), Features::default());
        assert_eq!(of(vk::API_VERSION_1_3, &[BFLOAT16], |_| {}), Features::default());
        let switched_off = of(vk::API_VERSION_1_3, &[MATRICES, BFLOAT16], |more| {
            more.get_mut::<vk::PhysicalDeviceCooperativeMatrixFeaturesKHR>().unwrap().cooperative_matrix = vk::FALSE;
        });
        assert_eq!(switched_off, Features::default());
    }
}
