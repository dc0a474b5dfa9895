//! vkGetPhysicalDeviceCooperativeMatrixFlexibleDimensionsPropertiesNV, of what was tried out.

use ash::vk;
use hesper_encoder::generated::types::CooperativeMatrixFlexibleDimensionsPropertiesNV as Properties;

use crate::base::chain::enumerate;
use crate::base::object::Part;
use crate::physical::physical_device::PhysicalDevice;
use crate::physical::probe::cooperative_matrix2::{self, EXTENSION};

pub unsafe fn get_physical_device_cooperative_matrix_flexible_dimensions_properties_nv(
    device: vk::PhysicalDevice,
    p_count: *mut u32,
    p_properties: *mut Properties,
) -> vk::Result {
    // SAFETY: a valid handle.
    let found = unsafe { PhysicalDevice::of(device) }.findings();
    let shapes: Vec<_> = cooperative_matrix2::shapes(found.of(EXTENSION.name).unwrap_or_default()).collect();
    let put = |i: usize, to: *mut Properties| {
        let Some(s) = shapes.get(i) else { return };
        // SAFETY: an element of the output array, whose head stays.
        let to = unsafe { &mut *to };
        (to.m_granularity, to.n_granularity, to.k_granularity) = (s.m, s.n, s.k);
        (to.a_type, to.b_type) = (s.types.factors, s.types.factors);
        (to.c_type, to.result_type) = (s.types.sums, s.types.sums);
        to.saturating_accumulation = vk::FALSE;
        to.scope = vk::ScopeKHR::from_raw(s.scope as i32);
        to.workgroup_invocations = s.invocations;
    };
    // SAFETY: a count, and room for as many elements or null.
    unsafe { enumerate(shapes.len(), p_count, p_properties, put) }
}
