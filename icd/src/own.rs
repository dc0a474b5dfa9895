//! Command buffers of the driver's own, in pools that the program knows nothing of.

use std::ptr;

use ash::vk;
use ash::vk::Handle;
use hesper_encoder::generated::request;
use hesper_winsys::Error;
use parking_lot::Mutex;

use crate::command_buffer;
use crate::forwarding::post;
use crate::generated::forward;
use crate::object;
use crate::slab::fresh_id;

/// Those of a device.
#[derive(Default)]
pub struct OwnCommandBuffers(Mutex<Own>);

#[derive(Default)]
struct Own {
    /// A pool for each queue family.
    pools: Vec<(u32, vk::CommandPool)>,
    buffers: Vec<vk::CommandBuffer>,
}

/// A command buffer for a queue; it lives as long as the device.
pub unsafe fn command_buffer(queue: vk::Queue) -> Result<vk::CommandBuffer, Error> {
    // SAFETY: a queue of a living device.
    unsafe {
        let q = object::get(queue);
        let mut own = object::get(q.device).own.0.lock();
        let known = own.pools.iter().find(|(family, _)| *family == q.family).map(|(_, pool)| *pool);
        let pool = match known {
            Some(pool) => pool,
            None => {
                let pool = make_pool(q.device, q.family)?;
                own.pools.push((q.family, pool));
                pool
            }
        };
        let info = vk::CommandBufferAllocateInfo::default().command_pool(pool).command_buffer_count(1);
        let mut buffer = vk::CommandBuffer::null();
        match command_buffer::allocate_command_buffers(q.device, &info, &mut buffer) {
            vk::Result::SUCCESS => {
                own.buffers.push(buffer);
                Ok(buffer)
            }
            _ => Err(Error::OutOfHostMemory),
        }
    }
}

/// A pool that doesn't count as one of the program's (`compiling`).
unsafe fn make_pool(device: vk::Device, family: u32) -> Result<vk::CommandPool, Error> {
    let mut pool = vk::CommandPool::from_raw(fresh_id());
    let flags = vk::CommandPoolCreateFlags::RESET_COMMAND_BUFFER;
    let info = vk::CommandPoolCreateInfo::default().flags(flags).queue_family_index(family);
    let to = &raw mut pool;
    // SAFETY: a valid device, and pointers to locals.
    unsafe { post(device, |w| request::create_command_pool(w, 0, device, &info, ptr::null(), to))? };
    Ok(pool)
}

/// Gives them back, when nothing runs on the device any more.
pub unsafe fn close(device: vk::Device) {
    // SAFETY: a valid device, whose work is over.
    unsafe {
        let own = std::mem::take(&mut *object::get(device).own.0.lock());
        for buffer in own.buffers {
            object::take(buffer);
        }
        for (_, pool) in own.pools {
            forward::destroy_command_pool(device, pool, ptr::null());
        }
    }
}
