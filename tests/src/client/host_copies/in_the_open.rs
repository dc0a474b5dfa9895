//! Images whose texels lie in the open, in mapped memory or under a buffer: whoever writes, the others see it at once.

use anyhow::{Context, Result, ensure};
use ash::{ext::host_image_copy, vk};

use super::image::{Image, Kind, flat};
use super::texels::{RGBA, pattern};
use super::unwaited;
use crate::gpu::Gpu;

/// Bytes of a row of texels.
const ROW: usize = 64 * 4;

pub fn check(gpu: &Gpu, copies: &host_image_copy::Device) -> Result<()> {
    let optimal = flat(RGBA, [64, 16, 1], 1, 1);
    let Some(image) = Image::new(gpu, copies, Kind { tiling: vk::ImageTiling::LINEAR, ..optimal })? else {
        println!("left out: the host doesn't copy images in the open");
        return Ok(());
    };
    let place = vk::ImageSubresource { aspect_mask: vk::ImageAspectFlags::COLOR, ..Default::default() };
    // SAFETY: an image of this device.
    let layout = unsafe { gpu.device.get_image_subresource_layout(image.image, place) };
    mapped(gpu, &image, &layout)?;
    let other = Image::new(gpu, copies, optimal)?.context("the host doesn't copy the plainest of images")?;
    uploads(gpu, &image, &other, &layout)?;
    shared_memory(gpu, &other)?;
    let new = || Image::new(gpu, copies, unwaited::KIND)?.context("the host has copied such an image before");
    unwaited::many(&new()?)?;
    unwaited::mapped_later(gpu, &new()?)?;
    unwaited::memory_is_used_again(gpu, new, &other)
}

/// A program that looks at the texels, and writes them, through a mapping.
fn mapped(gpu: &Gpu, image: &Image, layout: &vk::SubresourceLayout) -> Result<()> {
    let (all, pitch) = (image.kind.closely(0), layout.row_pitch as usize);
    // SAFETY: memory of this device, mapped until the end of this function.
    let map = unsafe { gpu.device.map_memory(image.memory, 0, vk::WHOLE_SIZE, vk::MemoryMapFlags::empty()) }?;
    // SAFETY: the layout that the device told.
    let texels = unsafe { map.cast::<u8>().add(layout.offset as usize) };
    let mut read = vec![0; all.len()];
    for round in 0..20 {
        let bytes = pattern(RGBA, all.len(), round);
        image.host_write(0, 0, [0; 3], &all, &bytes)?;
        for (y, wanted) in bytes.chunks(ROW).enumerate() {
            // SAFETY: a row of the image.
            let found = unsafe { std::slice::from_raw_parts(texels.add(y * pitch), ROW) };
            ensure!(found == wanted, "row {y} isn't what the host wrote in round {round}");
        }
        // SAFETY: the first row of the image.
        unsafe { texels.write_bytes(round as u8, ROW) };
        image.host_read(0, 0, [0; 3], &all, &mut read)?;
        ensure!(read[..ROW].iter().all(|b| *b == round as u8), "the host doesn't see what the program wrote");
        ensure!(read[ROW..] == bytes[ROW..], "the host sees something else where nobody wrote");
    }
    // SAFETY: mapped above; nobody looks at it any more.
    unsafe { gpu.device.unmap_memory(image.memory) };
    Ok(())
}

/// Uploads to a buffer over the image, which a driver may have put off when it says that they are over. Mapped memory is looked at in no way that a
/// driver sees, so nothing is put off for it, and the image's isn't; nor is a recording that may be submitted again.
fn uploads(gpu: &Gpu, image: &Image, other: &Image, layout: &vk::SubresourceLayout) -> Result<()> {
    let all = image.kind.closely(0);
    let usage = vk::BufferUsageFlags::TRANSFER_DST;
    let info = vk::BufferCreateInfo::default().size(layout.offset + layout.size).usage(usage);
    let up = gpu.buffer(ROW / 4)?;
    // SAFETY: handles of this device.
    let over = unsafe {
        let over = gpu.device.create_buffer(&info, None)?;
        gpu.device.bind_buffer_memory(over, image.memory, 0)?;
        over
    };
    let mut read = vec![0; all.len()];
    for round in 0..60u32 {
        up.fill(|i| i.wrapping_mul(round + 1));
        let uploaded: Vec<u8> = (0..ROW as u32 / 4).flat_map(|i| i.wrapping_mul(round + 1).to_ne_bytes()).collect();
        upload(gpu, up.buffer, over, layout.offset)?;
        match round % 3 {
            0 => {
                image.host_read(0, 0, [0; 3], &all, &mut read)?;
                ensure!(read[..ROW] == uploaded, "the host doesn't read what was uploaded in round {round}");
            }
            1 => {
                image.copy(0, other)?;
                let copied = other.read(0)?;
                ensure!(copied[..ROW] == uploaded, "the host doesn't copy what was uploaded in round {round}");
            }
            _ => {
                let bytes = pattern(RGBA, all.len(), round);
                image.host_write(0, 0, [0; 3], &all, &bytes)?;
                image.host_read(0, 0, [0; 3], &all, &mut read)?;
                ensure!(read == bytes, "an upload comes after what the host wrote later, in round {round}");
            }
        }
    }
    // SAFETY: nobody uses it any more.
    unsafe { gpu.device.destroy_buffer(over, None) };
    gpu.free(up);
    Ok(())
}

/// Uploads to a buffer in the memory of an image whose texels lie in an order of the device's own: what the host writes into the image afterwards stays.
fn shared_memory(gpu: &Gpu, image: &Image) -> Result<()> {
    let all = image.kind.closely(0);
    let info = vk::BufferCreateInfo::default().size(all.len() as u64).usage(vk::BufferUsageFlags::TRANSFER_DST);
    let up = gpu.buffer(ROW / 4)?;
    // SAFETY: handles of this device; the image's memory has room for its texels.
    let beside = unsafe {
        let beside = gpu.device.create_buffer(&info, None)?;
        gpu.device.bind_buffer_memory(beside, image.memory, 0)?;
        beside
    };
    let mut read = vec![0; all.len()];
    for round in 0..20u32 {
        up.fill(|_| 0xdead_0000 + round);
        upload(gpu, up.buffer, beside, u64::from(round % 4) * ROW as u64)?;
        let bytes = pattern(RGBA, all.len(), round);
        image.host_write(0, 0, [0; 3], &all, &bytes)?;
        // Something with which an upload could travel.
        gpu.run(|cmd| gpu.barrier(cmd))?;
        image.host_read(0, 0, [0; 3], &all, &mut read)?;
        ensure!(
            read == bytes,
            "an upload to a buffer in the image's memory comes after what the host wrote later, in round {round}"
        );
    }
    // SAFETY: nobody uses it any more.
    unsafe { gpu.device.destroy_buffer(beside, None) };
    gpu.free(up);
    Ok(())
}

/// Copies a row to a place in another buffer, in a recording that is submitted once and waited for.
fn upload(gpu: &Gpu, from: vk::Buffer, to: vk::Buffer, dst_offset: vk::DeviceSize) -> Result<()> {
    let copy = [vk::BufferCopy { src_offset: 0, dst_offset, size: ROW as u64 }];
    let buffer = gpu.record_in(gpu.pool, vk::CommandBufferUsageFlags::ONE_TIME_SUBMIT, |cmd| {
        // SAFETY: recording, with handles of this device.
        unsafe { gpu.device.cmd_copy_buffer(cmd, from, to, &copy) };
        gpu.barrier(cmd);
    })?;
    gpu.submit(&[buffer])?;
    // SAFETY: it has been waited for.
    unsafe { gpu.device.free_command_buffers(gpu.pool, &[buffer]) };
    Ok(())
}
