//! Kinds of texels, and where they lie in memory.

use anyhow::{Result, ensure};
use ash::vk;

/// One aspect of a format.
#[derive(Clone, Copy, Debug)]
pub struct Texels {
    pub format: vk::Format,
    pub aspect: vk::ImageAspectFlags,
    /// Bytes of a block, and its texels across and down.
    pub bytes: usize,
    pub width: u32,
    pub height: u32,
    /// Bytes of a block that tell something.
    pub told: usize,
}

/// Texels that are blocks of their own.
pub const fn single(format: vk::Format, aspect: vk::ImageAspectFlags, bytes: usize) -> Texels {
    Texels { format, aspect, bytes, width: 1, height: 1, told: bytes }
}

/// Blocks of texels.
pub const fn compressed(format: vk::Format, bytes: usize, width: u32, height: u32) -> Texels {
    Texels { format, aspect: vk::ImageAspectFlags::COLOR, bytes, width, height, told: bytes }
}

/// The plainest of all.
pub const RGBA: Texels = single(vk::Format::R8G8B8A8_UNORM, vk::ImageAspectFlags::COLOR, 4);

/// Bytes that look like chance; floats of depth are between 0 and 1.
fn byte(of: Texels, i: usize, salt: u32) -> u8 {
    let texel = (i / of.bytes) as u32;
    if of.aspect == vk::ImageAspectFlags::DEPTH && of.bytes == 4 && of.told == 4 {
        let depth = texel.wrapping_add(salt).wrapping_mul(2_654_435_761) >> 16;
        return (depth as f32 / 65535.0).to_ne_bytes()[i % 4];
    }
    ((i as u32).wrapping_add(salt.wrapping_mul(7919)).wrapping_mul(2_654_435_761) >> 24) as u8
}

pub fn pattern(of: Texels, bytes: usize, salt: u32) -> Vec<u8> {
    (0..bytes).map(|i| byte(of, i, salt)).collect()
}

/// A box of blocks in memory: texels across, rows, slices of depth times layers, with the strides between them.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    pub of: Texels,
    pub extent: vk::Extent3D,
    pub layers: u32,
    pub row_length: u32,
    pub image_height: u32,
}

impl Memory {
    /// Without gaps.
    pub fn closely(of: Texels, extent: vk::Extent3D, layers: u32) -> Self {
        Self { of, extent, layers, row_length: 0, image_height: 0 }
    }

    /// With gaps behind rows and slices.
    pub fn apart(of: Texels, extent: vk::Extent3D, layers: u32) -> Self {
        let row_length = extent.width.next_multiple_of(of.width) + 3 * of.width;
        let image_height = extent.height.next_multiple_of(of.height) + 2 * of.height;
        Self { of, extent, layers, row_length, image_height }
    }

    fn blocks(&self) -> [usize; 3] {
        let Self { of, extent, layers, .. } = self;
        let slices = (extent.depth * layers) as usize;
        [extent.width.div_ceil(of.width) as usize, extent.height.div_ceil(of.height) as usize, slices]
    }

    /// Bytes from the start to a block.
    fn place(&self, [x, y, z]: [usize; 3]) -> usize {
        let [across, down, _] = self.blocks();
        let or = |given: u32, block: u32, own: usize| if given == 0 { own } else { (given / block) as usize };
        let row = or(self.row_length, self.of.width, across);
        let slice = or(self.image_height, self.of.height, down) * row;
        (z * slice + y * row + x) * self.of.bytes
    }

    /// Bytes up to the end of the last block.
    pub fn len(&self) -> usize {
        let [x, y, z] = self.blocks();
        self.place([x - 1, y - 1, z - 1]) + self.of.bytes
    }

    /// Each block of a region of this box, with its place in memory, and in the region's own memory.
    fn shared(&self, offset: [u32; 3], layer: u32, region: &Self) -> impl Iterator<Item = (usize, usize)> {
        let (all, part) = (*self, *region);
        let [across, down, slices] = part.blocks();
        let (x0, y0) = ((offset[0] / all.of.width) as usize, (offset[1] / all.of.height) as usize);
        let z0 = (layer * all.extent.depth + offset[2]) as usize;
        let each = (0..slices).flat_map(move |z| (0..down).flat_map(move |y| (0..across).map(move |x| [x, y, z])));
        each.map(move |[x, y, z]| (all.place([x0 + x, y0 + y, z0 + z]), part.place([x, y, z])))
    }

    /// What the bytes of this box are once a region of it was overwritten.
    pub fn overwritten(&self, mut bytes: Vec<u8>, offset: [u32; 3], layer: u32, region: &Self, by: &[u8]) -> Vec<u8> {
        for (to, from) in self.shared(offset, layer, region) {
            bytes[to..to + self.of.bytes].copy_from_slice(&by[from..from + self.of.bytes]);
        }
        bytes
    }

    /// What memory becomes that a region of this box is copied to.
    pub fn copied(&self, bytes: &[u8], offset: [u32; 3], layer: u32, region: &Self, mut to: Vec<u8>) -> Vec<u8> {
        for (from, at) in self.shared(offset, layer, region) {
            to[at..at + self.of.bytes].copy_from_slice(&bytes[from..from + self.of.bytes]);
        }
        to
    }

    /// Fails where bytes differ that tell something: those of texels, and with `gaps` those between them.
    pub fn compare(&self, what: &str, found: &[u8], wanted: &[u8], gaps: bool) -> Result<()> {
        ensure!(found.len() == wanted.len(), "{what}: {} bytes instead of {}", found.len(), wanted.len());
        let mut told = vec![gaps; found.len()];
        for (at, _) in self.shared([0; 3], 0, self) {
            told[at..at + self.of.bytes].fill(false);
            told[at..at + self.of.told].fill(true);
        }
        let differs = (0..found.len()).find(|i| told[*i] && found[*i] != wanted[*i]);
        ensure!(
            differs.is_none(),
            "{what}: byte {differs:?} of {} is {:?} instead of {:?}",
            found.len(),
            differs.map(|i| found[i]),
            differs.map(|i| wanted[i])
        );
        Ok(())
    }
}
