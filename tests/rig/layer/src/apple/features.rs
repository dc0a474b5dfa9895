//! The features that the drivers lack and lavapipe has.

use std::mem::offset_of;

use ash::vk;
use ash::vk::TaggedStructure;

use super::host::{Host, host};
use crate::chain;

/// A struct of features, and where in it the lacking ones are, in bytes.
type Lacking = (vk::StructureType, &'static [usize]);

macro_rules! lacking {
    ($($structure:ident: $($member:ident)*;)*) => {
        &[$((
            <vk::$structure<'static> as TaggedStructure>::STRUCTURE_TYPE,
            &[$(offset_of!(vk::$structure<'static>, $member)),*],
        )),*]
    };
}

/// Where in VkPhysicalDeviceFeatures they are.
macro_rules! core {
    ($($member:ident)*) => { &[$(offset_of!(vk::PhysicalDeviceFeatures, $member)),*] };
}

/// What no Apple device does: geometry shaders, sparse resources, 64-bit floats, 64-bit atomics, statistics.
const CORE: &[usize] = core!(
    geometry_shader shader_float64 shader_cull_distance wide_lines depth_bounds pipeline_statistics_query
    shader_resource_residency variable_multisample_rate
    sparse_binding sparse_residency_buffer sparse_residency_image2_d sparse_residency_image3_d
    sparse_residency2_samples sparse_residency4_samples sparse_residency8_samples sparse_residency16_samples
    sparse_residency_aliased
);
const CHAIN: &[Lacking] = lacking!(
    PhysicalDeviceVulkan12Features: shader_buffer_int64_atomics shader_shared_int64_atomics;
    PhysicalDeviceShaderAtomicInt64Features: shader_buffer_int64_atomics shader_shared_int64_atomics;
);

/// Metal's public interface has no logic operations, which MoltenVK therefore lacks.
const MOLTENVK: &[usize] = core!(logic_op);

/// What KosmicKrisp doesn't do yet.
const KOSMICKRISP: &[usize] = core!(
    tessellation_shader shader_tessellation_and_geometry_point_size sample_rate_shading fill_mode_non_solid
    depth_bias_clamp large_points shader_image_gather_extended shader_clip_distance
    vertex_pipeline_stores_and_atomics fragment_stores_and_atomics occlusion_query_precise
);
const KOSMICKRISP_CHAIN: &[Lacking] = lacking!(
    PhysicalDeviceVulkan11Features: storage_input_output16;
    PhysicalDevice16BitStorageFeatures: storage_input_output16;
    PhysicalDeviceVulkan12Features: shader_float16 shader_int8 draw_indirect_count sampler_filter_minmax;
    PhysicalDeviceShaderFloat16Int8Features: shader_float16 shader_int8;
);

fn lacking(host: Host) -> [(&'static [usize], &'static [Lacking]); 2] {
    let own = match host {
        Host::MoltenVk | Host::MoltenVkBare => (MOLTENVK, &[][..]),
        Host::KosmicKrisp => (KOSMICKRISP, KOSMICKRISP_CHAIN),
    };
    [(CORE, CHAIN), own]
}

/// The lacking members that are on, of features and of a chain of structs of features.
///
/// # Safety
/// Null or valid features, and null or a valid chain.
unsafe fn on(
    host: Host,
    features: *mut vk::PhysicalDeviceFeatures,
    chain: *mut vk::BaseOutStructure,
) -> Vec<*mut vk::Bool32> {
    let mut found = Vec::new();
    for (core, others) in lacking(host) {
        if !features.is_null() {
            // SAFETY: the offsets are those of the struct's own members.
            found.extend(core.iter().map(|offset| unsafe { features.byte_add(*offset) }.cast()));
        }
        let mut p = chain;
        // SAFETY: a valid chain, by contract.
        while let Some(s) = unsafe { p.as_mut() } {
            for (_, members) in others.iter().filter(|(tag, _)| *tag == s.s_type) {
                // SAFETY: the offsets are those of the members of the struct that the tag tells of.
                found.extend(members.iter().map(|offset| unsafe { p.byte_add(*offset) }.cast::<vk::Bool32>()));
            }
            p = s.p_next;
        }
    }
    // SAFETY: members of structs that are there.
    found.retain(|p| unsafe { **p } != vk::FALSE);
    found
}

/// Whether a device is asked for a feature that the host lacks.
///
/// # Safety
/// Valid arguments of vkCreateDevice.
pub unsafe fn missing(host: Host, info: &vk::DeviceCreateInfo) -> bool {
    let chain: *mut vk::BaseOutStructure = info.p_next.cast_mut().cast();
    let mut p = chain;
    // SAFETY: the info's own features and chain, by contract; they are only read.
    unsafe {
        while !p.is_null() && (*p).s_type != vk::StructureType::PHYSICAL_DEVICE_FEATURES_2 {
            p = (*p).p_next;
        }
        let two = p.cast::<vk::PhysicalDeviceFeatures2>();
        let core = if two.is_null() { info.p_enabled_features.cast_mut() } else { &raw mut (*two).features };
        !on(host, core, chain).is_empty()
    }
}

pub unsafe extern "system" fn get_features(device: vk::PhysicalDevice, to: *mut vk::PhysicalDeviceFeatures) {
    // SAFETY: called with valid arguments; what the driver has written is changed.
    unsafe {
        let (Some(host), Some(i)) = (host(), chain::instance_of(device)) else { return };
        (i.v1_0.get_physical_device_features)(device, to);
        on(host, to, std::ptr::null_mut()).into_iter().for_each(|p| *p = vk::FALSE);
    }
}

pub unsafe extern "system" fn get_features2(device: vk::PhysicalDevice, to: *mut vk::PhysicalDeviceFeatures2) {
    // SAFETY: called with valid arguments; what the driver has written is changed.
    unsafe {
        let (Some(host), Some(i)) = (host(), chain::instance_of(device)) else { return };
        (i.v1_1.get_physical_device_features2)(device, to);
        on(host, &raw mut (*to).features, (*to).p_next.cast()).into_iter().for_each(|p| *p = vk::FALSE);
    }
}
