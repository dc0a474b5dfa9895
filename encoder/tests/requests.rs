//! Requests with every kind of member, encoded and read back by a decoder that knows only the wire's rules.
#![expect(
    clippy::undocumented_unsafe_blocks,
    reason = "all encode valid structs and handles, as the commands want them"
)]

use std::cell::UnsafeCell;
use std::ptr;

use ash::vk::{self, Handle};
use hesper_decoder::{Decoded, Schema};
use hesper_encoder::bits::ObjectHeader;
use hesper_encoder::generated::request;
use hesper_encoder::{Codec, Scratch, Writer};

fn sent_to(codec: &Codec, encode: impl FnOnce(&mut Writer)) -> Decoded {
    let mut scratch = Scratch::default();
    let bytes = scratch.encode(codec, encode).unwrap().to_vec();
    Schema::load().decode(&bytes)
}

fn sent(encode: impl FnOnce(&mut Writer)) -> Decoded {
    sent_to(&Codec::ALL, encode)
}

/// A dispatchable handle with an id, which lives as long as the test.
fn object<T: Handle>(id: u64) -> T {
    let header = Box::leak(Box::new(ObjectHeader { loader: UnsafeCell::new(0), id }));
    T::from_raw(ptr::from_ref(header) as u64)
}

#[test]
fn scalars_and_handles() {
    let d = sent(|w| unsafe { request::cmd_dispatch(w, 0, object(5), 1, 2, u32::MAX) });
    assert_eq!(d.name, "vkCmdDispatch");
    assert_eq!(d.get("commandBuffer"), 5);
    assert_eq!((d.get("groupCountX"), d.get("groupCountZ")), (1, u32::MAX.into()));
    let image = vk::Image::from_raw(0x1_0000_0002);
    let value = vk::ClearDepthStencilValue { depth: 0.5, stencil: 7 };
    let d = sent(|w| unsafe {
        request::cmd_clear_depth_stencil_image(
            w,
            0,
            object(5),
            image,
            vk::ImageLayout::GENERAL,
            &value,
            0,
            ptr::null(),
        );
    });
    assert_eq!(
        (d.get("image"), d.get("pDepthStencil.depth"), d.get("pRanges.len")),
        (0x1_0000_0002, 0.5f32.to_bits().into(), 0)
    );
}

#[test]
fn bytes_are_padded_together() {
    for n in 0..9u32 {
        let bytes: Vec<u8> = (1..=n as u8).collect();
        let layout = vk::PipelineLayout::from_raw(3);
        let stage = vk::ShaderStageFlags::COMPUTE;
        let d = sent(|w| unsafe {
            request::cmd_push_constants(w, 0, object(1), layout, stage, 4, n, bytes.as_ptr().cast())
        });
        assert_eq!((d.get("pValues.len"), d.get("size")), (n.into(), n.into()));
        for i in 0..n {
            assert_eq!(d.get(&format!("pValues[{i}]")), u64::from(i) + 1);
        }
    }
}

#[test]
fn chains_arrays_and_unions() {
    let colors = [vk::ClearValue { color: vk::ClearColorValue { uint32: [1, 2, 3, 4] } }; 2];
    let views = [vk::ImageView::from_raw(21), vk::ImageView::from_raw(22)];
    let mut attachments = vk::RenderPassAttachmentBeginInfo::default().attachments(&views);
    let area = vk::Rect2D { offset: vk::Offset2D { x: -1, y: 2 }, extent: vk::Extent2D { width: 30, height: 40 } };
    let info = vk::RenderPassBeginInfo::default().clear_values(&colors).render_area(area).push_next(&mut attachments);
    let subpass = vk::SubpassBeginInfo::default().contents(vk::SubpassContents::SECONDARY_COMMAND_BUFFERS);
    let d = sent(|w| unsafe { request::cmd_begin_render_pass2(w, 0, object(1), &info, &subpass) });
    assert_eq!(d.get("pRenderPassBegin.VkRenderPassAttachmentBeginInfo.pAttachments[1]"), 22);
    assert_eq!(d.get("pRenderPassBegin.renderArea.offset.x") as u32, u32::MAX);
    assert_eq!(d.get("pRenderPassBegin.pClearValues.len"), 2);
    assert_eq!(d.get("pRenderPassBegin.pClearValues[1].color.uint32[3]"), 4);
    assert_eq!(d.get("pSubpassBeginInfo.contents"), 1);
}

#[test]
fn a_submission_with_two_batches() {
    let buffers = [1, 2].map(|id| [vk::CommandBufferSubmitInfo::default().command_buffer(object(id)).device_mask(1)]);
    let waits = [vk::SemaphoreSubmitInfo::default().semaphore(vk::Semaphore::from_raw(9)).value(u64::MAX)];
    let submits = [
        vk::SubmitInfo2::default().command_buffer_infos(&buffers[0]),
        vk::SubmitInfo2::default().command_buffer_infos(&buffers[1]).wait_semaphore_infos(&waits),
    ];
    let d = sent(|w| unsafe { request::queue_submit2(w, 0, object(4), 2, submits.as_ptr(), vk::Fence::from_raw(8)) });
    assert_eq!(
        (d.get("pSubmits[0].pCommandBufferInfos[0].commandBuffer"), d.get("pSubmits[0].pWaitSemaphoreInfos.len")),
        (1, 0)
    );
    assert_eq!(
        (d.get("pSubmits[1].pCommandBufferInfos[0].commandBuffer"), d.get("pSubmits[1].pWaitSemaphoreInfos[0].value")),
        (2, u64::MAX)
    );
    assert_eq!((d.get("queue"), d.get("fence")), (4, 8));
}

#[test]
fn a_compute_pipeline_with_strings_and_blobs() {
    let data = [1u8, 2, 3, 4, 5];
    let entries = [vk::SpecializationMapEntry { constant_id: 6, offset: 1, size: 4 }];
    let special = vk::SpecializationInfo::default().map_entries(&entries).data(&data);
    let mut size =
        vk::PipelineShaderStageRequiredSubgroupSizeCreateInfo { required_subgroup_size: 32, ..Default::default() };
    let stage = vk::PipelineShaderStageCreateInfo::default()
        .stage(vk::ShaderStageFlags::COMPUTE)
        .module(vk::ShaderModule::from_raw(7))
        .name(c"main")
        .specialization_info(&special)
        .push_next(&mut size);
    let infos = [vk::ComputePipelineCreateInfo::default()
        .stage(stage)
        .layout(vk::PipelineLayout::from_raw(8))
        .base_pipeline_index(-1)];
    let mut pipelines = [vk::Pipeline::from_raw(77)];
    let d = sent(|w| unsafe {
        request::create_compute_pipelines(
            w,
            1,
            object(1),
            vk::PipelineCache::null(),
            1,
            infos.as_ptr(),
            ptr::null(),
            pipelines.as_mut_ptr(),
        );
    });
    let stage = "pCreateInfos[0].stage";
    assert_eq!(d.get(&format!("{stage}.VkPipelineShaderStageRequiredSubgroupSizeCreateInfo.requiredSubgroupSize")), 32);
    assert_eq!((d.get(&format!("{stage}.pName.len")), d.text(&format!("{stage}.pName"))), (5, Some("main")));
    assert_eq!(d.get(&format!("{stage}.pSpecializationInfo.pMapEntries[0].size")), 4);
    assert_eq!(d.get(&format!("{stage}.pSpecializationInfo.pData[4]")), 5);
    assert_eq!((d.get("pCreateInfos[0].basePipelineIndex") as u32, d.get("pPipelines[0]")), (u32::MAX, 77));
}

#[test]
fn a_graphics_pipeline_with_fixed_arrays_and_sample_masks() {
    let blend = [vk::PipelineColorBlendAttachmentState { blend_enable: 1, ..Default::default() }];
    let blend =
        vk::PipelineColorBlendStateCreateInfo::default().attachments(&blend).blend_constants([1.0, 2.0, 3.0, 4.0]);
    let mask = [0xf0f0_f0f0, 0x0f0f_0f0f];
    let samples = vk::PipelineMultisampleStateCreateInfo::default()
        .rasterization_samples(vk::SampleCountFlags::TYPE_64)
        .sample_mask(&mask);
    let info = vk::GraphicsPipelineCreateInfo::default().render_pass(vk::RenderPass::from_raw(4));
    let infos = [info.color_blend_state(&blend).multisample_state(&samples)];
    let d = sent(|w| unsafe {
        let mut made = vk::Pipeline::from_raw(5);
        request::create_graphics_pipelines(
            w,
            0,
            object(1),
            vk::PipelineCache::null(),
            1,
            infos.as_ptr(),
            ptr::null(),
            &mut made,
        );
    });
    assert_eq!(d.get("pCreateInfos[0].pColorBlendState.blendConstants[2]"), 3f32.to_bits().into());
    // One word for each 32 samples.
    assert_eq!(d.get("pCreateInfos[0].pMultisampleState.pSampleMask.len"), 2);
    assert_eq!(d.get("pCreateInfos[0].pMultisampleState.pSampleMask[1]"), 0x0f0f_0f0f);
    assert_eq!(d.get("pCreateInfos[0].pVertexInputState"), 0);
}

#[test]
fn acceleration_structures_with_arrays_of_arrays() {
    let triangles = vk::AccelerationStructureGeometryTrianglesDataKHR { max_vertex: 9, ..Default::default() };
    let geometry =
        |ty, geometry| vk::AccelerationStructureGeometryKHR { geometry_type: ty, geometry, ..Default::default() };
    let aabbs = vk::AccelerationStructureGeometryAabbsDataKHR { stride: 24, ..Default::default() };
    let geometries = [
        geometry(vk::GeometryTypeKHR::TRIANGLES, vk::AccelerationStructureGeometryDataKHR { triangles }),
        geometry(vk::GeometryTypeKHR::AABBS, vk::AccelerationStructureGeometryDataKHR { aabbs }),
    ];
    let infos = [vk::AccelerationStructureBuildGeometryInfoKHR::default().geometries(&geometries)];
    let ranges =
        [1, 2].map(|n| vk::AccelerationStructureBuildRangeInfoKHR { primitive_count: n, ..Default::default() });
    let ranges = [ranges.as_ptr()];
    let d = sent(|w| unsafe {
        request::cmd_build_acceleration_structures_khr(w, 0, object(1), 1, infos.as_ptr(), ranges.as_ptr())
    });
    assert_eq!(d.get("pInfos[0].pGeometries[0].geometry.triangles.maxVertex"), 9);
    assert_eq!(d.get("pInfos[0].pGeometries[1].geometry.tag"), 1);
    assert_eq!(d.get("pInfos[0].pGeometries[1].geometry.aabbs.stride"), 24);
    assert_eq!((d.get("ppBuildRangeInfos[0].len"), d.get("ppBuildRangeInfos[0][1].primitiveCount")), (2, 2));
}

#[test]
fn descriptor_writes_carry_the_array_that_their_type_reads() {
    let buffers = [vk::DescriptorBufferInfo { buffer: vk::Buffer::from_raw(31), offset: 16, range: vk::WHOLE_SIZE }];
    let bytes = [9u8; 12];
    let mut inline = vk::WriteDescriptorSetInlineUniformBlock::default().data(&bytes);
    let mut block = vk::WriteDescriptorSet::default()
        .descriptor_type(vk::DescriptorType::INLINE_UNIFORM_BLOCK)
        .push_next(&mut inline);
    block.descriptor_count = 12;
    let writes = [
        vk::WriteDescriptorSet::default().descriptor_type(vk::DescriptorType::STORAGE_BUFFER).buffer_info(&buffers),
        block,
    ];
    let d = sent(|w| unsafe { request::update_descriptor_sets(w, 0, object(1), 2, writes.as_ptr(), 0, ptr::null()) });
    assert_eq!(
        (d.get("pDescriptorWrites[0].pBufferInfo[0].buffer"), d.get("pDescriptorWrites[0].pImageInfo.len")),
        (31, 0)
    );
    let inline = "pDescriptorWrites[1].VkWriteDescriptorSetInlineUniformBlock";
    assert_eq!((d.get(&format!("{inline}.dataSize")), d.get(&format!("{inline}.pData[11]"))), (12, 9));
}

#[test]
fn what_the_codec_does_not_know_is_left_out_of_chains() {
    let mut first = vk::PhysicalDeviceVulkan13Features::default().synchronization2(true);
    let mut second = vk::PhysicalDeviceCooperativeMatrixFeaturesKHR::default().cooperative_matrix(true);
    let mut third = vk::PhysicalDeviceVulkan11Features::default().multiview(true);
    let info = vk::DeviceCreateInfo::default().push_next(&mut third).push_next(&mut second).push_next(&mut first);
    let encode = |w: &mut Writer| unsafe {
        request::create_device(w, 1, object(2), &info, ptr::null(), &mut object::<vk::Device>(3))
    };
    let d = sent(encode);
    let matrix = "pCreateInfo.VkPhysicalDeviceCooperativeMatrixFeaturesKHR.cooperativeMatrix";
    assert_eq!((d.get(matrix), d.get("pCreateInfo.VkPhysicalDeviceVulkan13Features.synchronization2")), (1, 1));
    // A codec of Vulkan 1.3 with no extensions.
    let mut mask = [0; 32];
    mask[0] = 1;
    let d = sent_to(&Codec { version: 0x1_0003, mask }, encode);
    assert!(!d.values.iter().any(|(p, _)| p == matrix), "{:#?}", d.values);
    assert_eq!(d.get("pCreateInfo.VkPhysicalDeviceVulkan11Features.multiview"), 1);
    assert_eq!((d.get("physicalDevice"), d.get("pDevice")), (2, 3));
}

/// Elements that lie further apart than they are long travel packed, and so says their stride.
#[test]
fn elements_with_a_stride() {
    #[repr(C)]
    struct Apart<T>(T, [u32; 3]);
    let draws =
        [0, 1].map(|i| Apart(vk::MultiDrawInfoEXT { first_vertex: 10 + i, vertex_count: 20 + i }, [u32::MAX; 3]));
    let stride = size_of_val(&draws[0]) as u32;
    let d = sent(|w| unsafe { request::cmd_draw_multi_ext(w, 0, object(1), 2, draws.as_ptr().cast(), 3, 4, stride) });
    assert_eq!((d.get("pVertexInfo.len"), d.get("stride")), (2, 8));
    assert_eq!((d.get("pVertexInfo[1].firstVertex"), d.get("pVertexInfo[1].vertexCount")), (11, 21));
    assert_eq!((d.get("instanceCount"), d.get("firstInstance")), (3, 4));

    let draws = [0, 1, 2].map(|i| {
        let draw = vk::MultiDrawIndexedInfoEXT { first_index: 10 + i, index_count: 20 + i, vertex_offset: -30 };
        Apart(draw, [u32::MAX; 3])
    });
    let stride = size_of_val(&draws[0]) as u32;
    let (p, offset) = (draws.as_ptr().cast(), -7);
    let d = sent(|w| unsafe { request::cmd_draw_multi_indexed_ext(w, 0, object(1), 3, p, 1, 0, stride, &offset) });
    assert_eq!((d.get("pIndexInfo.len"), d.get("stride")), (3, 12));
    for i in 0..3 {
        assert_eq!(d.get(&format!("pIndexInfo[{i}].firstIndex")), 10 + i);
        assert_eq!(d.get(&format!("pIndexInfo[{i}].vertexOffset")) as u32, -30i32 as u32);
    }
    assert_eq!(d.get("pVertexOffset") as u32, -7i32 as u32);
}
