//! Graphics pipelines: what Vulkan says is ignored may be garbage, and the encoder follows every pointer, so it is cleared
//! first (WIRE.md 1.11).

use ash::vk;

use crate::base::chain::{find, slice};

#[expect(clippy::vec_box, reason = "the infos point at the structs, which must not move when a list grows")]
/// Create infos without anything that the other side must not look at.
pub struct Clean {
    infos: Vec<vk::GraphicsPipelineCreateInfo<'static>>,
    // What the infos point at.
    _viewports: Vec<Box<vk::PipelineViewportStateCreateInfo<'static>>>,
    _multisamples: Vec<Box<vk::PipelineMultisampleStateCreateInfo<'static>>>,
}

impl Clean {
    /// Copies and clears.
    ///
    /// # Safety
    /// By valid usage of vkCreateGraphicsPipelines; the originals must outlive this.
    pub unsafe fn new(originals: &[vk::GraphicsPipelineCreateInfo<'_>]) -> Self {
        let mut clean = Self { infos: Vec::new(), _viewports: Vec::new(), _multisamples: Vec::new() };
        for o in originals {
            // SAFETY: only the lifetime changes; the caller keeps what is pointed at.
            let mut info: vk::GraphicsPipelineCreateInfo<'static> = unsafe { std::mem::transmute(*o) };
            // SAFETY: by contract.
            unsafe { clean.clear(&mut info) };
            clean.infos.push(info);
        }
        clean
    }

    /// What to encode.
    pub fn infos(&self) -> &[vk::GraphicsPipelineCreateInfo<'static>] {
        &self.infos
    }

    unsafe fn clear(&mut self, i: &mut vk::GraphicsPipelineCreateInfo<'static>) {
        use vk::DynamicState as D;
        use vk::GraphicsPipelineLibraryFlagsEXT as L;
        use vk::ShaderStageFlags as S;
        // SAFETY: by valid usage, each pointer that is looked at is one that matters.
        unsafe {
            // Without a library struct a pipeline has all four parts, or is linked from libraries that have them.
            let linked = find::<vk::PipelineLibraryCreateInfoKHR>(i.p_next).is_some_and(|l| l.library_count > 0);
            let parts = match find::<vk::GraphicsPipelineLibraryCreateInfoEXT>(i.p_next) {
                Some(l) => l.flags,
                None if linked => L::empty(),
                None => {
                    L::VERTEX_INPUT_INTERFACE
                        | L::PRE_RASTERIZATION_SHADERS
                        | L::FRAGMENT_SHADER
                        | L::FRAGMENT_OUTPUT_INTERFACE
                }
            };
            let pre = parts.contains(L::PRE_RASTERIZATION_SHADERS);
            let dynamic = if i.p_dynamic_state.is_null() {
                &[]
            } else {
                slice((*i.p_dynamic_state).p_dynamic_states, (*i.p_dynamic_state).dynamic_state_count)
            };
            let is_dynamic = |d: D| dynamic.contains(&d);
            if !parts.intersects(L::PRE_RASTERIZATION_SHADERS | L::FRAGMENT_SHADER) {
                i.stage_count = 0;
                i.p_stages = std::ptr::null();
            }
            let stages = slice(i.p_stages, i.stage_count).iter().fold(S::empty(), |s, x| s | x.stage);
            let mesh = stages.contains(S::MESH_EXT);

            if !parts.contains(L::VERTEX_INPUT_INTERFACE) || mesh {
                i.p_vertex_input_state = std::ptr::null();
                i.p_input_assembly_state = std::ptr::null();
            } else if is_dynamic(D::VERTEX_INPUT_EXT) {
                i.p_vertex_input_state = std::ptr::null();
            }
            let tessellates = stages.contains(S::TESSELLATION_CONTROL | S::TESSELLATION_EVALUATION);
            if !pre || !tessellates {
                i.p_tessellation_state = std::ptr::null();
            }
            if !pre {
                i.p_rasterization_state = std::ptr::null();
            }
            let discards = pre
                && !is_dynamic(D::RASTERIZER_DISCARD_ENABLE)
                && i.p_rasterization_state.as_ref().is_some_and(|r| r.rasterizer_discard_enable != vk::FALSE);
            if !pre || discards {
                i.p_viewport_state = std::ptr::null();
            }
            if discards || !parts.intersects(L::FRAGMENT_SHADER | L::FRAGMENT_OUTPUT_INTERFACE) {
                i.p_multisample_state = std::ptr::null();
            }
            if discards || !parts.contains(L::FRAGMENT_SHADER) {
                i.p_depth_stencil_state = std::ptr::null();
            }
            if discards || !parts.contains(L::FRAGMENT_OUTPUT_INTERFACE) {
                i.p_color_blend_state = std::ptr::null();
            }
            if let Some(v) = i.p_viewport_state.as_ref() {
                let mut v = Box::new(*v);
                if is_dynamic(D::VIEWPORT) || is_dynamic(D::VIEWPORT_WITH_COUNT) {
                    v.p_viewports = std::ptr::null();
                }
                if is_dynamic(D::SCISSOR) || is_dynamic(D::SCISSOR_WITH_COUNT) {
                    v.p_scissors = std::ptr::null();
                }
                i.p_viewport_state = &raw const *v;
                self._viewports.push(v);
            }
            if let Some(m) = i.p_multisample_state.as_ref()
                && is_dynamic(D::SAMPLE_MASK_EXT)
            {
                let mut m = Box::new(*m);
                m.p_sample_mask = std::ptr::null();
                i.p_multisample_state = &raw const *m;
                self._multisamples.push(m);
            }
            if !parts.intersects(L::PRE_RASTERIZATION_SHADERS | L::FRAGMENT_SHADER | L::FRAGMENT_OUTPUT_INTERFACE) {
                i.render_pass = vk::RenderPass::null();
            }
            if !parts.intersects(L::PRE_RASTERIZATION_SHADERS | L::FRAGMENT_SHADER) && !linked {
                i.layout = vk::PipelineLayout::null();
            }
            if !i.flags.contains(vk::PipelineCreateFlags::DERIVATIVE) {
                i.base_pipeline_handle = vk::Pipeline::null();
            }
        }
    }
}
