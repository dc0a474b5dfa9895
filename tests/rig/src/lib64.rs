//! A tree whose libraries lie where Fedora has them.

use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Result;

use crate::{Root, cache};

const RECIPE: &str = include_str!("../lib64.sh");

/// A small tree with the C library, the Vulkan loader and vulkaninfo of another, without a driver. It goes away when dropped.
#[derive(Debug)]
pub struct Lib64 {
    tree: Root,
}

impl Lib64 {
    /// Makes it of the files of `from`, which takes less than a second.
    ///
    /// # Errors
    /// With the recipe's output.
    pub fn make(from: &Root) -> Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("hesper-lib64-{}-{number}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        let made = Self { tree: Root::at(folder.clone()) };
        let mut sh = Command::new("sh");
        cache::run(sh.args(["-c", RECIPE, "lib64.sh"]).arg(from.path()).arg(folder))?;
        Ok(made)
    }

    /// The tree.
    pub fn tree(&self) -> &Root {
        &self.tree
    }
}

impl Drop for Lib64 {
    fn drop(&mut self) {
        // What programs mounted into it was mounted for them alone.
        let _ = fs::remove_dir_all(self.tree.path());
    }
}
