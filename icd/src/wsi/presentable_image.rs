//! The images of a swapchain, and how they leave the host: its device copies each into a buffer for pictures, or has drawn it where the guest reads it.
//!
//! The host knows of no window: to it the image is one like any other, of the driver's own making.

use std::ptr;

use ash::vk;
use hesper_encoder::generated::request;
use parking_lot::Mutex;

use crate::base::log::error;
use crate::base::object::Part;
use crate::generated::forward;
use crate::memory::{allocation, image, mapped, presented_layout};
use crate::physical::physical_device::PhysicalDevice;
use crate::recording::command_buffer;
use crate::wsi::device::Device;
use crate::wsi::lease::Lease;
use crate::wsi::picture_buffer::{InPlace, Layout, PictureBuffers, for_reading};

/// An image with its memory.
pub struct PresentableImage {
    pub image: vk::Image,
    pub memory: vk::DeviceMemory,
    extent: vk::Extent2D,
    /// Where the guest reads it, if its tiling is linear.
    pub in_place: Option<InPlace>,
    /// The command buffers that copy it.
    copies: Mutex<Vec<CopyCommands>>,
}

/// A command buffer that copies an image into the buffer with this number, for queues of this family.
struct CopyCommands {
    family: u32,
    number: usize,
    commands: vk::CommandBuffer,
}

/// The image that a swapchain's info asks for, but for the list of formats that VK_KHR_swapchain_mutable_format demands.
pub fn create_info<'a>(info: &vk::SwapchainCreateInfoKHR<'a>, tiling: vk::ImageTiling) -> vk::ImageCreateInfo<'a> {
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
        tiling,
        usage: info.image_usage | image::PRESENTABLE,
        sharing_mode: info.image_sharing_mode,
        queue_family_index_count: info.queue_family_index_count,
        p_queue_family_indices: info.p_queue_family_indices,
        ..Default::default()
    }
}

impl PresentableImage {
    /// Makes an image; where that fails, nothing is left behind.
    ///
    /// # Safety
    /// A valid device, and an info that [`create_info`] has made.
    pub unsafe fn new(device: vk::Device, info: &vk::ImageCreateInfo<'_>) -> Result<Self, vk::Result> {
        let mut new = Self {
            image: vk::Image::null(),
            memory: vk::DeviceMemory::null(),
            extent: vk::Extent2D { width: info.extent.width, height: info.extent.height },
            in_place: None,
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
        // SAFETY: a valid device and info by contract, pointers to locals and fields.
        unsafe {
            image::create_image(device, info, none, &mut self.image).result()?;
            let mut needs = vk::MemoryRequirements::default();
            image::get_image_memory_requirements(device, self.image, &mut needs);
            let is_read = info.tiling == vk::ImageTiling::LINEAR;
            let kind = if is_read { for_reading } else { for_image };
            let kind = kind(Device::of(device).physical(), needs.memory_type_bits);
            let kind = kind.ok_or(vk::Result::ERROR_OUT_OF_DEVICE_MEMORY)?;
            let info = vk::MemoryAllocateInfo::default().allocation_size(needs.size).memory_type_index(kind);
            allocation::allocate_memory(device, &info, none, &mut self.memory).result()?;
            forward::bind_image_memory(device, self.image, self.memory, 0).result()?;
            if is_read {
                self.in_place = Some(self.map(device, needs.size)?);
            }
            Ok(())
        }
    }

    /// Maps the image's memory.
    ///
    /// # Safety
    /// The device of the image, which is linear, and bound to memory of so many bytes.
    unsafe fn map(&self, device: vk::Device, size: vk::DeviceSize) -> Result<InPlace, vk::Result> {
        let whole = vk::ImageSubresource { aspect_mask: vk::ImageAspectFlags::COLOR, ..Default::default() };
        let (mut place, mut bytes) = (vk::SubresourceLayout::default(), ptr::null_mut());
        // SAFETY: by contract, and pointers to locals.
        unsafe {
            forward::get_image_subresource_layout(device, self.image, &whole, &mut place);
            let flags = vk::MemoryMapFlags::empty();
            mapped::map_memory(device, self.memory, 0, vk::WHOLE_SIZE, flags, &mut bytes).result()?;
        }
        let layout = usize::try_from(size).ok().and_then(|size| Layout::in_place(self.extent, &place, size));
        let layout = layout.ok_or_else(|| {
            let of = (place.offset, place.row_pitch, size);
            error!("the host's linear images lie outside of their memory: {of:?} (offset, pitch, size)");
            vk::Result::ERROR_INITIALIZATION_FAILED
        })?;
        // The offset lies in the mapping, as the layout does.
        Ok(InPlace { layout, mapped: bytes.addr() + place.offset as usize })
    }

    /// A command buffer that copies the image into the buffer that is leased, for queues of this family; none where the guest reads the image itself, or nobody
    /// sees it.
    ///
    /// # Safety
    /// The device of the image and the buffers.
    ///
    /// # Errors
    /// A lost host, or no memory.
    pub unsafe fn copy(
        &self,
        device: vk::Device,
        family: u32,
        buffers: &PictureBuffers,
        lease: &Lease,
    ) -> Result<Option<vk::CommandBuffer>, vk::Result> {
        if !buffers.are_copied_into() {
            return Ok(None);
        }
        let number = lease.number();
        let mut copies = self.copies.lock();
        if let Some(copy) = copies.iter().find(|c| (c.family, c.number) == (family, number)) {
            return Ok(Some(copy.commands));
        }
        let to = buffers.target(number).ok_or(vk::Result::ERROR_OUT_OF_DEVICE_MEMORY)?;
        // SAFETY: a valid device by contract.
        let d = unsafe { Device::of(device) };
        let spare = {
            let mut spare = d.spare.lock();
            let at = spare.iter().position(|(f, _)| *f == family);
            at.map(|i| spare.swap_remove(i).1)
        };
        let commands = match spare {
            Some(commands) => commands,
            // SAFETY: the device that they belong to.
            None => unsafe { d.own.command_buffer(device, family) }
                .map_err(|e| crate::base::forwarding::result_of_error(&e))?,
        };
        // SAFETY: a command buffer that nobody else has, and whose last work has ended: the thread of its swapchain had waited for that.
        match unsafe { self.record(commands, to) } {
            Ok(()) => {
                copies.push(CopyCommands { family, number, commands });
                Ok(Some(commands))
            }
            Err(e) => {
                d.spare.lock().push((family, commands));
                Err(e)
            }
        }
    }

    /// Records the copy into a buffer with so many texels from row to row, with all work before it, and the look of the guest and of others behind it: what
    /// has been made visible to the host's processor is in the memory itself once the copy's fence is signalled.
    unsafe fn record(&self, copy: vk::CommandBuffer, (buffer, row): (vk::Buffer, u32)) -> Result<(), vk::Result> {
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
            buffer_row_length: row,
            image_subresource: vk::ImageSubresourceLayers { aspect_mask: color, layer_count: 1, ..Default::default() },
            image_extent: vk::Extent3D { width, height, depth: 1 },
            ..Default::default()
        };
        let (flags, memory, buffers) = (vk::DependencyFlags::empty(), ptr::null(), ptr::null());
        // SAFETY: a command buffer of the caller's alone, and pointers to locals.
        unsafe {
            command_buffer::begin_command_buffer(copy, &vk::CommandBufferBeginInfo::default()).result()?;
            command_buffer::record(copy, |w| {
                let (from, to) = (S::ALL_COMMANDS, S::TRANSFER);
                request::cmd_pipeline_barrier(w, 0, copy, from, to, flags, 0, memory, 0, buffers, 1, &before);
            });
            command_buffer::record(copy, |w| {
                let layout = L::TRANSFER_SRC_OPTIMAL;
                request::cmd_copy_image_to_buffer(w, 0, copy, self.image, layout, buffer, 1, &region);
            });
            command_buffer::record(copy, |w| {
                let (from, to) = (S::TRANSFER, S::HOST | S::ALL_COMMANDS);
                request::cmd_pipeline_barrier(w, 0, copy, from, to, flags, 1, &told, 0, buffers, 1, &after);
            });
            command_buffer::end_command_buffer(copy).result()
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
            let copies = self.copies.lock().drain(..).map(|c| (c.family, c.commands)).collect::<Vec<_>>();
            Device::of(device).spare.lock().extend(copies);
            image::destroy_image(device, self.image, none);
            allocation::free_memory(device, self.memory, none);
        }
    }
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
