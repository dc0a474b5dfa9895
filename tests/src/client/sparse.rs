//! Sparse buffers and images, whose pages are bound to memory one by one.

use anyhow::{Context, Result, ensure};
use ash::vk;

use crate::gpu::{Buffer, Gpu, PATIENCE};

pub fn run() -> Result<()> {
    let gpu = Gpu::new()?;
    // SAFETY: a valid physical device.
    let (features, families) = unsafe {
        let features = gpu.instance.get_physical_device_features(gpu.physical);
        (features, gpu.instance.get_physical_device_queue_family_properties(gpu.physical))
    };
    ensure!(
        features.sparse_binding == vk::TRUE
            && features.sparse_residency_buffer == vk::TRUE
            && features.sparse_residency_image2_d == vk::TRUE,
        "the device has no sparse resources"
    );
    let flags = families[gpu.family as usize].queue_flags;
    ensure!(flags.contains(vk::QueueFlags::SPARSE_BINDING), "the queue binds no pages: {flags:?}");
    let sparse = Sparse::new(&gpu)?;
    buffer(&sparse)?;
    image(&sparse)?;
    sparse.end();
    println!("ok sparse");
    Ok(())
}

struct Sparse<'a> {
    gpu: &'a Gpu,
    bound: vk::Semaphore,
    fence: vk::Fence,
}

impl<'a> Sparse<'a> {
    fn new(gpu: &'a Gpu) -> Result<Self> {
        // SAFETY: a valid device.
        unsafe {
            let bound = gpu.device.create_semaphore(&vk::SemaphoreCreateInfo::default(), None)?;
            Ok(Self { gpu, bound, fence: gpu.device.create_fence(&vk::FenceCreateInfo::default(), None)? })
        }
    }

    fn end(self) {
        // SAFETY: everything has been waited for.
        unsafe {
            self.gpu.device.destroy_semaphore(self.bound, None);
            self.gpu.device.destroy_fence(self.fence, None);
        }
    }

    /// Binds, has `work` wait for that, and waits for both.
    fn bind(&self, info: vk::BindSparseInfo, work: vk::CommandBuffer) -> Result<()> {
        let (d, bound, buffers) = (&self.gpu.device, [self.bound], [work]);
        let stage = [vk::PipelineStageFlags::ALL_COMMANDS];
        let batch = vk::SubmitInfo::default().wait_semaphores(&bound).wait_dst_stage_mask(&stage);
        // SAFETY: handles of this device.
        unsafe {
            d.queue_bind_sparse(self.gpu.queue, &[info.signal_semaphores(&bound)], vk::Fence::null())?;
            d.queue_submit(self.gpu.queue, &[batch.command_buffers(&buffers)], self.fence)?;
            d.wait_for_fences(&[self.fence], true, PATIENCE)?;
            d.reset_fences(&[self.fence])?;
            d.free_command_buffers(self.gpu.pool, &buffers);
        }
        Ok(())
    }

    /// Binds, and waits with the fence of that.
    fn bind_alone(&self, info: vk::BindSparseInfo) -> Result<()> {
        let d = &self.gpu.device;
        // SAFETY: handles of this device.
        unsafe {
            d.queue_bind_sparse(self.gpu.queue, &[info], self.fence)?;
            d.wait_for_fences(&[self.fence], true, PATIENCE)?;
            Ok(d.reset_fences(&[self.fence])?)
        }
    }

    /// Memory of a type that is allowed.
    fn memory(&self, size: u64, bits: u32) -> Result<vk::DeviceMemory> {
        let kind = self.gpu.memory_type(bits, vk::MemoryPropertyFlags::empty())?;
        let info = vk::MemoryAllocateInfo::default().allocation_size(size).memory_type_index(kind);
        // SAFETY: a valid device.
        unsafe { Ok(self.gpu.device.allocate_memory(&info, None)?) }
    }
}

fn value(seed: u32) -> impl Fn(u32) -> u32 {
    move |i| i.wrapping_mul(2_654_435_761) ^ seed
}

/// A buffer of four pages: two are bound crosswise and filled, then one page of memory moves to another place of the buffer.
fn buffer(sparse: &Sparse) -> Result<()> {
    let (gpu, d) = (sparse.gpu, &sparse.gpu.device);
    let flags = vk::BufferCreateFlags::SPARSE_BINDING | vk::BufferCreateFlags::SPARSE_RESIDENCY;
    let usage = vk::BufferUsageFlags::TRANSFER_SRC | vk::BufferUsageFlags::TRANSFER_DST;
    // SAFETY: handles of this device; all work has been waited for when they are destroyed.
    unsafe {
        let make = |size| d.create_buffer(&vk::BufferCreateInfo::default().flags(flags).size(size).usage(usage), None);
        let small = make(4)?;
        let page = d.get_buffer_memory_requirements(small).alignment;
        d.destroy_buffer(small, None);
        ensure!(page.is_power_of_two(), "pages of {page} bytes");
        let buffer = make(page * 4)?;
        let needs = d.get_buffer_memory_requirements(buffer);
        ensure!(needs.size >= page * 4 && needs.alignment == page, "odd requirements {needs:?}");
        let memory = sparse.memory(page * 2, needs.memory_type_bits)?;
        let words = page as usize / 4;
        let (up, down) = (gpu.buffer(words * 2)?, gpu.buffer(words)?);
        let at = |place: u64, memory_page: Option<u64>| {
            let bind = vk::SparseMemoryBind::default().resource_offset(place * page).size(page);
            memory_page.map_or(bind, |m| bind.memory(memory).memory_offset(m * page))
        };
        let copy = |from: &Buffer, page_of_from: u64, place: u64| {
            let region = vk::BufferCopy { src_offset: page_of_from * page, dst_offset: place * page, size: page };
            (from.buffer, region)
        };
        let look = |place: u64| vk::BufferCopy { src_offset: place * page, dst_offset: 0, size: page };

        up.fill(value(1));
        let crosswise = [at(0, Some(1)), at(2, Some(0))];
        let binds = [vk::SparseBufferMemoryBindInfo::default().buffer(buffer).binds(&crosswise)];
        let work = gpu.record(|cmd| {
            for (from, region) in [copy(&up, 0, 0), copy(&up, 1, 2)] {
                d.cmd_copy_buffer(cmd, from, buffer, &[region]);
            }
            gpu.barrier(cmd);
        })?;
        sparse.bind(vk::BindSparseInfo::default().buffer_binds(&binds), work)?;
        for (place, first) in [(0, 0), (2, words as u32)] {
            down.fill(|_| 0);
            gpu.run(|cmd| {
                d.cmd_copy_buffer(cmd, buffer, down.buffer, &[look(place)]);
                gpu.barrier(cmd);
            })?;
            down.expect(&format!("page {place} of a sparse buffer"), |i| value(1)(first + i))?;
        }

        // The memory of place 0 goes to place 3 with what is in it.
        let moved = [at(0, None), at(3, Some(1))];
        let binds = [vk::SparseBufferMemoryBindInfo::default().buffer(buffer).binds(&moved)];
        sparse.bind_alone(vk::BindSparseInfo::default().buffer_binds(&binds))?;
        for (place, first) in [(3, 0), (2, words as u32)] {
            down.fill(|_| 0);
            gpu.run(|cmd| {
                d.cmd_copy_buffer(cmd, buffer, down.buffer, &[look(place)]);
                gpu.barrier(cmd);
            })?;
            down.expect(&format!("page {place} of a sparse buffer after a move"), |i| value(1)(first + i))?;
        }
        d.destroy_buffer(buffer, None);
        d.free_memory(memory, None);
        [up, down].into_iter().for_each(|b| gpu.free(b));
    }
    Ok(())
}

const SIDE: u32 = 512;

/// An image of whose tiles all but the last are bound, in the opposite order.
fn image(sparse: &Sparse) -> Result<()> {
    let (gpu, d) = (sparse.gpu, &sparse.gpu.device);
    let extent = vk::Extent3D { width: SIDE, height: SIDE, depth: 1 };
    let info = vk::ImageCreateInfo::default()
        .flags(vk::ImageCreateFlags::SPARSE_BINDING | vk::ImageCreateFlags::SPARSE_RESIDENCY)
        .image_type(vk::ImageType::TYPE_2D)
        .format(vk::Format::R8G8B8A8_UINT)
        .extent(extent)
        .mip_levels(1)
        .array_layers(1)
        .samples(vk::SampleCountFlags::TYPE_1)
        .usage(vk::ImageUsageFlags::TRANSFER_SRC | vk::ImageUsageFlags::TRANSFER_DST);
    // SAFETY: handles of this device; all work has been waited for when they are destroyed.
    unsafe {
        let image = d.create_image(&info, None)?;
        let needs = d.get_image_memory_requirements(image);
        let list = d.get_image_sparse_memory_requirements(image);
        let color = |r: &&vk::SparseImageMemoryRequirements| {
            r.format_properties.aspect_mask.contains(vk::ImageAspectFlags::COLOR)
        };
        let layout = list.iter().find(color).context("no sparse requirements of the image's colors")?;
        let tile = layout.format_properties.image_granularity;
        ensure!(
            layout.image_mip_tail_first_lod > 0
                && tile.width > 0
                && SIDE.is_multiple_of(tile.width)
                && SIDE.is_multiple_of(tile.height),
            "tiles that this test doesn't know: {layout:?}"
        );
        let places: Vec<vk::Offset3D> = (0..SIDE / tile.height)
            .flat_map(|y| (0..SIDE / tile.width).map(move |x| (x, y)))
            .map(|(x, y)| vk::Offset3D { x: (x * tile.width) as i32, y: (y * tile.height) as i32, z: 0 })
            .collect();
        ensure!(places.len() > 2, "{} tiles", places.len());
        let bound = &places[..places.len() - 1];
        let page = needs.alignment;
        let memory = sparse.memory(page * bound.len() as u64, needs.memory_type_bits)?;
        let subresource = vk::ImageSubresource { aspect_mask: vk::ImageAspectFlags::COLOR, ..Default::default() };
        let binds: Vec<vk::SparseImageMemoryBind> = (0u64..)
            .zip(bound.iter().rev())
            .map(|(i, offset)| {
                let bind = vk::SparseImageMemoryBind::default().subresource(subresource).offset(*offset).extent(tile);
                bind.memory(memory).memory_offset(i * page)
            })
            .collect();
        let binds = [vk::SparseImageMemoryBindInfo::default().image(image).binds(&binds)];

        let pixels = (tile.width * tile.height) as usize;
        let (up, down) = (gpu.buffer(pixels * bound.len())?, gpu.buffer(pixels * bound.len())?);
        up.fill(value(7));
        down.fill(|_| 0);
        let layers = vk::ImageSubresourceLayers {
            aspect_mask: vk::ImageAspectFlags::COLOR,
            layer_count: 1,
            ..Default::default()
        };
        let regions: Vec<vk::BufferImageCopy> = (0u64..)
            .zip(bound)
            .map(|(i, offset)| vk::BufferImageCopy {
                buffer_offset: i * pixels as u64 * 4,
                image_subresource: layers,
                image_offset: *offset,
                image_extent: tile,
                ..Default::default()
            })
            .collect();
        let general = vk::ImageLayout::GENERAL;
        let whole = vk::ImageSubresourceRange {
            aspect_mask: vk::ImageAspectFlags::COLOR,
            level_count: 1,
            layer_count: 1,
            ..Default::default()
        };
        let all = vk::AccessFlags::MEMORY_READ | vk::AccessFlags::MEMORY_WRITE;
        let stages = vk::PipelineStageFlags::ALL_COMMANDS;
        let begin = [vk::ImageMemoryBarrier::default()
            .image(image)
            .new_layout(general)
            .dst_access_mask(all)
            .src_queue_family_index(vk::QUEUE_FAMILY_IGNORED)
            .dst_queue_family_index(vk::QUEUE_FAMILY_IGNORED)
            .subresource_range(whole)];
        let work = gpu.record(|cmd| {
            d.cmd_pipeline_barrier(cmd, stages, stages, vk::DependencyFlags::empty(), &[], &[], &begin);
            d.cmd_copy_buffer_to_image(cmd, up.buffer, image, general, &regions);
            gpu.barrier(cmd);
            d.cmd_copy_image_to_buffer(cmd, image, general, down.buffer, &regions);
            gpu.barrier(cmd);
        })?;
        sparse.bind(vk::BindSparseInfo::default().image_binds(&binds), work)?;
        down.expect("the tiles of a sparse image", value(7))?;
        d.destroy_image(image, None);
        d.free_memory(memory, None);
        [up, down].into_iter().for_each(|b| gpu.free(b));
    }
    Ok(())
}
