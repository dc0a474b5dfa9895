//! Several regions in one call, and layers that are named as those that are left.

use anyhow::{Context, Result};
use ash::ext::host_image_copy;

use super::image::{Image, Part, flat};
use super::texels::{Memory, RGBA, pattern};
use crate::gpu::Gpu;

/// Layers of which each region has some, and texels of a level that a driver cuts into several pieces.
const LAYERS: u32 = 5;
const EXTENT: [u32; 3] = [200, 190, 1];

pub fn check(gpu: &Gpu, copies: &host_image_copy::Device) -> Result<()> {
    let kind = flat(RGBA, EXTENT, 2, LAYERS);
    let image = Image::new(gpu, copies, kind)?.context("the host doesn't copy the plainest of images")?;
    let (all, small) = (kind.closely(0), kind.closely(1));
    // A layer with gaps between its rows, the other layers closely, and a corner of each layer of the next level.
    let first = Memory::apart(RGBA, kind.level(0), 1);
    let others = Memory::closely(RGBA, kind.level(0), LAYERS - 1);
    let corner = Memory::apart(RGBA, ash::vk::Extent3D { width: 7, height: 5, depth: 1 }, LAYERS);
    let rest = gpu.maintenance5;
    let parts = || {
        [
            Part { mip: 0, layer: 0, offset: [0; 3], memory: &first, rest: false },
            Part { mip: 0, layer: 1, offset: [0; 3], memory: &others, rest },
            Part { mip: 1, layer: 0, offset: [3, 2, 0], memory: &corner, rest },
        ]
    };
    let filled = [pattern(RGBA, all.len(), 1), pattern(RGBA, small.len(), 2)];
    for (mip, filled) in (0..).zip(&filled) {
        image.fill(mip, filled)?;
    }
    let bytes = [pattern(RGBA, first.len(), 3), pattern(RGBA, others.len(), 4), pattern(RGBA, corner.len(), 5)];
    let written: Vec<_> = parts().into_iter().zip(bytes.iter().map(Vec::as_slice)).collect();
    image.host_write_all(&written)?;
    let [large, little] = filled;
    let wanted = [
        all.overwritten(all.overwritten(large, [0; 3], 0, &first, &bytes[0]), [0; 3], 1, &others, &bytes[1]),
        small.overwritten(little, [3, 2, 0], 0, &corner, &bytes[2]),
    ];
    all.compare("regions written by the host", &image.read(0)?, &wanted[0], true)?;
    small.compare("a corner written by the host", &image.read(1)?, &wanted[1], true)?;

    let mut read = [vec![0; first.len()], vec![0; others.len()], vec![0; corner.len()]];
    let mut to: Vec<_> = parts().into_iter().zip(read.iter_mut().map(Vec::as_mut_slice)).collect();
    image.host_read_all(&mut to)?;
    for ((memory, read), wanted) in [&first, &others, &corner].into_iter().zip(&read).zip(&bytes) {
        memory.compare(&format!("regions read by the host: {memory:?}"), read, wanted, false)?;
    }
    Ok(())
}
