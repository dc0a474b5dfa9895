//! Programs of other guests on this machine: other C libraries, and processors that are emulated.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use sha2::{Digest, Sha256};

use crate::cache;

const RECIPE: &str = include_str!("../guests.sh");

/// A guest's processor and C library.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Guest {
    /// x86-64, glibc.
    Amd64,
    /// AArch64, glibc.
    Arm64,
    /// x86-64, musl.
    Amd64Musl,
    /// AArch64, musl.
    Arm64Musl,
}

impl Guest {
    /// As it is called in commands and folders.
    pub fn name(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
            Self::Amd64Musl => "amd64-musl",
            Self::Arm64Musl => "arm64-musl",
        }
    }

    /// rustc's name.
    pub fn triple(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64-unknown-linux-gnu",
            Self::Arm64 => "aarch64-unknown-linux-gnu",
            Self::Amd64Musl => "x86_64-unknown-linux-musl",
            Self::Arm64Musl => "aarch64-unknown-linux-musl",
        }
    }

    /// A command that runs `program`, which is linked to its C library.
    ///
    /// # Errors
    /// When the C library or the emulator can't be fetched, or this is no x86-64 machine.
    pub fn command(self, program: &Path) -> Result<Command> {
        ensure!(cfg!(target_arch = "x86_64"), "programs of other guests are run on x86-64 only");
        if self == Self::Amd64 {
            return Ok(Command::new(program));
        }
        let trees = trees()?;
        let mut command;
        if self == Self::Amd64Musl {
            // musl's loader is a program that takes others.
            command = Command::new(trees.join("amd64/lib/ld-musl-x86_64.so.1"));
        } else {
            command = Command::new(trees.join("amd64/usr/bin/qemu-aarch64"));
            // A processor with nothing but the first AArch64: what isn't looked for before it is used fails.
            command.args(["-cpu", "cortex-a53", "-L"]).arg(trees.join("arm64"));
        }
        command.arg(program);
        Ok(command)
    }
}

/// The folder with the trees; made if it isn't in the cache yet.
fn trees() -> Result<PathBuf> {
    let key: String = Sha256::digest(RECIPE).iter().take(8).map(|b| format!("{b:02x}")).collect();
    let folder = cache::folder().join("guests").join(key);
    let _lock = cache::lock("guests")?;
    // Renamed into place when whole.
    if !folder.is_dir() {
        let above = cache::folder().join("guests");
        // Half-made ones, and those of older recipes.
        let _ = fs::remove_dir_all(&above);
        fs::create_dir_all(&above).with_context(|| format!("making {}", above.display()))?;
        let (new, recipe) = (folder.with_extension("new"), above.join("recipe.sh"));
        fs::write(&recipe, RECIPE).with_context(|| format!("writing {}", recipe.display()))?;
        let bar = cache::progress("fetching C libraries and an emulator (40 MB from Debian's archive)".to_owned());
        cache::run(Command::new("sh").arg(&recipe).arg(&new))?;
        fs::rename(&new, &folder).with_context(|| format!("making {}", folder.display()))?;
        bar.finish_and_clear();
    }
    Ok(folder)
}
