//! What objects and questions cost.

use std::cell::RefCell;
use std::hint::black_box;

use anyhow::Result;
use ash::vk;

use super::measure::{Bench, row, time};
use crate::gpu::PATIENCE;

impl Bench<'_> {
    /// Creation and destruction, whichever of the two the cost falls on.
    pub fn objects(&self) -> Result<()> {
        const N: u32 = 200;
        let d = &self.gpu.device;
        let flags = vk::MemoryPropertyFlags::HOST_VISIBLE | vk::MemoryPropertyFlags::HOST_COHERENT;
        let kind = self.gpu.memory_type(u32::MAX, flags)?;
        // SAFETY: handles of this device, destroyed after their last use.
        unsafe {
            let usage = vk::BufferUsageFlags::STORAGE_BUFFER;
            let info = vk::BufferCreateInfo::default().size(4096).usage(usage);
            let many = |f: &dyn Fn() -> Result<()>| time(9, N, || (0..N).try_for_each(|_| f()));
            let ns = many(&|| {
                let buffer = d.create_buffer(&info, None)?;
                let _ = black_box(d.get_buffer_memory_requirements(buffer));
                d.destroy_buffer(buffer, None);
                Ok(())
            })?;
            row("vkCreateBuffer and its requirements", ns / 1e3, "us");
            let image = vk::ImageCreateInfo::default()
                .image_type(vk::ImageType::TYPE_2D)
                .format(vk::Format::R8G8B8A8_UNORM)
                .extent(vk::Extent3D { width: 64, height: 64, depth: 1 })
                .mip_levels(1)
                .array_layers(1)
                .samples(vk::SampleCountFlags::TYPE_1)
                .usage(vk::ImageUsageFlags::SAMPLED);
            let ns = many(&|| {
                let image = d.create_image(&image, None)?;
                let _ = black_box(d.get_image_memory_requirements(image));
                d.destroy_image(image, None);
                Ok(())
            })?;
            row("vkCreateImage and its requirements", ns / 1e3, "us");
            let memory = vk::MemoryAllocateInfo::default().allocation_size(65536).memory_type_index(kind);
            let ns = many(&|| {
                d.free_memory(d.allocate_memory(&memory, None)?, None);
                Ok(())
            })?;
            row("vkAllocateMemory, 64 KiB", ns / 1e3, "us");
            let ns = many(&|| {
                let memory = d.allocate_memory(&memory, None)?;
                let p: *mut u8 = d.map_memory(memory, 0, vk::WHOLE_SIZE, vk::MemoryMapFlags::empty())?.cast();
                p.write_volatile(1);
                d.free_memory(memory, None);
                Ok(())
            })?;
            row("vkAllocateMemory and first vkMapMemory", ns / 1e3, "us");
            let held = d.allocate_memory(&memory, None)?;
            let ns = many(&|| {
                black_box(d.map_memory(held, 0, vk::WHOLE_SIZE, vk::MemoryMapFlags::empty())?);
                d.unmap_memory(held);
                Ok(())
            })?;
            row("vkMapMemory again", ns, "ns");
            d.free_memory(held, None);
            let ns = many(&|| {
                let fence = d.create_fence(&vk::FenceCreateInfo::default(), None)?;
                d.destroy_fence(fence, None);
                Ok(())
            })?;
            row("vkCreateFence", ns, "ns");
        }
        let mut factor = 1000;
        let ns = time(20, 1, || {
            factor += 1;
            let kind = vk::DescriptorType::STORAGE_BUFFER;
            let pipeline = self.gpu.scale(factor, vk::DescriptorSetLayoutCreateFlags::empty(), kind)?;
            self.gpu.free_pipeline(pipeline);
            Ok(())
        })?;
        row("vkCreateComputePipelines", ns / 1e3, "us");
        Ok(())
    }

    /// Questions whose answers don't change.
    pub fn queries(&self) -> Result<()> {
        const N: u32 = 1000;
        let (i, d, p) = (&self.gpu.instance, &self.gpu.device, self.gpu.physical);
        // SAFETY: handles of this instance and device.
        unsafe {
            let ask = |name: &str, f: &dyn Fn()| -> Result<()> {
                let ns = time(9, N, || {
                    (0..N).for_each(|_| f());
                    Ok(())
                })?;
                row(name, ns, "ns");
                Ok(())
            };
            // The structs are made once: filling them with zeros would cost more than the calls.
            let mut more = vk::PhysicalDeviceVulkan11Properties::default();
            let to = RefCell::new(vk::PhysicalDeviceProperties2::default().push_next(&mut more));
            ask("vkGetPhysicalDeviceProperties2", &|| i.get_physical_device_properties2(p, &mut to.borrow_mut()))?;
            let mut more = vk::PhysicalDeviceVulkan12Features::default();
            let to = RefCell::new(vk::PhysicalDeviceFeatures2::default().push_next(&mut more));
            ask("vkGetPhysicalDeviceFeatures2", &|| i.get_physical_device_features2(p, &mut to.borrow_mut()))?;
            ask("vkGetPhysicalDeviceFormatProperties2", &|| {
                let mut to = vk::FormatProperties2::default();
                i.get_physical_device_format_properties2(p, vk::Format::R8G8B8A8_UNORM, &mut to);
            })?;
            ask("vkGetBufferMemoryRequirements", &|| {
                let _ = black_box(d.get_buffer_memory_requirements(self.a.buffer));
            })?;
            let info = vk::QueryPoolCreateInfo::default().query_type(vk::QueryType::TIMESTAMP).query_count(1);
            let pool = d.create_query_pool(&info, None)?;
            self.gpu.run(|cmd| {
                d.cmd_reset_query_pool(cmd, pool, 0, 1);
                d.cmd_write_timestamp(cmd, vk::PipelineStageFlags::ALL_COMMANDS, pool, 0);
            })?;
            ask("vkGetQueryPoolResults again", &|| {
                let mut to = [0u64];
                let _ = black_box(d.get_query_pool_results(pool, 0, &mut to, vk::QueryResultFlags::TYPE_64));
            })?;
            let stages = vk::PipelineStageFlags::ALL_COMMANDS;
            let stamp = self.gpu.record(|cmd| {
                d.cmd_reset_query_pool(cmd, pool, 0, 1);
                d.cmd_write_timestamp(cmd, stages, pool, 0);
            })?;
            let fence = d.create_fence(&vk::FenceCreateInfo::default(), None)?;
            let ns = time(200, 1, || {
                d.queue_submit(self.gpu.queue, &[vk::SubmitInfo::default().command_buffers(&[stamp])], fence)?;
                d.wait_for_fences(&[fence], true, PATIENCE)?;
                d.reset_fences(&[fence])?;
                Ok(d.get_query_pool_results(pool, 0, &mut [0u64], vk::QueryResultFlags::TYPE_64)?)
            })?;
            row("timestamp submitted, waited for, read", ns / 1e3, "us");
            d.free_command_buffers(self.gpu.pool, &[stamp]);
            d.destroy_fence(fence, None);
            d.destroy_query_pool(pool, None);
        }
        Ok(())
    }
}
