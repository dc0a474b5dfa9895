//! One command buffer of a pool that has to be reset as a whole, begun again and again: what was sent, put off, dropped half-way or never submitted.

use anyhow::Result;
use ash::vk;

use super::uploader::Uploader;

/// What becomes of a recording.
#[derive(Clone, Copy)]
enum Use {
    /// An upload that is submitted and waited for.
    Upload,
    /// Other work, submitted and waited for.
    Fill,
    /// An upload that is never submitted.
    Unsubmitted,
    /// Other work whose recording isn't ended.
    Dropped,
    /// An upload whose recording isn't ended.
    DroppedUpload,
}

pub fn run(up: &Uploader) -> Result<()> {
    use Use::{Dropped, DroppedUpload, Fill, Unsubmitted, Upload};
    let (gpu, d) = (up.gpu, &up.gpu.device);
    up.clear()?;
    let info = vk::CommandPoolCreateInfo::default().queue_family_index(gpu.family);
    let info = info.flags(vk::CommandPoolCreateFlags::TRANSIENT);
    // SAFETY: a valid device.
    let pool = unsafe { d.create_command_pool(&info, None)? };
    let info = vk::CommandBufferAllocateInfo::default().command_pool(pool).command_buffer_count(3);
    // SAFETY: a pool of this device.
    let buffers = unsafe { d.allocate_command_buffers(&info)? };
    let uses = [
        Fill,
        Upload,
        Upload,
        Fill,
        Dropped,
        Upload,
        Unsubmitted,
        Fill,
        DroppedUpload,
        DroppedUpload,
        Fill,
        Unsubmitted,
        Upload,
        Dropped,
        Dropped,
        Fill,
    ];
    let mut expected = [0; 16];
    for (round, of) in (1u32..).zip(uses.into_iter().cycle().take(64)) {
        // Mostly the same one, so that the others were begun by none, one or several resets before.
        let buffer = buffers[if round % 5 == 0 { round as usize / 5 % 3 } else { 0 }];
        up.stage(|w| round * 100 + w);
        let begin = vk::CommandBufferBeginInfo::default().flags(vk::CommandBufferUsageFlags::ONE_TIME_SUBMIT);
        // SAFETY: handles of this device that nothing uses; inside of both buffers.
        unsafe {
            d.begin_command_buffer(buffer, &begin)?;
            gpu.barrier(buffer);
            if matches!(of, Fill | Dropped) {
                d.cmd_fill_buffer(buffer, up.far.buffer, 0, 64, round);
            } else {
                let region = vk::BufferCopy { src_offset: 0, dst_offset: 0, size: 64 };
                d.cmd_copy_buffer(buffer, up.staging.buffer, up.far.buffer, &[region]);
            }
            if !matches!(of, Dropped | DroppedUpload) {
                d.end_command_buffer(buffer)?;
            }
        }
        if matches!(of, Upload | Fill) {
            up.submit(buffer)?;
            up.wait()?;
            expected = std::array::from_fn(|w| if matches!(of, Fill) { round } else { round * 100 + w as u32 });
        }
        // SAFETY: nothing uses what came from the pool any more.
        unsafe { d.reset_command_pool(pool, vk::CommandPoolResetFlags::empty())? };
        if round % 4 == 0 {
            up.expect("a pool that is reset as a whole", |w| expected.get(w as usize).copied().unwrap_or(0))?;
        }
    }
    // SAFETY: as above.
    unsafe { d.destroy_command_pool(pool, None) };
    Ok(())
}
