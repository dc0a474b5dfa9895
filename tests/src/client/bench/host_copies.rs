//! What copies by the host's processor take.

use anyhow::{Context, Result};
use ash::{ext::host_image_copy, vk};

use super::measure::{Bench, row, time};
use crate::host_copies::{Image, Memory, RGBA, flat};

/// Texels across and down: 16 MiB.
const LARGE: u32 = 2048;
const SMALL: u32 = 32;

impl Bench<'_> {
    /// An image of 16 MiB and a small one, whose rows in memory follow each other closely or don't.
    pub fn host_copies(&self) -> Result<()> {
        if !self.gpu.has(host_image_copy::NAME) {
            return Ok(());
        }
        let copies = host_image_copy::Device::new(&self.gpu.instance, &self.gpu.device);
        for (size, name, rounds) in [(LARGE, "16 MiB", 9), (SMALL, "4 KiB", 199)] {
            let extent = vk::Extent3D { width: size, height: size, depth: 1 };
            let kind = flat(RGBA, [size, size, 1], 1, 1);
            let image = Image::new(self.gpu, &copies, kind)?.context("the host doesn't copy the plainest of images")?;
            for (rows, memory) in
                [("", Memory::closely(RGBA, extent, 1)), (", rows apart", Memory::apart(RGBA, extent, 1))]
            {
                let mut bytes = vec![0x5a; memory.len()];
                let up = time(rounds, 1, || image.host_write(0, 0, [0; 3], &memory, &bytes))?;
                row(&format!("host copy of {name} to an image{rows}"), up / 1e3, "us");
                let down = time(rounds, 1, || image.host_read(0, 0, [0; 3], &memory, &mut bytes))?;
                row(&format!("host copy of {name} from an image{rows}"), down / 1e3, "us");
            }
        }
        Ok(())
    }
}
