//! The buffers that pictures travel in from the device to the window: memory that the device copies images into, and that the guest has mapped.

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

/// Texels that rows of shared pictures are multiples of, 256 bytes: devices want the rows of linear images aligned, none so far to more.
const SHARED_ROW: u32 = 64;

/// How pictures lie in their buffers.
#[derive(Clone, Copy)]
pub struct Layout {
    extent: vk::Extent2D,
    /// Texels from one row to the next.
    row: u32,
    /// Whether others read the memory, by its dma-buf.
    shared: bool,
}

impl Layout {
    /// Pictures that the guest's processor reads: each row follows the one before it closely.
    pub fn read_here(extent: vk::Extent2D) -> Self {
        Self { extent, row: extent.width, shared: false }
    }

    /// Pictures that the window system's server reads; `None` for widths that no row of such pictures has.
    pub fn shared(extent: vk::Extent2D) -> Option<Self> {
        let row = extent.width.checked_next_multiple_of(SHARED_ROW)?;
        row.checked_mul(TEXEL)?;
        Some(Self { extent, row, shared: true })
    }

    /// Bytes of a picture, where an address space holds so many.
    fn bytes(&self) -> Option<usize> {
        let texels = u64::from(self.row).checked_mul(u64::from(self.extent.height))?;
        usize::try_from(texels.checked_mul(TEXEL.into())?).ok().filter(|n| isize::try_from(*n).is_ok())
    }
}

/// All buffers of a swapchain.
pub struct PictureBuffers {
    device: vk::Device,
    layout: Layout,
    /// None where nobody sees the pictures.
    buffers: Vec<PictureBuffer>,
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
        Self { device, layout, buffers: Vec::new(), leases: Leases::new(count) }
    }

    /// Whether anybody sees the pictures.
    pub fn are_seen(&self) -> bool {
        !self.buffers.is_empty()
    }

    /// Makes so many; where that fails, nothing is left behind.
    ///
    /// # Errors
    /// No room, a lost host, or no memory that can be shared as the layout demands.
    ///
    /// # Safety
    /// A valid device, which outlives what this returns.
    pub unsafe fn new(device: vk::Device, layout: Layout, count: usize) -> Result<Self, vk::Result> {
        let mut new = Self { device, layout, buffers: Vec::new(), leases: Leases::new(count) };
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
        Ok(DmaBufs { files, row: self.layout.row.saturating_mul(TEXEL) })
    }

    /// The buffer with this number, and the texels from one row to the next in it.
    pub fn target(&self, number: usize) -> Option<(vk::Buffer, u32)> {
        self.buffers.get(number).map(|b| (b.buffer, self.layout.row))
    }

    /// The picture that was copied into a buffer.
    ///
    /// # Safety
    /// The copy for which the buffer was leased has ended.
    pub unsafe fn picture(&self, lease: &Lease) -> Option<Picture<'_>> {
        let (from, size) = (self.buffers.get(lease.number())?.mapped as *const u8, self.layout.bytes()?);
        // SAFETY: the mapping is as large as the buffer and lives as long; no copy writes it by contract, and by the lease, which the picture has.
        let bytes = unsafe { std::slice::from_raw_parts(from, size) };
        Some(Picture { bytes, extent: self.layout.extent, lease: lease.clone() })
    }
}

impl Drop for PictureBuffers {
    fn drop(&mut self) {
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
fn for_reading(physical: &PhysicalDevice, bits: u32) -> Option<u32> {
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
        assert_eq!(bytes(Some(Layout::read_here(extent(50, 40)))), Some(50 * 40 * 4));
        assert_eq!(bytes(Layout::shared(extent(50, 40))), Some(64 * 40 * 4));
        assert_eq!(bytes(Layout::shared(extent(64, 1))), Some(256));
        assert!(Layout::shared(extent(u32::MAX, 1)).is_none() && Layout::shared(extent(1 << 30, 1)).is_none());
        assert_eq!(bytes(Some(Layout::read_here(extent(u32::MAX, u32::MAX)))), None);
    }
}
