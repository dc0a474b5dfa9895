//! What is in a tree.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::Root;

/// The files and folders below a tree's /usr and /etc.
///
/// # Errors
/// Those of the file system.
pub fn tree_files(tree: &Root) -> Result<BTreeSet<PathBuf>> {
    let mut files = BTreeSet::new();
    for folder in ["usr", "etc"] {
        add(&tree.path().join(folder), &mut files)?;
    }
    Ok(files)
}

fn add(folder: &Path, files: &mut BTreeSet<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            add(&entry.path(), files)?;
        }
        files.insert(entry.path());
    }
    Ok(())
}
