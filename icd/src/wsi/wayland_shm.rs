//! Pictures for a Wayland compositor in memory that it maps (wl_shm): the guest's processor copies them there.

use std::os::fd::AsFd as _;

use ash::vk;
use wayland_client::protocol::wl_shm::{Format, WlShm};
use wayland_client::protocol::wl_shm_pool::WlShmPool;
use wayland_client::{QueueHandle, delegate_noop};

use crate::base::log::warn_;
use crate::wsi::lease::{Lease, Leases};
use crate::wsi::shared_memory::SharedMemory;
use crate::wsi::wayland_buffers::Buffers;
use crate::wsi::window::{Gone, HELD, Picture};

/// Memory for some pictures, one behind the other. Those that aren't used take no room.
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
    /// When a window can't ever be as large, and where there is no memory.
    pub fn new(
        shm: &WlShm,
        queue: &QueueHandle<Buffers>,
        extent: vk::Extent2D,
        sees_through: bool,
    ) -> Result<(Self, Buffers), Gone> {
        let format = if sees_through { Format::Argb8888 } else { Format::Xrgb8888 };
        let side = |n: u32| i32::try_from(n).map_err(|_| Gone);
        let (width, height) = (side(extent.width)?, side(extent.height)?);
        let row = width.checked_mul(4).ok_or(Gone)?;
        let size = row.checked_mul(height).filter(|s| *s > 0).ok_or(Gone)?;
        // The protocol has 32 bits for the size of the memory and for places in it.
        let count = (i32::MAX / size).min(HELD as i32);
        let (memory, file) = SharedMemory::new((size * count) as usize).map_err(|e| {
            warn_!("no memory for pictures of a Wayland window: {e}: VK_ERROR_SURFACE_LOST_KHR");
            Gone
        })?;
        // libwayland gives up the program's connection where it can't duplicate a descriptor.
        drop(file.try_clone().map_err(|_| Gone)?);
        let pool = shm.create_pool(file.as_fd(), size * count, queue, ());
        let buffer = |i| pool.create_buffer(i * size, width, height, row, format, queue, ());
        let buffers = Buffers::new((0..count).map(|i| Some(buffer(i))));
        pool.destroy();
        Ok((Self { memory, size: size as usize, leases: Leases::new(count as usize) }, buffers))
    }

    /// Copies a picture into a buffer that the compositor doesn't have, if there is one.
    pub fn copy(&mut self, picture: &Picture<'_>) -> Option<Lease> {
        let lease = self.leases.lease()?;
        self.memory.write(lease.number() * self.size, picture.bytes);
        Some(lease)
    }
}

delegate_noop!(Buffers: WlShmPool);
