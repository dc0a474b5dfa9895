//! The layout: a folder whose index names each tag's images, one for each processor.

use std::path::Path;

use anyhow::Result;
use hesper_manifest::files;
use serde_json::{Value, json};

use super::blob::blob;
use super::image;
use crate::contents::Contents;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// A tag and the images that it stands for: of one C library, each for another processor.
///
/// An index tells its images apart by the processor; for the C library it has no word (image-index.md, "platform"), so each has a tag.
#[derive(Clone, Debug)]
pub struct Tag {
    pub name: String,
    pub images: Vec<Contents>,
}

/// Writes a layout into a folder and returns the digest of each tag's index, in their order.
///
/// # Errors
/// Those of the file system, and when a layer is too large.
pub fn write(layout: &Path, tags: &[Tag], revision: Option<&str>) -> Result<Vec<String>> {
    let mut manifests = Vec::new();
    for tag in tags {
        let images = tag.images.iter().map(|i| image::write(layout, i, revision)).collect::<Result<Vec<_>>>()?;
        let licence = tag.images.first().map(Contents::licence).unwrap_or_default();
        let index = index(&images, image::annotations(&licence, revision).into());
        let mut descriptor = blob(layout, INDEX, index.to_string().as_bytes())?;
        descriptor["annotations"] = json!({ "org.opencontainers.image.ref.name": tag.name });
        manifests.push(descriptor);
    }
    files::write(&layout.join("oci-layout"), br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    // Last: the layout is whole when the index names the images.
    files::write(&layout.join("index.json"), index(&manifests, Value::Null).to_string().as_bytes())?;
    Ok(manifests.iter().map(|m| m["digest"].as_str().unwrap_or_default().to_owned()).collect())
}

fn index(manifests: &[Value], annotations: Value) -> Value {
    let mut index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": manifests });
    if !annotations.is_null() {
        index["annotations"] = annotations;
    }
    index
}
