//! Graphics pipelines whose state is ignored because their subpass lacks the attachments for it. All else that is ignored the encoder
//! leaves out by itself (WIRE.md 1.11, `ignored.tsv`); a render pass is only a handle to it.

use ash::vk;

use crate::pipelines::create_info::CreateInfo;
use crate::pipelines::render_pass::{self, Subpass};

/// Create infos, copied without the state that their subpasses have no attachments for.
pub struct Clean {
    infos: Vec<vk::GraphicsPipelineCreateInfo<'static>>,
}

impl Clean {
    /// Copies and clears.
    ///
    /// # Safety
    /// Each original must be valid but for what is ignored, and what it points at must outlive the copies.
    pub unsafe fn new(originals: &[vk::GraphicsPipelineCreateInfo<'_>]) -> Self {
        let copy = |original: &vk::GraphicsPipelineCreateInfo<'_>| {
            // SAFETY: only the lifetime changes; the caller keeps what is pointed at.
            let mut info: vk::GraphicsPipelineCreateInfo<'static> = unsafe { std::mem::transmute(*original) };
            // A handle that is itself ignored may be anything, and is no render pass or the wrong one: then the encoder leaves out
            // both states anyway.
            if let Some(subpass) = render_pass::subpass(info.render_pass, info.subpass) {
                clear(&mut info, subpass);
            }
            // SAFETY: the flags and the chain are never ignored.
            unsafe { info.without_ignored() }
        };
        Self { infos: originals.iter().map(copy).collect() }
    }

    /// What to encode.
    pub fn infos(&self) -> &[vk::GraphicsPipelineCreateInfo<'static>] {
        &self.infos
    }
}

/// Clears what a pipeline for this subpass ignores.
fn clear(info: &mut vk::GraphicsPipelineCreateInfo<'_>, subpass: Subpass) {
    if !subpass.color {
        info.p_color_blend_state = std::ptr::null();
    }
    if !subpass.depth_stencil {
        info.p_depth_stencil_state = std::ptr::null();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_without_attachments_is_left_out() {
        let garbage = std::ptr::dangling();
        for (color, depth_stencil) in [(false, false), (false, true), (true, false), (true, true)] {
            let mut info = vk::GraphicsPipelineCreateInfo {
                p_color_blend_state: garbage,
                p_depth_stencil_state: garbage.cast(),
                ..Default::default()
            };
            clear(&mut info, Subpass { color, depth_stencil });
            assert_eq!(
                (info.p_color_blend_state.is_null(), info.p_depth_stencil_state.is_null()),
                (!color, !depth_stencil)
            );
        }
    }
}
