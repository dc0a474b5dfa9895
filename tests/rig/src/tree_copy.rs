//! A copy of a tree, which a test may change.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result};

use crate::{Root, cache};

/// A copy of another tree. It goes away when dropped.
#[derive(Debug)]
pub struct TreeCopy {
    tree: Root,
}

impl TreeCopy {
    /// Copies `from`, which takes about a second: the files below /usr and /opt are the same ones, by further links to them, as package managers replace files and don't
    /// write into them.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn of(from: &Root) -> Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("hesper-copy-{}-{number}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        let made = Self { tree: Root::at(folder) };
        for entry in fs::read_dir(from.path()).with_context(|| format!("reading {}", from.path().display()))? {
            made.copy(entry?.path())?;
        }
        Ok(made)
    }

    /// The tree.
    pub fn tree(&self) -> &Root {
        &self.tree
    }

    fn copy(&self, path: PathBuf) -> Result<()> {
        let to = self.tree.path().join(path.file_name().context("a path without a name")?);
        // Mount points of other programs, which are made again; and what isn't part of the system.
        if ["proc", "sys", "dev", "tmp", "vm"].iter().any(|name| path.ends_with(name)) {
            return fs::create_dir_all(&to).with_context(|| format!("making {}", to.display()));
        }
        let copy = |how: &[&str]| cache::run(Command::new("cp").args(how).arg(&path).arg(&to));
        let large = ["usr", "opt"].iter().any(|name| path.ends_with(name));
        // Where the copy is on another file system, there are no links between the two.
        if large && copy(&["--archive", "--link"]).is_ok() {
            return Ok(());
        }
        if large {
            let _ = fs::remove_dir_all(&to);
        }
        copy(&["--archive", "--one-file-system"])
    }
}

impl Drop for TreeCopy {
    fn drop(&mut self) {
        // What programs mounted into it was mounted for them alone.
        let _ = fs::remove_dir_all(self.tree.path());
    }
}
