//! Copies between images and memory by the host's processor, compared with those that a queue makes.

mod image;
mod texels;

use anyhow::{Context, Result, ensure};
use ash::{ext::host_image_copy, vk};

use crate::gpu::Gpu;
use image::{Image, Kind};
use texels::{Memory, Texels, compressed, pattern, single};

use vk::Format as F;
use vk::ImageAspectFlags as A;

const FLAT: vk::ImageType = vk::ImageType::TYPE_2D;

const RGBA: Texels = single(F::R8G8B8A8_UNORM, A::COLOR, 4);

const fn kind(of: Texels, extent: [u32; 3], mips: u32, layers: u32) -> Kind {
    Kind { of, kind: FLAT, extent, mips, layers, tiling: vk::ImageTiling::OPTIMAL }
}

/// Every class of formats, in shapes that a driver may cut into pieces in every way.
const KINDS: [Kind; 19] = [
    kind(RGBA, [37, 21, 1], 3, 1),
    kind(RGBA, [500, 300, 1], 1, 2),
    kind(single(F::R32G32B32A32_SFLOAT, A::COLOR, 16), [8192, 3, 1], 1, 1),
    kind(single(F::R8_UINT, A::COLOR, 1), [61, 33, 1], 2, 5),
    kind(single(F::R5G6B5_UNORM_PACK16, A::COLOR, 2), [40, 9, 1], 1, 3),
    kind(single(F::R32G32_UINT, A::COLOR, 8), [64, 64, 1], 7, 1),
    kind(single(F::R8G8B8A8_UNORM, A::COLOR, 4), [32, 32, 1], 1, 200),
    Kind { kind: vk::ImageType::TYPE_1D, ..kind(RGBA, [300, 1, 1], 1, 6) },
    Kind { kind: vk::ImageType::TYPE_3D, ..kind(RGBA, [19, 11, 7], 2, 1) },
    Kind { kind: vk::ImageType::TYPE_3D, ..kind(single(F::R16G16B16A16_UINT, A::COLOR, 8), [64, 48, 40], 1, 1) },
    kind(compressed(F::BC1_RGB_UNORM_BLOCK, 8, 4, 4), [60, 36, 1], 4, 2),
    kind(compressed(F::BC7_UNORM_BLOCK, 16, 4, 4), [1024, 272, 1], 1, 1),
    kind(compressed(F::ETC2_R8G8B8A8_UNORM_BLOCK, 16, 4, 4), [24, 20, 1], 1, 1),
    kind(compressed(F::ASTC_8X6_UNORM_BLOCK, 16, 8, 6), [40, 30, 1], 1, 1),
    kind(single(F::D16_UNORM, A::DEPTH, 2), [50, 20, 1], 2, 1),
    kind(Texels { told: 3, ..single(F::D24_UNORM_S8_UINT, A::DEPTH, 4) }, [30, 30, 1], 1, 2),
    kind(single(F::D32_SFLOAT, A::DEPTH, 4), [33, 18, 1], 1, 1),
    kind(single(F::D32_SFLOAT_S8_UINT, A::DEPTH, 4), [30, 30, 1], 2, 2),
    kind(single(F::D32_SFLOAT_S8_UINT, A::STENCIL, 1), [30, 30, 1], 2, 2),
];

/// Fewer kinds would mean that a device has lost some; lavapipe has these, and neither depth nor stencil nor blocks that it doesn't decode.
const AT_LEAST: usize = 12;

pub fn run() -> Result<()> {
    let gpu = Gpu::new()?;
    if !gpu.has(host_image_copy::NAME) {
        println!("left out: the device has no VK_EXT_host_image_copy");
        return Ok(());
    }
    properties(&gpu)?;
    let copies = host_image_copy::Device::new(&gpu.instance, &gpu.device);
    // Mesa's driver writes whatever a reply's memory held between the rows, too, and doesn't wait until the host has copied to an image.
    let mesa = gpu.driver_name()? == "venus";
    let mut done = 0;
    for kind in KINDS {
        let what = format!("{:?} {:?} of {:?}, {} layers", kind.of.format, kind.of.aspect, kind.extent, kind.layers);
        if let (Some(image), Some(other)) = (Image::new(&gpu, &copies, kind)?, Image::new(&gpu, &copies, kind)?) {
            for mip in 0..kind.mips {
                level(&image, &other, mip, !mesa).with_context(|| format!("{what}, level {mip}"))?;
            }
            done += 1;
        } else {
            println!("left out: the host doesn't copy {what}");
        }
    }
    ensure!(done >= AT_LEAST, "the host copies only {done} of {} kinds of images", KINDS.len());
    if mesa { Ok(()) } else { in_the_open(&gpu, &copies) }
}

/// The layouts and the rest that the device tells.
fn properties(gpu: &Gpu) -> Result<()> {
    let mut told = vk::PhysicalDeviceHostImageCopyPropertiesEXT::default();
    let mut all = vk::PhysicalDeviceProperties2::default().push_next(&mut told);
    // SAFETY: a valid physical device, and structs with room for what is asked for.
    unsafe { gpu.instance.get_physical_device_properties2(gpu.physical, &mut all) };
    let (sources, destinations) = (told.copy_src_layout_count as usize, told.copy_dst_layout_count as usize);
    ensure!(sources > 0 && destinations > 0, "no layout for copies by the host");
    let unknown = vk::ImageLayout::from_raw(-1);
    let (mut from, mut to) = (vec![unknown; sources], vec![unknown; destinations]);
    let mut told = vk::PhysicalDeviceHostImageCopyPropertiesEXT::default();
    (told.copy_src_layout_count, told.p_copy_src_layouts) = (sources as u32, from.as_mut_ptr());
    (told.copy_dst_layout_count, told.p_copy_dst_layouts) = (destinations as u32, to.as_mut_ptr());
    let mut all = vk::PhysicalDeviceProperties2::default().push_next(&mut told);
    // SAFETY: as above.
    unsafe { gpu.instance.get_physical_device_properties2(gpu.physical, &mut all) };
    ensure!(told.optimal_tiling_layout_uuid != [0; 16], "no UUID of the layout of images");
    for list in [&from, &to] {
        ensure!(list.contains(&vk::ImageLayout::GENERAL) && !list.contains(&unknown), "odd layouts {list:?}");
    }
    Ok(())
}

/// All ways of copying one level of an image.
fn level(image: &Image, other: &Image, mip: u32, gaps: bool) -> Result<()> {
    let Kind { of, layers, .. } = image.kind;
    let (extent, all) = (image.kind.level(mip), image.kind.closely(mip));
    let filled = pattern(of, all.len(), 1 + mip);
    // The whole, and what is left without its first blocks and its first slice.
    let inner = |n: u32, block: u32| if n > 2 * block { block } else { 0 };
    let offset = [inner(extent.width, of.width), inner(extent.height, of.height), inner(extent.depth, 1)];
    let rest = vk::Extent3D {
        width: extent.width - offset[0],
        height: extent.height - offset[1],
        depth: extent.depth - offset[2],
    };
    let first = u32::from(layers > 1);
    for (layer, offset, memory) in [
        (0, [0; 3], all),
        (0, [0; 3], Memory::apart(of, extent, layers)),
        (first, offset, Memory::closely(of, rest, layers - first)),
        (first, offset, Memory::apart(of, rest, layers - first)),
    ] {
        image.fill(mip, &filled)?;
        let bytes = pattern(of, memory.len(), 77);
        image.host_write(mip, layer, offset, &memory, &bytes)?;
        let wanted = all.overwritten(filled.clone(), offset, layer, &memory, &bytes);
        let found = image.read(mip)?;
        all.compare(&format!("written by the host: {memory:?}"), &found, &wanted, true)?;
        let untouched = vec![0xa5; memory.len()];
        let mut read = untouched.clone();
        image.host_read(mip, layer, offset, &memory, &mut read)?;
        let wanted = all.copied(&found, offset, layer, &memory, untouched);
        memory.compare(&format!("read by the host: {memory:?}"), &read, &wanted, gaps)?;
    }
    let found = image.read(mip)?;
    other.fill(mip, &filled)?;
    image.carry(mip, other)?;
    all.compare("carried", &other.read(mip)?, &found, true)?;
    other.fill(mip, &filled)?;
    image.copy(mip, other)?;
    all.compare("copied", &other.read(mip)?, &found, true)?;
    Ok(())
}

/// An image whose texels lie in the open, and a buffer over it: whoever writes, the others see it at once.
fn in_the_open(gpu: &Gpu, copies: &host_image_copy::Device) -> Result<()> {
    let kind = Kind { tiling: vk::ImageTiling::LINEAR, ..kind(RGBA, [64, 16, 1], 1, 1) };
    let Some(image) = Image::new(gpu, copies, kind)? else {
        println!("left out: the host doesn't copy images in the open");
        return Ok(());
    };
    let place = vk::ImageSubresource { aspect_mask: A::COLOR, ..Default::default() };
    // SAFETY: an image of this device.
    let layout = unsafe { gpu.device.get_image_subresource_layout(image.image, place) };
    let (all, len) = (kind.closely(0), kind.closely(0).len());
    let (row, pitch) = (64 * 4, layout.row_pitch as usize);
    // SAFETY: memory of this device, mapped as long as the image lives.
    let map = unsafe { gpu.device.map_memory(image.memory, 0, vk::WHOLE_SIZE, vk::MemoryMapFlags::empty()) }?;
    // SAFETY: the layout that the device told.
    let texels = unsafe { map.cast::<u8>().add(layout.offset as usize) };
    let mut read = vec![0; len];
    for round in 0..20 {
        let bytes = pattern(RGBA, len, round);
        image.host_write(0, 0, [0; 3], &all, &bytes)?;
        for (y, wanted) in bytes.chunks(row).enumerate() {
            // SAFETY: a row of the image.
            let found = unsafe { std::slice::from_raw_parts(texels.add(y * pitch), row) };
            ensure!(found == wanted, "row {y} isn't what the host wrote in round {round}");
        }
        // SAFETY: the first row of the image.
        unsafe { texels.write_bytes(round as u8, row) };
        image.host_read(0, 0, [0; 3], &all, &mut read)?;
        ensure!(read[..row].iter().all(|b| *b == round as u8), "the host doesn't see what the program wrote");
        ensure!(read[row..] == bytes[row..], "the host sees something else where nobody wrote");
    }
    uploads(gpu, &image, &layout)
}

/// Uploads to a buffer over the image, which a driver may have put off when it says that they are over.
fn uploads(gpu: &Gpu, image: &Image, layout: &vk::SubresourceLayout) -> Result<()> {
    // Mapped memory is looked at in no way that a driver sees, so nothing is put off for it.
    // SAFETY: mapped before.
    unsafe { gpu.device.unmap_memory(image.memory) };
    let (all, row) = (image.kind.closely(0), 64 * 4);
    let usage = vk::BufferUsageFlags::TRANSFER_DST;
    let info = vk::BufferCreateInfo::default().size(layout.offset + layout.size).usage(usage);
    let up = gpu.buffer(64)?;
    // SAFETY: handles of this device.
    let over = unsafe {
        let over = gpu.device.create_buffer(&info, None)?;
        gpu.device.bind_buffer_memory(over, image.memory, 0)?;
        over
    };
    let mut read = vec![0; all.len()];
    for round in 0..20u32 {
        up.fill(|i| i.wrapping_mul(round + 1));
        let copy = [vk::BufferCopy { src_offset: 0, dst_offset: layout.offset, size: row as u64 }];
        gpu.run(|cmd| {
            // SAFETY: recording, with handles of this device.
            unsafe { gpu.device.cmd_copy_buffer(cmd, up.buffer, over, &copy) };
            gpu.barrier(cmd);
        })?;
        image.host_read(0, 0, [0; 3], &all, &mut read)?;
        for (i, word) in read[..row].chunks(4).enumerate() {
            let wanted = (i as u32).wrapping_mul(round + 1).to_ne_bytes();
            ensure!(word == wanted, "word {i} isn't what was uploaded in round {round}");
        }
    }
    // SAFETY: nobody uses it any more.
    unsafe { gpu.device.destroy_buffer(over, None) };
    gpu.free(up);
    Ok(())
}
