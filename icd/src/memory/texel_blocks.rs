//! How texels lie in memory that images are copied to and from (Vulkan specification, "Copying Data Between Buffers and Images").

use ash::vk;
use hesper_encoder::Texels;

use crate::generated::formats::BLOCKS;

/// A texel block: its size in bytes, and how many texels it has across and down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    pub bytes: u8,
    pub width: u8,
    pub height: u8,
}

/// The texel block that one aspect of a format is copied in. `aspect` is a bit of VkImageAspectFlagBits.
pub struct AspectBlock {
    pub format: i32,
    pub aspect: u32,
    pub block: Block,
}

/// The texel block that an aspect of a format is copied in; `None` where the format has no such aspect, or `aspect` isn't one.
pub fn block(format: vk::Format, aspect: vk::ImageAspectFlags) -> Option<Block> {
    let wanted = (format.as_raw(), aspect.as_raw());
    let at = BLOCKS.binary_search_by_key(&wanted, |b| (b.format, b.aspect)).ok()?;
    BLOCKS.get(at).map(|b| b.block)
}

/// A region of an image, as a copy to or from memory names it.
#[derive(Clone, Copy)]
pub struct Region {
    pub layers: vk::ImageSubresourceLayers,
    pub offset: vk::Offset3D,
    pub extent: vk::Extent3D,
    /// Texels from one row to the next in memory, and rows from one slice to the next; 0 where they follow each other closely.
    pub row_length: u32,
    pub image_height: u32,
}

/// A region's blocks in memory: rows, which make slices (of depth, or layers). All strides are bytes, and fit in the address space.
#[derive(Clone, Copy)]
pub struct Rows {
    region: Region,
    block: Block,
    /// Bytes of a row's texels.
    row: usize,
    row_pitch: usize,
    slice_pitch: usize,
    /// Rows of blocks in a slice.
    rows: u32,
    /// Slices of all layers.
    slices: u32,
}

/// A part of a region that is copied at once, whose rows lie closely on the wire.
#[derive(Clone, Copy)]
pub struct Piece {
    pub layers: vk::ImageSubresourceLayers,
    pub offset: vk::Offset3D,
    pub extent: vk::Extent3D,
    /// Bytes from the start of the region's memory to the piece's first row.
    start: usize,
    rows: u32,
    slices: u32,
}

impl Piece {
    /// The layers of a region one by one, for bytes that aren't rows of texels: nothing is said of where they lie in memory.
    pub fn each_layer(region: Region) -> impl Iterator<Item = Self> {
        let Region { layers, offset, extent, .. } = region;
        (0..layers.layer_count).map(move |i| {
            let base_array_layer = layers.base_array_layer.saturating_add(i);
            let layers = vk::ImageSubresourceLayers { base_array_layer, layer_count: 1, ..layers };
            Self { layers, offset, extent, start: 0, rows: 1, slices: 1 }
        })
    }
}

impl Rows {
    /// `None` where the numbers are more than an address space holds.
    pub fn new(region: Region, block: Block) -> Option<Self> {
        let vk::Extent3D { width, height, depth } = region.extent;
        let across = |texels: u32| texels.div_ceil(u32::from(block.width));
        let down = |texels: u32| texels.div_ceil(u32::from(block.height));
        let or = |given: u32, extent: u32| if given == 0 { extent } else { given };
        let bytes = |blocks: u32| usize::try_from(blocks).ok()?.checked_mul(usize::from(block.bytes));
        let (row, row_pitch) = (bytes(across(width))?, bytes(across(or(region.row_length, width)))?);
        let slice_pitch = row_pitch.checked_mul(usize::try_from(down(or(region.image_height, height))).ok()?)?;
        let (rows, slices) = (down(height), depth.checked_mul(region.layers.layer_count)?);
        // A slice of fewer rows than the region has isn't valid, and its rows reach into the next slices.
        let slice = slice_pitch.max(row_pitch.max(row).checked_mul(usize::try_from(rows).ok()?)?);
        let end = slice.checked_mul(usize::try_from(slices).ok()?)?.checked_add(row)?;
        isize::try_from(end).ok().map(|_| Self { region, block, row, row_pitch, slice_pitch, rows, slices })
    }

    /// Cuts the region into pieces of at most `most` bytes, or of one row where that is more.
    pub fn pieces(self, most: usize) -> impl Iterator<Item = Piece> {
        let (mut slice, mut row) = (0, 0);
        std::iter::from_fn(move || {
            if slice >= self.slices || row >= self.rows || self.row == 0 {
                return None;
            }
            let whole = self.row.saturating_mul(self.rows as usize);
            let fit = |n: usize, left: u32| u32::try_from(n).unwrap_or(u32::MAX).clamp(1, left);
            // A piece is some rows of a slice, or some slices: layers, or a run of depth within one.
            let (slices, rows) = match most / whole {
                0 => (1, fit(most / self.row, self.rows - row)),
                n => (fit(n, self.run(slice)), self.rows),
            };
            let piece = self.piece(slice, row, slices, rows);
            row += rows;
            if row >= self.rows {
                (slice, row) = (slice + slices, 0);
            }
            Some(piece)
        })
    }

    /// Bytes of all texels.
    pub fn size(&self) -> usize {
        self.row * self.rows as usize * self.slices as usize
    }

    /// How many slices from this one on one command can name.
    fn run(&self, slice: u32) -> u32 {
        match self.region.extent.depth {
            0 | 1 => self.slices - slice,
            depth => depth - slice % depth,
        }
    }

    fn piece(&self, slice: u32, row: u32, slices: u32, rows: u32) -> Piece {
        let Region { layers, offset, extent, .. } = self.region;
        let depth = extent.depth.max(1);
        let (layer, z) = (slice / depth, slice % depth);
        let (layer_count, deep) = if depth > 1 { (1, slices) } else { (slices, 1) };
        let texels = |rows: u32| rows.saturating_mul(u32::from(self.block.height));
        let down = |from: i32, by: u32| from.saturating_add(i32::try_from(by).unwrap_or(i32::MAX));
        let y = texels(row);
        Piece {
            layers: vk::ImageSubresourceLayers {
                base_array_layer: layers.base_array_layer.saturating_add(layer),
                layer_count,
                ..layers
            },
            offset: vk::Offset3D { x: offset.x, y: down(offset.y, y), z: down(offset.z, z) },
            // The image's last block may be cut off by its edge.
            extent: vk::Extent3D { width: extent.width, height: texels(rows).min(extent.height - y), depth: deep },
            start: slice as usize * self.slice_pitch + row as usize * self.row_pitch,
            rows,
            slices,
        }
    }

    /// Bytes of a piece on the wire.
    pub fn bytes(&self, piece: &Piece) -> usize {
        self.row * piece.rows as usize * piece.slices as usize
    }

    /// A piece's texels in the region's memory.
    pub fn texels(&self, piece: &Piece, memory: *const u8) -> Texels {
        let (first, rows, slices) = (memory.wrapping_add(piece.start), piece.rows as usize, piece.slices as usize);
        if (rows == 1 || self.row_pitch == self.row) && (slices == 1 || self.slice_pitch == rows * self.row) {
            return Texels::closely(first, self.bytes(piece));
        }
        let (row, row_pitch, slice_pitch) = (self.row, self.row_pitch, self.slice_pitch);
        Texels { first, row, rows, row_pitch, slices, slice_pitch, is_streamed: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use vk::ImageAspectFlags as A;

    fn region(extent: [u32; 3], layers: u32, pitch: [u32; 2]) -> Region {
        let [width, height, depth] = extent;
        Region {
            layers: vk::ImageSubresourceLayers {
                aspect_mask: A::COLOR,
                base_array_layer: 2,
                layer_count: layers,
                mip_level: 0,
            },
            offset: vk::Offset3D { x: 4, y: 8, z: 0 },
            extent: vk::Extent3D { width, height, depth },
            row_length: pitch[0],
            image_height: pitch[1],
        }
    }

    fn of(bytes: u8, width: u8, height: u8) -> Block {
        Block { bytes, width, height }
    }

    #[test]
    fn the_table_is_sorted_and_knows_every_kind_of_format() {
        assert!(BLOCKS.windows(2).all(|w| (w[0].format, w[0].aspect) < (w[1].format, w[1].aspect)));
        assert!(BLOCKS.iter().all(|b| b.block.bytes > 0 && b.block.width > 0 && b.block.height > 0));
        let expected = [
            (vk::Format::R8G8B8A8_UNORM, A::COLOR, Some(of(4, 1, 1))),
            (vk::Format::R64G64B64A64_SFLOAT, A::COLOR, Some(of(32, 1, 1))),
            (vk::Format::BC1_RGB_UNORM_BLOCK, A::COLOR, Some(of(8, 4, 4))),
            (vk::Format::ASTC_12X10_UNORM_BLOCK, A::COLOR, Some(of(16, 12, 10))),
            (vk::Format::G8B8G8R8_422_UNORM, A::COLOR, Some(of(4, 2, 1))),
            (vk::Format::D16_UNORM, A::DEPTH, Some(of(2, 1, 1))),
            (vk::Format::X8_D24_UNORM_PACK32, A::DEPTH, Some(of(4, 1, 1))),
            (vk::Format::D16_UNORM_S8_UINT, A::DEPTH, Some(of(2, 1, 1))),
            (vk::Format::D24_UNORM_S8_UINT, A::DEPTH, Some(of(4, 1, 1))),
            (vk::Format::D32_SFLOAT_S8_UINT, A::DEPTH, Some(of(4, 1, 1))),
            (vk::Format::D32_SFLOAT_S8_UINT, A::STENCIL, Some(of(1, 1, 1))),
            (vk::Format::S8_UINT, A::STENCIL, Some(of(1, 1, 1))),
            (vk::Format::G8_B8R8_2PLANE_420_UNORM, A::PLANE_0, Some(of(1, 1, 1))),
            (vk::Format::G8_B8R8_2PLANE_420_UNORM, A::PLANE_1, Some(of(2, 1, 1))),
            (vk::Format::G16_B16_R16_3PLANE_444_UNORM, A::PLANE_2, Some(of(2, 1, 1))),
            (vk::Format::G8_B8R8_2PLANE_420_UNORM, A::PLANE_2, None),
            (vk::Format::G8_B8R8_2PLANE_420_UNORM, A::COLOR, None),
            (vk::Format::D32_SFLOAT_S8_UINT, A::COLOR, None),
            (vk::Format::D32_SFLOAT_S8_UINT, A::DEPTH | A::STENCIL, None),
            (vk::Format::UNDEFINED, A::COLOR, None),
            (vk::Format::from_raw(i32::MAX), A::COLOR, None),
        ];
        for (format, aspect, wanted) in expected {
            assert_eq!(block(format, aspect), wanted, "{} {:#x}", format.as_raw(), aspect.as_raw());
        }
    }

    /// Every block of every region is in exactly one piece, at its own place in memory.
    #[test]
    fn pieces_cover_a_region_once() {
        let mut looked_at = 0;
        for (extent, layers, pitch, b) in [
            ([13, 7, 1], 1, [0, 0], of(4, 1, 1)),
            ([13, 7, 1], 5, [20, 9], of(4, 1, 1)),
            ([16, 5, 6], 1, [0, 8], of(2, 1, 1)),
            ([18, 11, 1], 3, [24, 16], of(8, 4, 4)),
            ([5, 1, 1], 9, [0, 0], of(1, 1, 1)),
        ] {
            let rows = Rows::new(region(extent, layers, pitch), b).unwrap();
            let down = extent[1].div_ceil(u32::from(b.height));
            let across = extent[0].div_ceil(u32::from(b.width)) as usize * usize::from(b.bytes);
            let pitched = |given: u32, own: u32, texels: u8| {
                (if given == 0 { own } else { given }).div_ceil(texels.into()) as usize
            };
            let row_pitch = pitched(pitch[0], extent[0], b.width) * usize::from(b.bytes);
            let slice_pitch = pitched(pitch[1], extent[1], b.height) * row_pitch;
            let mut expected: Vec<usize> = (0..(extent[2] * layers) as usize)
                .flat_map(|s| (0..down as usize).map(move |r| s * slice_pitch + r * row_pitch))
                .collect();
            for most in [1, across, 3 * across, 100, 1 << 20] {
                let mut found = Vec::new();
                for p in rows.pieces(most) {
                    assert!(rows.bytes(&p) <= most.max(across), "{extent:?} {most}");
                    assert_eq!(rows.bytes(&p), across * (p.rows * p.slices) as usize);
                    assert_eq!(p.extent.depth * p.layers.layer_count, p.slices);
                    assert!(p.offset.y as u32 + p.extent.height <= 8 + extent[1] && p.extent.height > 0);
                    assert_eq!((p.offset.y as u32 - 8) % u32::from(b.height), 0);
                    let first = (p.layers.base_array_layer - 2) * extent[2] + p.offset.z as u32;
                    let row = (p.offset.y as u32 - 8) / u32::from(b.height);
                    let texels = rows.texels(&p, std::ptr::without_provenance(1 << 40));
                    let mut starts = Vec::new();
                    texels.each_row(|start, _| starts.push(start.addr() - (1 << 40)));
                    assert_eq!(starts[0], first as usize * slice_pitch + row as usize * row_pitch);
                    assert_eq!((texels.len(), texels.row % across), (rows.bytes(&p), 0));
                    found.extend(starts.iter().flat_map(|s| (0..texels.row).step_by(across).map(move |at| s + at)));
                    looked_at += 1;
                }
                found.sort_unstable();
                expected.sort_unstable();
                assert_eq!(found, expected, "{extent:?} {layers} {pitch:?} {most}");
            }
        }
        assert!(looked_at > 50);
    }

    #[test]
    fn each_layer_is_a_piece_of_its_own() {
        let layers = |n| Piece::each_layer(region([5, 3, 1], n, [0, 0])).map(|p| p.layers);
        assert!(layers(3).map(|l| l.base_array_layer).eq(2..5));
        assert!(layers(3).all(|l| (l.layer_count, l.aspect_mask) == (1, A::COLOR)));
        assert_eq!(layers(0).count(), 0);
    }

    #[test]
    fn nothing_is_copied_of_nothing() {
        for (extent, layers) in [([0, 4, 1], 1), ([4, 0, 1], 1), ([4, 4, 0], 1), ([4, 4, 1], 0)] {
            let rows = Rows::new(region(extent, layers, [0, 0]), of(4, 1, 1)).unwrap();
            assert_eq!(rows.pieces(64).count(), 0, "{extent:?} {layers}");
        }
    }

    #[test]
    fn what_no_memory_holds_is_refused() {
        let most = u32::MAX;
        for (extent, layers, pitch) in [
            ([most, most, 1], 1, [0, 0]),
            ([1, 1, most], most, [0, 0]),
            ([1, 2, 2], 1, [most, most]),
            ([1, most, most], 1, [0, 0]),
            // Rows that reach beyond their slice.
            ([1, most, 1], 1, [most, 1]),
        ] {
            assert!(Rows::new(region(extent, layers, pitch), of(32, 1, 1)).is_none(), "{extent:?} {layers} {pitch:?}");
        }
    }
}
