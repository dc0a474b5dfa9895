//! Structs that travel both ways: the request encoder writes every word in the order that the struct has it in memory, and the reply
//! decoder reads back the same. ash has laid most of the structs out, so that a mistake of the generator that is the same both ways shows.

use std::collections::{BTreeSet, HashMap};
use std::mem::size_of;
use std::sync::LazyLock;

use ash::vk;
use hesper_encoder::generated::{input, output, types};
use hesper_encoder::{Codec, Reader, Scratch};

/// Words before the struct's own members, in memory: sType, padding, pNext.
const HEADER: usize = 4;
/// The same on the wire: sType, and a pNext that is null.
const WIRE_HEADER: usize = 12;

/// The structs of the list by their plain names: whether one has a header, and the kinds of its members.
static STRUCTS: LazyLock<HashMap<String, (bool, Vec<&'static str>)>> = LazyLock::new(|| {
    let mut structs: Vec<(String, (bool, Vec<&'static str>))> = Vec::new();
    let mut in_struct = false;
    for line in hesper_decoder::Schema::text().lines() {
        // Each line is memory of its own: Miri's rules take the longer the more parts of the same memory are in use.
        let line: &'static str = line.to_owned().leak();
        let columns: Vec<&str> = line.split('\t').collect();
        if columns[0] == "-" {
            if let Some(last) = structs.last_mut().filter(|_| in_struct) {
                last.1.1.push(columns[2]);
            }
            continue;
        }
        in_struct = columns[0] == "struct";
        if in_struct {
            structs.push((plain(columns[2]), (columns[1] != "-", Vec::new())));
        }
    }
    structs.into_iter().collect()
});

fn plain(name: &str) -> String {
    name.trim_start_matches("Vk").replace('_', "").to_lowercase()
}

/// Whether a struct has a header, and the words of its members, by the list of what there is.
fn members(name: &str) -> (bool, usize) {
    let (has_header, kinds) = &STRUCTS.get(&plain(name)).expect("a struct of the list");
    let words = kinds.iter().map(|kind| match kind.split_once(' ') {
        None if *kind == "scalar4" => 1,
        None if *kind == "scalar8" => 2,
        Some(("struct", inner)) => members(inner).1,
        _ => panic!("{name} has a member of a kind that isn't known here: {kind}"),
    });
    (*has_header, words.sum())
}

fn words<T>(s: &mut T) -> &mut [u32] {
    // SAFETY: all structs here are numbers, of which any bits are valid, behind a header that stays zeros.
    unsafe { std::slice::from_raw_parts_mut((&raw mut *s).cast::<u32>(), size_of::<T>() / 4) }
}

fn zeroed<T>() -> T {
    // SAFETY: as above.
    unsafe { std::mem::zeroed() }
}

macro_rules! both_ways {
    ($($name:ident $reply:ident $type:ty,)*) => {
        const NAMES: &[&str] = &[$(stringify!($name)),*];

        mod both_ways {
            use super::*;

            $(#[test]
            fn $name() {
                let (has_header, count) = members(stringify!($name));
                let header = if has_header { HEADER } else { 0 };
                let (mut from, mut to) = (zeroed::<$type>(), zeroed::<$type>());
                for (i, w) in words(&mut from).iter_mut().enumerate().skip(header) {
                    *w = 0x0101_0101u32.wrapping_mul(i as u32) ^ 0x8000_0001;
                }
                // What isn't written back shows.
                words(&mut to)[header..].fill(0xeeee_eeee);
                let mut scratch = Scratch::default();
                // SAFETY: a valid struct without a chain.
                let bytes = scratch.encode(&Codec::ALL, |w| unsafe { input::$name(w, &from) }).unwrap().to_vec();
                let own = &words(&mut from)[header..];
                let padding = if has_header { count % 2 } else { 0 };
                assert_eq!(own.len(), count + padding, "the struct has other members than the list");
                let wire: Vec<u32> = bytes[if has_header { WIRE_HEADER } else { 0 }..]
                    .chunks(4)
                    .map(|c| u32::from_le_bytes(c.try_into().unwrap()))
                    .collect();
                assert_eq!(wire, own[..count]);
                let mut reader = Reader::new(&bytes);
                // SAFETY: a valid struct without a chain.
                unsafe { output::$reply(&mut reader, &mut to) };
                assert!(!reader.is_bad(), "{} bytes can't be read back", bytes.len());
                assert!(reader.take(1).is_none(), "more was written than read");
                // A header has padding, which nothing may look at.
                assert_eq!(words(&mut from)[header..][..count], words(&mut to)[header..][..count]);
                let mut short = Reader::new(&bytes[..bytes.len() - 1]);
                // SAFETY: as above.
                unsafe { output::$reply(&mut short, &mut to) };
                assert!(short.is_bad(), "a reply that is cut short isn't found out");
            })*
        }
    };
}

both_ways! {
    extent2_d extent2_d_reply vk::Extent2D,
    extent3_d extent3_d_reply vk::Extent3D,
    physical_device16_bit_storage_features physical_device16_bit_storage_features_reply vk::PhysicalDevice16BitStorageFeatures,
    physical_device4444_formats_features_ext physical_device4444_formats_features_ext_reply vk::PhysicalDevice4444FormatsFeaturesEXT,
    physical_device8_bit_storage_features physical_device8_bit_storage_features_reply vk::PhysicalDevice8BitStorageFeatures,
    physical_device_acceleration_structure_features_khr physical_device_acceleration_structure_features_khr_reply vk::PhysicalDeviceAccelerationStructureFeaturesKHR,
    physical_device_attachment_feedback_loop_dynamic_state_features_ext physical_device_attachment_feedback_loop_dynamic_state_features_ext_reply vk::PhysicalDeviceAttachmentFeedbackLoopDynamicStateFeaturesEXT,
    physical_device_attachment_feedback_loop_layout_features_ext physical_device_attachment_feedback_loop_layout_features_ext_reply vk::PhysicalDeviceAttachmentFeedbackLoopLayoutFeaturesEXT,
    physical_device_blend_operation_advanced_features_ext physical_device_blend_operation_advanced_features_ext_reply vk::PhysicalDeviceBlendOperationAdvancedFeaturesEXT,
    physical_device_border_color_swizzle_features_ext physical_device_border_color_swizzle_features_ext_reply vk::PhysicalDeviceBorderColorSwizzleFeaturesEXT,
    physical_device_buffer_device_address_features physical_device_buffer_device_address_features_reply vk::PhysicalDeviceBufferDeviceAddressFeatures,
    physical_device_buffer_device_address_features_ext physical_device_buffer_device_address_features_ext_reply vk::PhysicalDeviceBufferDeviceAddressFeaturesEXT,
    physical_device_color_write_enable_features_ext physical_device_color_write_enable_features_ext_reply vk::PhysicalDeviceColorWriteEnableFeaturesEXT,
    physical_device_compute_shader_derivatives_features_khr physical_device_compute_shader_derivatives_features_khr_reply vk::PhysicalDeviceComputeShaderDerivativesFeaturesNV,
    physical_device_conditional_rendering_features_ext physical_device_conditional_rendering_features_ext_reply vk::PhysicalDeviceConditionalRenderingFeaturesEXT,
    physical_device_cooperative_matrix_features_khr physical_device_cooperative_matrix_features_khr_reply vk::PhysicalDeviceCooperativeMatrixFeaturesKHR,
    physical_device_custom_border_color_features_ext physical_device_custom_border_color_features_ext_reply vk::PhysicalDeviceCustomBorderColorFeaturesEXT,
    physical_device_depth_bias_control_features_ext physical_device_depth_bias_control_features_ext_reply vk::PhysicalDeviceDepthBiasControlFeaturesEXT,
    physical_device_depth_clamp_control_features_ext physical_device_depth_clamp_control_features_ext_reply types::PhysicalDeviceDepthClampControlFeaturesEXT,
    physical_device_depth_clamp_zero_one_features_khr physical_device_depth_clamp_zero_one_features_khr_reply vk::PhysicalDeviceDepthClampZeroOneFeaturesEXT,
    physical_device_depth_clip_control_features_ext physical_device_depth_clip_control_features_ext_reply vk::PhysicalDeviceDepthClipControlFeaturesEXT,
    physical_device_depth_clip_enable_features_ext physical_device_depth_clip_enable_features_ext_reply vk::PhysicalDeviceDepthClipEnableFeaturesEXT,
    physical_device_descriptor_heap_features_ext physical_device_descriptor_heap_features_ext_reply types::PhysicalDeviceDescriptorHeapFeaturesEXT,
    physical_device_descriptor_indexing_features physical_device_descriptor_indexing_features_reply vk::PhysicalDeviceDescriptorIndexingFeatures,
    physical_device_dynamic_rendering_features physical_device_dynamic_rendering_features_reply vk::PhysicalDeviceDynamicRenderingFeatures,
    physical_device_dynamic_rendering_local_read_features physical_device_dynamic_rendering_local_read_features_reply vk::PhysicalDeviceDynamicRenderingLocalReadFeaturesKHR,
    physical_device_dynamic_rendering_unused_attachments_features_ext physical_device_dynamic_rendering_unused_attachments_features_ext_reply vk::PhysicalDeviceDynamicRenderingUnusedAttachmentsFeaturesEXT,
    physical_device_extended_dynamic_state2_features_ext physical_device_extended_dynamic_state2_features_ext_reply vk::PhysicalDeviceExtendedDynamicState2FeaturesEXT,
    physical_device_extended_dynamic_state3_features_ext physical_device_extended_dynamic_state3_features_ext_reply vk::PhysicalDeviceExtendedDynamicState3FeaturesEXT,
    physical_device_extended_dynamic_state_features_ext physical_device_extended_dynamic_state_features_ext_reply vk::PhysicalDeviceExtendedDynamicStateFeaturesEXT,
    physical_device_features physical_device_features_reply vk::PhysicalDeviceFeatures,
    physical_device_features2 physical_device_features2_reply vk::PhysicalDeviceFeatures2,
    physical_device_fragment_shader_barycentric_features_khr physical_device_fragment_shader_barycentric_features_khr_reply vk::PhysicalDeviceFragmentShaderBarycentricFeaturesKHR,
    physical_device_fragment_shader_interlock_features_ext physical_device_fragment_shader_interlock_features_ext_reply vk::PhysicalDeviceFragmentShaderInterlockFeaturesEXT,
    physical_device_fragment_shading_rate_features_khr physical_device_fragment_shading_rate_features_khr_reply vk::PhysicalDeviceFragmentShadingRateFeaturesKHR,
    physical_device_global_priority_query_features physical_device_global_priority_query_features_reply vk::PhysicalDeviceGlobalPriorityQueryFeaturesKHR,
    physical_device_graphics_pipeline_library_features_ext physical_device_graphics_pipeline_library_features_ext_reply vk::PhysicalDeviceGraphicsPipelineLibraryFeaturesEXT,
    physical_device_host_image_copy_features physical_device_host_image_copy_features_reply vk::PhysicalDeviceHostImageCopyFeaturesEXT,
    physical_device_host_query_reset_features physical_device_host_query_reset_features_reply vk::PhysicalDeviceHostQueryResetFeatures,
    physical_device_image2_d_view_of3_d_features_ext physical_device_image2_d_view_of3_d_features_ext_reply vk::PhysicalDeviceImage2DViewOf3DFeaturesEXT,
    physical_device_image_robustness_features physical_device_image_robustness_features_reply vk::PhysicalDeviceImageRobustnessFeatures,
    physical_device_image_sliced_view_of3_d_features_ext physical_device_image_sliced_view_of3_d_features_ext_reply vk::PhysicalDeviceImageSlicedViewOf3DFeaturesEXT,
    physical_device_image_view_min_lod_features_ext physical_device_image_view_min_lod_features_ext_reply vk::PhysicalDeviceImageViewMinLodFeaturesEXT,
    physical_device_imageless_framebuffer_features physical_device_imageless_framebuffer_features_reply vk::PhysicalDeviceImagelessFramebufferFeatures,
    physical_device_index_type_uint8_features physical_device_index_type_uint8_features_reply vk::PhysicalDeviceIndexTypeUint8FeaturesKHR,
    physical_device_inline_uniform_block_features physical_device_inline_uniform_block_features_reply vk::PhysicalDeviceInlineUniformBlockFeatures,
    physical_device_legacy_dithering_features_ext physical_device_legacy_dithering_features_ext_reply vk::PhysicalDeviceLegacyDitheringFeaturesEXT,
    physical_device_legacy_vertex_attributes_features_ext physical_device_legacy_vertex_attributes_features_ext_reply types::PhysicalDeviceLegacyVertexAttributesFeaturesEXT,
    physical_device_line_rasterization_features physical_device_line_rasterization_features_reply vk::PhysicalDeviceLineRasterizationFeaturesKHR,
    physical_device_maintenance11_features_khr physical_device_maintenance11_features_khr_reply types::PhysicalDeviceMaintenance11FeaturesKHR,
    physical_device_maintenance4_features physical_device_maintenance4_features_reply vk::PhysicalDeviceMaintenance4Features,
    physical_device_maintenance5_features physical_device_maintenance5_features_reply vk::PhysicalDeviceMaintenance5FeaturesKHR,
    physical_device_maintenance6_features physical_device_maintenance6_features_reply vk::PhysicalDeviceMaintenance6FeaturesKHR,
    physical_device_maintenance7_features_khr physical_device_maintenance7_features_khr_reply types::PhysicalDeviceMaintenance7FeaturesKHR,
    physical_device_maintenance8_features_khr physical_device_maintenance8_features_khr_reply types::PhysicalDeviceMaintenance8FeaturesKHR,
    physical_device_maintenance9_features_khr physical_device_maintenance9_features_khr_reply types::PhysicalDeviceMaintenance9FeaturesKHR,
    physical_device_mesh_shader_features_ext physical_device_mesh_shader_features_ext_reply vk::PhysicalDeviceMeshShaderFeaturesEXT,
    physical_device_multi_draw_features_ext physical_device_multi_draw_features_ext_reply vk::PhysicalDeviceMultiDrawFeaturesEXT,
    physical_device_multisampled_render_to_single_sampled_features_ext physical_device_multisampled_render_to_single_sampled_features_ext_reply vk::PhysicalDeviceMultisampledRenderToSingleSampledFeaturesEXT,
    physical_device_multiview_features physical_device_multiview_features_reply vk::PhysicalDeviceMultiviewFeatures,
    physical_device_mutable_descriptor_type_features_ext physical_device_mutable_descriptor_type_features_ext_reply vk::PhysicalDeviceMutableDescriptorTypeFeaturesEXT,
    physical_device_nested_command_buffer_features_ext physical_device_nested_command_buffer_features_ext_reply vk::PhysicalDeviceNestedCommandBufferFeaturesEXT,
    physical_device_non_seamless_cube_map_features_ext physical_device_non_seamless_cube_map_features_ext_reply vk::PhysicalDeviceNonSeamlessCubeMapFeaturesEXT,
    physical_device_pipeline_creation_cache_control_features physical_device_pipeline_creation_cache_control_features_reply vk::PhysicalDevicePipelineCreationCacheControlFeatures,
    physical_device_pipeline_library_group_handles_features_ext physical_device_pipeline_library_group_handles_features_ext_reply vk::PhysicalDevicePipelineLibraryGroupHandlesFeaturesEXT,
    physical_device_pipeline_protected_access_features physical_device_pipeline_protected_access_features_reply vk::PhysicalDevicePipelineProtectedAccessFeaturesEXT,
    physical_device_pipeline_robustness_features physical_device_pipeline_robustness_features_reply vk::PhysicalDevicePipelineRobustnessFeaturesEXT,
    physical_device_primitive_topology_list_restart_features_ext physical_device_primitive_topology_list_restart_features_ext_reply vk::PhysicalDevicePrimitiveTopologyListRestartFeaturesEXT,
    physical_device_primitives_generated_query_features_ext physical_device_primitives_generated_query_features_ext_reply vk::PhysicalDevicePrimitivesGeneratedQueryFeaturesEXT,
    physical_device_private_data_features physical_device_private_data_features_reply vk::PhysicalDevicePrivateDataFeatures,
    physical_device_protected_memory_features physical_device_protected_memory_features_reply vk::PhysicalDeviceProtectedMemoryFeatures,
    physical_device_provoking_vertex_features_ext physical_device_provoking_vertex_features_ext_reply vk::PhysicalDeviceProvokingVertexFeaturesEXT,
    physical_device_rasterization_order_attachment_access_features_ext physical_device_rasterization_order_attachment_access_features_ext_reply vk::PhysicalDeviceRasterizationOrderAttachmentAccessFeaturesEXT,
    physical_device_ray_query_features_khr physical_device_ray_query_features_khr_reply vk::PhysicalDeviceRayQueryFeaturesKHR,
    physical_device_ray_tracing_maintenance1_features_khr physical_device_ray_tracing_maintenance1_features_khr_reply vk::PhysicalDeviceRayTracingMaintenance1FeaturesKHR,
    physical_device_ray_tracing_pipeline_features_khr physical_device_ray_tracing_pipeline_features_khr_reply vk::PhysicalDeviceRayTracingPipelineFeaturesKHR,
    physical_device_ray_tracing_position_fetch_features_khr physical_device_ray_tracing_position_fetch_features_khr_reply vk::PhysicalDeviceRayTracingPositionFetchFeaturesKHR,
    physical_device_rgba10_x6_formats_features_ext physical_device_rgba10_x6_formats_features_ext_reply vk::PhysicalDeviceRGBA10X6FormatsFeaturesEXT,
    physical_device_robustness2_features_khr physical_device_robustness2_features_khr_reply vk::PhysicalDeviceRobustness2FeaturesEXT,
    physical_device_sampler_ycbcr_conversion_features physical_device_sampler_ycbcr_conversion_features_reply vk::PhysicalDeviceSamplerYcbcrConversionFeatures,
    physical_device_scalar_block_layout_features physical_device_scalar_block_layout_features_reply vk::PhysicalDeviceScalarBlockLayoutFeatures,
    physical_device_separate_depth_stencil_layouts_features physical_device_separate_depth_stencil_layouts_features_reply vk::PhysicalDeviceSeparateDepthStencilLayoutsFeatures,
    physical_device_shader_atomic_float2_features_ext physical_device_shader_atomic_float2_features_ext_reply vk::PhysicalDeviceShaderAtomicFloat2FeaturesEXT,
    physical_device_shader_atomic_float_features_ext physical_device_shader_atomic_float_features_ext_reply vk::PhysicalDeviceShaderAtomicFloatFeaturesEXT,
    physical_device_shader_atomic_int64_features physical_device_shader_atomic_int64_features_reply vk::PhysicalDeviceShaderAtomicInt64Features,
    physical_device_shader_bfloat16_features_khr physical_device_shader_bfloat16_features_khr_reply types::PhysicalDeviceShaderBfloat16FeaturesKHR,
    physical_device_shader_clock_features_khr physical_device_shader_clock_features_khr_reply vk::PhysicalDeviceShaderClockFeaturesKHR,
    physical_device_shader_constant_data_features_khr physical_device_shader_constant_data_features_khr_reply types::PhysicalDeviceShaderConstantDataFeaturesKHR,
    physical_device_shader_demote_to_helper_invocation_features physical_device_shader_demote_to_helper_invocation_features_reply vk::PhysicalDeviceShaderDemoteToHelperInvocationFeatures,
    physical_device_shader_draw_parameters_features physical_device_shader_draw_parameters_features_reply vk::PhysicalDeviceShaderDrawParametersFeatures,
    physical_device_shader_expect_assume_features physical_device_shader_expect_assume_features_reply vk::PhysicalDeviceShaderExpectAssumeFeaturesKHR,
    physical_device_shader_float16_int8_features physical_device_shader_float16_int8_features_reply vk::PhysicalDeviceShaderFloat16Int8Features,
    physical_device_shader_float8_features_ext physical_device_shader_float8_features_ext_reply types::PhysicalDeviceShaderFloat8FeaturesEXT,
    physical_device_shader_float_controls2_features physical_device_shader_float_controls2_features_reply vk::PhysicalDeviceShaderFloatControls2FeaturesKHR,
    physical_device_shader_fma_features_khr physical_device_shader_fma_features_khr_reply types::PhysicalDeviceShaderFmaFeaturesKHR,
    physical_device_shader_image_atomic_int64_features_ext physical_device_shader_image_atomic_int64_features_ext_reply vk::PhysicalDeviceShaderImageAtomicInt64FeaturesEXT,
    physical_device_shader_integer_dot_product_features physical_device_shader_integer_dot_product_features_reply vk::PhysicalDeviceShaderIntegerDotProductFeatures,
    physical_device_shader_maximal_reconvergence_features_khr physical_device_shader_maximal_reconvergence_features_khr_reply vk::PhysicalDeviceShaderMaximalReconvergenceFeaturesKHR,
    physical_device_shader_quad_control_features_khr physical_device_shader_quad_control_features_khr_reply vk::PhysicalDeviceShaderQuadControlFeaturesKHR,
    physical_device_shader_relaxed_extended_instruction_features_khr physical_device_shader_relaxed_extended_instruction_features_khr_reply types::PhysicalDeviceShaderRelaxedExtendedInstructionFeaturesKHR,
    physical_device_shader_replicated_composites_features_ext physical_device_shader_replicated_composites_features_ext_reply types::PhysicalDeviceShaderReplicatedCompositesFeaturesEXT,
    physical_device_shader_split_barrier_features_ext physical_device_shader_split_barrier_features_ext_reply types::PhysicalDeviceShaderSplitBarrierFeaturesEXT,
    physical_device_shader_subgroup_extended_types_features physical_device_shader_subgroup_extended_types_features_reply vk::PhysicalDeviceShaderSubgroupExtendedTypesFeatures,
    physical_device_shader_subgroup_rotate_features physical_device_shader_subgroup_rotate_features_reply vk::PhysicalDeviceShaderSubgroupRotateFeaturesKHR,
    physical_device_shader_subgroup_uniform_control_flow_features_khr physical_device_shader_subgroup_uniform_control_flow_features_khr_reply vk::PhysicalDeviceShaderSubgroupUniformControlFlowFeaturesKHR,
    physical_device_shader_terminate_invocation_features physical_device_shader_terminate_invocation_features_reply vk::PhysicalDeviceShaderTerminateInvocationFeatures,
    physical_device_shader_tile_image_features_ext physical_device_shader_tile_image_features_ext_reply vk::PhysicalDeviceShaderTileImageFeaturesEXT,
    physical_device_shader_uniform_buffer_unsized_array_features_ext physical_device_shader_uniform_buffer_unsized_array_features_ext_reply types::PhysicalDeviceShaderUniformBufferUnsizedArrayFeaturesEXT,
    physical_device_shader_untyped_pointers_features_khr physical_device_shader_untyped_pointers_features_khr_reply types::PhysicalDeviceShaderUntypedPointersFeaturesKHR,
    physical_device_subgroup_size_control_features physical_device_subgroup_size_control_features_reply vk::PhysicalDeviceSubgroupSizeControlFeatures,
    physical_device_synchronization2_features physical_device_synchronization2_features_reply vk::PhysicalDeviceSynchronization2Features,
    physical_device_texel_buffer_alignment_features_ext physical_device_texel_buffer_alignment_features_ext_reply vk::PhysicalDeviceTexelBufferAlignmentFeaturesEXT,
    physical_device_texture_compression_astchdr_features physical_device_texture_compression_astchdr_features_reply vk::PhysicalDeviceTextureCompressionASTCHDRFeatures,
    physical_device_timeline_semaphore_features physical_device_timeline_semaphore_features_reply vk::PhysicalDeviceTimelineSemaphoreFeatures,
    physical_device_transform_feedback_features_ext physical_device_transform_feedback_features_ext_reply vk::PhysicalDeviceTransformFeedbackFeaturesEXT,
    physical_device_uniform_buffer_standard_layout_features physical_device_uniform_buffer_standard_layout_features_reply vk::PhysicalDeviceUniformBufferStandardLayoutFeatures,
    physical_device_variable_pointers_features physical_device_variable_pointers_features_reply vk::PhysicalDeviceVariablePointersFeatures,
    physical_device_vertex_attribute_divisor_features physical_device_vertex_attribute_divisor_features_reply vk::PhysicalDeviceVertexAttributeDivisorFeaturesKHR,
    physical_device_vertex_attribute_robustness_features_ext physical_device_vertex_attribute_robustness_features_ext_reply types::PhysicalDeviceVertexAttributeRobustnessFeaturesEXT,
    physical_device_vertex_input_dynamic_state_features_ext physical_device_vertex_input_dynamic_state_features_ext_reply vk::PhysicalDeviceVertexInputDynamicStateFeaturesEXT,
    physical_device_vulkan11_features physical_device_vulkan11_features_reply vk::PhysicalDeviceVulkan11Features,
    physical_device_vulkan12_features physical_device_vulkan12_features_reply vk::PhysicalDeviceVulkan12Features,
    physical_device_vulkan13_features physical_device_vulkan13_features_reply vk::PhysicalDeviceVulkan13Features,
    physical_device_vulkan14_features physical_device_vulkan14_features_reply types::PhysicalDeviceVulkan14Features,
    physical_device_vulkan_memory_model_features physical_device_vulkan_memory_model_features_reply vk::PhysicalDeviceVulkanMemoryModelFeatures,
    physical_device_workgroup_memory_explicit_layout_features_khr physical_device_workgroup_memory_explicit_layout_features_khr_reply vk::PhysicalDeviceWorkgroupMemoryExplicitLayoutFeaturesKHR,
    physical_device_ycbcr2_plane444_formats_features_ext physical_device_ycbcr2_plane444_formats_features_ext_reply vk::PhysicalDeviceYcbcr2Plane444FormatsFeaturesEXT,
    physical_device_ycbcr_image_arrays_features_ext physical_device_ycbcr_image_arrays_features_ext_reply vk::PhysicalDeviceYcbcrImageArraysFeaturesEXT,
    physical_device_zero_initialize_device_memory_features_ext physical_device_zero_initialize_device_memory_features_ext_reply types::PhysicalDeviceZeroInitializeDeviceMemoryFeaturesEXT,
    physical_device_zero_initialize_workgroup_memory_features physical_device_zero_initialize_workgroup_memory_features_reply vk::PhysicalDeviceZeroInitializeWorkgroupMemoryFeatures,
    subresource_layout subresource_layout_reply vk::SubresourceLayout,
}

/// The list above is all there are.
#[test]
fn no_struct_is_left_out() {
    let functions = |text: &'static str, suffix: &str| -> BTreeSet<&'static str> {
        let names = text.split("pub unsafe fn ").skip(1).filter_map(|t| t.split('(').next());
        names.filter_map(|n| n.strip_suffix(suffix)).collect()
    };
    let inputs = functions(include_str!("../src/generated/input.rs"), "");
    let outputs = functions(include_str!("../src/generated/output.rs"), "_reply");
    let both: Vec<&str> = inputs.intersection(&outputs).copied().collect();
    assert_eq!(both, NAMES);
}
