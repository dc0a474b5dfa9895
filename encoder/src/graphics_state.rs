//! What decides which state of a graphics pipeline is ignored (Vulkan specification, "Complete Graphics Pipelines" and
//! "Graphics Pipeline Library").

use core::ffi::c_void;

use ash::vk;

use crate::bits::link;
use crate::generated::flags::graphics_pipeline_create_info_flags;

/// The parts that a pipeline is made of, its stages and dynamic states.
pub struct GraphicsState<'a> {
    parts: vk::GraphicsPipelineLibraryFlagsEXT,
    stages: vk::ShaderStageFlags,
    dynamic: &'a [vk::DynamicState],
    discards: bool,
    linked: bool,
}

/// `n` elements at `p`, or none where `p` is null.
unsafe fn slice<'a, T>(p: *const T, n: u32) -> &'a [T] {
    // SAFETY: not null, so the array of `n` elements that the caller has.
    if p.is_null() { &[] } else { unsafe { core::slice::from_raw_parts(p, n as usize) } }
}

/// The struct of type `T` in the chain at `next`.
unsafe fn find<'a, T: vk::TaggedStructure>(next: *const c_void) -> Option<&'a T> {
    // SAFETY: a chain, whose link with T's sType is a T.
    unsafe { link(next.cast(), T::STRUCTURE_TYPE.as_raw()).map(|l| &*l.cast::<T>()) }
}

impl<'a> GraphicsState<'a> {
    /// Reads the state, passing over what is ignored itself.
    ///
    /// # Safety
    /// `info` must be valid, but for what is ignored.
    pub unsafe fn of(info: *const vk::GraphicsPipelineCreateInfo<'a>) -> Self {
        use vk::DynamicState as D;
        use vk::GraphicsPipelineLibraryFlagsEXT as L;
        use vk::ShaderStageFlags as S;
        // SAFETY: the struct itself is read, its flags, and the two links, whose sTypes tell that they are there.
        let (i, flags, libraries, library) = unsafe {
            let i = &*info;
            let libraries = find::<vk::PipelineLibraryCreateInfoKHR<'_>>(i.p_next);
            let library = find::<vk::GraphicsPipelineLibraryCreateInfoEXT<'_>>(i.p_next);
            (i, graphics_pipeline_create_info_flags(info), libraries, library)
        };
        let linked = libraries.is_some_and(|l| l.library_count > 0);
        let is_library = flags & u64::from(vk::PipelineCreateFlags::LIBRARY_KHR.as_raw()) != 0;
        let parts = match library {
            Some(l) => l.flags,
            None if linked || is_library => L::empty(),
            None => {
                L::VERTEX_INPUT_INTERFACE
                    | L::PRE_RASTERIZATION_SHADERS
                    | L::FRAGMENT_SHADER
                    | L::FRAGMENT_OUTPUT_INTERFACE
            }
        };
        // SAFETY: dynamic states are never ignored; stages aren't where a part has any.
        let (dynamic, stages) = unsafe {
            let dynamic = i.p_dynamic_state.as_ref();
            let has_stages = parts.intersects(L::PRE_RASTERIZATION_SHADERS | L::FRAGMENT_SHADER);
            let stages = if has_stages { slice(i.p_stages, i.stage_count) } else { &[] };
            (dynamic.map_or(&[][..], |d| slice(d.p_dynamic_states, d.dynamic_state_count)), stages)
        };
        let rasterization =
            if parts.contains(L::PRE_RASTERIZATION_SHADERS) { i.p_rasterization_state } else { std::ptr::null() };
        // SAFETY: null, or pre-rasterization state, which is there where it is a part of the pipeline.
        let discards = unsafe { rasterization.as_ref() }.is_some_and(|r| r.rasterizer_discard_enable != vk::FALSE);
        Self {
            parts,
            stages: stages.iter().fold(S::empty(), |all, s| all | s.stage),
            dynamic,
            discards: discards && !dynamic.contains(&D::RASTERIZER_DISCARD_ENABLE),
            linked,
        }
    }

    /// Whether this VkDynamicState is dynamic.
    pub fn dynamic(&self, state: i32) -> bool {
        self.dynamic.contains(&vk::DynamicState::from_raw(state))
    }

    /// Whether the pipeline itself, not a library that it is linked from, has this VkGraphicsPipelineLibraryFlagBitsEXT.
    pub fn part(&self, bit: u32) -> bool {
        self.parts.as_raw() & bit != 0
    }

    /// Whether there is a stage of this VkShaderStageFlagBits.
    pub fn stage(&self, bit: u32) -> bool {
        self.stages.as_raw() & bit != 0
    }

    /// Whether rasterization is known to be off.
    pub fn discards(&self) -> bool {
        self.discards
    }

    /// Whether it is linked from libraries.
    pub fn linked(&self) -> bool {
        self.linked
    }
}
