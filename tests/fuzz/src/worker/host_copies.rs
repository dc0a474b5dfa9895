//! Copies by the host's processor (VK_EXT_host_image_copy).

use ash::vk;

use super::poison;
use super::thread::{Ended, Thread};
use crate::id::Id;
use crate::image::{Part, Rows};
use crate::step::Step;
use crate::wire::Seen;

const LAYOUT: vk::ImageLayout = vk::ImageLayout::GENERAL;

impl Thread<'_> {
    pub fn host_copy_step(&mut self, step: &Step) -> Result<(), Ended> {
        // SAFETY: the planner's steps are valid usage of this device's handles.
        unsafe {
            match step {
                Step::TransitionImage { image, new } => self.transition(*image, *new),
                Step::CopyToImage { image, part, rows, seed } => {
                    let bytes = self.shared.images.shape(*image).bytes(part, *rows);
                    let bytes = poison::bytes(*seed, bytes as usize);
                    let memory = self.edge.array(&bytes);
                    self.memory_to_image(*image, part, *rows, memory, vk::HostImageCopyFlagsEXT::empty())
                }
                Step::CopyFromImage { image, part, rows } => {
                    let bytes = self.shared.images.shape(*image).bytes(part, *rows) as usize;
                    let memory = self.edge.room(bytes);
                    self.image_to_memory(*image, part, *rows, memory, vk::HostImageCopyFlagsEXT::empty())?;
                    self.see(Seen::Bytes(std::slice::from_raw_parts(memory, bytes).to_vec()));
                    Ok(())
                }
                Step::CopyImages { from, to, source, target } => self.copy_images(*from, *to, source, target),
                Step::CarryImage { from, to, part } => {
                    let room = self.opaque_bytes(*from, part);
                    let memory = self.edge.room(room);
                    let flags = vk::HostImageCopyFlagsEXT::MEMCPY;
                    self.image_to_memory(*from, part, Rows::default(), memory, flags)?;
                    self.memory_to_image(*to, part, Rows::default(), memory, flags)
                }
                _ => Ok(()),
            }
        }
    }

    /// From nothing known to the layout that images keep, or there and back.
    unsafe fn transition(&mut self, image: Id, new: bool) -> Result<(), Ended> {
        let copies = &self.shared.gpu.host_copies;
        let between = if new { vk::ImageLayout::UNDEFINED } else { vk::ImageLayout::TRANSFER_DST_OPTIMAL };
        let change = |old, new| vk::HostImageLayoutTransitionInfoEXT {
            image: self.shared.handles.images.get(image),
            old_layout: old,
            new_layout: new,
            subresource_range: vk::ImageSubresourceRange {
                aspect_mask: self.shared.images.shape(image).texels.whole().flags(),
                level_count: vk::REMAINING_MIP_LEVELS,
                layer_count: vk::REMAINING_ARRAY_LAYERS,
                ..Default::default()
            },
            ..Default::default()
        };
        // SAFETY: by the plan, nobody uses the image.
        unsafe {
            if !new {
                let changed = copies.transition_image_layout(&[change(LAYOUT, between)]);
                self.must("vkTransitionImageLayout", changed)?;
            }
            let changed = copies.transition_image_layout(&[change(between, LAYOUT)]);
            self.must("vkTransitionImageLayout", changed)
        }
    }

    unsafe fn memory_to_image(
        &mut self,
        image: Id,
        part: &Part,
        rows: Rows,
        memory: *const u8,
        flags: vk::HostImageCopyFlagsEXT,
    ) -> Result<(), Ended> {
        let region = [vk::MemoryToImageCopyEXT {
            p_host_pointer: memory.cast(),
            memory_row_length: rows.length,
            memory_image_height: rows.height,
            image_subresource: part.subresource(),
            image_offset: part.offset(),
            image_extent: part.extent(),
            ..Default::default()
        }];
        let image = self.shared.handles.images.get(image);
        let info = vk::CopyMemoryToImageInfoEXT::default().flags(flags).dst_image(image).dst_image_layout(LAYOUT);
        // SAFETY: by the plan nobody uses the image; the memory holds what the part takes.
        let copied = unsafe { self.shared.gpu.host_copies.copy_memory_to_image(&info.regions(&region)) };
        self.must("vkCopyMemoryToImage", copied)
    }

    unsafe fn image_to_memory(
        &mut self,
        image: Id,
        part: &Part,
        rows: Rows,
        memory: *mut u8,
        flags: vk::HostImageCopyFlagsEXT,
    ) -> Result<(), Ended> {
        let region = [vk::ImageToMemoryCopyEXT {
            p_host_pointer: memory.cast(),
            memory_row_length: rows.length,
            memory_image_height: rows.height,
            image_subresource: part.subresource(),
            image_offset: part.offset(),
            image_extent: part.extent(),
            ..Default::default()
        }];
        let image = self.shared.handles.images.get(image);
        let info = vk::CopyImageToMemoryInfoEXT::default().flags(flags).src_image(image).src_image_layout(LAYOUT);
        // SAFETY: by the plan nobody writes the image; the memory has room for what the part takes.
        let copied = unsafe { self.shared.gpu.host_copies.copy_image_to_memory(&info.regions(&region)) };
        self.must("vkCopyImageToMemory", copied)
    }

    unsafe fn copy_images(&mut self, from: Id, to: Id, source: &Part, target: &Part) -> Result<(), Ended> {
        let h = &self.shared.handles;
        let region = [vk::ImageCopy2::default()
            .src_subresource(source.subresource())
            .src_offset(source.offset())
            .dst_subresource(target.subresource())
            .dst_offset(target.offset())
            .extent(source.extent())];
        let info = vk::CopyImageToImageInfoEXT::default()
            .src_image(h.images.get(from))
            .src_image_layout(LAYOUT)
            .dst_image(h.images.get(to))
            .dst_image_layout(LAYOUT);
        // SAFETY: by the plan, nobody uses the images.
        let copied = unsafe { self.shared.gpu.host_copies.copy_image_to_image(&info.regions(&region)) };
        self.must("vkCopyImageToImage", copied)
    }

    /// Bytes that a part takes in the order that only the device knows.
    unsafe fn opaque_bytes(&mut self, image: Id, part: &Part) -> usize {
        let mut sum = 0;
        for array_layer in part.layer..part.layer + part.layers {
            let mut copied = vk::SubresourceHostMemcpySizeEXT::default();
            let mut layout = vk::SubresourceLayout2EXT::default().push_next(&mut copied);
            let place = vk::ImageSubresource { aspect_mask: part.aspect.flags(), mip_level: part.mip, array_layer };
            let place = vk::ImageSubresource2EXT::default().image_subresource(place);
            let image = self.shared.handles.images.get(image);
            // SAFETY: an image of this device, and a struct with its chain.
            unsafe { self.shared.gpu.host_copies.get_image_subresource_layout2(image, &place, &mut layout) };
            sum += copied.size as usize;
        }
        self.called(u64::from(part.layers));
        self.see(Seen::Value(sum as u64));
        sum
    }
}
