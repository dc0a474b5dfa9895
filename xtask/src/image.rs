//! `image`: the driver as an OCI image layout, written without a container engine (OCI Image Format Specification 1.1).
//!
//! The same files give the same bytes: times, owners and order in the layer are fixed.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use flate2::{Compression, GzBuilder};
use hesper_manifest::{files, icd};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

use crate::build;

/// The library's folder in containers: one that no distribution uses for anything else.
const LIBRARY_FOLDER: &str = "usr/lib/hesper";
const MANIFEST_FOLDER: &str = "usr/share/vulkan/icd.d";

/// Writes the driver as a container image, in the OCI layout, without a container engine.
///
/// The image holds two files, the library and its manifest: `podman run` can't start it, but
/// `COPY --from=` takes them from it (container/README.md).
#[derive(clap::Args)]
pub struct Args {
    /// The folder to write; DIR:TAG in the words of podman and skopeo is oci:DIR:TAG.
    #[arg(long, default_value = "target/hesper-oci")]
    output: PathBuf,
    /// The image's tag in the layout.
    #[arg(long, default_value = "latest")]
    tag: String,
    /// A library that is built already; it is built otherwise.
    #[arg(long)]
    library: Option<PathBuf>,
}

pub fn run(args: &Args) -> Result<()> {
    let library = match &args.library {
        Some(path) => path.clone(),
        None => build::build()?.library,
    };
    let bytes = std::fs::read(&library).with_context(|| format!("reading {}", library.display()))?;
    ensure!(bytes.starts_with(b"\x7fELF"), "{} is no shared object", library.display());
    let output = hesper_rig::workspace().join(&args.output);
    let digest = write(&output, &args.tag, &layer(&bytes)?)?;
    println!("{}  {digest}", output.display());
    println!("podman pull oci:{}:{tag}   or   skopeo copy oci:{0}:{tag} docker://…", output.display(), tag = args.tag);
    Ok(())
}

/// The layer: a tar file with the library and the manifest.
fn layer(library: &[u8]) -> Result<Vec<u8>> {
    let mut tar = Builder::new(Vec::new());
    let inside = format!("{LIBRARY_FOLDER}/{}", icd::LIBRARY);
    let manifest = icd::text(&format!("/{inside}"));
    let mut folders = Vec::new();
    for (path, bytes) in [(inside, library), (format!("{MANIFEST_FOLDER}/{}", icd::MANIFEST), manifest.as_bytes())] {
        let above = path.match_indices('/').map(|(i, _)| path[..=i].to_owned());
        for folder in above.collect::<Vec<_>>() {
            if !folders.contains(&folder) {
                append(&mut tar, &folder, EntryType::Directory, 0o755, &[])?;
                folders.push(folder);
            }
        }
        append(&mut tar, &path, EntryType::Regular, 0o644, bytes)?;
    }
    Ok(tar.into_inner()?)
}

fn append(tar: &mut Builder<Vec<u8>>, path: &str, kind: EntryType, mode: u32, bytes: &[u8]) -> Result<()> {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(bytes.len() as u64);
    // Owner root, time 0: nothing of the machine that built it.
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    tar.append_data(&mut header, path, bytes).with_context(|| format!("adding {path}"))
}

/// Writes the layout around one layer; returns the image's digest.
fn write(output: &Path, tag: &str, layer: &[u8]) -> Result<String> {
    let mut gzip = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    gzip.write_all(layer)?;
    let manifest_path = format!("/{MANIFEST_FOLDER}/{}", icd::MANIFEST);
    let config = json!({
        "architecture": architecture(),
        "os": "linux",
        "config": { "Env": [format!("VK_DRIVER_FILES={manifest_path}"), format!("VK_ICD_FILENAMES={manifest_path}")] },
        "rootfs": { "type": "layers", "diff_ids": [digest(layer)] },
        "history": [{ "created_by": "cargo xtask image", "comment": "Hesper, a Vulkan driver for virtio-gpu guests" }]
    });
    let layer = blob(output, "application/vnd.oci.image.layer.v1.tar+gzip", &gzip.finish()?)?;
    let config = blob(output, "application/vnd.oci.image.config.v1+json", config.to_string().as_bytes())?;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config,
        "layers": [layer],
        "annotations": {
            "org.opencontainers.image.title": "hesper",
            "org.opencontainers.image.version": env!("CARGO_PKG_VERSION"),
            "org.opencontainers.image.licenses": "MIT OR Apache-2.0"
        }
    });
    let mut image = blob(output, "application/vnd.oci.image.manifest.v1+json", manifest.to_string().as_bytes())?;
    let name = image["digest"].as_str().unwrap_or_default().to_owned();
    image["platform"] = json!({ "architecture": architecture(), "os": "linux" });
    image["annotations"] = json!({ "org.opencontainers.image.ref.name": tag });
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [image]
    });
    files::write(&output.join("oci-layout"), br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    // Last: the layout is whole when the index names the image.
    files::write(&output.join("index.json"), index.to_string().as_bytes())?;
    Ok(name)
}

/// Writes a blob and returns its descriptor.
fn blob(output: &Path, media_type: &str, bytes: &[u8]) -> Result<Value> {
    let digest = digest(bytes);
    files::write(&output.join("blobs").join(digest.replace(':', "/")), bytes)?;
    Ok(json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() }))
}

fn digest(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect();
    format!("sha256:{hex}")
}

/// This machine's architecture in the words of Go, which OCI uses.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn the_layout_is_whole_and_the_same_each_time() {
        let dir = std::env::temp_dir().join(format!("hesper-image-{}", std::process::id()));
        let layer = layer(b"\x7fELF and more").unwrap();
        let first = write(&dir.join("a"), "t", &layer).unwrap();
        assert_eq!(first, write(&dir.join("b"), "t", &layer).unwrap());

        let read = |digest: &Value| {
            let name = digest.as_str().unwrap();
            let bytes = std::fs::read(dir.join("a/blobs").join(name.replace(':', "/"))).unwrap();
            assert_eq!(super::digest(&bytes), name);
            bytes
        };
        let json = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap();
        let index = json(&std::fs::read(dir.join("a/index.json")).unwrap());
        assert_eq!(index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"], "t");
        let manifest = json(&read(&index["manifests"][0]["digest"]));
        let config = json(&read(&manifest["config"]["digest"]));
        let packed = read(&manifest["layers"][0]["digest"]);
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut unpacked).unwrap();
        assert_eq!(config["rootfs"]["diff_ids"][0], super::digest(&unpacked));

        let mut names = Vec::new();
        for entry in tar::Archive::new(&unpacked[..]).entries().unwrap() {
            names.push(entry.unwrap().path().unwrap().to_string_lossy().into_owned());
        }
        let files: Vec<_> = names.iter().filter(|n| !n.ends_with('/')).collect();
        assert_eq!(files, ["usr/lib/hesper/libvulkan_hesper.so", "usr/share/vulkan/icd.d/hesper_icd.json"]);
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
