//! Copies between images and memory by the host's processor, compared with those that a queue makes.

mod image;
mod in_the_open;
mod regions;
mod texels;
mod unwaited;

use anyhow::{Context, Result, ensure};
use ash::{ext::host_image_copy, vk};

use crate::gpu::Gpu;
pub use image::{Image, Kind, flat};
pub use texels::{Memory, RGBA};
use texels::{Texels, compressed, pattern, single};

use vk::Format as F;
use vk::ImageAspectFlags as A;

/// Every class of formats, in shapes that a driver may cut into pieces in every way.
const KINDS: [Kind; 19] = [
    flat(RGBA, [37, 21, 1], 3, 1),
    flat(RGBA, [500, 300, 1], 1, 2),
    flat(single(F::R32G32B32A32_SFLOAT, A::COLOR, 16), [8192, 3, 1], 1, 1),
    flat(single(F::R8_UINT, A::COLOR, 1), [61, 33, 1], 2, 5),
    flat(single(F::R5G6B5_UNORM_PACK16, A::COLOR, 2), [40, 9, 1], 1, 3),
    flat(single(F::R32G32_UINT, A::COLOR, 8), [64, 64, 1], 7, 1),
    flat(single(F::R8G8B8A8_UNORM, A::COLOR, 4), [32, 32, 1], 1, 200),
    Kind { kind: vk::ImageType::TYPE_1D, ..flat(RGBA, [300, 1, 1], 1, 6) },
    Kind { kind: vk::ImageType::TYPE_3D, ..flat(RGBA, [19, 11, 7], 2, 1) },
    Kind { kind: vk::ImageType::TYPE_3D, ..flat(single(F::R16G16B16A16_UINT, A::COLOR, 8), [64, 48, 40], 1, 1) },
    flat(compressed(F::BC1_RGB_UNORM_BLOCK, 8, 4, 4), [60, 36, 1], 4, 2),
    flat(compressed(F::BC7_UNORM_BLOCK, 16, 4, 4), [2048, 1092, 1], 1, 1),
    flat(compressed(F::ETC2_R8G8B8A8_UNORM_BLOCK, 16, 4, 4), [24, 20, 1], 1, 1),
    flat(compressed(F::ASTC_8X6_UNORM_BLOCK, 16, 8, 6), [40, 30, 1], 1, 1),
    flat(single(F::D16_UNORM, A::DEPTH, 2), [50, 20, 1], 2, 1),
    flat(Texels { told: 3, ..single(F::D24_UNORM_S8_UINT, A::DEPTH, 4) }, [30, 30, 1], 1, 2),
    flat(single(F::D32_SFLOAT, A::DEPTH, 4), [33, 18, 1], 1, 1),
    flat(single(F::D32_SFLOAT_S8_UINT, A::DEPTH, 4), [30, 30, 1], 2, 2),
    flat(single(F::D32_SFLOAT_S8_UINT, A::STENCIL, 1), [30, 30, 1], 2, 2),
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
    regions::check(&gpu, &copies)?;
    if mesa { Ok(()) } else { in_the_open::check(&gpu, &copies) }
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
