//! The manifest that the Vulkan loader reads (Vulkan-Loader, LoaderDriverInterface.md, "Driver Manifest File Format").

use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

/// The shared object's file name.
pub const LIBRARY: &str = "libvulkan_hesper.so";
/// The manifest's file name.
pub const MANIFEST: &str = "hesper_icd.json";
/// The Vulkan version that the driver is written for; devices report what their host has, at most this.
pub const API_VERSION: &str = "1.4.357";

/// The manifest for a library at `library`: a bare file name is searched like any shared object, a path with a slash is relative to the manifest.
pub fn manifest(library: &str) -> Value {
    json!({
        "file_format_version": "1.0.1",
        "ICD": { "library_path": library, "api_version": API_VERSION }
    })
}

/// The manifest as the text of a file.
pub fn text(library: &str) -> String {
    pretty(&manifest(library))
}

/// The library that the manifest at `path` names.
///
/// # Errors
/// When the file can't be read, or is no ICD manifest.
pub fn library_of(path: &Path) -> Result<String> {
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    library_in(&text).with_context(|| format!("{} is no manifest", path.display()))
}

/// The library that a manifest names.
///
/// # Errors
/// When the text is no ICD manifest.
pub fn library_in(text: &str) -> Result<String> {
    library_in_json(&serde_json::from_str(text).context("no JSON")?)
}

/// The library that a manifest names.
///
/// # Errors
/// When the JSON is no ICD manifest's.
pub fn library_in_json(json: &Value) -> Result<String> {
    match json.pointer("/ICD/library_path").and_then(Value::as_str) {
        Some(library) => Ok(library.to_owned()),
        None => bail!("no library is named (ICD.library_path)"),
    }
}

/// JSON for people: indented, with a newline at the end.
pub fn pretty(json: &Value) -> String {
    format!("{json:#}\n")
}
