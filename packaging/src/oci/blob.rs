//! Blobs: files named by their digest.

use std::path::Path;

use anyhow::Result;
use hesper_manifest::files;
use serde_json::{Value, json};

use crate::digest::sha256;

/// Writes a blob into a layout and returns its descriptor.
///
/// # Errors
/// Those of the file system.
pub fn blob(layout: &Path, media_type: &str, bytes: &[u8]) -> Result<Value> {
    let hex = sha256(bytes);
    files::write(&layout.join("blobs/sha256").join(&hex), bytes)?;
    Ok(json!({ "mediaType": media_type, "digest": format!("sha256:{hex}"), "size": bytes.len() }))
}
