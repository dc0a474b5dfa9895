//! Copies to images that a driver need not wait for, since nobody looks at the image's memory: until somebody maps it.

use anyhow::{Result, ensure};
use ash::vk;

use super::image::{Image, Kind, flat};
use super::texels::{Memory, RGBA, pattern};
use crate::gpu::Gpu;

/// An image of a megabyte, so that the end of a copy is under way for a while, whose texels lie in an order that is known.
pub const KIND: Kind = Kind { tiling: vk::ImageTiling::LINEAR, ..flat(RGBA, [512, 512, 1], 1, 1) };
const ROW: usize = 512 * 4;
const ROUNDS: u32 = 16;

/// Whoever maps the image's memory afterwards sees what the host has copied, and what is written there stays.
pub fn mapped_later(gpu: &Gpu, image: &Image) -> Result<()> {
    let place = vk::ImageSubresource { aspect_mask: vk::ImageAspectFlags::COLOR, ..Default::default() };
    // SAFETY: an image of this device.
    let layout = unsafe { gpu.device.get_image_subresource_layout(image.image, place) };
    let (all, pitch) = (image.kind.closely(0), layout.row_pitch as usize);
    let patterns = [1, 2].map(|seed| pattern(RGBA, all.len(), seed));
    let (mut read, rows) = (vec![0; all.len()], all.len() / ROW);
    for round in 0..ROUNDS {
        // Another one each time.
        let bytes = &patterns[round as usize % 2];
        image.host_write(0, 0, [0; 3], &all, bytes)?;
        // SAFETY: memory of this device, which isn't mapped; the layout that the device told, and rows of the image.
        unsafe {
            let map = gpu.device.map_memory(image.memory, 0, vk::WHOLE_SIZE, vk::MemoryMapFlags::empty())?;
            let texels = map.cast::<u8>().add(layout.offset as usize);
            // The last ones first: they are the last to come.
            for (y, wanted) in bytes.chunks(ROW).enumerate().rev() {
                let found = std::slice::from_raw_parts(texels.add(y * pitch), ROW);
                ensure!(found == wanted, "row {y} isn't what the host copied in round {round}");
            }
            gpu.device.unmap_memory(image.memory);
        }
        image.host_write(0, 0, [0; 3], &all, &patterns[(round as usize + 1) % 2])?;
        // SAFETY: as above.
        unsafe {
            let map = gpu.device.map_memory(image.memory, 0, vk::WHOLE_SIZE, vk::MemoryMapFlags::empty())?;
            let last = map.cast::<u8>().add(layout.offset as usize + (rows - 1) * pitch);
            last.write_bytes(round as u8, ROW);
            gpu.device.unmap_memory(image.memory);
        }
        image.host_read(0, 0, [0; 3], &all, &mut read)?;
        let stays = read[all.len() - ROW..].iter().all(|b| *b == round as u8);
        ensure!(stays, "a copy came after what was written by a mapping later, in round {round}");
        image.host_write(0, 0, [0; 3], &all, bytes)?;
    }
    Ok(())
}

/// More copies than a driver may note at the same time, each of a few texels somewhere else.
pub fn many(image: &Image) -> Result<()> {
    const COPIES: usize = 5000;
    let few = vk::Extent3D { width: 4, height: 1, depth: 1 };
    let (all, memory) = (image.kind.closely(0), Memory::closely(RGBA, few, 1));
    let bytes = pattern(RGBA, COPIES * 16, 5);
    image.fill(0, &vec![0; all.len()])?;
    for (n, texels) in bytes.chunks(16).enumerate() {
        let at = n * 4;
        image.host_write(0, 0, [(at % 512) as u32, (at / 512) as u32, 0], &memory, texels)?;
    }
    let found = image.read(0)?;
    ensure!(found[..bytes.len()] == bytes && found[bytes.len()..].iter().all(|b| *b == 0), "of {COPIES} small copies");
    Ok(())
}

/// Memory of an image that is gone: what its next owner writes by a mapping stays.
pub fn memory_is_used_again<'a>(gpu: &'a Gpu, new: impl Fn() -> Result<Image<'a>>, other: &Image) -> Result<()> {
    let mut read = vec![0; other.kind.closely(0).len()];
    let visible = vk::MemoryPropertyFlags::HOST_VISIBLE | vk::MemoryPropertyFlags::HOST_COHERENT;
    for round in 0..ROUNDS {
        let image = new()?;
        let all = image.kind.closely(0);
        let bytes = pattern(RGBA, all.len(), round);
        // SAFETY: an image of this device.
        let needs = unsafe { gpu.device.get_image_memory_requirements(image.image) };
        let memory_type = gpu.memory_type(needs.memory_type_bits, visible)?;
        image.host_write(0, 0, [0; 3], &all, &bytes)?;
        drop(image);
        let info = vk::MemoryAllocateInfo::default().allocation_size(needs.size).memory_type_index(memory_type);
        // SAFETY: memory of this device that nobody else uses, and bytes inside of its mapping.
        unsafe {
            let memory = gpu.device.allocate_memory(&info, None)?;
            let map = gpu.device.map_memory(memory, 0, vk::WHOLE_SIZE, vk::MemoryMapFlags::empty())?.cast::<u8>();
            // Where the last texels were.
            let end = map.add(needs.size as usize - ROW);
            end.write_bytes(0x80 | round as u8, ROW);
            // The host has done what it was told before when it has done this.
            other.host_read(0, 0, [0; 3], &other.kind.closely(0), &mut read)?;
            let stays = std::slice::from_raw_parts(end, ROW).iter().all(|b| *b == 0x80 | round as u8);
            gpu.device.free_memory(memory, None);
            ensure!(stays, "a copy to an image that is gone wrote into memory that is another's, in round {round}");
        }
    }
    Ok(())
}
