//! An image that the host's processor and a queue copy.

use std::ffi::c_void;

use anyhow::{Context, Result, ensure};
use ash::{ext::host_image_copy, vk};

use super::texels::{Memory, Texels};
use crate::gpu::Gpu;

/// Where an image is all the time.
const LAYOUT: vk::ImageLayout = vk::ImageLayout::GENERAL;

/// What an image is made from.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    pub of: Texels,
    pub kind: vk::ImageType,
    pub extent: [u32; 3],
    pub mips: u32,
    pub layers: u32,
    pub tiling: vk::ImageTiling,
}

/// An image of two dimensions whose texels lie as the device likes.
pub const fn flat(of: Texels, extent: [u32; 3], mips: u32, layers: u32) -> Kind {
    Kind { of, kind: vk::ImageType::TYPE_2D, extent, mips, layers, tiling: vk::ImageTiling::OPTIMAL }
}

impl Kind {
    pub fn level(&self, mip: u32) -> vk::Extent3D {
        let [width, height, depth] = self.extent.map(|n| (n >> mip).max(1));
        vk::Extent3D { width, height, depth }
    }

    /// All layers of a level, without gaps.
    pub fn closely(&self, mip: u32) -> Memory {
        Memory::closely(self.of, self.level(mip), self.layers)
    }
}

/// A region of an image, next to memory.
pub struct Part<'a> {
    pub mip: u32,
    pub layer: u32,
    pub offset: [u32; 3],
    pub memory: &'a Memory,
    /// Whether its layers aren't counted, but named as those that are left.
    pub rest: bool,
}

impl Part<'_> {
    fn layers(&self, image: &Image<'_>) -> vk::ImageSubresourceLayers {
        let count = if self.rest { vk::REMAINING_ARRAY_LAYERS } else { self.memory.layers };
        image.layers(self.mip, self.layer, count)
    }
}

pub struct Image<'a> {
    gpu: &'a Gpu,
    copies: &'a host_image_copy::Device,
    pub kind: Kind,
    pub image: vk::Image,
    pub memory: vk::DeviceMemory,
}

impl<'a> Image<'a> {
    /// `None` where the device can't have the host copy such an image.
    pub fn new(gpu: &'a Gpu, copies: &'a host_image_copy::Device, kind: Kind) -> Result<Option<Self>> {
        let mut wide = vk::FormatProperties3::default();
        let mut properties = vk::FormatProperties2::default().push_next(&mut wide);
        // SAFETY: a valid physical device, and a struct with its chain.
        unsafe {
            gpu.instance.get_physical_device_format_properties2(gpu.physical, kind.of.format, &mut properties);
        }
        let linear = kind.tiling == vk::ImageTiling::LINEAR;
        let has = if linear { wide.linear_tiling_features } else { wide.optimal_tiling_features };
        let needs = vk::FormatFeatureFlags2::HOST_IMAGE_TRANSFER_EXT | vk::FormatFeatureFlags2::TRANSFER_SRC;
        if !has.contains(needs | vk::FormatFeatureFlags2::TRANSFER_DST) {
            return Ok(None);
        }
        let usage = vk::ImageUsageFlags::TRANSFER_SRC | vk::ImageUsageFlags::TRANSFER_DST;
        let info = vk::ImageCreateInfo::default()
            .image_type(kind.kind)
            .format(kind.of.format)
            .extent(kind.level(0))
            .mip_levels(kind.mips)
            .array_layers(kind.layers)
            .samples(vk::SampleCountFlags::TYPE_1)
            .tiling(kind.tiling)
            .usage(usage | vk::ImageUsageFlags::HOST_TRANSFER_EXT);
        let visible = vk::MemoryPropertyFlags::HOST_VISIBLE | vk::MemoryPropertyFlags::HOST_COHERENT;
        let flags = if linear { visible } else { vk::MemoryPropertyFlags::empty() };
        // SAFETY: handles of this device.
        unsafe {
            let image = gpu.device.create_image(&info, None)?;
            let needs = gpu.device.get_image_memory_requirements(image);
            let memory_type = gpu.memory_type(needs.memory_type_bits, flags)?;
            let info = vk::MemoryAllocateInfo::default().allocation_size(needs.size).memory_type_index(memory_type);
            let memory = gpu.device.allocate_memory(&info, None)?;
            gpu.device.bind_image_memory(image, memory, 0)?;
            let made = Self { gpu, copies, kind, image, memory };
            made.transition().context("vkTransitionImageLayout")?;
            Ok(Some(made))
        }
    }

    /// Has the host bring all of a new image into its layout.
    fn transition(&self) -> Result<()> {
        let aspects = match self.kind.of.format {
            vk::Format::D24_UNORM_S8_UINT | vk::Format::D32_SFLOAT_S8_UINT => {
                vk::ImageAspectFlags::DEPTH | vk::ImageAspectFlags::STENCIL
            }
            _ => self.kind.of.aspect,
        };
        let all = vk::ImageSubresourceRange {
            aspect_mask: aspects,
            level_count: vk::REMAINING_MIP_LEVELS,
            layer_count: vk::REMAINING_ARRAY_LAYERS,
            ..Default::default()
        };
        let transition = [vk::HostImageLayoutTransitionInfoEXT::default()
            .image(self.image)
            .old_layout(vk::ImageLayout::UNDEFINED)
            .new_layout(LAYOUT)
            .subresource_range(all)];
        // SAFETY: an image of this device that nobody uses.
        Ok(unsafe { self.copies.transition_image_layout(&transition) }?)
    }

    pub fn layers(&self, mip: u32, first: u32, count: u32) -> vk::ImageSubresourceLayers {
        vk::ImageSubresourceLayers {
            aspect_mask: self.kind.of.aspect,
            mip_level: mip,
            base_array_layer: first,
            layer_count: count,
        }
    }

    /// A queue fills all layers of a level.
    pub fn fill(&self, mip: u32, bytes: &[u8]) -> Result<()> {
        let up = self.gpu.buffer(bytes.len().div_ceil(4))?;
        // SAFETY: inside the mapping, which no work touches at this time.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), up.map.cast(), bytes.len()) };
        let region = [self.whole(mip)];
        self.gpu.run(|cmd| {
            // SAFETY: recording, with handles of this device.
            unsafe { self.gpu.device.cmd_copy_buffer_to_image(cmd, up.buffer, self.image, LAYOUT, &region) };
            self.gpu.barrier(cmd);
        })?;
        self.gpu.free(up);
        Ok(())
    }

    /// A queue reads all layers of a level.
    pub fn read(&self, mip: u32) -> Result<Vec<u8>> {
        let len = self.kind.closely(mip).len();
        let down = self.gpu.buffer(len.div_ceil(4))?;
        let region = [self.whole(mip)];
        self.gpu.run(|cmd| {
            self.gpu.barrier(cmd);
            // SAFETY: recording, with handles of this device.
            unsafe { self.gpu.device.cmd_copy_image_to_buffer(cmd, self.image, LAYOUT, down.buffer, &region) };
            self.gpu.barrier(cmd);
        })?;
        let mut bytes = vec![0; len];
        // SAFETY: inside the mapping, and the work is over.
        unsafe { std::ptr::copy_nonoverlapping(down.map.cast(), bytes.as_mut_ptr(), len) };
        self.gpu.free(down);
        Ok(bytes)
    }

    fn whole(&self, mip: u32) -> vk::BufferImageCopy {
        let image_subresource = self.layers(mip, 0, self.kind.layers);
        vk::BufferImageCopy { image_subresource, image_extent: self.kind.level(mip), ..Default::default() }
    }

    /// The host copies memory to a region.
    pub fn host_write(&self, mip: u32, layer: u32, offset: [u32; 3], to: &Memory, bytes: &[u8]) -> Result<()> {
        self.host_write_all(&[(Part { mip, layer, offset, memory: to, rest: false }, bytes)])
    }

    /// The host copies memory to regions, in one call.
    pub fn host_write_all(&self, parts: &[(Part<'_>, &[u8])]) -> Result<()> {
        ensure!(parts.iter().all(|(to, bytes)| bytes.len() == to.memory.len()), "a test's own mistake");
        let region = |(to, bytes): &(Part<'_>, &[u8])| vk::MemoryToImageCopyEXT {
            memory_row_length: to.memory.row_length,
            memory_image_height: to.memory.image_height,
            image_subresource: to.layers(self),
            image_offset: at(to.offset),
            image_extent: to.memory.extent,
            p_host_pointer: bytes.as_ptr().cast(),
            ..Default::default()
        };
        let regions: Vec<_> = parts.iter().map(region).collect();
        let info = vk::CopyMemoryToImageInfoEXT::default().dst_image(self.image).dst_image_layout(LAYOUT);
        // SAFETY: an idle image of this device, and memory of each region's size.
        unsafe { self.copies.copy_memory_to_image(&info.regions(&regions)) }.context("vkCopyMemoryToImage")
    }

    /// The host copies a region to memory.
    pub fn host_read(&self, mip: u32, layer: u32, offset: [u32; 3], from: &Memory, to: &mut [u8]) -> Result<()> {
        self.host_read_all(&mut [(Part { mip, layer, offset, memory: from, rest: false }, to)])
    }

    /// The host copies regions to memory, in one call.
    pub fn host_read_all(&self, parts: &mut [(Part<'_>, &mut [u8])]) -> Result<()> {
        ensure!(parts.iter().all(|(from, to)| to.len() == from.memory.len()), "a test's own mistake");
        let region = |(from, to): &mut (Part<'_>, &mut [u8])| vk::ImageToMemoryCopyEXT {
            memory_row_length: from.memory.row_length,
            memory_image_height: from.memory.image_height,
            image_subresource: from.layers(self),
            image_offset: at(from.offset),
            image_extent: from.memory.extent,
            p_host_pointer: to.as_mut_ptr().cast(),
            ..Default::default()
        };
        let regions: Vec<_> = parts.iter_mut().map(region).collect();
        let info = vk::CopyImageToMemoryInfoEXT::default().src_image(self.image).src_image_layout(LAYOUT);
        // SAFETY: an idle image of this device, and memory of each region's size.
        unsafe { self.copies.copy_image_to_memory(&info.regions(&regions)) }.context("vkCopyImageToMemory")
    }

    /// Bytes that all layers of a level take in the order that only the device knows.
    fn opaque_size(&self, mip: u32) -> Result<usize> {
        let mut size = 0;
        for array_layer in 0..self.kind.layers {
            let mut copied = vk::SubresourceHostMemcpySizeEXT::default();
            let mut layout = vk::SubresourceLayout2EXT::default().push_next(&mut copied);
            let aspect_mask = self.kind.of.aspect;
            let place = vk::ImageSubresource { aspect_mask, mip_level: mip, array_layer };
            let place = vk::ImageSubresource2EXT::default().image_subresource(place);
            // SAFETY: an image of this device, and a struct with its chain.
            unsafe { self.copies.get_image_subresource_layout2(self.image, &place, &mut layout) };
            ensure!(copied.size > 0, "a layer takes no bytes");
            size += copied.size as usize;
        }
        Ok(size)
    }

    /// The host copies all layers of a level to another image, by way of memory in the device's own order.
    pub fn carry(&self, mip: u32, to: &Self) -> Result<()> {
        let mut bytes = vec![0u8; self.opaque_size(mip)?];
        let (flags, extent) = (vk::HostImageCopyFlagsEXT::MEMCPY, self.kind.level(mip));
        let layers = self.layers(mip, 0, self.kind.layers);
        let p_host_pointer: *mut c_void = bytes.as_mut_ptr().cast();
        let down = vk::ImageToMemoryCopyEXT {
            image_subresource: layers,
            image_extent: extent,
            p_host_pointer,
            ..Default::default()
        };
        let up = vk::MemoryToImageCopyEXT {
            image_subresource: layers,
            image_extent: extent,
            p_host_pointer,
            ..Default::default()
        };
        let (down, up) = ([down], [up]);
        let get = vk::CopyImageToMemoryInfoEXT::default().flags(flags).src_image(self.image).src_image_layout(LAYOUT);
        let put = vk::CopyMemoryToImageInfoEXT::default().flags(flags).dst_image(to.image).dst_image_layout(LAYOUT);
        // SAFETY: idle images of this device that were made alike, and memory of the size that the device told.
        unsafe {
            self.copies.copy_image_to_memory(&get.regions(&down)).context("vkCopyImageToMemory as it lies")?;
            self.copies.copy_memory_to_image(&put.regions(&up)).context("vkCopyMemoryToImage as it lies")
        }
    }

    /// The host copies all layers of a level to another image.
    pub fn copy(&self, mip: u32, to: &Self) -> Result<()> {
        let layers = self.layers(mip, 0, self.kind.layers);
        let region =
            [vk::ImageCopy2::default().src_subresource(layers).dst_subresource(layers).extent(self.kind.level(mip))];
        let info = vk::CopyImageToImageInfoEXT::default()
            .src_image(self.image)
            .src_image_layout(LAYOUT)
            .dst_image(to.image)
            .dst_image_layout(LAYOUT);
        // SAFETY: idle images of this device.
        unsafe { self.copies.copy_image_to_image(&info.regions(&region)) }.context("vkCopyImageToImage")
    }
}

fn at([x, y, z]: [u32; 3]) -> vk::Offset3D {
    vk::Offset3D { x: x as i32, y: y as i32, z: z as i32 }
}

impl Drop for Image<'_> {
    fn drop(&mut self) {
        // SAFETY: nobody uses it any more.
        unsafe {
            self.gpu.device.destroy_image(self.image, None);
            self.gpu.device.free_memory(self.memory, None);
        }
    }
}
