//! Commands on images, which are in VK_IMAGE_LAYOUT_GENERAL before and after each of them.

use serde::{Deserialize, Serialize};

use crate::id::Id;
use crate::image::{Part, Rows};

/// A region of an image, and where it lies in a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placed {
    pub part: Part,
    pub at: u64,
    pub rows: Rows,
}

/// A command on images. Between `passing` layouts, an image is in the layout for the command only while that runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ImageCommand {
    /// From nothing known to the layout that images keep.
    Init {
        image: Id,
    },
    /// Levels and layers, each as the first and the count.
    Clear {
        image: Id,
        value: u8,
        mips: (u32, u32),
        layers: (u32, u32),
        passing: bool,
    },
    ToBuffer {
        image: Id,
        to: Id,
        regions: Vec<Placed>,
        second_form: bool,
        passing: bool,
    },
    FromBuffer {
        image: Id,
        from: Id,
        regions: Vec<Placed>,
        second_form: bool,
        passing: bool,
    },
    Copy {
        from: Id,
        to: Id,
        source: Part,
        target: Part,
        second_form: bool,
        passing: bool,
    },
    /// `flips` has a bit for each direction in which the target is mirrored.
    Blit {
        from: Id,
        to: Id,
        source: Part,
        target: Part,
        flips: u8,
        smooth: bool,
        second_form: bool,
    },
    Resolve {
        from: Id,
        to: Id,
        source: Part,
        target: Part,
        second_form: bool,
    },
}

impl ImageCommand {
    /// The images, each with whether it is written.
    pub fn images(&self) -> Vec<(Id, bool)> {
        match self {
            Self::Init { image } | Self::Clear { image, .. } | Self::FromBuffer { image, .. } => vec![(*image, true)],
            // A change of its layout is a write.
            Self::ToBuffer { image, passing, .. } => vec![(*image, *passing)],
            Self::Copy { from, to, passing, .. } => vec![(*from, *passing), (*to, true)],
            Self::Blit { from, to, .. } | Self::Resolve { from, to, .. } => vec![(*from, false), (*to, true)],
        }
    }
}
