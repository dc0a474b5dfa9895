//! Drawing points by vkCmdDrawMultiEXT and vkCmdDrawMultiIndexedEXT, with dynamic rendering.

use ash::vk;

use super::drawing::PipelineKind;
use super::poison;
use super::thread::{Ended, Thread};
use crate::command::{Id, Style};
use crate::plan::images::SIDE;
use crate::texels::Texels;

impl Thread<'_> {
    pub unsafe fn draws(
        &mut self,
        cb: vk::CommandBuffer,
        image: Id,
        draws: &[(u32, u32)],
        stride: u32,
        indexed: bool,
        offset: Option<i32>,
    ) -> Result<(), Ended> {
        let gpu = &self.shared.gpu;
        let d = &gpu.device;
        // SAFETY: by the plan.
        unsafe {
            let indices = self.drawing()?.indices;
            let view = self.view(image, 0, 0, 1)?;
            let target = [vk::RenderingAttachmentInfo {
                image_view: view,
                image_layout: vk::ImageLayout::GENERAL,
                resolve_mode: vk::ResolveModeFlags::NONE,
                // Nothing is resolved.
                resolve_image_view: poison::handle(),
                resolve_image_layout: vk::ImageLayout::GENERAL,
                load_op: vk::AttachmentLoadOp::LOAD,
                store_op: vk::AttachmentStoreOp::STORE,
                ..Default::default()
            }];
            let extent = vk::Extent2D { width: SIDE, height: SIDE };
            let area = vk::Rect2D { extent, ..Default::default() };
            let info = vk::RenderingInfo::default().render_area(area).layer_count(1).color_attachments(&target);
            d.cmd_begin_rendering(cb, &info);
            let style = Style { triangles: false, tests: 0 };
            let (colours, depth) = (vec![Texels::Rgba8], None);
            self.bind_graphics(cb, &PipelineKind { style, colours, depth, samples: 1, pass: None, captured: false })?;
            let side = SIDE as f32;
            d.cmd_set_viewport(
                cb,
                0,
                &[vk::Viewport { width: side, height: side, max_depth: 1.0, ..Default::default() }],
            );
            d.cmd_set_scissor(cb, 0, &[area]);
            let all = self.elements(draws, stride, indexed);
            let (n, instances, first_instance) = (draws.len() as u32, 1, image);
            if indexed {
                d.cmd_bind_index_buffer(cb, indices, 0, vk::IndexType::UINT32);
                let offset = offset.as_ref().map_or(std::ptr::null(), |o| self.edge.array(&[*o]));
                let draw = gpu.multi_draw.fp().cmd_draw_multi_indexed_ext;
                draw(cb, n, all.cast(), instances, first_instance, stride, offset);
            } else {
                (gpu.multi_draw.fp().cmd_draw_multi_ext)(cb, n, all.cast(), instances, first_instance, stride);
            }
            d.cmd_end_rendering(cb);
            self.called(7);
        }
        Ok(())
    }

    /// The array of draws, with garbage between the elements and nothing behind the last.
    fn elements(&mut self, draws: &[(u32, u32)], stride: u32, indexed: bool) -> *const u8 {
        let size = if indexed { 12 } else { 8 };
        let Some(gaps) = draws.len().checked_sub(1) else { return self.edge.bad() };
        let stride = stride as usize;
        let to = self.edge.room(gaps * stride + size);
        for (i, (first, count)) in draws.iter().enumerate() {
            let mut words = vec![*first, *count];
            if indexed {
                // The vertex that is added to every index.
                words.push(i as u32 * 3);
            }
            // SAFETY: inside of the room.
            unsafe { std::ptr::copy_nonoverlapping(words.as_ptr().cast(), to.add(i * stride), size) };
        }
        to
    }
}
