//! Uploads one by one, and looks at what they left.

use anyhow::Result;
use ash::vk;

use crate::gpu::{Buffer, Gpu, PATIENCE};

/// Words of the target.
pub const N: usize = 4096;

/// A device, staging memory, a target that isn't mapped, and memory to look at it.
pub struct Uploader<'a> {
    pub gpu: &'a Gpu,
    pub staging: Buffer,
    pub far: Buffer,
    pub down: Buffer,
    pub fence: vk::Fence,
    pub pool: vk::CommandPool,
}

impl<'a> Uploader<'a> {
    pub fn new(gpu: &'a Gpu) -> Result<Self> {
        Self::with_words(gpu, N)
    }

    /// With so many words in each buffer.
    pub fn with_words(gpu: &'a Gpu, words: usize) -> Result<Self> {
        let far = unmapped(gpu, words)?;
        let (staging, down) = (gpu.buffer(words)?, gpu.buffer(words)?);
        let info = vk::CommandPoolCreateInfo::default().queue_family_index(gpu.family);
        // SAFETY: a valid device.
        let (fence, pool) = unsafe {
            (
                gpu.device.create_fence(&vk::FenceCreateInfo::default(), None)?,
                gpu.device.create_command_pool(&info, None)?,
            )
        };
        Ok(Self { gpu, staging, far, down, fence, pool })
    }

    /// A command buffer of the pool, to be submitted once, with a barrier and one copy out of the staging memory.
    pub fn record(&self, from: usize, to: &Buffer, at: usize, words: usize) -> Result<vk::CommandBuffer> {
        let region = vk::BufferCopy { src_offset: from as u64 * 4, dst_offset: at as u64 * 4, size: words as u64 * 4 };
        self.gpu.record_in(self.pool, vk::CommandBufferUsageFlags::ONE_TIME_SUBMIT, |cmd| {
            self.gpu.barrier(cmd);
            // SAFETY: recording; inside of both buffers.
            unsafe { self.gpu.device.cmd_copy_buffer(cmd, self.staging.buffer, to.buffer, &[region]) };
        })
    }

    pub fn submit(&self, buffer: vk::CommandBuffer) -> Result<()> {
        let (d, buffers) = (&self.gpu.device, [buffer]);
        // SAFETY: handles of this device.
        unsafe {
            Ok(d.queue_submit(self.gpu.queue, &[vk::SubmitInfo::default().command_buffers(&buffers)], self.fence)?)
        }
    }

    pub fn wait(&self) -> Result<()> {
        let d = &self.gpu.device;
        // SAFETY: handles of this device.
        unsafe {
            d.wait_for_fences(&[self.fence], true, PATIENCE)?;
            Ok(d.reset_fences(&[self.fence])?)
        }
    }

    /// Puts `words` words `value(i)` at `at` of `to`, by way of the start of the staging memory.
    pub fn put(&self, to: &Buffer, at: usize, words: usize, value: impl Fn(u32) -> u32) -> Result<()> {
        self.stage(value);
        self.submit(self.record(0, to, at, words)?)?;
        self.wait()?;
        self.stage(|_| 0xdead_beef);
        Ok(())
    }

    pub fn stage(&self, value: impl Fn(u32) -> u32) {
        self.staging.fill(value);
    }

    /// Empties the pool: by now everything from it has been waited for.
    pub fn reset(&self) -> Result<()> {
        // SAFETY: handles of this device.
        unsafe { Ok(self.gpu.device.reset_command_pool(self.pool, vk::CommandPoolResetFlags::empty())?) }
    }

    /// Fails unless the target holds `value(i)` everywhere.
    pub fn expect(&self, what: &str, value: impl Fn(u32) -> u32) -> Result<()> {
        self.down.fill(|_| 0x0bad_0bad);
        self.gpu.run(|cmd| self.cmd_look(cmd))?;
        self.down.expect(what, value)
    }

    /// Copies the target to where it can be looked at.
    pub fn cmd_look(&self, cmd: vk::CommandBuffer) {
        let region = vk::BufferCopy { src_offset: 0, dst_offset: 0, size: self.far.size };
        // SAFETY: recording; inside of both buffers. What was waited for needs no barrier here.
        unsafe { self.gpu.device.cmd_copy_buffer(cmd, self.far.buffer, self.down.buffer, &[region]) };
        self.gpu.barrier(cmd);
    }

    pub fn clear(&self) -> Result<()> {
        // SAFETY: recording; inside of the buffer.
        self.gpu.run(|cmd| unsafe {
            self.gpu.device.cmd_fill_buffer(cmd, self.far.buffer, 0, vk::WHOLE_SIZE, 0);
            self.gpu.barrier(cmd);
        })
    }
}

/// A buffer in device-local memory that isn't mapped, even where it could be.
fn unmapped(gpu: &Gpu, words: usize) -> Result<Buffer> {
    let mut b = gpu.buffer_in(words, |bits| gpu.memory_type(bits, vk::MemoryPropertyFlags::DEVICE_LOCAL))?;
    if !b.map.is_null() {
        // SAFETY: mapped by `buffer_in`; nobody has the pointer.
        unsafe { gpu.device.unmap_memory(b.memory) };
        b.map = std::ptr::null_mut();
    }
    Ok(b)
}
