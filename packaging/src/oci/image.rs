//! An image for one processor: one layer, its configuration and its manifest.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value, json};

use super::blob::blob;
use crate::archive;
use crate::contents::{BILL, Contents, PAPERS, Places};
use crate::digest::sha256;

/// Bytes that a compressed layer may have.
const MAX_SIZE: usize = 6 << 20;

/// What is said of an image in its manifest and, as labels, in its configuration (annotations.md; the last one is this project's).
///
/// `revision` is the commit that it was built from, where that is known.
pub fn annotations(licence: &str, revision: Option<&str>) -> Map<String, Value> {
    let mut all = Map::new();
    let mut say = |key: &str, value: &str| all.insert(key.to_owned(), json!(value));
    say("org.opencontainers.image.title", "hesper");
    say(
        "org.opencontainers.image.description",
        "Hesper, a Vulkan driver for virtio-gpu guests, to copy into other images",
    );
    say("org.opencontainers.image.version", env!("CARGO_PKG_VERSION"));
    say("org.opencontainers.image.licenses", licence);
    if let Some(revision) = revision {
        say("org.opencontainers.image.revision", revision);
    }
    say("hesper.sbom", &format!("/{PAPERS}/{BILL}"));
    all
}

/// Writes the image into a layout; returns the descriptor of its manifest, with its platform.
///
/// # Errors
/// Those of the file system, and when the layer is larger than 6 MiB.
pub fn write(layout: &Path, contents: &Contents, revision: Option<&str>) -> Result<Value> {
    let layer = archive::tar(&contents.files(Places::Own), "")?;
    let packed = archive::gzip(&layer)?;
    ensure!(packed.len() <= MAX_SIZE, "the layer has {} bytes, more than 6 MiB", packed.len());
    let annotations = annotations(&contents.licence(), revision);
    let manifest = Contents::manifest();
    let platform = json!({ "architecture": contents.guest.processor(), "os": "linux" });
    let mut config = platform.clone();
    // Loaders before 1.3.207 know only the second name; newer ones take the first.
    let environment = ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"].map(|name| format!("{name}={manifest}"));
    config["config"] = json!({ "Env": environment, "Labels": annotations });
    config["rootfs"] = json!({ "type": "layers", "diff_ids": [format!("sha256:{}", sha256(&layer))] });
    config["history"] =
        json!([{ "created_by": "cargo xtask image", "comment": "Hesper, a Vulkan driver for virtio-gpu guests" }]);
    let layer = blob(layout, "application/vnd.oci.image.layer.v1.tar+gzip", &packed)?;
    let config = blob(layout, "application/vnd.oci.image.config.v1+json", config.to_string().as_bytes())?;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config,
        "layers": [layer],
        "annotations": annotations
    });
    let mut image = blob(layout, "application/vnd.oci.image.manifest.v1+json", manifest.to_string().as_bytes())
        .context("writing the image's manifest")?;
    image["platform"] = platform;
    Ok(image)
}
