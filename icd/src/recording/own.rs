//! Command buffers of the driver's own, in pools that the program knows nothing of.

use std::ptr;
use std::sync::Arc;

use ash::vk;
use ash::vk::Handle;
use hesper_encoder::generated::request;
use hesper_winsys::Error;
use parking_lot::Mutex;

use crate::base::forwarding::post;
use crate::base::in_progress::Recordings;
use crate::base::object::Whole;
use crate::base::slab::fresh_id;
use crate::generated::forward;
use crate::recording::begun::Begun;
use crate::recording::command_buffer::CommandBuffer;
use crate::recording::command_pool;

/// Those of a device.
#[derive(Default)]
pub struct OwnCommandBuffers {
    own: Mutex<Own>,
    /// Apart from the program's: they name no object that is destroyed late.
    recordings: Arc<Recordings>,
    /// Their pools are never reset.
    begun: Arc<Begun>,
}

#[derive(Default)]
struct Own {
    /// A pool for each queue family.
    pools: Vec<(u32, vk::CommandPool)>,
    buffers: Vec<vk::CommandBuffer>,
}

impl OwnCommandBuffers {
    /// A command buffer for a queue of this family; it lives as long as the device.
    ///
    /// # Safety
    /// The device that these belong to, and one of its families.
    ///
    /// # Errors
    /// A lost host, or no memory.
    pub unsafe fn command_buffer(&self, device: vk::Device, family: u32) -> Result<vk::CommandBuffer, Error> {
        let mut own = self.own.lock();
        let known = own.pools.iter().find(|(f, _)| *f == family).map(|(_, pool)| *pool);
        let pool = match known {
            Some(pool) => pool,
            None => {
                // SAFETY: a valid device.
                let pool = unsafe { make_pool(device, family)? };
                own.pools.push((family, pool));
                pool
            }
        };
        let info = vk::CommandBufferAllocateInfo::default().command_pool(pool).command_buffer_count(1);
        let mut buffer = vk::CommandBuffer::null();
        // SAFETY: a pool of this device, used under the lock alone, and room for one handle.
        match unsafe { command_pool::allocate(device, &info, true, &self.begun, &self.recordings, &mut buffer) } {
            vk::Result::SUCCESS => {
                own.buffers.push(buffer);
                Ok(buffer)
            }
            _ => Err(Error::OutOfHostMemory),
        }
    }

    /// Gives them back, when nothing runs on the device any more.
    ///
    /// # Safety
    /// The device that these belong to, whose work is over.
    pub unsafe fn close(&self, device: vk::Device) {
        let own = std::mem::take(&mut *self.own.lock());
        for buffer in own.buffers {
            // SAFETY: made by `command_buffer`, and whoever asked for it is done with it.
            drop(unsafe { CommandBuffer::take(buffer) });
        }
        for (_, pool) in own.pools {
            // SAFETY: none of the pool's command buffers is at work.
            unsafe { forward::destroy_command_pool(device, pool, ptr::null()) };
        }
    }
}

/// A pool that doesn't count as one of the program's (`pipelines::compiling`).
unsafe fn make_pool(device: vk::Device, family: u32) -> Result<vk::CommandPool, Error> {
    let mut pool = vk::CommandPool::from_raw(fresh_id());
    let flags = vk::CommandPoolCreateFlags::RESET_COMMAND_BUFFER;
    let info = vk::CommandPoolCreateInfo::default().flags(flags).queue_family_index(family);
    let to = &raw mut pool;
    // SAFETY: a valid device, and pointers to locals.
    unsafe { post(device, |w| request::create_command_pool(w, 0, device, &info, ptr::null(), to))? };
    Ok(pool)
}
