//! The memory that pictures travel in from the device to the window, which the guest has mapped: buffers that the device copies images into, or the images
//! themselves.

use std::os::fd::{FromRawFd as _, OwnedFd};
use std::ptr;

use ash::vk;

use crate::base::object::Part;
use crate::memory::{allocation, bind, buffer, external, mapped};
use crate::physical::handle_types::HOST;
use crate::physical::physical_device::PhysicalDevice;
use crate::wsi::device::Device;
use crate::wsi::lease::{Lease, Leases};
use crate::wsi::window::{DmaBufs, Picture};

/// Bytes of a texel, of every format that surfaces have.
const TEXEL: u32 = 4;

/// Bytes that rows of shared pictures are multiples of: devices want the rows of linear images aligned, none so far to more.
const SHARED_ROW: u32 = 256;

/// How pictures lie in their buffers.
#[derive(Clone, Copy)]
pub struct Layout {
    extent: vk::Extent2D,
    /// Bytes from one row to the next, whole texels.
    pitch: u32,
    /// Whether others read the memory, by its dma-buf.
    shared: bool,
}

impl Layout {
    /// Pictures that the guest's processor reads, each row right behind the one before it; `None` for widths that no row has.
    pub fn read_here(extent: vk::Extent2D) -> Option<Self> {
        Some(Self { extent, pitch: extent.width.checked_mul(TEXEL)?, shared: false })
    }

    /// Pictures that the window system's server reads; `None` for widths that no row of such pictures has.
    pub fn shared(extent: vk::Extent2D) -> Option<Self> {
        let pitch = extent.width.checked_mul(TEXEL)?.checked_next_multiple_of(SHARED_ROW)?;
        Some(Self { extent, pitch, shared: true })
    }

    /// Pictures that the guest's processor reads where the device has drawn them; `None` where so many bytes of memory can't hold one.
    pub fn in_place(extent: vk::Extent2D, place: &vk::SubresourceLayout, memory: usize) -> Option<Self> {
        let pitch = u32::try_from(place.row_pitch).ok()?;
        let layout = Self { extent, pitch, shared: false };
        let end = usize::try_from(place.offset).ok()?.checked_add(layout.bytes()?)?;
        let holds = pitch.is_multiple_of(TEXEL) && pitch >= extent.width.checked_mul(TEXEL)? && end <= memory;
        holds.then_some(layout)
    }

    /// Bytes of a picture with its last row's padding, where an address space holds so many.
    fn bytes(&self) -> Option<usize> {
        let bytes = u64::from(self.pitch).checked_mul(u64::from(self.extent.height))?;
        usize::try_from(bytes).ok().filter(|n| isize::try_from(*n).is_ok())
    }
}

/// A picture that the device draws where the guest reads it: how it lies there, and the address of its first byte.
#[derive(Clone, Copy)]
pub struct InPlace {
    pub layout: Layout,
    pub mapped: usize,
}

/// All buffers of a swapchain.
pub struct PictureBuffers {
    device: vk::Device,
    layout: Layout,
    /// None where nobody sees the pictures.
    buffers: Vec<PictureBuffer>,
    /// Whether they are the images' own memory, in the order of the images.
    in_place: bool,
    /// Who has which.
    pub leases: Leases,
}

/// One of them. What was never made is null.
#[derive(Default)]
struct PictureBuffer {
    buffer: vk::Buffer,
    memory: vk::DeviceMemory,
    /// The address of the buffer's first byte.
    mapped: usize,
}

impl PictureBuffers {
    /// So many that stand for pictures which nobody sees, without memory.
    pub fn unseen(device: vk::Device, layout: Layout, count: usize) -> Self {
        Self { device, layout, buffers: Vec::new(), in_place: false, leases: Leases::new(count) }
    }

    /// The memory of all images of a swapchain, which outlive what this returns; `None` where one of them doesn't lie as the others do.
    pub fn in_place(device: vk::Device, images: &[InPlace]) -> Option<Self> {
        let layout = images.first()?.layout;
        let alike = |i: &InPlace| i.layout.pitch == layout.pitch && i.layout.extent == layout.extent;
        let buffer = |i: &InPlace| PictureBuffer { mapped: i.mapped, ..Default::default() };
        let buffers: Vec<_> = images.iter().map(buffer).collect();
        let leases = Leases::new(buffers.len());
        images.iter().all(alike).then_some(Self { device, layout, buffers, in_place: true, leases })
    }

    /// A lease of the buffer that the image with this number is to be copied into, which may be the image's own memory: who has an image may have its memory.
    pub fn lease(&self, image: usize) -> Option<Lease> {
        if self.in_place { self.leases.lease_of(image) } else { self.leases.lease() }
    }

    /// Whether pictures get into the memory by copies of the device's.
    pub fn are_copied_into(&self) -> bool {
        !self.buffers.is_empty() && !self.in_place
    }

    /// Makes so many; where that fails, nothing is left behind.
    ///
    /// # Errors
    /// No room, a lost host, or no memory that can be shared as the layout demands.
    ///
    /// # Safety
    /// A valid device, which outlives what this returns.
    pub unsafe fn new(device: vk::Device, layout: Layout, count: usize) -> Result<Self, vk::Result> {
        let mut new = Self { device, layout, buffers: Vec::new(), in_place: false, leases: Leases::new(count) };
        for _ in 0..count {
            let mut one = PictureBuffer::default();
            // SAFETY: a valid device by contract.
            let made = unsafe { one.make(device, &layout) };
            // Whatever was made of it goes with the others.
            new.buffers.push(one);
            made?;
        }
        Ok(new)
    }

    /// The dma-bufs of all of them.
    ///
    /// # Errors
    /// No room for as many open files, or a lost host.
    pub fn export(&self) -> Result<DmaBufs, vk::Result> {
        let export = |b: &PictureBuffer| {
            let info = vk::MemoryGetFdInfoKHR::default().memory(b.memory).handle_type(HOST);
            let mut fd = -1;
            // SAFETY: the device of the memory, an info, and a local; the descriptor that comes of it is nobody else's.
            unsafe {
                external::get_memory_fd_khr(self.device, &info, &mut fd).result()?;
                Ok(OwnedFd::from_raw_fd(fd))
            }
        };
        let files = self.buffers.iter().map(export).collect::<Result<_, vk::Result>>()?;
        Ok(DmaBufs { files, row: self.layout.pitch })
    }

    /// The buffer with this number, and the texels from one row to the next in it.
    pub fn target(&self, number: usize) -> Option<(vk::Buffer, u32)> {
        self.buffers.get(number).map(|b| (b.buffer, self.layout.pitch / TEXEL))
    }

    /// The picture in a buffer.
    ///
    /// # Safety
    /// The copy for which the buffer was leased has ended, or the image's work where the buffer is the image's own memory.
    pub unsafe fn picture(&self, lease: &Lease) -> Option<Picture<'_>> {
        let (from, size) = (self.buffers.get(lease.number())?.mapped as *const u8, self.layout.bytes()?);
        // SAFETY: the mapping is as large as a picture and lives as long; no work of the device writes there by contract, and by the lease, which the picture has.
        let bytes = unsafe { std::slice::from_raw_parts(from, size) };
        let Layout { extent, pitch, .. } = self.layout;
        Some(Picture { bytes, extent, pitch: pitch as usize, lease: lease.clone() })
    }
}

impl Drop for PictureBuffers {
    fn drop(&mut self) {
        if self.in_place {
            // All of it is the images'.
            return;
        }
        // The window system may still show one, by the dma-buf; nobody writes that memory any more, since exported memory isn't used again.
        for PictureBuffer { buffer, memory, .. } in &self.buffers {
            let none = ptr::null();
            // SAFETY: the device outlives this struct by contract, all copies have ended with the swapchain, and null is passed over.
            unsafe {
                buffer::destroy_buffer(self.device, *buffer, none);
                allocation::free_memory(self.device, *memory, none);
            }
        }
    }
}

impl PictureBuffer {
    /// Makes the buffer, its memory and the mapping, as far as that goes.
    ///
    /// # Safety
    /// A valid device.
    unsafe fn make(&mut self, device: vk::Device, layout: &Layout) -> Result<(), vk::Result> {
        let size = layout.bytes().ok_or(vk::Result::ERROR_OUT_OF_DEVICE_MEMORY)? as vk::DeviceSize;
        let none = ptr::null();
        let mut outside = vk::ExternalMemoryBufferCreateInfo::default().handle_types(HOST);
        let mut info = vk::BufferCreateInfo::default().size(size).usage(vk::BufferUsageFlags::TRANSFER_DST);
        if layout.shared {
            info = info.push_next(&mut outside);
        }
        // SAFETY: a valid device by contract, and pointers to locals and fields.
        unsafe {
            buffer::create_buffer(device, &info, none, &mut self.buffer).result()?;
            let mut needs = vk::MemoryRequirements::default();
            buffer::get_buffer_memory_requirements(device, self.buffer, &mut needs);
            let kind = for_reading(Device::of(device).physical(), needs.memory_type_bits);
            let kind = kind.ok_or(vk::Result::ERROR_OUT_OF_DEVICE_MEMORY)?;
            let mut exported = vk::ExportMemoryAllocateInfo::default().handle_types(HOST);
            let mut dedicated = vk::MemoryDedicatedAllocateInfo::default().buffer(self.buffer);
            let mut info = vk::MemoryAllocateInfo::default().allocation_size(needs.size).memory_type_index(kind);
            if layout.shared {
                info = info.push_next(&mut exported).push_next(&mut dedicated);
            }
            allocation::allocate_memory(device, &info, none, &mut self.memory).result()?;
            bind::bind_buffer_memory(device, self.buffer, self.memory, 0).result()?;
            let (mut bytes, flags) = (ptr::null_mut(), vk::MemoryMapFlags::empty());
            mapped::map_memory(device, self.memory, 0, vk::WHOLE_SIZE, flags, &mut bytes).result()?;
            self.mapped = bytes.addr();
        }
        Ok(())
    }
}

/// A type that the guest maps, best through its caches.
pub fn for_reading(physical: &PhysicalDevice, bits: u32) -> Option<u32> {
    let mut visible = (0..32).filter(|i| bits & (1 << i) != 0 && physical.host_visible(*i) == Some(true));
    visible.clone().find(|i| physical.reads_fast(*i)).or_else(|| visible.next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_shared_pictures_are_aligned() {
        let extent = |width, height| vk::Extent2D { width, height };
        let bytes = |layout: Option<Layout>| layout.and_then(|l| l.bytes());
        assert_eq!(bytes(Layout::read_here(extent(50, 40))), Some(50 * 40 * 4));
        assert_eq!(bytes(Layout::shared(extent(50, 40))), Some(64 * 40 * 4));
        assert_eq!(bytes(Layout::shared(extent(64, 1))), Some(256));
        assert!(Layout::shared(extent(u32::MAX, 1)).is_none() && Layout::shared(extent(1 << 30, 1)).is_none());
        assert!(Layout::read_here(extent(u32::MAX, u32::MAX)).is_none());
    }

    #[test]
    fn images_that_lie_where_no_memory_is_are_not_read() {
        let lies = |offset, row_pitch, memory| {
            let place = vk::SubresourceLayout { offset, row_pitch, ..Default::default() };
            Layout::in_place(vk::Extent2D { width: 5, height: 3 }, &place, memory).is_some()
        };
        assert!(lies(0, 20, 60) && lies(64, 64, 256));
        assert!(!lies(0, 20, 59) && !lies(1, 20, 60) && !lies(0, 16, 60) && !lies(0, 22, 100));
        assert!(!lies(u64::MAX, 20, 60) && !lies(0, u64::MAX, 60) && !lies(0, 1 << 31, usize::MAX >> 34));
    }

    #[test]
    fn the_memory_of_an_image_is_leased_with_it() {
        let layout = Layout::read_here(vk::Extent2D { width: 5, height: 3 }).unwrap();
        let buffers = PictureBuffers::in_place(vk::Device::null(), &[InPlace { layout, mapped: 0 }; 2]).unwrap();
        let second = buffers.lease(1).unwrap();
        assert_eq!(second.number(), 1);
        assert!(buffers.lease(1).is_none() && !buffers.are_copied_into());
        drop((second, buffers.lease(0)));
        assert!(buffers.lease(1).is_some());
        let wider = Layout::shared(vk::Extent2D { width: 5, height: 3 }).unwrap();
        let unlike = [layout, wider].map(|layout| InPlace { layout, mapped: 0 });
        assert!(PictureBuffers::in_place(vk::Device::null(), &unlike).is_none());
    }
}
