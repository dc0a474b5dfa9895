//! How an image of a swapchain leaves the host: its device copies it into a buffer that the guest has mapped.
//!
//! The host knows of no window: to it the image is one like any other, of the driver's own making.

use std::ptr;

use ash::vk;
use hesper_encoder::generated::request;
use parking_lot::Mutex;

use crate::base::object::Part;
use crate::generated::forward;
use crate::memory::{allocation, bind, buffer, image, mapped, presented_layout};
use crate::physical::physical_device::PhysicalDevice;
use crate::recording::command_buffer;
use crate::wsi::device::Device;
use crate::wsi::window::Picture;

/// Bytes of a texel, of every format that surfaces have.
const TEXEL: u64 = 4;

/// An image with its memory, and where it is copied to.
pub struct PresentableImage {
    pub image: vk::Image,
    pub memory: vk::DeviceMemory,
    extent: vk::Extent2D,
    buffer: vk::Buffer,
    buffer_memory: vk::DeviceMemory,
    /// The address of the buffer's first byte.
    mapped: usize,
    /// The command buffers that copy it, each with its queue family.
    copies: Mutex<Vec<(u32, vk::CommandBuffer)>>,
}

/// The image that a swapchain's info asks for, but for the list of formats that VK_KHR_swapchain_mutable_format demands.
pub fn create_info<'a>(info: &vk::SwapchainCreateInfoKHR<'a>) -> vk::ImageCreateInfo<'a> {
    let mut flags = vk::ImageCreateFlags::empty();
    if info.flags.contains(vk::SwapchainCreateFlagsKHR::MUTABLE_FORMAT) {
        flags |= vk::ImageCreateFlags::MUTABLE_FORMAT | vk::ImageCreateFlags::EXTENDED_USAGE;
    }
    let vk::Extent2D { width, height } = info.image_extent;
    vk::ImageCreateInfo {
        flags,
        image_type: vk::ImageType::TYPE_2D,
        format: info.image_format,
        extent: vk::Extent3D { width, height, depth: 1 },
        mip_levels: 1,
        array_layers: info.image_array_layers,
        samples: vk::SampleCountFlags::TYPE_1,
        tiling: vk::ImageTiling::OPTIMAL,
        usage: info.image_usage | image::PRESENTABLE,
        sharing_mode: info.image_sharing_mode,
        queue_family_index_count: info.queue_family_index_count,
        p_queue_family_indices: info.p_queue_family_indices,
        ..Default::default()
    }
}

impl PresentableImage {
    /// Makes an image and what it is copied to; where that fails, nothing is left behind.
    ///
    /// # Safety
    /// A valid device, and an info that [`create_info`] has made.
    pub unsafe fn new(device: vk::Device, info: &vk::ImageCreateInfo<'_>) -> Result<Self, vk::Result> {
        let extent = vk::Extent2D { width: info.extent.width, height: info.extent.height };
        let mut new = Self {
            image: vk::Image::null(),
            memory: vk::DeviceMemory::null(),
            extent,
            buffer: vk::Buffer::null(),
            buffer_memory: vk::DeviceMemory::null(),
            mapped: 0,
            copies: Mutex::default(),
        };
        // SAFETY: by contract.
        match unsafe { new.make(device, info) } {
            Ok(()) => Ok(new),
            Err(e) => {
                // SAFETY: nobody has seen it.
                unsafe { new.destroy(device) };
                Err(e)
            }
        }
    }

    unsafe fn make(&mut self, device: vk::Device, info: &vk::ImageCreateInfo<'_>) -> Result<(), vk::Result> {
        let none = ptr::null();
        let size = self.bytes().ok_or(vk::Result::ERROR_OUT_OF_DEVICE_MEMORY)? as vk::DeviceSize;
        // SAFETY: a valid device and info by contract, pointers to locals and fields.
        unsafe {
            let physical = Device::of(device).physical();
            checked(image::create_image(device, info, none, &mut self.image))?;
            let mut needs = vk::MemoryRequirements::default();
            image::get_image_memory_requirements(device, self.image, &mut needs);
            let kind = for_image(physical, needs.memory_type_bits);
            self.memory = allocate(device, needs.size, kind)?;
            checked(forward::bind_image_memory(device, self.image, self.memory, 0))?;

            let info = vk::BufferCreateInfo::default().size(size).usage(vk::BufferUsageFlags::TRANSFER_DST);
            checked(buffer::create_buffer(device, &info, none, &mut self.buffer))?;
            buffer::get_buffer_memory_requirements(device, self.buffer, &mut needs);
            let kind = for_reading(physical, needs.memory_type_bits);
            self.buffer_memory = allocate(device, needs.size, kind)?;
            checked(bind::bind_buffer_memory(device, self.buffer, self.buffer_memory, 0))?;
            let (mut bytes, flags) = (ptr::null_mut(), vk::MemoryMapFlags::empty());
            let whole = vk::WHOLE_SIZE;
            checked(mapped::map_memory(device, self.buffer_memory, 0, whole, flags, &mut bytes))?;
            self.mapped = bytes.addr();
        }
        Ok(())
    }

    /// Bytes of the picture, where an address space holds so many.
    fn bytes(&self) -> Option<usize> {
        let texels = u64::from(self.extent.width).checked_mul(u64::from(self.extent.height))?;
        usize::try_from(texels.checked_mul(TEXEL)?).ok().filter(|n| isize::try_from(*n).is_ok())
    }

    /// The picture that was copied last.
    ///
    /// # Safety
    /// The copy has ended, and no other one begins as long as the picture is used.
    pub unsafe fn picture(&self) -> Picture<'_> {
        let size = self.bytes().unwrap_or(0);
        // SAFETY: the mapping is as large as the buffer, lives as long as the image, and nothing writes it by contract.
        let bytes = unsafe { std::slice::from_raw_parts(self.mapped as *const u8, size) };
        Picture { bytes, extent: self.extent }
    }

    /// A command buffer that copies the image, for queues of this family.
    ///
    /// # Safety
    /// The device of the image.
    ///
    /// # Errors
    /// A lost host, or no memory.
    pub unsafe fn copy(&self, device: vk::Device, family: u32) -> Result<vk::CommandBuffer, vk::Result> {
        let mut copies = self.copies.lock();
        if let Some((_, copy)) = copies.iter().find(|(f, _)| *f == family) {
            return Ok(*copy);
        }
        // SAFETY: a valid device by contract.
        let d = unsafe { Device::of(device) };
        let spare = {
            let mut spare = d.spare.lock();
            let at = spare.iter().position(|(f, _)| *f == family);
            at.map(|i| spare.swap_remove(i).1)
        };
        let copy = match spare {
            Some(copy) => copy,
            // SAFETY: the device that they belong to.
            None => unsafe { d.own.command_buffer(device, family) }
                .map_err(|e| crate::base::forwarding::result_of_error(&e))?,
        };
        // SAFETY: a command buffer that nobody else has, and whose last work has ended: the thread of its swapchain had waited for that.
        let recorded = unsafe { self.record(copy) };
        let keeper = if recorded.is_ok() { &mut *copies } else { &mut *d.spare.lock() };
        keeper.push((family, copy));
        recorded.map(|()| copy)
    }

    /// Records the copy, with all work before it and the guest's look behind it.
    unsafe fn record(&self, copy: vk::CommandBuffer) -> Result<(), vk::Result> {
        use vk::{AccessFlags as A, ImageLayout as L, PipelineStageFlags as S};
        let color = vk::ImageAspectFlags::COLOR;
        let range = vk::ImageSubresourceRange::default().aspect_mask(color).level_count(1).layer_count(1);
        let turn = |from: L, to: L, before: A, after: A| {
            let ignored = vk::QUEUE_FAMILY_IGNORED;
            vk::ImageMemoryBarrier::default()
                .old_layout(from)
                .new_layout(to)
                .src_access_mask(before)
                .dst_access_mask(after)
                .src_queue_family_index(ignored)
                .dst_queue_family_index(ignored)
                .image(self.image)
                .subresource_range(range)
        };
        let before = turn(presented_layout::AT_HOST, L::TRANSFER_SRC_OPTIMAL, A::MEMORY_WRITE, A::TRANSFER_READ);
        let after = turn(L::TRANSFER_SRC_OPTIMAL, presented_layout::AT_HOST, A::empty(), A::empty());
        let told = vk::MemoryBarrier::default().src_access_mask(A::TRANSFER_WRITE).dst_access_mask(A::HOST_READ);
        let vk::Extent2D { width, height } = self.extent;
        let region = vk::BufferImageCopy {
            image_subresource: vk::ImageSubresourceLayers { aspect_mask: color, layer_count: 1, ..Default::default() },
            image_extent: vk::Extent3D { width, height, depth: 1 },
            ..Default::default()
        };
        let (flags, memory, buffers) = (vk::DependencyFlags::empty(), ptr::null(), ptr::null());
        // SAFETY: a command buffer of the caller's alone, and pointers to locals.
        unsafe {
            checked(command_buffer::begin_command_buffer(copy, &vk::CommandBufferBeginInfo::default()))?;
            command_buffer::record(copy, |w| {
                let (from, to) = (S::ALL_COMMANDS, S::TRANSFER);
                request::cmd_pipeline_barrier(w, 0, copy, from, to, flags, 0, memory, 0, buffers, 1, &before);
            });
            command_buffer::record(copy, |w| {
                let layout = L::TRANSFER_SRC_OPTIMAL;
                request::cmd_copy_image_to_buffer(w, 0, copy, self.image, layout, self.buffer, 1, &region);
            });
            command_buffer::record(copy, |w| {
                let (from, to) = (S::TRANSFER, S::HOST | S::ALL_COMMANDS);
                request::cmd_pipeline_barrier(w, 0, copy, from, to, flags, 1, &told, 0, buffers, 1, &after);
            });
            checked(command_buffer::end_command_buffer(copy))
        }
    }

    /// Gives everything back.
    ///
    /// # Safety
    /// The device of the image, with which nothing works any more.
    pub unsafe fn destroy(&self, device: vk::Device) {
        let none = ptr::null();
        // SAFETY: by contract; what was never made is null, which these commands pass over.
        unsafe {
            Device::of(device).spare.lock().append(&mut self.copies.lock());
            image::destroy_image(device, self.image, none);
            buffer::destroy_buffer(device, self.buffer, none);
            allocation::free_memory(device, self.memory, none);
            allocation::free_memory(device, self.buffer_memory, none);
        }
    }
}

fn checked(result: vk::Result) -> Result<(), vk::Result> {
    if result == vk::Result::SUCCESS { Ok(()) } else { Err(result) }
}

/// Memory of a type.
unsafe fn allocate(
    device: vk::Device,
    size: vk::DeviceSize,
    kind: Option<u32>,
) -> Result<vk::DeviceMemory, vk::Result> {
    let kind = kind.ok_or(vk::Result::ERROR_OUT_OF_DEVICE_MEMORY)?;
    let info = vk::MemoryAllocateInfo::default().allocation_size(size).memory_type_index(kind);
    let mut memory = vk::DeviceMemory::null();
    // SAFETY: the caller's device, and pointers to locals.
    checked(unsafe { allocation::allocate_memory(device, &info, ptr::null(), &mut memory) }).map(|()| memory)
}

/// The first of the types that the bits allow: memory types are listed with the fastest of their kind first (Vulkan specification, "Device Memory").
fn for_image(physical: &PhysicalDevice, bits: u32) -> Option<u32> {
    let allowed = (0..physical.memory.memory_type_count).filter(|i| bits & (1 << i) != 0);
    let own = |i: &u32| {
        let kind = physical.memory.memory_types.get(*i as usize);
        kind.is_some_and(|t| t.property_flags.contains(vk::MemoryPropertyFlags::DEVICE_LOCAL))
    };
    allowed.clone().find(own).or_else(|| allowed.clone().next())
}

/// A type that the guest maps, best through its caches.
fn for_reading(physical: &PhysicalDevice, bits: u32) -> Option<u32> {
    let mut visible = (0..32).filter(|i| bits & (1 << i) != 0 && physical.host_visible(*i) == Some(true));
    visible.clone().find(|i| physical.reads_fast(*i)).or_else(|| visible.next())
}
