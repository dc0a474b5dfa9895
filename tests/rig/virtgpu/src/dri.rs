//! The folder that stands for /dev/dri.

use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

const REAL: &CStr = c"/dev/dri";

/// The folder with the scripts, if there is one.
pub fn folder() -> Option<PathBuf> {
    std::env::var_os("HESPER_TEST_DRI").map(PathBuf::from)
}

/// The name of a node that a path names; nothing for other files, and where there are no scripts.
pub fn node_name(path: &CStr) -> Option<String> {
    let name = path.to_bytes().strip_prefix(REAL.to_bytes())?.strip_prefix(b"/")?;
    folder()?;
    Some(String::from_utf8_lossy(name).into_owned())
}

/// The folder to list in place of another, if that is /dev/dri.
pub fn folder_for(path: &CStr) -> Option<CString> {
    if path != REAL {
        return None;
    }
    CString::new(folder()?.as_os_str().as_bytes()).ok()
}
