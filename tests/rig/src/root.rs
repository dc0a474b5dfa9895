//! The root: a Debian 13 tree with everything that tests run against, made once.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};

use crate::{cache, driver_build, inside};

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

    /// Another tree: one of the cache, a copy, or what a container engine has unpacked.
    pub fn at(path: PathBuf) -> Self {
        Self { path }
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
        self.command_beside(&[], program)
    }

    /// The same with these folders in further trees, too, which the program hands on.
    ///
    /// # Errors
    /// Without the right to mount.
    pub fn command_beside(&self, further: &[&Path], program: impl AsRef<std::ffi::OsStr>) -> Result<Command> {
        let mut shared = vec![driver_build::workspace().to_path_buf(), cache::folder(), std::env::temp_dir()];
        shared.push(driver_build::target_folder()?);
        for folder in &shared {
            fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        }
        inside::command(&self.path, further, &shared, program)
    }
}

fn make(path: &Path) -> Result<()> {
    let above = path.parent().context("the cache has no folder")?;
    fs::create_dir_all(above).with_context(|| format!("making {}", above.display()))?;
    let bar = cache::progress(format!(
        "making the rig's root in {} (about 1 GB from Debian's archive, 1 to 5 minutes)",
        path.display()
    ));
    let new = path.with_extension("new");
    cache::run(&mut cache::recipe(RECIPE, &new)?)?;
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
