//! Members that Vulkan says are ignored are not looked at: one test for each condition of `protocol/ignored.tsv`, generated, and
//! some by hand that the conditions aren't too wide.
#![expect(
    clippy::undocumented_unsafe_blocks,
    reason = "all encode structs of the test's own, valid but for the members that are ignored"
)]

/// Written by `encoder/codegen`; never edited.
#[path = "generated/ignored.rs"]
#[rustfmt::skip]
#[expect(unused_mut, deprecated, reason = "what a row names and changes is its own matter")]
mod rows;

use std::mem::zeroed;
use std::ptr;
use std::sync::LazyLock;

use ash::vk::{self, Handle};
use hesper_decoder::{Decoded, Schema};
use hesper_encoder::bits::ObjectHeader;
use hesper_encoder::generated::{input, request, types};
use hesper_encoder::{Codec, Scratch, Writer};

/// A page that nobody may read.
static UNREADABLE: LazyLock<usize> = LazyLock::new(|| {
    // Miri has no such pages, and needs none: no address that was written as a number may be read.
    if cfg!(miri) {
        return 0x1000;
    }
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    let page = unsafe { libc::mmap(ptr::null_mut(), 4096, libc::PROT_NONE, flags, -1, 0) };
    assert_ne!(page, libc::MAP_FAILED);
    page.addr()
});

/// Fills a member with garbage: a pointer to the unreadable page, a handle that nothing has, a count beyond all bounds.
unsafe fn poison<T>(member: *mut T) {
    unsafe {
        match size_of::<T>() {
            8 => member.cast::<usize>().write_unaligned(*UNREADABLE),
            n => member.cast::<u8>().write_bytes(0xa5, n),
        }
        // A struct's pointers too.
        for at in (8..size_of::<T>()).step_by(8) {
            member.cast::<usize>().byte_add(at).write_unaligned(*UNREADABLE);
        }
    }
}

/// Sets a member of four or eight bytes.
unsafe fn put<T>(member: *mut T, value: u64) {
    unsafe {
        match size_of::<T>() {
            4 => member.cast::<u32>().write(value as u32),
            8 => member.cast::<u64>().write(value),
            n => panic!("a condition on a member of {n} bytes"),
        }
    }
}

/// Puts a struct behind the first of a chain.
unsafe fn chain<A, B>(head: *mut A, link: *mut B) {
    let (head, link) = (head.cast::<vk::BaseOutStructure>(), link.cast::<vk::BaseOutStructure>());
    unsafe {
        (*link).p_next = (*head).p_next;
        (*head).p_next = link;
    }
}

/// The state of a graphics pipeline that a test asks for. It starts as a pipeline of all four parts, without stages or dynamic states.
struct Graphics {
    parts: vk::GraphicsPipelineLibraryFlagsEXT,
    stages: Vec<vk::PipelineShaderStageCreateInfo<'static>>,
    dynamic: Vec<vk::DynamicState>,
    discards: bool,
}

impl Default for Graphics {
    fn default() -> Self {
        let parts = vk::GraphicsPipelineLibraryFlagsEXT::from_raw(0xf);
        Self { parts, stages: Vec::new(), dynamic: Vec::new(), discards: false }
    }
}

impl Graphics {
    fn dynamic(&mut self, state: i32) {
        self.dynamic.push(vk::DynamicState::from_raw(state));
    }
    fn not_dynamic(&mut self, state: i32) {
        assert!(!self.dynamic.contains(&vk::DynamicState::from_raw(state)));
    }
    fn part(&mut self, bit: u32) {
        assert!(self.parts.contains(vk::GraphicsPipelineLibraryFlagsEXT::from_raw(bit)));
    }
    fn not_part(&mut self, bit: u32) {
        self.parts &= !vk::GraphicsPipelineLibraryFlagsEXT::from_raw(bit);
    }
    fn stage(&mut self, bit: u32) {
        let stage = vk::ShaderStageFlags::from_raw(bit);
        self.stages.push(vk::PipelineShaderStageCreateInfo::default().stage(stage).name(c"main"));
    }
    fn not_stage(&mut self, bit: u32) {
        assert!(self.stages.iter().all(|s| s.stage.as_raw() != bit));
    }
    fn discards(&mut self, _: i32) {
        self.discards = true;
    }
    fn not_discards(&mut self, _: i32) {
        assert!(!self.discards);
    }
    fn not_linked(&mut self, _: i32) {}

    /// Points the pipeline at the state, which lives as long as the tests do.
    fn attach(self, s: &mut vk::GraphicsPipelineCreateInfo<'static>) {
        let stages = Box::leak(self.stages.into_boxed_slice());
        if !stages.is_empty() {
            *s = s.stages(stages);
        }
        let dynamic = Box::leak(self.dynamic.into_boxed_slice());
        let dynamic = vk::PipelineDynamicStateCreateInfo::default().dynamic_states(dynamic);
        s.p_dynamic_state = Box::leak(Box::new(dynamic));
        if self.discards {
            let state = vk::PipelineRasterizationStateCreateInfo::default().rasterizer_discard_enable(true);
            s.p_rasterization_state = Box::leak(Box::new(state));
        }
        let library = vk::GraphicsPipelineLibraryCreateInfoEXT::default().flags(self.parts);
        unsafe { chain(s, Box::leak(Box::new(library))) };
    }
}

fn encoded(encode: impl FnOnce(&mut Writer)) -> Vec<u8> {
    Scratch::default().encode(&Codec::ALL, encode).unwrap().to_vec()
}

/// Encodes with null and 0, then with garbage, and expects the same bytes.
fn same(encode: impl Fn(bool, &mut Writer)) {
    let [clean, poisoned] = [false, true].map(|poisoned| encoded(|w| encode(poisoned, w)));
    assert_eq!(clean, poisoned);
}

fn sent(encode: impl FnOnce(&mut Writer)) -> Decoded {
    Schema::load().decode(&encoded(encode))
}

#[test]
fn queue_families_that_share_travel() {
    let families = [1, 2];
    let info =
        vk::BufferCreateInfo::default().sharing_mode(vk::SharingMode::CONCURRENT).queue_family_indices(&families);
    let mut buffer = vk::Buffer::from_raw(9);
    let d = sent(|w| unsafe {
        request::create_buffer(w, 0, object(1), &info, ptr::null(), &mut buffer);
    });
    assert_eq!((d.get("pCreateInfo.queueFamilyIndexCount"), d.get("pCreateInfo.pQueueFamilyIndices[1]")), (2, 2));
}

/// A dispatchable handle with an id, which lives as long as the tests.
fn object<T: Handle>(id: u64) -> T {
    let header = Box::leak(Box::new(ObjectHeader { loader: std::cell::UnsafeCell::new(0), id }));
    T::from_raw(ptr::from_ref(header) as u64)
}

#[test]
fn descriptors_travel_as_their_type_says() {
    let image = vk::DescriptorImageInfo {
        sampler: vk::Sampler::from_raw(21),
        image_view: vk::ImageView::from_raw(22),
        image_layout: vk::ImageLayout::GENERAL,
    };
    let write = |ty| {
        let write = vk::WriteDescriptorSet::default().dst_set(vk::DescriptorSet::from_raw(7)).descriptor_type(ty);
        write.image_info(std::slice::from_ref(&image))
    };
    use vk::DescriptorType as T;
    let types = [(T::SAMPLER, 21, 0), (T::COMBINED_IMAGE_SAMPLER, 21, 22), (T::STORAGE_IMAGE, 0, 22)];
    for (ty, sampler, view) in types {
        let write = write(ty);
        let update = sent(|w| unsafe { request::update_descriptor_sets(w, 0, object(1), 1, &write, 0, ptr::null()) });
        let path = "pDescriptorWrites[0]";
        assert_eq!(update.get(&format!("{path}.dstSet")), 7);
        assert_eq!(update.get(&format!("{path}.pImageInfo[0].sampler")), sampler);
        assert_eq!(update.get(&format!("{path}.pImageInfo[0].imageView")), view);
        let (point, layout) = (vk::PipelineBindPoint::COMPUTE, vk::PipelineLayout::from_raw(3));
        let push = sent(|w| unsafe { request::cmd_push_descriptor_set(w, 0, object(1), point, layout, 0, 1, &write) });
        assert_eq!(push.get(&format!("{path}.dstSet")), 0);
        assert_eq!(push.get(&format!("{path}.pImageInfo[0].sampler")), sampler);
    }
}

/// The decoded creation of one graphics pipeline.
fn graphics(info: &vk::GraphicsPipelineCreateInfo) -> Decoded {
    let (none, mut pipeline) = (ptr::null(), vk::Pipeline::from_raw(9));
    sent(|w| unsafe {
        request::create_graphics_pipelines(w, 0, object(1), vk::PipelineCache::null(), 1, info, none, &mut pipeline);
    })
}

#[test]
fn state_that_counts_travels() {
    let (viewports, scissors) = ([vk::Viewport::default()], [vk::Rect2D::default()]);
    let viewport = vk::PipelineViewportStateCreateInfo::default().viewports(&viewports).scissors(&scissors);
    let formats = [vk::Format::R8G8B8A8_UNORM];
    let blend = vk::PipelineColorBlendStateCreateInfo::default().logic_op_enable(true);
    let depth = vk::PipelineDepthStencilStateCreateInfo::default().depth_test_enable(true);
    let mut rendering = vk::PipelineRenderingCreateInfo::default()
        .color_attachment_formats(&formats)
        .stencil_attachment_format(vk::Format::S8_UINT);
    let dynamic = [vk::DynamicState::SCISSOR];
    let dynamic = vk::PipelineDynamicStateCreateInfo::default().dynamic_states(&dynamic);
    let info = vk::GraphicsPipelineCreateInfo::default()
        .viewport_state(&viewport)
        .color_blend_state(&blend)
        .depth_stencil_state(&depth)
        .dynamic_state(&dynamic)
        .layout(vk::PipelineLayout::from_raw(31))
        .push_next(&mut rendering);
    let d = graphics(&info);
    let get = |path: &str| d.get(&format!("pCreateInfos[0].{path}"));
    assert_eq!((get("pViewportState.pViewports.len"), get("pViewportState.pScissors.len")), (1, 0));
    assert_eq!((get("pColorBlendState.logicOpEnable"), get("pDepthStencilState.depthTestEnable")), (1, 1));
    assert_eq!((get("VkPipelineRenderingCreateInfo.pColorAttachmentFormats.len"), get("layout")), (1, 31));
}

/// Without VkGraphicsPipelineLibraryCreateInfoEXT a library has none of the four parts.
#[test]
fn a_library_without_parts_has_no_state() {
    let mut wide = vk::PipelineCreateFlags2CreateInfoKHR {
        flags: vk::PipelineCreateFlags2KHR::from_raw(vk::PipelineCreateFlags::LIBRARY_KHR.as_raw().into()),
        ..Default::default()
    };
    let narrow = vk::GraphicsPipelineCreateInfo::default().flags(vk::PipelineCreateFlags::LIBRARY_KHR);
    for mut info in [narrow, vk::GraphicsPipelineCreateInfo::default().push_next(&mut wide)] {
        unsafe {
            poison(&raw mut info.stage_count);
            poison(&raw mut info.p_stages);
            poison(&raw mut info.p_vertex_input_state);
            poison(&raw mut info.p_rasterization_state);
            poison(&raw mut info.p_multisample_state);
            poison(&raw mut info.p_color_blend_state);
            poison(&raw mut info.render_pass);
        }
        let d = graphics(&info);
        let get = |path: &str| d.get(&format!("pCreateInfos[0].{path}"));
        assert_eq!(
            (get("stageCount"), get("pStages.len"), get("pRasterizationState"), get("renderPass")),
            (0, 0, 0, 0)
        );
    }
}

/// The 64-bit flags replace the others, whatever those say.
#[test]
fn wide_flags_count_alone() {
    let base = vk::Pipeline::from_raw(41);
    let derivative = vk::PipelineCreateFlags::DERIVATIVE;
    let create = |flags: vk::PipelineCreateFlags, wide: Option<vk::PipelineCreateFlags>| {
        let mut link = vk::PipelineCreateFlags2CreateInfoKHR::default();
        let mut info = vk::ComputePipelineCreateInfo::default().flags(flags).base_pipeline_handle(base);
        info.stage.p_name = c"main".as_ptr();
        if let Some(wide) = wide {
            link.flags = vk::PipelineCreateFlags2KHR::from_raw(wide.as_raw().into());
            info.p_next = (&raw const link).cast();
        }
        let (none, mut pipeline) = (ptr::null(), vk::Pipeline::from_raw(9));
        let d = sent(|w| unsafe {
            request::create_compute_pipelines(
                w,
                0,
                object(1),
                vk::PipelineCache::null(),
                1,
                &info,
                none,
                &mut pipeline,
            );
        });
        d.get("pCreateInfos[0].basePipelineHandle")
    };
    let none = vk::PipelineCreateFlags::empty();
    assert_eq!((create(none, None), create(derivative, None)), (0, 41));
    assert_eq!((create(none, Some(derivative)), create(derivative, Some(none))), (41, 0));
}

#[test]
fn resolve_views_travel_with_a_mode() {
    let color = vk::RenderingAttachmentInfo::default()
        .image_view(vk::ImageView::from_raw(51))
        .resolve_image_view(vk::ImageView::from_raw(52))
        .resolve_mode(vk::ResolveModeFlags::AVERAGE);
    let info = vk::RenderingInfo::default().color_attachments(std::slice::from_ref(&color));
    let d = sent(|w| unsafe { request::cmd_begin_rendering(w, 0, object(1), &info) });
    assert_eq!(d.get("pRenderingInfo.pColorAttachments[0].resolveImageView"), 52);
}
