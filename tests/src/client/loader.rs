//! Where the entry points of Vulkan come from.

use anyhow::{Context, Result};
use ash::Entry;
use hesper_rig_open::{Driver, VARIABLE};

/// The Vulkan loader's, or those of the driver that [`VARIABLE`] names.
///
/// # Errors
/// When there is no loader, or the driver can't be opened.
pub fn entry() -> Result<Entry> {
    match std::env::var(VARIABLE) {
        Ok(library) => Ok(Driver::open(&library)?.entry()),
        // SAFETY: the system's Vulkan loader, whose entry points are used as Vulkan demands.
        Err(_) => unsafe { Entry::load() }.context("loading libvulkan.so.1"),
    }
}
