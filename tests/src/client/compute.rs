//! Dispatches and transfers, checked word by word.

use anyhow::{Result, ensure};
use ash::vk;

use crate::gpu::Gpu;
use crate::shaders::TALLY;

const N: usize = 10_000;

pub fn run() -> Result<()> {
    let gpu = Gpu::new()?;
    arithmetic(&gpu)?;
    transfers(&gpu)?;
    indirect(&gpu)?;
    caches(&gpu)
}

/// Push and specialisation constants, in a chain of dependent dispatches.
fn arithmetic(gpu: &Gpu) -> Result<()> {
    let kind = vk::DescriptorType::STORAGE_BUFFER;
    let none = vk::DescriptorSetLayoutCreateFlags::empty();
    let (a, b) = (gpu.buffer(N)?, gpu.buffer(N)?);
    let (triple, five) = (gpu.scale(3, none, kind)?, gpu.scale(5, none, kind)?);
    let pool = gpu.descriptor_pool(2, kind)?;
    let (there, back) = (gpu.set(pool, triple.set_layout, &[&a, &b])?, gpu.set(pool, triple.set_layout, &[&b, &a])?);
    a.fill(|i| i.wrapping_mul(0x9e37_79b9));
    b.fill(|_| 0xdead_beef);
    gpu.run(|cmd| {
        gpu.cmd_scale(cmd, &triple, there, N as u32, 7);
        gpu.barrier(cmd);
        gpu.cmd_scale(cmd, &five, back, N as u32, 11);
        gpu.barrier(cmd);
        // Only half of it a second time: the rest must stay as it was.
        gpu.cmd_scale(cmd, &triple, there, N as u32 / 2, 1);
        gpu.barrier(cmd);
    })?;
    let first = |i: u32| i.wrapping_mul(0x9e37_79b9).wrapping_mul(3).wrapping_add(7);
    let second = |i: u32| first(i).wrapping_mul(5).wrapping_add(11);
    a.expect("second dispatch", second)?;
    b.expect("third dispatch", |i| {
        if (i as usize) < N / 2 { second(i).wrapping_mul(3).wrapping_add(1) } else { first(i) }
    })?;
    // SAFETY: nothing uses the pool's sets any more.
    unsafe { gpu.device.destroy_descriptor_pool(pool, None) };
    gpu.free_pipeline(triple);
    gpu.free_pipeline(five);
    gpu.free(a);
    gpu.free(b);
    Ok(())
}

/// Fills, updates and copies, into device-local memory and back.
fn transfers(gpu: &Gpu) -> Result<()> {
    let device_local = |bits| gpu.memory_type(bits, vk::MemoryPropertyFlags::DEVICE_LOCAL);
    let (up, far, down) = (gpu.buffer(N)?, gpu.buffer_in(N, device_local)?, gpu.buffer(N)?);
    up.fill(|i| i ^ 0x5555_0000);
    let inline: Vec<u8> = (0..1024u32).flat_map(u32::to_le_bytes).collect();
    gpu.run(|cmd| {
        // SAFETY: recording; all ranges lie inside the buffers.
        unsafe {
            gpu.device.cmd_fill_buffer(cmd, down.buffer, 0, vk::WHOLE_SIZE, 0x0102_0304);
            gpu.device.cmd_copy_buffer(
                cmd,
                up.buffer,
                far.buffer,
                &[vk::BufferCopy { src_offset: 0, dst_offset: 0, size: up.size }],
            );
            gpu.barrier(cmd);
            gpu.device.cmd_update_buffer(cmd, far.buffer, 4 * 100, &inline);
            gpu.barrier(cmd);
            // Two regions, swapped, with a gap that keeps the fill.
            let regions = [
                vk::BufferCopy { src_offset: 0, dst_offset: 4 * 5000, size: 4 * 4000 },
                vk::BufferCopy { src_offset: 4 * 5000, dst_offset: 0, size: 4 * 4000 },
            ];
            gpu.device.cmd_copy_buffer(cmd, far.buffer, down.buffer, &regions);
            gpu.barrier(cmd);
        }
    })?;
    let far_word = |i: u32| if (100..1124).contains(&i) { i - 100 } else { i ^ 0x5555_0000 };
    down.expect("copied regions", |i| match i {
        0..4000 => far_word(i + 5000),
        5000..9000 => far_word(i - 5000),
        _ => 0x0102_0304,
    })?;
    for b in [up, far, down] {
        gpu.free(b);
    }
    Ok(())
}

/// Dispatches whose size the GPU itself wrote, and with a base.
fn indirect(gpu: &Gpu) -> Result<()> {
    let kind = vk::DescriptorType::STORAGE_BUFFER;
    let (tally, sizes) = (gpu.buffer(2)?, gpu.buffer(6)?);
    let pipeline = gpu.pipeline(TALLY, 1, 0, vk::DescriptorSetLayoutCreateFlags::empty(), kind, None)?;
    let pool = gpu.descriptor_pool(1, kind)?;
    let set = gpu.set(pool, pipeline.set_layout, &[&tally])?;
    tally.fill(|_| 0);
    let args: Vec<u8> = [9u32, 9, 9, 3, 5, 2].iter().flat_map(|v| v.to_le_bytes()).collect();
    gpu.run(|cmd| {
        let point = vk::PipelineBindPoint::COMPUTE;
        // SAFETY: recording; the arguments are inside the buffer.
        unsafe {
            gpu.device.cmd_update_buffer(cmd, sizes.buffer, 0, &args);
            gpu.barrier(cmd);
            gpu.device.cmd_bind_pipeline(cmd, point, pipeline.pipeline);
            gpu.device.cmd_bind_descriptor_sets(cmd, point, pipeline.layout, 0, &[set], &[]);
            gpu.device.cmd_dispatch_indirect(cmd, sizes.buffer, 12);
            gpu.barrier(cmd);
            gpu.device.cmd_dispatch(cmd, 2, 1, 7);
            gpu.barrier(cmd);
        }
    })?;
    let groups = 3 * 5 * 2 + 2 * 7;
    ensure!(
        (tally.get(0), tally.get(1)) == (groups * 32, groups),
        "tally is {} and {}, not {} and {groups}",
        tally.get(0),
        tally.get(1),
        groups * 32
    );
    // SAFETY: waited for.
    unsafe { gpu.device.destroy_descriptor_pool(pool, None) };
    gpu.free_pipeline(pipeline);
    gpu.free(tally);
    gpu.free(sizes);
    Ok(())
}

/// A pipeline cache: its data, taken in again, and foreign data refused politely.
fn caches(gpu: &Gpu) -> Result<()> {
    // SAFETY: handles of this device.
    unsafe {
        let cache = gpu.device.create_pipeline_cache(&vk::PipelineCacheCreateInfo::default(), None)?;
        let pipeline = gpu.scale(2, vk::DescriptorSetLayoutCreateFlags::empty(), vk::DescriptorType::STORAGE_BUFFER)?;
        let data = gpu.device.get_pipeline_cache_data(cache)?;
        ensure!(data.len() >= 32 && data[..4] == 32u32.to_le_bytes(), "the cache's header isn't one");
        ensure!(data[16..32] == gpu.properties.pipeline_cache_uuid, "the cache's header has another device's id");
        let mut foreign = data.clone();
        foreign[16..32].fill(0xee);
        for bytes in [&data[..], &foreign[..]] {
            let info = vk::PipelineCacheCreateInfo::default().initial_data(bytes);
            let other = gpu.device.create_pipeline_cache(&info, None)?;
            gpu.device.merge_pipeline_caches(cache, &[other])?;
            gpu.device.destroy_pipeline_cache(other, None);
        }
        gpu.device.destroy_pipeline_cache(cache, None);
        gpu.free_pipeline(pipeline);
    }
    Ok(())
}
