//! What images are made from, and regions of them.

use ash::vk;
use serde::{Deserialize, Serialize};

use crate::texels::{Aspect, Texels};

/// The type of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Dimensions {
    One,
    Two,
    Three,
}

impl Dimensions {
    pub const ALL: [Self; 3] = [Self::One, Self::Two, Self::Three];

    pub fn kind(self) -> vk::ImageType {
        match self {
            Self::One => vk::ImageType::TYPE_1D,
            Self::Two => vk::ImageType::TYPE_2D,
            Self::Three => vk::ImageType::TYPE_3D,
        }
    }
}

/// What an image is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    pub texels: Texels,
    pub dimensions: Dimensions,
    pub extent: [u32; 3],
    pub mips: u32,
    pub layers: u32,
    /// 1 or 4.
    pub samples: u32,
    pub linear: bool,
    /// Whether it can be drawn to.
    pub attachment: bool,
    /// Whether the host's processor may copy it.
    pub host: bool,
}

impl Shape {
    /// The size of a level.
    pub fn level(&self, mip: u32) -> [u32; 3] {
        self.extent.map(|n| (n >> mip).max(1))
    }

    /// The size of a level of an aspect: planes may be smaller than the image.
    fn aspect_level(&self, mip: u32, aspect: Aspect) -> [u32; 3] {
        let ([width, height, depth], [across, down]) = (self.level(mip), self.texels.spread(aspect));
        [width / across, height / down, depth]
    }

    /// An aspect of all layers of a level.
    pub fn whole(&self, mip: u32, aspect: Aspect) -> Part {
        Part { aspect, mip, layer: 0, layers: self.layers, offset: [0; 3], extent: self.aspect_level(mip, aspect) }
    }

    /// The parts that make up an image: every aspect of every level.
    pub fn parts(&self) -> Vec<Part> {
        let aspects = self.texels.aspects();
        (0..self.mips).flat_map(|mip| aspects.iter().map(move |a| self.whole(mip, *a))).collect()
    }

    /// Whether a part is inside, and of whole blocks.
    pub fn holds(&self, part: &Part) -> bool {
        let (level, side) = (self.aspect_level(part.mip, part.aspect), self.texels.side());
        let inside = |i: usize, side: u32| {
            let (from, to) = (part.offset[i], part.offset[i] + part.extent[i]);
            part.extent[i] > 0 && to <= level[i] && from % side == 0 && (to % side == 0 || to == level[i])
        };
        let layers = part.layers > 0 && part.layer + part.layers <= self.layers;
        part.mip < self.mips && layers && inside(0, side) && inside(1, side) && inside(2, 1)
    }

    /// Bytes that a part takes in memory, up to the end of its last texel.
    pub fn bytes(&self, part: &Part, rows: Rows) -> u64 {
        let side = self.texels.side();
        let blocks = |n: u32| u64::from(n.div_ceil(side));
        let or = |given: u32, own: u64| if given == 0 { own } else { u64::from(given / side) };
        let (across, down) = (blocks(part.extent[0]), blocks(part.extent[1]));
        let slices = u64::from(part.extent[2] * part.layers);
        let (row, slice) = (or(rows.length, across), or(rows.height, down));
        ((slices - 1) * slice * row + (down - 1) * row + across) * u64::from(self.texels.bytes(part.aspect))
    }

    pub fn usage(&self) -> vk::ImageUsageFlags {
        use vk::ImageUsageFlags as U;
        let drawn = if self.texels.is_colour() { U::COLOR_ATTACHMENT } else { U::DEPTH_STENCIL_ATTACHMENT };
        let all =
            [(true, U::TRANSFER_SRC | U::TRANSFER_DST), (self.attachment, drawn), (self.host, U::HOST_TRANSFER_EXT)];
        all.into_iter().filter(|(on, _)| *on).fold(U::empty(), |sum, (_, usage)| sum | usage)
    }

    pub fn tiling(&self) -> vk::ImageTiling {
        if self.linear { vk::ImageTiling::LINEAR } else { vk::ImageTiling::OPTIMAL }
    }
}

/// A region: a box of texels of one level, in some layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    pub aspect: Aspect,
    pub mip: u32,
    pub layer: u32,
    pub layers: u32,
    pub offset: [u32; 3],
    pub extent: [u32; 3],
}

impl Part {
    pub fn subresource(&self) -> vk::ImageSubresourceLayers {
        vk::ImageSubresourceLayers {
            aspect_mask: self.aspect.flags(),
            mip_level: self.mip,
            base_array_layer: self.layer,
            layer_count: self.layers,
        }
    }

    pub fn offset(&self) -> vk::Offset3D {
        let [x, y, z] = self.offset.map(|n| n as i32);
        vk::Offset3D { x, y, z }
    }

    pub fn extent(&self) -> vk::Extent3D {
        let [width, height, depth] = self.extent;
        vk::Extent3D { width, height, depth }
    }
}

/// How far apart rows and slices of texels lie in memory, in texels; 0 for closely.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rows {
    pub length: u32,
    pub height: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Shape = Shape {
        texels: Texels::Rgba8,
        dimensions: Dimensions::Two,
        extent: [13, 9, 1],
        mips: 3,
        layers: 2,
        samples: 1,
        linear: false,
        attachment: false,
        host: false,
    };

    #[test]
    fn parts_take_what_their_rows_take() {
        let whole = PLAIN.whole(1, Aspect::Colour);
        assert_eq!((whole.extent, whole.layers), ([6, 4, 1], 2));
        assert_eq!(PLAIN.bytes(&whole, Rows::default()), 6 * 4 * 2 * 4);
        // The last slice ends with its last texel.
        assert_eq!(PLAIN.bytes(&whole, Rows { length: 10, height: 5 }), ((5 + 3) * 10 + 6) * 4);
        let blocks = Shape { texels: Texels::Bc1, ..PLAIN };
        assert_eq!(blocks.bytes(&blocks.whole(0, Aspect::Colour), Rows::default()), 4 * 3 * 2 * 8);
        let both = Shape { texels: Texels::D32S8, ..PLAIN };
        assert_eq!(both.bytes(&both.whole(0, Aspect::Stencil), Rows::default()), 13 * 9 * 2);
        assert_eq!(both.parts().len(), 6);
    }

    #[test]
    fn planes_are_as_large_as_their_format_says() {
        let extents = |texels| {
            let shape = Shape { texels, extent: [10, 12, 1], mips: 1, layers: 1, ..PLAIN };
            let of = |part: Part| ([part.extent[0], part.extent[1]], shape.bytes(&part, Rows::default()));
            shape.parts().into_iter().map(of).collect::<Vec<_>>()
        };
        assert_eq!(extents(Texels::Planes444), [([10, 12], 120), ([10, 12], 120), ([10, 12], 120)]);
        assert_eq!(extents(Texels::Planes420), [([10, 12], 120), ([5, 6], 30), ([5, 6], 30)]);
        assert_eq!(extents(Texels::Planes422), [([10, 12], 120), ([5, 12], 120)]);
        assert_eq!(extents(Texels::Planes420Wide), [([10, 12], 240), ([5, 6], 120)]);
    }

    #[test]
    fn a_part_is_inside_and_cuts_no_block() {
        let blocks = Shape { texels: Texels::Bc7, ..PLAIN };
        let part = |offset, extent| Part { offset, extent, ..blocks.whole(0, Aspect::Colour) };
        assert!(blocks.holds(&part([4, 4, 0], [4, 5, 1])) && blocks.holds(&part([8, 0, 0], [5, 4, 1])));
        assert!(!blocks.holds(&part([4, 4, 0], [5, 5, 1])) && !blocks.holds(&part([2, 0, 0], [4, 4, 1])));
        assert!(!blocks.holds(&part([8, 0, 0], [8, 4, 1])) && !blocks.holds(&part([0, 0, 0], [0, 4, 1])));
        assert!(!blocks.holds(&Part { layer: 1, ..part([0, 0, 0], [4, 4, 1]) }));
    }
}
