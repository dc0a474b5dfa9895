//! A buffer and an image in memory that is shared, and submissions that tell others, or hear from them.

use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};

use anyhow::{Context, Result, ensure};
use ash::vk;
use vk::ExternalMemoryHandleTypeFlags as Type;

use crate::gpu::{Gpu, PATIENCE};

pub const SIDE: u32 = 64;

/// Where memory comes from.
pub enum Origin {
    New,
    /// Another process' file.
    File(OwnedFd),
}

impl Origin {
    /// Whether Vulkan allows it with these features.
    fn check(&self, features: vk::ExternalMemoryFeatureFlags) -> Result<()> {
        let needed = match self {
            Self::New => vk::ExternalMemoryFeatureFlags::EXPORTABLE,
            Self::File(_) => vk::ExternalMemoryFeatureFlags::IMPORTABLE,
        };
        ensure!(features.contains(needed), "{needed:?} is needed, and there is {features:?}");
        Ok(())
    }
}

const BUFFER_USAGE: vk::BufferUsageFlags = vk::BufferUsageFlags::from_raw(
    vk::BufferUsageFlags::TRANSFER_SRC.as_raw() | vk::BufferUsageFlags::TRANSFER_DST.as_raw(),
);
const IMAGE_USAGE: vk::ImageUsageFlags = vk::ImageUsageFlags::from_raw(
    vk::ImageUsageFlags::TRANSFER_SRC.as_raw() | vk::ImageUsageFlags::TRANSFER_DST.as_raw(),
);
const IMAGE_FORMAT: vk::Format = vk::Format::R8G8B8A8_UINT;

/// Memory for a buffer or an image; a file that couldn't be imported is closed.
unsafe fn memory(
    gpu: &Gpu,
    size: u64,
    bits: u32,
    dedicated: vk::MemoryDedicatedAllocateInfo<'_>,
    origin: Origin,
) -> Result<vk::DeviceMemory> {
    let mut dedicated = dedicated;
    let mut export = vk::ExportMemoryAllocateInfo::default().handle_types(Type::DMA_BUF_EXT);
    let mut import = vk::ImportMemoryFdInfoKHR::default().handle_type(Type::DMA_BUF_EXT);
    let mut bits = bits;
    let info = vk::MemoryAllocateInfo::default().allocation_size(size).push_next(&mut dedicated);
    let (info, file) = match origin {
        Origin::New => (info.push_next(&mut export), None),
        Origin::File(file) => {
            let extension = ash::khr::external_memory_fd::Device::new(&gpu.instance, &gpu.device);
            let mut properties = vk::MemoryFdPropertiesKHR::default();
            // SAFETY: a valid device and file.
            unsafe { extension.get_memory_fd_properties(Type::DMA_BUF_EXT, file.as_raw_fd(), &mut properties) }?;
            bits &= properties.memory_type_bits;
            import = import.fd(file.as_raw_fd());
            (info.push_next(&mut import), Some(file))
        }
    };
    let kind = gpu.memory_type(bits, vk::MemoryPropertyFlags::empty())?;
    // SAFETY: a valid device and info.
    let memory =
        unsafe { gpu.device.allocate_memory(&info.memory_type_index(kind), None) }.context("vkAllocateMemory")?;
    // The driver's from now on.
    let _ = file.map(IntoRawFd::into_raw_fd);
    Ok(memory)
}

/// A file of memory.
fn export(gpu: &Gpu, memory: vk::DeviceMemory) -> Result<OwnedFd> {
    let extension = ash::khr::external_memory_fd::Device::new(&gpu.instance, &gpu.device);
    let info = vk::MemoryGetFdInfoKHR::default().memory(memory).handle_type(Type::DMA_BUF_EXT);
    // SAFETY: valid memory; the file is ours.
    Ok(unsafe { OwnedFd::from_raw_fd(extension.get_memory_fd(&info).context("vkGetMemoryFdKHR")?) })
}

/// A buffer.
pub struct Shared {
    pub buffer: vk::Buffer,
    memory: vk::DeviceMemory,
    /// Of its memory.
    pub size: u64,
}

impl Shared {
    pub fn new(gpu: &Gpu, size: u64, origin: Origin) -> Result<Self> {
        let mut external = vk::ExternalMemoryBufferCreateInfo::default().handle_types(Type::DMA_BUF_EXT);
        origin.check(gpu.external_features(Type::DMA_BUF_EXT)).context("of buffers")?;
        let info = vk::BufferCreateInfo::default().size(size).usage(BUFFER_USAGE).push_next(&mut external);
        // SAFETY: handles of this device.
        unsafe {
            let buffer = gpu.device.create_buffer(&info, None)?;
            let needs = gpu.device.get_buffer_memory_requirements(buffer);
            let dedicated = vk::MemoryDedicatedAllocateInfo::default().buffer(buffer);
            let memory = memory(gpu, needs.size, needs.memory_type_bits, dedicated, origin);
            let memory = memory.inspect_err(|_| gpu.device.destroy_buffer(buffer, None))?;
            gpu.device.bind_buffer_memory(buffer, memory, 0)?;
            Ok(Self { buffer, memory, size: needs.size })
        }
    }

    pub fn export(&self, gpu: &Gpu) -> Result<OwnedFd> {
        export(gpu, self.memory)
    }

    pub fn free(self, gpu: &Gpu) {
        // SAFETY: the caller has waited for what uses it.
        unsafe {
            gpu.device.destroy_buffer(self.buffer, None);
            gpu.device.free_memory(self.memory, None);
        }
    }
}

/// An image whose rows lie one behind the other.
pub struct SharedImage {
    pub image: vk::Image,
    memory: vk::DeviceMemory,
    /// Of its memory.
    pub size: u64,
    /// Bytes from row to row.
    pub pitch: u64,
}

impl SharedImage {
    pub fn new(gpu: &Gpu, origin: Origin) -> Result<Self> {
        origin.check(external_features(gpu)?).context("of images")?;
        let mut external = vk::ExternalMemoryImageCreateInfo::default().handle_types(Type::DMA_BUF_EXT);
        let info = vk::ImageCreateInfo::default()
            .image_type(vk::ImageType::TYPE_2D)
            .format(IMAGE_FORMAT)
            .extent(vk::Extent3D { width: SIDE, height: SIDE, depth: 1 })
            .mip_levels(1)
            .array_layers(1)
            .samples(vk::SampleCountFlags::TYPE_1)
            .tiling(vk::ImageTiling::LINEAR)
            .usage(IMAGE_USAGE)
            .push_next(&mut external);
        let color = vk::ImageSubresource { aspect_mask: vk::ImageAspectFlags::COLOR, ..Default::default() };
        // SAFETY: handles of this device.
        unsafe {
            let image = gpu.device.create_image(&info, None)?;
            let needs = gpu.device.get_image_memory_requirements(image);
            let layout = gpu.device.get_image_subresource_layout(image, color);
            let dedicated = vk::MemoryDedicatedAllocateInfo::default().image(image);
            let memory = memory(gpu, needs.size, needs.memory_type_bits, dedicated, origin);
            let memory = memory.inspect_err(|_| gpu.device.destroy_image(image, None))?;
            gpu.device.bind_image_memory(image, memory, 0)?;
            Ok(Self { image, memory, size: needs.size, pitch: layout.row_pitch })
        }
    }

    /// Fills it with one pixel's bytes, and hands it to the outside.
    pub fn fill(&self, gpu: &Gpu, cmd: vk::CommandBuffer, pixel: u32) {
        let bytes = pixel.to_le_bytes();
        let color = vk::ClearColorValue { uint32: bytes.map(u32::from) };
        let general = vk::ImageLayout::GENERAL;
        self.barrier(gpu, cmd, vk::ImageLayout::UNDEFINED, [vk::QUEUE_FAMILY_IGNORED; 2]);
        // SAFETY: recording.
        unsafe { gpu.device.cmd_clear_color_image(cmd, self.image, general, &color, &[whole()]) };
        self.barrier(gpu, cmd, general, [gpu.family, vk::QUEUE_FAMILY_EXTERNAL]);
    }

    /// Takes it from the outside, and copies it into a buffer.
    pub fn read(&self, gpu: &Gpu, cmd: vk::CommandBuffer, to: vk::Buffer) {
        self.barrier(gpu, cmd, vk::ImageLayout::GENERAL, [vk::QUEUE_FAMILY_EXTERNAL, gpu.family]);
        let layers = vk::ImageSubresourceLayers {
            aspect_mask: vk::ImageAspectFlags::COLOR,
            layer_count: 1,
            ..Default::default()
        };
        let extent = vk::Extent3D { width: SIDE, height: SIDE, depth: 1 };
        let region = [vk::BufferImageCopy { image_subresource: layers, image_extent: extent, ..Default::default() }];
        // SAFETY: recording.
        unsafe { gpu.device.cmd_copy_image_to_buffer(cmd, self.image, vk::ImageLayout::GENERAL, to, &region) };
    }

    fn barrier(&self, gpu: &Gpu, cmd: vk::CommandBuffer, from: vk::ImageLayout, families: [u32; 2]) {
        let all = vk::AccessFlags::MEMORY_READ | vk::AccessFlags::MEMORY_WRITE;
        let stages = vk::PipelineStageFlags::ALL_COMMANDS;
        let barrier = [vk::ImageMemoryBarrier::default()
            .image(self.image)
            .old_layout(from)
            .new_layout(vk::ImageLayout::GENERAL)
            .src_access_mask(all)
            .dst_access_mask(all)
            .src_queue_family_index(families[0])
            .dst_queue_family_index(families[1])
            .subresource_range(whole())];
        let none = vk::DependencyFlags::empty();
        // SAFETY: recording.
        unsafe { gpu.device.cmd_pipeline_barrier(cmd, stages, stages, none, &[], &[], &barrier) };
    }

    pub fn export(&self, gpu: &Gpu) -> Result<OwnedFd> {
        export(gpu, self.memory)
    }

    pub fn free(self, gpu: &Gpu) {
        // SAFETY: the caller has waited for what uses it.
        unsafe {
            gpu.device.destroy_image(self.image, None);
            gpu.device.free_memory(self.memory, None);
        }
    }
}

/// What images like [`SharedImage`] can do with memory of other processes, and others with theirs.
fn external_features(gpu: &Gpu) -> Result<vk::ExternalMemoryFeatureFlags> {
    let mut external = vk::PhysicalDeviceExternalImageFormatInfo::default().handle_type(Type::DMA_BUF_EXT);
    let info = vk::PhysicalDeviceImageFormatInfo2::default()
        .format(IMAGE_FORMAT)
        .ty(vk::ImageType::TYPE_2D)
        .tiling(vk::ImageTiling::LINEAR)
        .usage(IMAGE_USAGE)
        .push_next(&mut external);
    let mut told = vk::ExternalImageFormatProperties::default();
    let mut properties = vk::ImageFormatProperties2::default().push_next(&mut told);
    // SAFETY: a valid physical device.
    unsafe { gpu.instance.get_physical_device_image_format_properties2(gpu.physical, &info, &mut properties) }
        .context("vkGetPhysicalDeviceImageFormatProperties2")?;
    Ok(told.external_memory_properties.external_memory_features)
}

fn whole() -> vk::ImageSubresourceRange {
    vk::ImageSubresourceRange {
        aspect_mask: vk::ImageAspectFlags::COLOR,
        level_count: 1,
        layer_count: 1,
        ..Default::default()
    }
}

impl Gpu {
    /// What buffers like [`Shared`] can do with memory of other processes, and others with theirs.
    pub fn external_features(&self, handle_type: Type) -> vk::ExternalMemoryFeatureFlags {
        let info = vk::PhysicalDeviceExternalBufferInfo::default().usage(BUFFER_USAGE).handle_type(handle_type);
        let mut told = vk::ExternalBufferProperties::default();
        // SAFETY: a valid physical device.
        unsafe { self.instance.get_physical_device_external_buffer_properties(self.physical, &info, &mut told) };
        told.external_memory_properties.external_memory_features
    }

    /// Whether other processes' memory can be used.
    pub fn imports(&self) -> bool {
        self.external_features(Type::DMA_BUF_EXT).contains(vk::ExternalMemoryFeatureFlags::IMPORTABLE)
    }

    /// Submits, and returns a sync_file that tells of the end; waits for the end where there are none.
    pub fn submit_and_tell(&self, cmd: vk::CommandBuffer) -> Result<Option<OwnedFd>> {
        if !self.has(ash::khr::external_semaphore_fd::NAME) {
            self.submit(&[cmd])?;
            return Ok(None);
        }
        let kind = vk::ExternalSemaphoreHandleTypeFlags::SYNC_FD;
        let mut export = vk::ExportSemaphoreCreateInfo::default().handle_types(kind);
        let extension = ash::khr::external_semaphore_fd::Device::new(&self.instance, &self.device);
        // SAFETY: handles of this device.
        unsafe {
            let info = vk::SemaphoreCreateInfo::default().push_next(&mut export);
            let semaphore = self.device.create_semaphore(&info, None)?;
            let (cmds, semaphores) = ([cmd], [semaphore]);
            let submit = vk::SubmitInfo::default().command_buffers(&cmds).signal_semaphores(&semaphores);
            self.device.queue_submit(self.queue, &[submit], vk::Fence::null())?;
            let info = vk::SemaphoreGetFdInfoKHR::default().semaphore(semaphore).handle_type(kind);
            let fd = extension.get_semaphore_fd(&info).context("vkGetSemaphoreFdKHR")?;
            // The export has taken the payload; what it came from must have ended before the semaphore may go.
            self.device.queue_wait_idle(self.queue)?;
            self.device.destroy_semaphore(semaphore, None);
            Ok((fd >= 0).then(|| OwnedFd::from_raw_fd(fd)))
        }
    }

    /// Submits after a sync_file, if there is one, and waits.
    pub fn submit_after(&self, cmd: vk::CommandBuffer, after: Option<OwnedFd>) -> Result<()> {
        if !self.has(ash::khr::external_semaphore_fd::NAME) {
            ensure!(after.is_none(), "a semaphore, on a device without");
            return self.submit(&[cmd]);
        }
        let extension = ash::khr::external_semaphore_fd::Device::new(&self.instance, &self.device);
        // SAFETY: handles of this device.
        unsafe {
            let semaphore = self.device.create_semaphore(&vk::SemaphoreCreateInfo::default(), None)?;
            let info = vk::ImportSemaphoreFdInfoKHR::default()
                .semaphore(semaphore)
                .flags(vk::SemaphoreImportFlags::TEMPORARY)
                .handle_type(vk::ExternalSemaphoreHandleTypeFlags::SYNC_FD)
                .fd(after.map_or(-1, IntoRawFd::into_raw_fd));
            extension.import_semaphore_fd(&info).context("vkImportSemaphoreFdKHR")?;
            let fence = self.device.create_fence(&vk::FenceCreateInfo::default(), None)?;
            let (cmds, semaphores, stages) = ([cmd], [semaphore], [vk::PipelineStageFlags::ALL_COMMANDS]);
            let submit = vk::SubmitInfo::default().command_buffers(&cmds);
            let submit = submit.wait_semaphores(&semaphores).wait_dst_stage_mask(&stages);
            self.device.queue_submit(self.queue, &[submit], fence)?;
            self.device.wait_for_fences(&[fence], true, PATIENCE)?;
            self.device.destroy_fence(fence, None);
            self.device.destroy_semaphore(semaphore, None);
        }
        Ok(())
    }
}
