//! The driver's image on a system, as a container engine unpacks it.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use hesper_packaging::oci::{self, Tag};
use hesper_packaging::{Contents, digest};
use serde_json::Value;

use super::programs::{Programs, said};

/// The name of the image in its layout.
pub const NAME: &str = "localhost/hesper:latest";
/// The library's path in containers.
pub const LIBRARY: &str = "/usr/lib/hesper/libvulkan_hesper.so";

/// Writes a layout with the image of a build.
///
/// # Errors
/// Those of packing.
pub fn write(programs: &Programs, layout: &Path) -> Result<()> {
    let contents = Contents::collect(programs.guest, &programs.driver)?;
    oci::write(layout, &[Tag { name: NAME.to_owned(), images: vec![contents] }], None).map(drop)
}

/// Unpacks the layer of a build's image into a tree; returns the variables that its programs get.
///
/// # Errors
/// Those of packing, and when the layout isn't whole.
pub fn unpack(programs: &Programs, tree: &Path) -> Result<Vec<(String, String)>> {
    let layout = tree.with_extension("layout");
    write(programs, &layout)?;
    let blob = |descriptor: &Value| {
        let hex = descriptor["digest"].as_str().and_then(|d| d.strip_prefix("sha256:")).context("no digest")?;
        let file = layout.join("blobs/sha256").join(hex);
        let bytes = fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
        ensure!(digest::sha256(&bytes) == hex, "{} isn't what its name says", file.display());
        Ok((file, bytes))
    };
    let json = |descriptor: &Value| Ok::<Value, anyhow::Error>(serde_json::from_slice(&blob(descriptor)?.1)?);
    let index: Value = serde_json::from_slice(&fs::read(layout.join("index.json"))?)?;
    let manifest = json(&json(&index["manifests"][0])?["manifests"][0])?;
    let (layer, _) = blob(&manifest["layers"][0])?;
    said("tar", Command::new("tar").arg("-xzf").arg(layer).arg("-C").arg(tree))?;
    let config = json(&manifest["config"])?;
    fs::remove_dir_all(&layout).with_context(|| format!("removing {}", layout.display()))?;
    let variables = config["config"]["Env"].as_array().context("the image has no variables")?;
    let pairs = variables.iter().filter_map(|v| v.as_str()?.split_once('='));
    Ok(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}
