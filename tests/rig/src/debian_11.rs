//! Debian 11: older than whatever is in use, and still in Debian's archive.

use anyhow::Result;

use crate::{Root, cache};

const RECIPE: &str = include_str!("../loader.sh");

/// A tree with its C library (glibc 2.31), its Vulkan loader (1.2.162), which doesn't know `VK_DRIVER_FILES`, and vulkaninfo; made if it isn't in the cache yet.
///
/// # Errors
/// When it can't be made; with the recipe's output.
pub fn debian_11() -> Result<Root> {
    let about = "making a tree of Debian 11 (60 MB from Debian's archive)";
    let make = |new: &std::path::Path| cache::run(cache::recipe(RECIPE, new)?.arg("bullseye"));
    cache::made("debian-11", &[RECIPE], about, make).map(Root::at)
}
