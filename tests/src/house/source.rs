//! The files of a checkout.

use std::path::Path;

/// A file of this project's.
#[derive(Clone, Debug)]
pub struct Source {
    /// From the top of the checkout, with slashes.
    pub path: String,
    /// What is in it.
    pub text: String,
}

impl Source {
    /// Whether nobody has written it by hand.
    pub fn is_generated(&self) -> bool {
        self.path.contains("/generated/")
    }
}

/// All Rust sources of a checkout, sorted by path.
///
/// # Errors
/// Those of the file system.
pub fn sources(checkout: &Path) -> std::io::Result<Vec<Source>> {
    let mut found = Vec::new();
    let mut folders = vec![checkout.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let (entry, kind) = entry.and_then(|e| Ok((e.path(), e.file_type()?)))?;
            let name = entry.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            if kind.is_dir() && !name.starts_with('.') && name != "target" {
                folders.push(entry);
            } else if kind.is_file() && name.ends_with(".rs") {
                let path = entry.strip_prefix(checkout).unwrap_or(&entry).to_string_lossy().replace('\\', "/");
                found.push(Source { path, text: std::fs::read_to_string(&entry)? });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}
