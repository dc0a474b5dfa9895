//! Others' tools for packages and images, in a tree.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::{Root, cache, driver_build};

const RECIPE: &str = include_str!("../package_tools.sh");

/// A Debian 13 tree with rpm, skopeo and buildah, the Vulkan loader and vulkaninfo; made if it isn't in the cache yet.
///
/// # Errors
/// When it can't be made; with the recipe's output.
pub fn package_tools() -> Result<Root> {
    let about = "making a tree with tools for packages and images (100 MB from Debian's archive)";
    cache::made("package-tools", &[RECIPE], about, |new| cache::run(&mut cache::recipe(RECIPE, new)?)).map(Root::at)
}

/// A command by which an engine runs a program in a container: with the files of `base`, a device of the CDI spec in the file `spec`, and the folder `shared`. `out` is an empty folder. The program and
/// its arguments are to follow; variables of the command that begin with HESPER_ are the program's, too.
///
/// # Errors
/// Without the right to mount, and when the tools can't be had.
pub fn run_with_device(spec: &Path, device: &str, base: &Root, shared: &Path, out: &Path) -> Result<Command> {
    let mut command = package_tools()?.command("/bin/sh")?;
    command.arg(driver_build::workspace().join("tests/rig/engine_device.sh"));
    command.arg(spec).arg(device).arg(base.path()).arg(shared).arg(out);
    Ok(command)
}

/// An image that a container engine has built and unpacked.
#[derive(Debug)]
pub struct Unpacked {
    /// Its files.
    pub tree: Root,
    /// Its variables.
    pub environment: Vec<(String, String)>,
}

/// Has an engine take the image `name` out of an OCI layout, build another image by `containerfile` with the files of `base` as the base image (BASE there), and unpack that into
/// `out`, an empty folder.
///
/// # Errors
/// When the engine refuses anything; with what it said.
pub fn build_image(layout: &Path, name: &str, containerfile: &Path, base: &Root, out: &Path) -> Result<Unpacked> {
    let mut command = package_tools()?.command("/bin/sh")?;
    command.arg(driver_build::workspace().join("tests/rig/engine.sh"));
    command.arg(layout).arg(name).arg(containerfile).arg(base.path()).arg(out);
    cache::run(&mut command)?;
    let file: PathBuf = out.join("environment");
    let text = std::fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
    let pairs = text.lines().filter_map(|l| l.split_once('='));
    let environment: Vec<_> = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    ensure!(!environment.is_empty(), "the engine shows no variables:\n{text}");
    Ok(Unpacked { tree: Root::at(out.join("rootfs")), environment })
}
