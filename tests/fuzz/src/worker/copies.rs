//! Recording commands on images.

use ash::vk;

use super::thread::{Ended, Thread};
use crate::command::{ImageCommand, Placed};
use crate::id::Id;
use crate::image::{Part, Shape};
use crate::texels::Class;

/// The layout that images keep.
const LAYOUT: vk::ImageLayout = vk::ImageLayout::GENERAL;

fn placed(r: &Placed) -> vk::BufferImageCopy {
    vk::BufferImageCopy {
        buffer_offset: r.at,
        buffer_row_length: r.rows.length,
        buffer_image_height: r.rows.height,
        image_subresource: r.part.subresource(),
        image_offset: r.part.offset(),
        image_extent: r.part.extent(),
    }
}

fn placed2(r: &Placed) -> vk::BufferImageCopy2<'static> {
    vk::BufferImageCopy2 {
        buffer_offset: r.at,
        buffer_row_length: r.rows.length,
        buffer_image_height: r.rows.height,
        image_subresource: r.part.subresource(),
        image_offset: r.part.offset(),
        image_extent: r.part.extent(),
        ..Default::default()
    }
}

/// Two corners of a part, which `flips` exchanges in some directions.
fn corners(part: &Part, flips: u8) -> [vk::Offset3D; 2] {
    let (mut from, mut to) = (part.offset, [0, 1, 2].map(|i| part.offset[i] + part.extent[i]));
    for i in (0..3).filter(|i| flips >> i & 1 == 1) {
        std::mem::swap(&mut from[i], &mut to[i]);
    }
    [from, to].map(|[x, y, z]| vk::Offset3D { x: x as i32, y: y as i32, z: z as i32 })
}

/// What a clear writes, which tells of `value`.
pub fn colour(class: Class, value: u8) -> vk::ClearColorValue {
    let v = u32::from(value);
    match class {
        Class::Uint => vk::ClearColorValue { uint32: [v, v / 2, v ^ 255, 1] },
        Class::Sint => vk::ClearColorValue { int32: [v as i32 - 128, 100 - v as i32 / 2, 7, -1] },
        _ => vk::ClearColorValue { float32: [0, 2, 4, 6].map(|shift| f32::from(value >> shift & 3) / 3.0) },
    }
}

/// What a clear of depth and stencil writes.
pub fn depth_stencil(value: u8) -> vk::ClearDepthStencilValue {
    vk::ClearDepthStencilValue { depth: f32::from(value % 5) / 4.0, stencil: u32::from(value % 8) }
}

impl Thread<'_> {
    /// Orders everything before behind everything after, and changes the layout of all of an image.
    unsafe fn change(&mut self, cb: vk::CommandBuffer, image: Id, old: vk::ImageLayout, new: vk::ImageLayout) {
        use vk::AccessFlags as A;
        let (d, all) = (&self.shared.gpu.device, vk::PipelineStageFlags::ALL_COMMANDS);
        let change = vk::ImageMemoryBarrier::default()
            .image(self.shared.handles.images.get(image))
            .old_layout(old)
            .new_layout(new)
            .src_access_mask(A::MEMORY_WRITE)
            .dst_access_mask(A::MEMORY_READ | A::MEMORY_WRITE)
            .src_queue_family_index(vk::QUEUE_FAMILY_IGNORED)
            .dst_queue_family_index(vk::QUEUE_FAMILY_IGNORED)
            .subresource_range(vk::ImageSubresourceRange {
                aspect_mask: self.shared.images.shape(image).texels.whole().flags(),
                level_count: vk::REMAINING_MIP_LEVELS,
                layer_count: vk::REMAINING_ARRAY_LAYERS,
                ..Default::default()
            });
        // SAFETY: by the plan.
        unsafe { d.cmd_pipeline_barrier(cb, all, all, vk::DependencyFlags::empty(), &[], &[], &[change]) };
        self.called(1);
    }

    /// Changes the layout of an image before or behind a command, where that is wanted; the layout for the command.
    unsafe fn enter(&mut self, cb: vk::CommandBuffer, image: Id, layout: vk::ImageLayout, on: bool) -> vk::ImageLayout {
        if !on {
            return LAYOUT;
        }
        // SAFETY: by the plan.
        unsafe { self.change(cb, image, LAYOUT, layout) };
        layout
    }

    unsafe fn leave(&mut self, cb: vk::CommandBuffer, image: Id, layout: vk::ImageLayout) {
        if layout != LAYOUT {
            // SAFETY: by the plan.
            unsafe { self.change(cb, image, layout, LAYOUT) };
        }
    }

    pub unsafe fn image_command(&mut self, cb: vk::CommandBuffer, command: &ImageCommand) -> Result<(), Ended> {
        const FROM: vk::ImageLayout = vk::ImageLayout::TRANSFER_SRC_OPTIMAL;
        const TO: vk::ImageLayout = vk::ImageLayout::TRANSFER_DST_OPTIMAL;
        let h = &self.shared.handles;
        // SAFETY: by the plan.
        unsafe {
            match command {
                ImageCommand::Init { image } => self.change(cb, *image, vk::ImageLayout::UNDEFINED, LAYOUT),
                ImageCommand::Clear { image, value, mips, layers, passing } => {
                    let layout = self.enter(cb, *image, TO, *passing);
                    self.clear(cb, *image, layout, *value, *mips, *layers);
                    self.leave(cb, *image, layout);
                }
                ImageCommand::ToBuffer { image, to, regions, second_form, passing } => {
                    let layout = self.enter(cb, *image, FROM, *passing);
                    let (from, to) = (h.images.get(*image), h.buffers.get(*to));
                    self.image_to_buffer(cb, from, layout, to, regions, *second_form);
                    self.leave(cb, *image, layout);
                }
                ImageCommand::FromBuffer { image, from, regions, second_form, passing } => {
                    let layout = self.enter(cb, *image, TO, *passing);
                    let (to, from) = (h.images.get(*image), h.buffers.get(*from));
                    self.buffer_to_image(cb, from, to, layout, regions, *second_form);
                    self.leave(cb, *image, layout);
                }
                ImageCommand::Copy { from, to, source, target, second_form, passing } => {
                    let layouts = (self.enter(cb, *from, FROM, *passing), self.enter(cb, *to, TO, *passing));
                    self.copy_image(cb, (*from, layouts.0), (*to, layouts.1), [source, target], *second_form);
                    self.leave(cb, *from, layouts.0);
                    self.leave(cb, *to, layouts.1);
                }
                ImageCommand::Blit { from, to, source, target, flips, smooth, second_form } => {
                    let filter = if *smooth { vk::Filter::LINEAR } else { vk::Filter::NEAREST };
                    let region = vk::ImageBlit2::default()
                        .src_subresource(source.subresource())
                        .src_offsets(corners(source, 0))
                        .dst_subresource(target.subresource())
                        .dst_offsets(corners(target, *flips));
                    self.blit(cb, *from, *to, &region, filter, *second_form);
                }
                ImageCommand::Resolve { from, to, source, target, second_form } => {
                    self.resolve(cb, *from, *to, [source, target], *second_form);
                }
            }
        }
        Ok(())
    }

    unsafe fn clear(
        &mut self,
        cb: vk::CommandBuffer,
        image: Id,
        layout: vk::ImageLayout,
        value: u8,
        mips: (u32, u32),
        layers: (u32, u32),
    ) {
        let d = &self.shared.gpu.device;
        let shape: Shape = self.shared.images.shape(image);
        let rest = |(first, count): (u32, u32), all, name| if first > 0 && first + count == all { name } else { count };
        let range = [vk::ImageSubresourceRange {
            aspect_mask: shape.texels.whole().flags(),
            base_mip_level: mips.0,
            level_count: rest(mips, shape.mips, vk::REMAINING_MIP_LEVELS),
            base_array_layer: layers.0,
            layer_count: rest(layers, shape.layers, vk::REMAINING_ARRAY_LAYERS),
        }];
        let image = self.shared.handles.images.get(image);
        // SAFETY: by the plan.
        unsafe {
            if shape.texels.is_colour() {
                d.cmd_clear_color_image(cb, image, layout, &colour(shape.texels.class(), value), &range);
            } else {
                d.cmd_clear_depth_stencil_image(cb, image, layout, &depth_stencil(value), &range);
            }
        }
    }

    unsafe fn image_to_buffer(
        &mut self,
        cb: vk::CommandBuffer,
        from: vk::Image,
        layout: vk::ImageLayout,
        to: vk::Buffer,
        regions: &[Placed],
        second_form: bool,
    ) {
        let d = &self.shared.gpu.device;
        let count = regions.len();
        // SAFETY: by the plan.
        unsafe {
            if second_form {
                let regions: Vec<_> = regions.iter().map(placed2).collect();
                let regions = std::slice::from_raw_parts(self.edge.array(&regions), count);
                let info = vk::CopyImageToBufferInfo2::default().src_image(from).src_image_layout(layout);
                d.cmd_copy_image_to_buffer2(cb, &info.dst_buffer(to).regions(regions));
            } else {
                let regions: Vec<_> = regions.iter().map(placed).collect();
                let regions = std::slice::from_raw_parts(self.edge.array(&regions), count);
                d.cmd_copy_image_to_buffer(cb, from, layout, to, regions);
            }
        }
    }

    unsafe fn buffer_to_image(
        &mut self,
        cb: vk::CommandBuffer,
        from: vk::Buffer,
        to: vk::Image,
        layout: vk::ImageLayout,
        regions: &[Placed],
        second_form: bool,
    ) {
        let d = &self.shared.gpu.device;
        let count = regions.len();
        // SAFETY: by the plan.
        unsafe {
            if second_form {
                let regions: Vec<_> = regions.iter().map(placed2).collect();
                let regions = std::slice::from_raw_parts(self.edge.array(&regions), count);
                let info = vk::CopyBufferToImageInfo2::default().dst_image(to).dst_image_layout(layout);
                d.cmd_copy_buffer_to_image2(cb, &info.src_buffer(from).regions(regions));
            } else {
                let regions: Vec<_> = regions.iter().map(placed).collect();
                let regions = std::slice::from_raw_parts(self.edge.array(&regions), count);
                d.cmd_copy_buffer_to_image(cb, from, to, layout, regions);
            }
        }
    }

    unsafe fn copy_image(
        &mut self,
        cb: vk::CommandBuffer,
        (from, from_layout): (Id, vk::ImageLayout),
        (to, to_layout): (Id, vk::ImageLayout),
        [source, target]: [&Part; 2],
        second_form: bool,
    ) {
        let (d, h) = (&self.shared.gpu.device, &self.shared.handles);
        let (from, to) = (h.images.get(from), h.images.get(to));
        // SAFETY: by the plan.
        unsafe {
            if second_form {
                let region = [vk::ImageCopy2::default()
                    .src_subresource(source.subresource())
                    .src_offset(source.offset())
                    .dst_subresource(target.subresource())
                    .dst_offset(target.offset())
                    .extent(source.extent())];
                let info = vk::CopyImageInfo2::default().src_image(from).src_image_layout(from_layout);
                d.cmd_copy_image2(cb, &info.dst_image(to).dst_image_layout(to_layout).regions(&region));
            } else {
                let region = [vk::ImageCopy {
                    src_subresource: source.subresource(),
                    src_offset: source.offset(),
                    dst_subresource: target.subresource(),
                    dst_offset: target.offset(),
                    extent: source.extent(),
                }];
                d.cmd_copy_image(cb, from, from_layout, to, to_layout, &region);
            }
        }
    }

    unsafe fn blit(
        &mut self,
        cb: vk::CommandBuffer,
        from: Id,
        to: Id,
        region: &vk::ImageBlit2<'_>,
        filter: vk::Filter,
        second_form: bool,
    ) {
        let (d, h) = (&self.shared.gpu.device, &self.shared.handles);
        let (from, to) = (h.images.get(from), h.images.get(to));
        // SAFETY: by the plan.
        unsafe {
            if second_form {
                let info = vk::BlitImageInfo2::default().src_image(from).src_image_layout(LAYOUT).dst_image(to);
                let info = info.dst_image_layout(LAYOUT).filter(filter);
                d.cmd_blit_image2(cb, &info.regions(std::slice::from_ref(region)));
            } else {
                let region = [vk::ImageBlit {
                    src_subresource: region.src_subresource,
                    src_offsets: region.src_offsets,
                    dst_subresource: region.dst_subresource,
                    dst_offsets: region.dst_offsets,
                }];
                d.cmd_blit_image(cb, from, LAYOUT, to, LAYOUT, &region, filter);
            }
        }
    }

    unsafe fn resolve(
        &mut self,
        cb: vk::CommandBuffer,
        from: Id,
        to: Id,
        [source, target]: [&Part; 2],
        second_form: bool,
    ) {
        let (d, h) = (&self.shared.gpu.device, &self.shared.handles);
        let (from, to) = (h.images.get(from), h.images.get(to));
        // SAFETY: by the plan.
        unsafe {
            if second_form {
                let region = [vk::ImageResolve2::default()
                    .src_subresource(source.subresource())
                    .src_offset(source.offset())
                    .dst_subresource(target.subresource())
                    .dst_offset(target.offset())
                    .extent(source.extent())];
                let info = vk::ResolveImageInfo2::default().src_image(from).src_image_layout(LAYOUT).dst_image(to);
                d.cmd_resolve_image2(cb, &info.dst_image_layout(LAYOUT).regions(&region));
            } else {
                let region = [vk::ImageResolve {
                    src_subresource: source.subresource(),
                    src_offset: source.offset(),
                    dst_subresource: target.subresource(),
                    dst_offset: target.offset(),
                    extent: source.extent(),
                }];
                d.cmd_resolve_image(cb, from, LAYOUT, to, LAYOUT, &region);
            }
        }
    }
}
