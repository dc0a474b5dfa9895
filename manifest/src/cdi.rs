//! The CDI spec: how container engines pass the GPU and this driver into a container
//! (Container Device Interface, SPEC.md; podman and docker take `--device hesper/gpu=all`).

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use serde_json::{Value, json};

/// Vendor and class of the devices, unless others are chosen.
pub const KIND: &str = "hesper/gpu";
/// The oldest version that has all that is in a spec: mounts with a type are of 0.4.0, names of devices that begin with a digit of 0.5.0. Engines refuse what is newer than they are; Debian 12's podman
/// knows this one.
const VERSION: &str = "0.5.0";
/// Where container engines look.
pub const DEFAULT_OUTPUT: &str = "/etc/cdi/hesper.json";

/// What goes into containers.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Vendor and class: specs of two libraries, as for containers with glibc and with musl, need two.
    pub kind: String,
    /// Render nodes; the first is device `0`. All together are device `all`.
    pub nodes: Vec<PathBuf>,
    /// The installed library, under the same path in containers because the manifest names it.
    pub library: PathBuf,
    /// The installed manifest, under the same path in containers.
    pub manifest: PathBuf,
}

impl Spec {
    /// The spec as JSON.
    ///
    /// # Errors
    /// When there is no node, a path isn't absolute (CDI wants absolute paths), or the kind isn't one.
    pub fn json(&self) -> Result<Value> {
        ensure!(is_kind(&self.kind), "{:?} is no vendor and class such as {KIND}", self.kind);
        ensure!(!self.nodes.is_empty(), "no render node of a virtio-gpu: name one with --node");
        for path in self.nodes.iter().chain([&self.library, &self.manifest]) {
            ensure!(path.is_absolute(), "{} must be an absolute path", path.display());
        }
        let device = |name: String, nodes: &[PathBuf]| {
            let nodes: Vec<Value> = nodes.iter().map(|n| json!({ "path": n, "permissions": "rw" })).collect();
            json!({ "name": name, "containerEdits": { "deviceNodes": nodes } })
        };
        let each = self.nodes.iter().enumerate().map(|(i, n)| device(i.to_string(), std::slice::from_ref(n)));
        let devices: Vec<Value> = each.chain([device("all".to_owned(), &self.nodes)]).collect();
        Ok(json!({
            "cdiVersion": VERSION,
            "kind": self.kind,
            "containerEdits": {
                // Loaders before 1.3.207 know only the second name; newer ones take the first.
                "env": [
                    format!("VK_DRIVER_FILES={}", self.manifest.display()),
                    format!("VK_ICD_FILENAMES={}", self.manifest.display()),
                ],
                "mounts": [mount(&self.library), mount(&self.manifest)]
            },
            "devices": devices
        }))
    }
}

/// Whether this is a vendor and a class as CDI wants them: letters, digits, `_`, `-` and, in vendors, `.` between a letter and a letter or digit.
fn is_kind(kind: &str) -> bool {
    let is_name = |name: &str, inside: &[u8]| {
        let bytes = name.as_bytes();
        bytes.first().is_some_and(u8::is_ascii_alphabetic)
            && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
            && bytes.iter().all(|b| b.is_ascii_alphanumeric() || inside.contains(b))
    };
    kind.split_once('/').is_some_and(|(vendor, class)| is_name(vendor, b"_-.") && is_name(class, b"_-"))
}

/// With a type, which is optional: buildah without namespaces passes mounts over that have none.
fn mount(path: &Path) -> Value {
    json!({ "hostPath": path, "containerPath": path, "type": "bind", "options": ["ro", "nosuid", "nodev", "bind"] })
}
