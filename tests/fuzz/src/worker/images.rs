//! Images, with memory of their own each.

use ash::vk;

use super::image_objects::locked;
use super::thread::{Ended, Thread};
use crate::id::Id;
use crate::image::{Part, Rows, Shape};
use crate::step::Step;
use crate::wire::Seen;

impl Thread<'_> {
    pub fn image_step(&mut self, step: &Step) -> Result<(), Ended> {
        match step {
            Step::CreateImage { image, shape } => self.create_image(*image, shape),
            Step::DestroyImage { image } => {
                let (d, h) = (&self.shared.gpu.device, &self.shared.handles);
                // SAFETY: by the plan, nothing uses the image.
                unsafe {
                    let gone = self.shared.images.forget(d, |i| i == *image);
                    d.destroy_image(h.images.take(*image), None);
                    d.free_memory(h.image_memories.take(*image), None);
                    self.called(2 + gone);
                }
                Ok(())
            }
            Step::ReadRows { image, part } => self.read_rows(*image, part),
            _ => self.host_copy_step(step),
        }
    }

    fn create_image(&mut self, image: Id, shape: &Shape) -> Result<(), Ended> {
        let (d, h) = (&self.shared.gpu.device, &self.shared.handles);
        let (sharing_mode, queue_family_index_count, p_queue_family_indices) = self.sharing();
        let [width, height, depth] = shape.extent;
        let info = vk::ImageCreateInfo {
            image_type: shape.dimensions.kind(),
            format: shape.texels.format(),
            extent: vk::Extent3D { width, height, depth },
            mip_levels: shape.mips,
            array_layers: shape.layers,
            samples: vk::SampleCountFlags::from_raw(shape.samples),
            tiling: shape.tiling(),
            usage: shape.usage(),
            sharing_mode,
            queue_family_index_count,
            p_queue_family_indices,
            ..Default::default()
        };
        // SAFETY: by the plan.
        unsafe {
            let made = d.create_image(&info, None);
            let handle = self.must("vkCreateImage", made)?;
            h.images.set(image, handle);
            let needs = d.get_image_memory_requirements(handle);
            self.called(1);
            let kind = self.shared.gpu.memory_type(shape.linear, needs.memory_type_bits);
            let info = vk::MemoryAllocateInfo::default().allocation_size(needs.size).memory_type_index(kind);
            let made = d.allocate_memory(&info, None);
            let memory = self.must("vkAllocateMemory", made)?;
            h.image_memories.set(image, memory);
            let bound = d.bind_image_memory(handle, memory, 0);
            self.must("vkBindImageMemory", bound)?;
        }
        locked(&self.shared.images.shapes).insert(image, *shape);
        Ok(())
    }

    /// A view of one level of an image, for attachments.
    pub fn view(&mut self, image: Id, mip: u32, layer: u32, layers: u32) -> Result<vk::ImageView, Ended> {
        let shape = self.shared.images.shape(image);
        let mut views = locked(&self.shared.images.views);
        if let Some(view) = views.get(&(image, mip, layer, layers)) {
            return Ok(*view);
        }
        let info = vk::ImageViewCreateInfo::default()
            .image(self.shared.handles.images.get(image))
            .view_type(if layers > 1 { vk::ImageViewType::TYPE_2D_ARRAY } else { vk::ImageViewType::TYPE_2D })
            .format(shape.texels.format())
            .subresource_range(vk::ImageSubresourceRange {
                aspect_mask: shape.texels.whole().flags(),
                base_mip_level: mip,
                level_count: 1,
                base_array_layer: layer,
                layer_count: layers,
            });
        // SAFETY: by the plan.
        let made = unsafe { self.shared.gpu.device.create_image_view(&info, None) };
        let view = self.must("vkCreateImageView", made)?;
        views.insert((image, mip, layer, layers), view);
        Ok(view)
    }

    /// Reports how a part of a linear image lies in memory, and its texels.
    fn read_rows(&mut self, image: Id, part: &Part) -> Result<(), Ended> {
        let (d, h) = (&self.shared.gpu.device, &self.shared.handles);
        let shape = self.shared.images.shape(image);
        let place =
            vk::ImageSubresource { aspect_mask: part.aspect.flags(), mip_level: part.mip, array_layer: part.layer };
        let side = shape.texels.side();
        let bytes = u64::from(shape.texels.bytes(part.aspect));
        let [x, y, z] = [part.offset[0] / side, part.offset[1] / side, part.offset[2]].map(u64::from);
        let row = (u64::from(part.extent[0].div_ceil(side)) * bytes) as usize;
        let mut seen = Vec::with_capacity(shape.bytes(part, Rows::default()) as usize);
        // SAFETY: by the plan the image is linear, nothing writes it, and its memory isn't mapped; what is read is inside of the part.
        unsafe {
            let layout = d.get_image_subresource_layout(h.images.get(image), place);
            let memory: vk::DeviceMemory = h.image_memories.get(image);
            let made = d.map_memory(memory, 0, vk::WHOLE_SIZE, vk::MemoryMapFlags::empty());
            let map = self.must("vkMapMemory", made)?.cast::<u8>();
            for slice in 0..u64::from(part.extent[2]) {
                for line in 0..u64::from(part.extent[1].div_ceil(side)) {
                    let depth = if z + slice > 0 { (z + slice) * layout.depth_pitch } else { 0 };
                    let at = layout.offset + depth + (y + line) * layout.row_pitch + x * bytes;
                    seen.extend_from_slice(std::slice::from_raw_parts(map.add(at as usize), row));
                }
            }
            d.unmap_memory(memory);
            self.called(2);
            self.see(Seen::Value(layout.offset));
            self.see(Seen::Value(layout.row_pitch));
        }
        self.see(Seen::Bytes(seen));
        Ok(())
    }
}
