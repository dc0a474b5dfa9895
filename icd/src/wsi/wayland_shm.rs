//! Pictures for a Wayland compositor in memory that it maps (wl_shm): the guest's processor copies them there.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};

use ash::vk;
use wayland_client::protocol::wl_shm::{Format, WlShm};
use wayland_client::protocol::wl_shm_pool::WlShmPool;
use wayland_client::{QueueHandle, delegate_noop};

use crate::base::log::warn_;
use crate::wsi::lease::{Lease, Leases};
use crate::wsi::shared_memory::SharedMemory;
use crate::wsi::wayland_buffers::Buffers;
use crate::wsi::window::{HELD, Picture};

/// How pictures lie in the memory, one behind the other. The protocol has 32 bits for its size and for places in it.
struct Layout {
    width: i32,
    height: i32,
    /// Bytes of a row, and of a picture.
    row: i32,
    size: i32,
    /// How many there are.
    count: i32,
}

impl Layout {
    /// For pictures of this size; `None` where the protocol has no room for one.
    fn new(extent: vk::Extent2D) -> Option<Self> {
        let (width, height) = (i32::try_from(extent.width).ok()?, i32::try_from(extent.height).ok()?);
        let row = width.checked_mul(4)?;
        let size = row.checked_mul(height).filter(|s| *s > 0)?;
        Some(Self { width, height, row, size, count: (i32::MAX / size).min(HELD as i32) })
    }

    /// The memory, zeros at first, and its file.
    fn memory(&self) -> io::Result<(SharedMemory, OwnedFd)> {
        let (memory, file) = SharedMemory::new(self.size as usize * self.count as usize)?;
        // libwayland gives up the program's connection where it can't duplicate a descriptor.
        drop(file.try_clone()?);
        Ok((memory, file))
    }
}

/// Memory for some pictures. Those that aren't used take no room.
pub struct Pool {
    memory: SharedMemory,
    /// Bytes of a picture.
    size: usize,
    leases: Leases,
}

impl Pool {
    /// Memory for pictures of this size, with its buffers.
    ///
    /// # Errors
    /// ERROR_OUT_OF_HOST_MEMORY, with a line on stderr.
    pub fn new(
        shm: &WlShm,
        queue: &QueueHandle<Buffers>,
        extent: vk::Extent2D,
        sees_through: bool,
    ) -> Result<(Self, Buffers), vk::Result> {
        let format = if sees_through { Format::Argb8888 } else { Format::Xrgb8888 };
        let layout = Layout::new(extent).ok_or_else(|| io::Error::from(io::ErrorKind::FileTooLarge));
        let made = layout.and_then(|layout| Ok((layout.memory()?, layout)));
        let ((memory, file), Layout { width, height, row, size, count }) = made.map_err(|e| {
            warn_!("no memory for pictures of a Wayland window: {e}: VK_ERROR_OUT_OF_HOST_MEMORY");
            vk::Result::ERROR_OUT_OF_HOST_MEMORY
        })?;
        let pool = shm.create_pool(file.as_fd(), size * count, queue, ());
        let buffer = |i| pool.create_buffer(i * size, width, height, row, format, queue, ());
        let buffers = Buffers::new((0..count).map(|i| Some(buffer(i))));
        pool.destroy();
        Ok((Self { memory, size: size as usize, leases: Leases::new(count as usize) }, buffers))
    }

    /// Copies a picture into a buffer that the compositor doesn't have, if there is one.
    pub fn copy(&mut self, picture: &Picture<'_>) -> Option<Lease> {
        let lease = self.leases.lease()?;
        self.memory.write_picture(lease.number() * self.size, picture);
        Some(lease)
    }
}

delegate_noop!(Buffers: WlShmPool);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_lie_where_the_protocol_has_numbers_for() {
        let of = |width, height| Layout::new(vk::Extent2D { width, height }).map(|l| (l.row, l.size, l.count));
        assert_eq!(of(50, 40), Some((200, 8000, HELD as i32)));
        assert_eq!(of(16_384, 16_384), Some((65_536, 1 << 30, 1)));
        for (width, height) in [(0, 40), (50, 0), (1 << 29, 1), (32_768, 16_384), (u32::MAX, 1), (1, u32::MAX)] {
            assert_eq!(of(width, height), None);
        }
    }
}
