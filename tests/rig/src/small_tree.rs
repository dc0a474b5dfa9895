//! Small trees: no more than vulkaninfo needs, with libraries where one distribution or another has them.

use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Result;

use crate::{Root, cache};

const RECIPE: &str = include_str!("../small_tree.sh");

/// Where a small tree's libraries lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Libraries {
    /// In /usr/lib64, as in Fedora and what is made of it.
    Fedora,
    /// In the folder of Debian's for the processor, as in distroless images, which are Debian's files without a shell.
    Debian,
}

/// A tree with the C library, the Vulkan loader and vulkaninfo of another, without a driver. It goes away when dropped.
#[derive(Debug)]
pub struct SmallTree {
    tree: Root,
}

impl SmallTree {
    /// Makes it of the files of `from`, which takes less than a second.
    ///
    /// # Errors
    /// With the recipe's output.
    pub fn make(from: &Root, libraries: Libraries) -> Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("hesper-small-tree-{}-{number}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        let made = Self { tree: Root::at(folder.clone()) };
        let mut sh = Command::new("sh");
        let libraries = match libraries {
            Libraries::Fedora => "lib64",
            Libraries::Debian => "lib/x86_64-linux-gnu",
        };
        cache::run(sh.args(["-c", RECIPE, "small_tree.sh"]).arg(from.path()).arg(folder).arg(libraries))?;
        Ok(made)
    }

    /// The tree.
    pub fn tree(&self) -> &Root {
        &self.tree
    }
}

impl Drop for SmallTree {
    fn drop(&mut self) {
        // What programs mounted into it was mounted for them alone.
        let _ = fs::remove_dir_all(self.tree.path());
    }
}
