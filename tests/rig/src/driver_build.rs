//! The driver and the test layer as cargo builds them.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, bail, ensure};

/// A built driver.
#[derive(Clone, Debug)]
pub struct DriverBuild {
    /// The shared object.
    pub library: PathBuf,
    /// The `hesper` program.
    pub program: PathBuf,
    /// A manifest that names it.
    pub manifest: PathBuf,
    /// The folder with the test layer and its manifest.
    pub layer: PathBuf,
}

impl DriverBuild {
    /// Environment variables by which the Vulkan loader puts the test layer before the driver.
    pub fn layer_environment(&self) -> [(&'static str, &OsStr); 2] {
        [
            ("VK_ADD_LAYER_PATH", self.layer.as_os_str()),
            ("VK_INSTANCE_LAYERS", OsStr::new("VK_LAYER_HESPER_TEST_dma_buf_export")),
        ]
    }
}

/// The top of the checkout.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or(Path::new("."))
}

/// Writes a manifest for another build of the driver, where programs inside the tree find it.
///
/// # Errors
/// When there is no such library, or the file can't be written.
pub fn manifest_for(library: &Path) -> Result<PathBuf> {
    let library = library.canonicalize().with_context(|| format!("looking for {}", library.display()))?;
    let file = std::env::temp_dir().join(format!("hesper-other-{}.json", std::process::id()));
    let icd = serde_json::json!({ "file_format_version": "1.0.1", "ICD": { "library_path": library, "api_version": "1.3.0" } });
    std::fs::write(&file, format!("{icd:#}\n")).with_context(|| format!("writing {}", file.display()))?;
    Ok(file)
}

/// cargo's target folder.
///
/// # Errors
/// When cargo can't say.
pub fn target_folder() -> Result<PathBuf> {
    let out = cargo(["metadata", "--format-version=1", "--no-deps"]).output().context("running cargo metadata")?;
    let json: serde_json::Value = serde_json::from_slice(&out.stdout).context("reading cargo's metadata")?;
    json["target_directory"].as_str().map(PathBuf::from).context("cargo's metadata names no target folder")
}

fn cargo<I: AsRef<OsStr>>(args: impl IntoIterator<Item = I>) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace()).args(args);
    command
}

/// Builds the release driver and the test equipment, once a process.
///
/// # Errors
/// When the build fails, with its output.
pub fn build_driver() -> Result<DriverBuild> {
    static BUILT: OnceLock<Result<DriverBuild, String>> = OnceLock::new();
    BUILT.get_or_init(|| build().map_err(|e| format!("{e:#}"))).clone().map_err(anyhow::Error::msg)
}

fn build() -> Result<DriverBuild> {
    let mut command = cargo([
        "build",
        "--release",
        "--quiet",
        "--package=hesper-icd",
        "--package=hesper",
        "--package=hesper-rig-layer",
        "--package=hesper-rig-clock",
        "--package=hesper-rig-shm",
        "--package=hesper-rig-virtgpu",
    ]);
    let out = command.output().context("running cargo build")?;
    if !out.status.success() {
        bail!("building the driver failed:\n{}", String::from_utf8_lossy(&out.stderr));
    }
    let folder = target_folder()?.join("release");
    let library = folder.join("libvulkan_hesper.so");
    ensure!(library.is_file(), "the build left no {}", library.display());
    let rig = folder.join("rig");
    let manifest = manifest_in(&rig, &library)?;
    let layer = include_str!("../layer/hesper_test_layer.json")
        .replace("./libhesper_test_layer.so", "../libhesper_test_layer.so");
    replace(&rig.join("hesper_test_layer.json"), layer.as_bytes())?;
    Ok(DriverBuild { library, program: folder.join("hesper"), manifest, layer: rig })
}

/// Writes a manifest that names `library` into a folder of the rig's own: one in target/ would be found by nobody else's programs, but by our other builds.
pub(crate) fn manifest_in(folder: &Path, library: &Path) -> Result<PathBuf> {
    std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    let manifest = folder.join("hesper_icd.json");
    let json = serde_json::json!({ "file_format_version": "1.0.1", "ICD": { "library_path": library, "api_version": "1.4.357" } });
    replace(&manifest, json.to_string().as_bytes())?;
    Ok(manifest)
}

/// Several test programs may do this at the same time.
fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let new = path.with_extension(format!("new{}", std::process::id()));
    std::fs::write(&new, bytes).with_context(|| format!("writing {}", new.display()))?;
    std::fs::rename(&new, path).with_context(|| format!("writing {}", path.display()))
}
