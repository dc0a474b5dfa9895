//! The host inside QEMU: virglrenderer as the rig's root has it, or of another release.

use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::{HostVersion, Root};

/// The library that QEMU's virtio-gpu is linked with.
const LIBRARY: &str = "libvirglrenderer.so.1";
/// The program in which the library runs the host's Vulkan driver.
const RENDER_SERVER: &str = "usr/libexec/virgl_render_server";

/// Environment variables by which QEMU of the rig's root gets this version of virglrenderer, over the lavapipe of the root; `folder` is one that QEMU sees,
/// for a link.
///
/// # Errors
/// For versions that this QEMU can't use, and when the version's tree can't be made.
pub fn environment(version: HostVersion, root: &Root, folder: &Path) -> Result<Vec<(String, String)>> {
    if version == HostVersion::default() {
        return Ok(Vec::new());
    }
    // QEMU's first release with Venus is 9.2, and it calls what virglrenderer has had since 1.0.
    ensure!(version > HostVersion::V0_10_4, "no QEMU has Venus with virglrenderer {version}");
    let tree = version.tree(root)?;
    let library = tree.path().join("usr/lib/x86_64-linux-gnu").join(LIBRARY);
    let library = library.canonicalize().with_context(|| format!("looking for {}", library.display()))?;
    // A folder with this library alone, so that all others are the root's.
    let libraries = folder.join("host");
    std::fs::create_dir_all(&libraries).with_context(|| format!("making {}", libraries.display()))?;
    symlink(&library, libraries.join(LIBRARY)).with_context(|| format!("linking to {}", library.display()))?;
    let server = tree.path().join(RENDER_SERVER);
    Ok(vec![
        ("LD_LIBRARY_PATH".into(), libraries.display().to_string()),
        ("RENDER_SERVER_EXEC_PATH".into(), server.display().to_string()),
    ])
}
