//! Programs of other guests on this machine: other C libraries, and processors that are emulated.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};
use clap::ValueEnum;

use crate::cache;

const RECIPE: &str = include_str!("../guests.sh");

/// A guest's processor and C library.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
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

    /// The processor, in the words of Debian and of Go.
    pub fn processor(self) -> &'static str {
        match self {
            Self::Amd64 | Self::Amd64Musl => "amd64",
            Self::Arm64 | Self::Arm64Musl => "arm64",
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

    /// Zig's name: rustc's with the version of the C library, where newer ones have more symbols.
    pub fn zig_target(self) -> String {
        let triple = self.triple();
        if triple.ends_with("gnu") { format!("{triple}.2.28") } else { triple.to_owned() }
    }

    /// The folder with the files that its programs find: the C library, and with glibc a Vulkan loader and vulkaninfo.
    ///
    /// # Errors
    /// When they can't be fetched.
    pub fn tree(self) -> Result<PathBuf> {
        Ok(trees()?.join(self.processor()))
    }

    /// A command that runs `program`, which is linked to its C library.
    ///
    /// # Errors
    /// When the C library or the emulator can't be fetched, or this is no x86-64 machine.
    pub fn command(self, program: &Path) -> Result<Command> {
        self.command_in(&self.tree()?, program)
    }

    /// The same; an emulated program finds a tree's files under the paths that they have there.
    ///
    /// # Errors
    /// As [`Self::command`].
    pub fn command_in(self, tree: &Path, program: &Path) -> Result<Command> {
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
            command.args(["-cpu", "cortex-a53", "-L"]).arg(tree);
        }
        command.arg(program);
        Ok(command)
    }
}

/// The folder with the trees; made if it isn't in the cache yet.
fn trees() -> Result<PathBuf> {
    let about = "fetching C libraries and an emulator (50 MB from Debian's archive)";
    cache::made("guests", &[RECIPE], about, |new| cache::run(&mut cache::recipe(RECIPE, new)?))
}
