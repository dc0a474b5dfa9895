//! Command buffers in the states that calls need.

use ash::vk;

use crate::entry_points::world::World;
use crate::generated::calls as info;

const RECORDED: &str = "a valid command buffer is recorded";

impl World {
    fn allocate(&mut self, level: vk::CommandBufferLevel) -> vk::CommandBuffer {
        let info = vk::CommandBufferAllocateInfo::default().command_pool(self.shared.command_pool);
        // SAFETY: a pool of this device.
        unsafe { self.d.allocate_command_buffers(&info.level(level).command_buffer_count(1)) }.expect(RECORDED)[0]
    }

    /// One that nothing was recorded into.
    pub fn initial(&mut self) -> vk::CommandBuffer {
        self.allocate(vk::CommandBufferLevel::PRIMARY)
    }

    /// One that can be submitted.
    pub fn command_buffer(&mut self) -> vk::CommandBuffer {
        let buffer = self.outside();
        // SAFETY: it was begun.
        unsafe { self.d.end_command_buffer(buffer) }.expect(RECORDED);
        buffer
    }

    /// A secondary one that can be executed.
    pub fn secondary(&mut self) -> vk::CommandBuffer {
        let buffer = self.allocate(vk::CommandBufferLevel::SECONDARY);
        let inherited = vk::CommandBufferInheritanceInfo::default();
        let info = vk::CommandBufferBeginInfo::default().inheritance_info(&inherited);
        // SAFETY: a new command buffer.
        unsafe {
            self.d.begin_command_buffer(buffer, &info).expect(RECORDED);
            self.d.end_command_buffer(buffer).expect(RECORDED);
        }
        buffer
    }

    /// One that is recorded, outside of render passes, with a pipeline and what it takes.
    pub fn outside(&mut self) -> vk::CommandBuffer {
        let (buffer, pipeline) = (self.initial(), self.shared_pipeline());
        let point = vk::PipelineBindPoint::COMPUTE;
        // SAFETY: a new command buffer, and objects of this device.
        unsafe {
            self.d.begin_command_buffer(buffer, &vk::CommandBufferBeginInfo::default()).expect(RECORDED);
            self.d.cmd_bind_pipeline(buffer, point, pipeline);
            self.d.cmd_bind_descriptor_sets(buffer, point, self.shared.layout, 0, &[self.shared.set], &[]);
        }
        buffer
    }

    /// One that is recorded, inside of a rendering, with a pipeline that draws.
    pub fn inside(&mut self) -> vk::CommandBuffer {
        let (buffer, pipeline) = (self.outside(), self.shared_graphics_pipeline());
        let view = self.image_view();
        let attachment =
            [vk::RenderingAttachmentInfo::default().image_view(view).image_layout(vk::ImageLayout::GENERAL)];
        let area = vk::Rect2D::default().extent(vk::Extent2D { width: 16, height: 16 });
        let info = vk::RenderingInfo::default().render_area(area).layer_count(1).color_attachments(&attachment);
        // SAFETY: recording, with objects of this device.
        unsafe {
            self.d.cmd_begin_rendering(buffer, &info);
            self.d.cmd_bind_pipeline(buffer, vk::PipelineBindPoint::GRAPHICS, pipeline);
            let indices = self.buffer();
            self.d.cmd_bind_index_buffer(buffer, indices, 0, vk::IndexType::UINT16);
        }
        buffer
    }

    /// One with a pipeline that casts rays.
    pub fn tracing(&mut self) -> vk::CommandBuffer {
        let (buffer, pipeline) = (self.outside(), self.ray_pipeline());
        // SAFETY: recording, with a pipeline of this device.
        unsafe { self.d.cmd_bind_pipeline(buffer, vk::PipelineBindPoint::RAY_TRACING_KHR, pipeline) };
        buffer
    }

    /// One in a subpass of a render pass.
    pub fn in_render_pass(&mut self, subpass: u32) -> vk::CommandBuffer {
        let buffer = self.outside();
        // SAFETY: recording; the render pass has two subpasses.
        unsafe {
            let begin = info::render_pass_begin_info(self);
            self.d.cmd_begin_render_pass(buffer, &begin, vk::SubpassContents::INLINE);
            for _ in 0..subpass {
                self.d.cmd_next_subpass(buffer, vk::SubpassContents::INLINE);
            }
        }
        buffer
    }

    /// One with a query in progress, of the pool with streams or the other.
    pub fn in_query(&mut self, stream: bool) -> vk::CommandBuffer {
        let buffer = self.outside();
        let flags = vk::QueryControlFlags::empty();
        // SAFETY: recording, with pools of this device.
        unsafe {
            if stream {
                let loader = ash::ext::transform_feedback::Device::new(&self.i, &self.d);
                (loader.fp().cmd_begin_query_indexed_ext)(buffer, self.shared.stream_query_pool, 0, flags, 0);
            } else {
                self.d.cmd_begin_query(buffer, self.shared.query_pool, 0, flags);
            }
        }
        buffer
    }

    pub fn in_transform_feedback(&mut self) -> vk::CommandBuffer {
        let buffer = self.inside();
        let loader = ash::ext::transform_feedback::Device::new(&self.i, &self.d);
        // SAFETY: recording; without counters there is nothing to read.
        unsafe { (loader.fp().cmd_begin_transform_feedback_ext)(buffer, 0, 0, std::ptr::null(), std::ptr::null()) };
        buffer
    }

    pub fn in_conditional_rendering(&mut self) -> vk::CommandBuffer {
        let buffer = self.outside();
        let loader = ash::ext::conditional_rendering::Device::new(&self.i, &self.d);
        // SAFETY: recording, with a buffer of this device.
        unsafe {
            let begin = info::conditional_rendering_begin_info_ext(self);
            (loader.fp().cmd_begin_conditional_rendering_ext)(buffer, &begin);
        }
        buffer
    }

    pub fn in_label(&mut self) -> vk::CommandBuffer {
        let buffer = self.outside();
        let loader = ash::ext::debug_utils::Device::new(&self.i, &self.d);
        let label = vk::DebugUtilsLabelEXT::default().label_name(c"label");
        // SAFETY: recording.
        unsafe { loader.cmd_begin_debug_utils_label(buffer, &label) };
        buffer
    }
}
