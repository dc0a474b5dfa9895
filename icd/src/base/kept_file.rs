//! Files that are kept from one start of a program to the next.

use std::fs;
use std::io::Write;
use std::path::Path;

/// Writes `parts` to `path`, making its folder. They are written beside it and renamed, so that a program that starts
/// meanwhile reads the old file or the new one.
///
/// # Errors
/// Those of the file system; a read-only home is common in containers. Nothing is left behind then.
pub fn replace(path: &Path, parts: &[&[u8]]) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let new = path.with_extension(format!("new{}", std::process::id()));
    let written = (|| {
        let mut file = fs::File::create(&new)?;
        for part in parts {
            file.write_all(part)?;
        }
        fs::rename(&new, path)
    })();
    if written.is_err() {
        let _ = fs::remove_file(&new);
    }
    written
}
