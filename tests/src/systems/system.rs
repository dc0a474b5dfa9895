//! The systems.

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use hesper_rig::vulkaninfo::VULKANINFO;
use hesper_rig::{Guest, Host, HostVersion, Libraries, Root, SmallTree, TreeCopy, debian_11};
use hesper_rig_open::VARIABLE;

use super::programs::{Programs, Seen};
use super::{image, installed};

/// A system that the programs of a guest run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum System {
    /// A tree of Debian 11's with its Vulkan loader, and the driver's image unpacked in it.
    Debian11,
    /// The same of Debian 12's with its Vulkan loader, and the driver's image unpacked in it.
    Debian12,
    /// The same in the rig's root, a tree of Debian 13's.
    Debian13,
    /// The same in a few of Debian 13's files: neither a shell nor a package manager.
    Distroless,
    /// Debian 13's files where Fedora has them; the driver is installed there.
    Lib64,
    /// Debian 11's files there, and the unpacked image.
    OldLib64,
    /// Debian 13's glibc and Vulkan loader on an emulated processor, and the image unpacked beside them.
    Emulated,
    /// Debian 13's musl, on the guest's processor, emulated or not, and the unpacked image; there is no Vulkan loader for it.
    Musl(Guest),
}

impl System {
    /// Those of a guest's kind.
    pub fn of(guest: Guest) -> Vec<Self> {
        match guest {
            Guest::Amd64 => {
                vec![Self::Debian11, Self::Debian12, Self::Debian13, Self::Distroless, Self::OldLib64, Self::Lib64]
            }
            Guest::Arm64 => vec![Self::Emulated],
            Guest::Amd64Musl | Guest::Arm64Musl => vec![Self::Musl(guest)],
        }
    }

    /// As tables call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Debian11 => "Debian 11, glibc 2.31",
            Self::Debian12 => "Debian 12, glibc 2.36",
            Self::Debian13 => "Debian 13, glibc 2.41",
            Self::Distroless => "distroless layout, glibc 2.41",
            Self::OldLib64 => "Fedora's layout, glibc 2.31",
            Self::Lib64 => "Fedora's layout, glibc 2.41",
            Self::Emulated => "glibc 2.41, emulated",
            Self::Musl(Guest::Arm64Musl) => "musl 1.2.5, emulated",
            Self::Musl(_) => "musl 1.2.5",
        }
    }

    /// What leads programs to the driver.
    pub fn found_by(self) -> &'static str {
        match self {
            Self::Debian11 | Self::Debian12 | Self::Debian13 | Self::Distroless | Self::OldLib64 | Self::Emulated => {
                "the image's layer"
            }
            Self::Lib64 => "hesper install",
            Self::Musl(_) => "the program",
        }
    }

    /// Runs the guest's programs there, over a host that runs elsewhere.
    ///
    /// # Errors
    /// When the system can't be had here, and what fails on it.
    pub fn look(self, root: &Root, host: &Host, programs: &Programs) -> Result<Seen> {
        let layered = |tree: &Root| {
            let environment = image::unpack(programs, tree.path())?;
            let start = |program: &Path| {
                let mut command = pointed(tree.command(program)?, host);
                command.envs(environment.iter().cloned());
                Ok(command)
            };
            programs.look(start, image::LIBRARY.as_ref(), Some(VULKANINFO.as_ref()))
        };
        match self {
            Self::Debian11 => layered(TreeCopy::of(&debian_11()?)?.tree()),
            Self::OldLib64 => layered(SmallTree::make(&debian_11()?, Libraries::Fedora)?.tree()),
            Self::Debian12 => layered(TreeCopy::of(&HostVersion::V0_10_4.tree(root)?)?.tree()),
            Self::Debian13 => layered(TreeCopy::of(root)?.tree()),
            Self::Distroless => layered(SmallTree::make(root, Libraries::Debian)?.tree()),
            Self::Lib64 => installed::look(root, host, programs),
            Self::Emulated => {
                let copy = TreeCopy::of(&Root::at(Guest::Arm64.tree()?))?;
                let tree = copy.tree().path();
                let environment = image::unpack(programs, tree)?;
                let start = |program: &Path| {
                    let mut command = pointed(Guest::Arm64.command_in(tree, program)?, host);
                    command.envs(environment.iter().cloned());
                    Ok(command)
                };
                let vulkaninfo = tree.join(VULKANINFO.trim_start_matches('/'));
                programs.look(start, image::LIBRARY.as_ref(), Some(&vulkaninfo))
            }
            Self::Musl(guest) => {
                let copy = TreeCopy::of(&Root::at(guest.tree()?))?;
                let library = copy.tree().path().join(image::LIBRARY.trim_start_matches('/'));
                image::unpack(programs, copy.tree().path())?;
                let start = |program: &Path| {
                    let mut command = pointed(guest.command(program)?, host);
                    command.env(VARIABLE, &library);
                    Ok(command)
                };
                programs.look(start, &library, None)
            }
        }
    }
}

/// A command whose program's driver finds the host.
fn pointed(mut command: Command, host: &Host) -> Command {
    let more = std::env::var("HESPER_TEST_SWITCHES").unwrap_or_default();
    command.env("HESPER_DEBUG", format!("vtest,{more}")).env("HESPER_VTEST_SOCKET", host.socket());
    command
}
