//! Files that are there as a whole or not at all.

use std::fs::{self, File, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result};

/// Puts `bytes` at `path` with mode 0644, in place of what was there: written beside it first, then renamed, so that
/// a program that loads the old file meanwhile is not disturbed. Makes the folders above it.
///
/// # Errors
/// Those of the file system, with the path.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let say = || format!("writing {}", path.display());
    let folder = path.parent().with_context(say)?;
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    let name = path.file_name().with_context(say)?.to_string_lossy();
    let new = folder.join(format!(".{name}.{}", std::process::id()));
    let done = (|| {
        let mut file = File::create(&new)?;
        file.set_permissions(Permissions::from_mode(0o644))?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&new, path)
    })();
    if done.is_err() {
        // The rename didn't happen; what is left is of no use, and failing to remove it is no news.
        let _ = fs::remove_file(&new);
    }
    done.with_context(say)
}

/// Removes a file; false if there was none.
///
/// # Errors
/// Those of the file system, with the path.
pub fn remove(path: &Path) -> Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e).with_context(|| format!("removing {}", path.display())),
    }
}
