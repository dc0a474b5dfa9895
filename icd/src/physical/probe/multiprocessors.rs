//! VK_NV_shader_sm_builtins. llama.cpp chooses by the number of multiprocessors how to split its matrix products.

use ash::vk;

use crate::physical::probe::extension::Extension;
use crate::physical::probe::planned::{Data, Planned};
use crate::physical::probe::trial::Told;

const SHADER: &[u8] = include_bytes!("../../../shaders/generated/multiprocessors.comp.spv");

/// Its numbers are those of the multiprocessors and of warps on each.
pub const EXTENSION: Extension = Extension {
    name: c"VK_NV_shader_sm_builtins",
    needs: |_| true,
    extends: None,
    features: vk::StructureType::PHYSICAL_DEVICE_SHADER_SM_BUILTINS_FEATURES_NV,
    members: &["shaderSMBuiltins"],
    properties: Some(vk::StructureType::PHYSICAL_DEVICE_SHADER_SM_BUILTINS_PROPERTIES_NV),
    runs: |_| vec![Planned::new(SHADER, Vec::new(), || Data { given: Vec::new(), room: 8, right: Vec::new() })],
    judge: |_, _, told| match told {
        [Told::Wrote(bytes)] => Some(words(bytes)),
        _ => None,
    },
    possible: |numbers| matches!(numbers, [1..=65_536, 1..=1024]),
    has: |_, _| true,
    limits: <[u32]>::to_vec,
};

fn words(bytes: &[u8]) -> Vec<u32> {
    bytes.chunks_exact(4).map(|w| w.iter().rev().fold(0, |a, b| a << 8 | u32::from(*b))).collect()
}
