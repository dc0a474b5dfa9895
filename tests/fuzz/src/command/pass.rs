//! Drawing: render passes and dynamic rendering.

use serde::{Deserialize, Serialize};

use crate::id::Id;
use crate::texels::Texels;

/// Bytes that there is room for where a draw is captured; a vertex takes 16.
pub const CAPTURED: u64 = 256;

/// What happens to an attachment's content at the begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Load {
    Load,
    Clear,
    /// It is undefined; the first of the work clears all of it.
    DontCare,
}

/// An image to draw to: one level of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    pub image: Id,
    pub texels: Texels,
    pub mip: u32,
    pub layer: u32,
    pub load: Load,
    /// Whether the content is stored; it is cleared behind the pass where it isn't.
    pub stored: bool,
    /// For the clear at the begin.
    pub value: u8,
}

/// A graphics pipeline, but for what it draws to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Style {
    /// Triangles instead of points.
    pub triangles: bool,
    /// Which tests of depth and stencil are made, and what they write.
    pub tests: u8,
}

/// What is done in a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Work {
    /// Vertices at a depth of some quarters.
    Draw {
        style: Style,
        first: u32,
        count: u32,
        instance: u32,
        quarters: u8,
        /// A buffer and the place in it for [`CAPTURED`] bytes of vertices.
        captured: Option<(Id, u64)>,
    },
    /// Clears a target, or the one of depth and stencil, in the whole area.
    Clear {
        target: Option<u32>,
        value: u8,
    },
    /// The next subpass; dynamic rendering is suspended and resumed.
    Next,
    /// A query that counts, of samples `precise`.
    Begin {
        pool: Id,
        query: u32,
        precise: bool,
    },
    End {
        pool: Id,
        query: u32,
    },
}

/// How the pass is begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum How {
    Dynamic,
    /// A VkRenderPass with a framebuffer; `second_form` makes and begins it by vkCreateRenderPass2 and vkCmdBeginRenderPass2.
    RenderPass {
        second_form: bool,
    },
}

/// A pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pass {
    pub how: How,
    pub colours: Vec<Target>,
    pub depth: Option<Target>,
    /// What the first color is resolved to: image, level and layer.
    pub resolved: Option<Target>,
    pub samples: u32,
    /// The framebuffer's size and layers.
    pub size: [u32; 2],
    pub layers: u32,
    /// The render area: its place and size.
    pub area: [u32; 4],
    pub work: Vec<Work>,
}

impl Pass {
    /// All attachments, in the order of a framebuffer's.
    pub fn attachments(&self) -> impl Iterator<Item = &Target> {
        self.colours.iter().chain(&self.depth).chain(&self.resolved)
    }

    /// Where draws are captured.
    pub fn captures(&self) -> impl Iterator<Item = (Id, u64)> {
        self.work.iter().filter_map(|w| if let Work::Draw { captured, .. } = w { *captured } else { None })
    }

    pub fn subpasses(&self) -> u32 {
        1 + self.work.iter().filter(|w| **w == Work::Next).count() as u32
    }
}
