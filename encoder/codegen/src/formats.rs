//! The formats of vk.xml.

use anyhow::{Context as _, Result};
use roxmltree::Node;

/// A format as vk.xml has it.
#[derive(Clone, Debug, Default)]
pub struct Format {
    pub name: String,
    /// Bytes of a texel block.
    block_size: u32,
    /// Texels of a block in three directions.
    extent: [u32; 3],
    /// Bits of the depth and of the stencil component, 0 without.
    depth: u32,
    stencil: u32,
    /// The format that each plane is laid out as, where there is more than one.
    planes: Vec<String>,
}

impl Format {
    pub fn load(node: &Node) -> Result<Self> {
        let name = node.attribute("name").context("a format without a name")?.to_string();
        let block_size = node.attribute("blockSize").and_then(|s| s.parse().ok()).context(name.clone())?;
        let mut extent = [1; 3];
        for (to, n) in extent.iter_mut().zip(node.attribute("blockExtent").unwrap_or("1,1,1").split(',')) {
            *to = n.parse().context(name.clone())?;
        }
        let bits = |component: &str| {
            let of = |c: &Node| c.has_tag_name("component") && c.attribute("name") == Some(component);
            node.children().find(of).and_then(|c| c.attribute("bits")?.parse().ok()).unwrap_or(0)
        };
        let planes = node.children().filter(|c| c.has_tag_name("plane"));
        let planes = planes.filter_map(|p| p.attribute("compatible").map(str::to_string)).collect();
        Ok(Self { block_size, extent, depth: bits("D"), stencil: bits("S"), planes, name })
    }

    /// The bits of VkImageAspectFlagBits, each with the block that copies between memory and the aspect are made of: bytes, width, height.
    ///
    /// Depth and stencil are copied one by one, depth of 24 bits in words of 32 (Vulkan specification, "Depth/Stencil Aspect Copy Table").
    pub fn aspects(&self, all: &[Self]) -> Result<Vec<(u32, [u32; 3])>> {
        let [width, height, depth] = self.extent;
        let mut aspects = Vec::new();
        if self.depth > 0 {
            aspects.push((2, [self.depth.next_power_of_two() / 8, 1, 1]));
        }
        if self.stencil > 0 {
            aspects.push((4, [self.stencil / 8, 1, 1]));
        }
        for (i, plane) in self.planes.iter().enumerate() {
            let of = all.iter().find(|f| f.name == *plane).with_context(|| format!("{}: {plane}", self.name))?;
            aspects.push((0x10 << i, [of.block_size, of.extent[0], of.extent[1]]));
        }
        // Blocks that are several texels deep belong to formats that the protocol doesn't carry.
        if aspects.is_empty() && depth == 1 {
            aspects.push((1, [self.block_size, width, height]));
        }
        Ok(aspects)
    }
}
