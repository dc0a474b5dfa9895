//! `codegen`: the registry that the generated code comes from, and the generator's call.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;
use hesper_rig::cache::Wheel;

use crate::{cargo, setup, step};

/// The package of the Python index that carries vk.xml 1.4.357.
const REGISTRY: Wheel = Wheel {
    package: "vulkan-object==1.4.357",
    file: "vulkan_object-1.4.357-py3-none-any.whl",
    sha256: "f56af28b1f92030c35adb1d0f6450035758c0104c9f076fe314d53cf52b1409f",
};

/// Writes the generated modules of encoder/, icd/ and tests/ from vk.xml 1.4.357 and encoder/protocol/.
///
/// vk.xml is fetched once (pip, 0.4 MB, hash checked) and kept in the user's cache folder.
#[derive(clap::Args)]
pub struct Args {
    /// Write nothing; fail if a generated file is not current.
    #[arg(long)]
    check: bool,
}

pub fn run(args: &Args) -> Result<()> {
    setup::ensure()?;
    let xml = vk_xml()?;
    let what = if args.check { "Generated code is current" } else { "Generating code" };
    step::run(what, "some seconds", &mut command(&xml, args.check)).map(drop)
}

/// The generator's call.
pub fn command(xml: &std::path::Path, check: bool) -> Command {
    let mut command = cargo::cargo(&["run", "--quiet", "--package", "hesper-codegen", "--", "--vk-xml"]);
    command.arg(xml).args(check.then_some("--check"));
    command
}

/// The pinned vk.xml; fetched if it isn't in the cache yet.
///
/// # Errors
/// When it can't be fetched, or isn't the file that was pinned.
pub fn vk_xml() -> Result<PathBuf> {
    Ok(REGISTRY.unpacked()?.join("vulkan_object/vk.xml"))
}
