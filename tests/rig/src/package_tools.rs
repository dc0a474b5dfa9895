//! Others' tools for packages, images and device specs, in a tree.

use std::path::Path;

use anyhow::Result;

use crate::{Root, cache, driver_build};

const RECIPE: &str = include_str!("../package_tools.sh");

/// A Debian 13 tree with rpm, podman, the schema of CDI specs, the Vulkan loader and vulkaninfo; made if it isn't in the cache yet.
///
/// # Errors
/// When it can't be made; with the recipe's output.
pub fn package_tools() -> Result<Root> {
    let about = "making a tree with tools for packages and images (130 MB from Debian's archive)";
    cache::made("package-tools", &[RECIPE], about, |new| cache::run(&mut cache::recipe(RECIPE, new)?)).map(Root::at)
}

/// Checks a CDI spec against the specification's own schema, as Debian has it, with not a name in it that the schema doesn't have.
///
/// # Errors
/// What doesn't fit, and when the tools can't be had.
pub fn check_cdi_spec(spec: &Path) -> Result<()> {
    let script = driver_build::workspace().join("tests/rig/cdi_schema.py");
    cache::run(package_tools()?.command("/usr/bin/python3")?.arg(script).arg(spec))
}
