//! Kinds of texels that images of programs have: formats of every class. Those with bits that mean nothing are left out, as copies may
//! write anything there, and those of one plane where two texels share components.

use ash::vk;
use serde::{Deserialize, Serialize};

/// What the texels of a format hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Floats, and numbers that are read as such.
    Float,
    Uint,
    Sint,
    /// Integers of 64 bits, wider than a clear's values.
    Wide,
    Depth,
    Stencil,
    DepthStencil,
    /// Compressed blocks of 4 by 4 texels.
    Blocks,
    /// Several planes, which are copied one by one and nothing else.
    Planes,
}

/// The aspects that a region of an image is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Aspect {
    Colour,
    Depth,
    Stencil,
    DepthAndStencil,
    Plane0,
    Plane1,
    Plane2,
}

impl Aspect {
    pub fn flags(self) -> vk::ImageAspectFlags {
        use vk::ImageAspectFlags as A;
        match self {
            Self::Colour => A::COLOR,
            Self::Depth => A::DEPTH,
            Self::Stencil => A::STENCIL,
            Self::DepthAndStencil => A::DEPTH | A::STENCIL,
            Self::Plane0 => A::PLANE_0,
            Self::Plane1 => A::PLANE_1,
            Self::Plane2 => A::PLANE_2,
        }
    }
}

/// Defines [`Texels`]: each with its format, class, and the bytes of a texel or block; of formats with depth, of the depth, and of those with
/// planes, of the first plane.
macro_rules! texels {
    ($($name:ident = $format:ident, $class:ident, $bytes:literal;)*) => {
        /// A format.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Texels { $($name),* }

        impl Texels {
            pub const ALL: &[Self] = &[$(Self::$name),*];

            pub fn format(self) -> vk::Format {
                match self { $(Self::$name => vk::Format::$format),* }
            }

            pub fn class(self) -> Class {
                match self { $(Self::$name => Class::$class),* }
            }

            fn table_bytes(self) -> u32 {
                match self { $(Self::$name => $bytes),* }
            }
        }
    };
}

texels! {
    Rgba8 = R8G8B8A8_UNORM, Float, 4;
    Bgra8 = B8G8R8A8_UNORM, Float, 4;
    Srgb8 = R8G8B8A8_SRGB, Float, 4;
    R8 = R8_UNORM, Float, 1;
    Rg8Snorm = R8G8_SNORM, Float, 2;
    R8Uint = R8_UINT, Uint, 1;
    R8Sint = R8_SINT, Sint, 1;
    Rgba8Uint = R8G8B8A8_UINT, Uint, 4;
    R16Uint = R16_UINT, Uint, 2;
    Rg16Sint = R16G16_SINT, Sint, 4;
    R16Float = R16_SFLOAT, Float, 2;
    Rgba16Float = R16G16B16A16_SFLOAT, Float, 8;
    Rgba16Snorm = R16G16B16A16_SNORM, Float, 8;
    R32Uint = R32_UINT, Uint, 4;
    R32Sint = R32_SINT, Sint, 4;
    R32Float = R32_SFLOAT, Float, 4;
    Rg32Uint = R32G32_UINT, Uint, 8;
    Rgba32Float = R32G32B32A32_SFLOAT, Float, 16;
    Rgba32Sint = R32G32B32A32_SINT, Sint, 16;
    Rgb32Float = R32G32B32_SFLOAT, Float, 12;
    R64Uint = R64_UINT, Wide, 8;
    R64Sint = R64_SINT, Wide, 8;
    Rgb64Uint = R64G64B64_UINT, Wide, 24;
    Rgba64Uint = R64G64B64A64_UINT, Wide, 32;
    Rgb8 = R8G8B8_UNORM, Float, 3;
    Rgb16Uint = R16G16B16_UINT, Uint, 6;
    A8 = A8_UNORM_KHR, Float, 1;
    Rgb565 = R5G6B5_UNORM_PACK16, Float, 2;
    Argb1555 = A1R5G5B5_UNORM_PACK16, Float, 2;
    Abgr2101010 = A2B10G10R10_UNORM_PACK32, Float, 4;
    Abgr2101010Uint = A2B10G10R10_UINT_PACK32, Uint, 4;
    Bgr101111Float = B10G11R11_UFLOAT_PACK32, Float, 4;
    Ebgr5999Float = E5B9G9R9_UFLOAT_PACK32, Float, 4;
    D16 = D16_UNORM, Depth, 2;
    D32 = D32_SFLOAT, Depth, 4;
    S8 = S8_UINT, Stencil, 1;
    D32S8 = D32_SFLOAT_S8_UINT, DepthStencil, 4;
    Bc1 = BC1_RGB_UNORM_BLOCK, Blocks, 8;
    Bc1Alpha = BC1_RGBA_SRGB_BLOCK, Blocks, 8;
    Bc2 = BC2_UNORM_BLOCK, Blocks, 16;
    Bc3 = BC3_UNORM_BLOCK, Blocks, 16;
    Bc4 = BC4_UNORM_BLOCK, Blocks, 8;
    Bc5Snorm = BC5_SNORM_BLOCK, Blocks, 16;
    Bc6 = BC6H_UFLOAT_BLOCK, Blocks, 16;
    Bc7 = BC7_UNORM_BLOCK, Blocks, 16;
    Etc2 = ETC2_R8G8B8_UNORM_BLOCK, Blocks, 8;
    Eac = EAC_R11G11_SNORM_BLOCK, Blocks, 16;
    Astc = ASTC_4X4_UNORM_BLOCK, Blocks, 16;
    Planes444 = G8_B8_R8_3PLANE_444_UNORM, Planes, 1;
    Planes420 = G8_B8_R8_3PLANE_420_UNORM, Planes, 1;
    Planes422 = G8_B8R8_2PLANE_422_UNORM, Planes, 1;
    Planes420Wide = G16_B16R16_2PLANE_420_UNORM, Planes, 2;
}

impl Texels {
    /// The aspects, each of which copies to and from memory take alone.
    pub fn aspects(self) -> &'static [Aspect] {
        match self.class() {
            Class::Depth => &[Aspect::Depth],
            Class::Stencil => &[Aspect::Stencil],
            Class::DepthStencil => &[Aspect::Depth, Aspect::Stencil],
            Class::Planes if self.joined() => &[Aspect::Plane0, Aspect::Plane1],
            Class::Planes => &[Aspect::Plane0, Aspect::Plane1, Aspect::Plane2],
            _ => &[Aspect::Colour],
        }
    }

    /// Whether the second plane holds both chroma components.
    fn joined(self) -> bool {
        matches!(self, Self::Planes422 | Self::Planes420Wide)
    }

    /// All aspects together.
    pub fn whole(self) -> Aspect {
        match self.class() {
            Class::DepthStencil => Aspect::DepthAndStencil,
            Class::Planes => Aspect::Colour,
            _ => self.aspects()[0],
        }
    }

    /// How many texels of the image, across and down, one of an aspect stands for.
    pub fn spread(self, aspect: Aspect) -> [u32; 2] {
        match (self, aspect) {
            (_, Aspect::Colour | Aspect::Depth | Aspect::Stencil | Aspect::DepthAndStencil | Aspect::Plane0) => [1, 1],
            (Self::Planes420 | Self::Planes420Wide, _) => [2, 2],
            (Self::Planes422, _) => [2, 1],
            _ => [1, 1],
        }
    }

    pub fn is_colour(self) -> bool {
        self.whole() == Aspect::Colour
    }

    /// Texels of a block's side.
    pub fn side(self) -> u32 {
        if self.class() == Class::Blocks { 4 } else { 1 }
    }

    /// Bytes of a texel, or of a block, in memory.
    pub fn bytes(self, aspect: Aspect) -> u32 {
        match aspect {
            Aspect::Stencil => 1,
            Aspect::Plane1 if self.joined() => 2 * self.table_bytes(),
            _ => self.table_bytes(),
        }
    }

    /// Whether any bytes are texels: floats of depth have to be between 0 and 1.
    pub fn any_bytes(self, aspect: Aspect) -> bool {
        !(aspect == Aspect::Depth && self.table_bytes() == 4)
    }
}
