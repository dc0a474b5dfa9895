//! The root: a Debian 13 tree with everything that tests run against, made once.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};

use crate::{Driver, Host, cache, driver_build, inside};

const RECIPE: &str = include_str!("../root.sh");
/// Written last: the number of files and of their bytes, by which damage is noticed.
const WHOLE: &str = "vm/whole";

/// The tree, whole.
#[derive(Clone, Debug)]
pub struct Root {
    path: PathBuf,
}

impl Root {
    /// The tree in the cache folder; made if it isn't there, remade if it is damaged or its recipe has changed.
    ///
    /// # Errors
    /// When it can't be made; with the recipe's output.
    pub fn ensure() -> Result<Self> {
        let key: String = Sha256::digest(RECIPE).iter().take(8).map(|b| format!("{b:02x}")).collect();
        let path = cache::folder().join("rig").join(key);
        let _lock = cache::lock("rig")?;
        if is_whole(&path) {
            return Ok(Self { path });
        }
        let above = cache::folder().join("rig");
        if above.is_dir() {
            // Half-made or damaged ones, and those of older recipes.
            eprintln!("   the rig's root is missing, damaged or of another version: making it anew");
            fs::remove_dir_all(&above).with_context(|| format!("removing {}", above.display()))?;
        }
        make(&path)?;
        ensure!(is_whole(&path), "{} isn't whole though it has just been made", path.display());
        Ok(Self { path })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A command that runs `program` inside the tree. The checkout, the target folder, the cache and the folder for temporary
    /// files are there under their own paths.
    ///
    /// # Errors
    /// Without the right to mount.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Result<Command> {
        let mut shared = vec![driver_build::workspace().to_path_buf(), cache::folder(), std::env::temp_dir()];
        shared.push(driver_build::target_folder()?);
        for folder in &shared {
            fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        }
        inside::command(&self.path, &shared, program)
    }

    /// A command that runs `program` inside the tree on a driver, over `host` if the driver needs one.
    ///
    /// # Errors
    /// Without the right to mount, without the host that is needed, or when the driver can't be built.
    pub fn client(&self, driver: Driver, host: Option<&Host>, program: impl AsRef<std::ffi::OsStr>) -> Result<Command> {
        let mut command = self.command(program)?;
        let socket = host.map(Host::socket);
        let need = || socket.with_context(|| format!("{driver} needs a host"));
        match driver {
            Driver::Native => {
                command.env("VK_DRIVER_FILES", "/usr/share/vulkan/icd.d/lvp_icd.json");
            }
            Driver::Mesa => {
                command.env("VK_DRIVER_FILES", "/usr/share/vulkan/icd.d/virtio_icd.json").env("VN_DEBUG", "vtest");
                command.env("VTEST_SOCKET_NAME", need()?).env("VTEST_RENDERER_SOCKET_NAME", need()?);
            }
            Driver::Hesper => {
                command.env("VK_DRIVER_FILES", driver_build::build_driver()?.manifest);
                // More switches for a whole test run: `cargo xtask test --switches wait-poll`.
                let more = std::env::var("HESPER_TEST_SWITCHES").unwrap_or_default();
                command.env("HESPER_DEBUG", format!("vtest,{more}")).env("HESPER_VTEST_SOCKET", need()?);
            }
        }
        Ok(command)
    }

    /// A command that runs `program` inside the tree on the host's own driver with the test layer before it, as the driver is inside of
    /// a host with these settings of the layer.
    ///
    /// # Errors
    /// Without the right to mount, or when the layer can't be built.
    pub fn native_with_layer(
        &self,
        settings: &[(&str, &str)],
        program: impl AsRef<std::ffi::OsStr>,
    ) -> Result<Command> {
        let mut command = self.client(Driver::Native, None, program)?;
        command.envs(driver_build::build_driver()?.layer_environment()).envs(settings.iter().copied());
        Ok(command)
    }
}

fn make(path: &Path) -> Result<()> {
    let above = path.parent().context("the cache has no folder")?;
    fs::create_dir_all(above).with_context(|| format!("making {}", above.display()))?;
    let recipe = above.join("recipe.sh");
    fs::write(&recipe, RECIPE)?;
    let bar = cache::progress(format!(
        "making the rig's root in {} (about 1 GB from Debian's archive, 1 to 5 minutes)",
        path.display()
    ));
    let new = path.with_extension("new");
    cache::run(Command::new("sh").arg(&recipe).arg(&new))?;
    let (files, bytes) = count(&new)?;
    fs::write(new.join(WHOLE), format!("{files} {bytes}\n"))?;
    fs::rename(&new, path).with_context(|| format!("making {}", path.display()))?;
    bar.finish_and_clear();
    Ok(())
}

fn is_whole(path: &Path) -> bool {
    let Ok(text) = fs::read_to_string(path.join(WHOLE)) else { return false };
    count(path).is_ok_and(|(files, bytes)| text == format!("{files} {bytes}\n"))
}

/// Files under usr/ and vm/, and their bytes; what programs write while they run is elsewhere.
fn count(root: &Path) -> Result<(u64, u64)> {
    let (mut files, mut bytes) = (0, 0);
    let mut folders = vec![root.join("usr"), root.join("vm")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() && !entry.path().ends_with(WHOLE) {
                files += 1;
                bytes += entry.metadata()?.size();
            }
        }
    }
    Ok((files, bytes))
}
