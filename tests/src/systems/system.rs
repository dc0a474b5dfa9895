//! The systems.

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use hesper_rig::vulkaninfo::VULKANINFO;
use hesper_rig::{Guest, Host, HostVersion, Root};
use hesper_rig_open::VARIABLE;

use super::installed;
use super::programs::{Programs, Seen};

/// A system that the programs of a guest run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum System {
    /// A tree of Debian 12's, with its Vulkan loader.
    Debian12,
    /// The rig's root, a tree of Debian 13's.
    Debian13,
    /// Debian 13's files where Fedora has them; the driver is installed there.
    Lib64,
    /// Debian 13's glibc and Vulkan loader on an emulated processor, without a tree around them.
    Emulated,
    /// Debian 13's musl, on the guest's processor, emulated or not; there is no Vulkan loader for it.
    Musl(Guest),
}

impl System {
    /// Those of a guest's kind.
    pub fn of(guest: Guest) -> Vec<Self> {
        match guest {
            Guest::Amd64 => vec![Self::Debian12, Self::Debian13, Self::Lib64],
            Guest::Arm64 => vec![Self::Emulated],
            Guest::Amd64Musl | Guest::Arm64Musl => vec![Self::Musl(guest)],
        }
    }

    /// As tables call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Debian12 => "Debian 12, glibc 2.36",
            Self::Debian13 => "Debian 13, glibc 2.41",
            Self::Lib64 => "Fedora's layout, glibc 2.41",
            Self::Emulated => "glibc 2.41, emulated",
            Self::Musl(Guest::Arm64Musl) => "musl 1.2.5, emulated",
            Self::Musl(_) => "musl 1.2.5",
        }
    }

    /// What leads programs to the driver.
    pub fn found_by(self) -> &'static str {
        match self {
            Self::Debian12 | Self::Debian13 | Self::Emulated => "VK_DRIVER_FILES",
            Self::Lib64 => "hesper install",
            Self::Musl(_) => "the program",
        }
    }

    /// Runs the guest's programs there, over a host that runs elsewhere.
    ///
    /// # Errors
    /// When the system can't be had here, and what fails on it.
    pub fn look(self, root: &Root, host: &Host, programs: &Programs) -> Result<Seen> {
        let library = &programs.driver.library;
        let in_tree = |tree: &Root| {
            let start = |program: &Path| Ok(pointed(tree.command(program)?, programs, host));
            programs.look(start, library, Some(VULKANINFO.as_ref()))
        };
        match self {
            Self::Debian12 => in_tree(&HostVersion::V0_10_4.tree(root)?),
            Self::Debian13 => in_tree(root),
            Self::Lib64 => installed::look(root, host, programs),
            Self::Emulated => {
                let start = |program: &Path| Ok(pointed(Guest::Arm64.command(program)?, programs, host));
                let vulkaninfo = Guest::Arm64.tree()?.join(VULKANINFO.trim_start_matches('/'));
                programs.look(start, library, Some(&vulkaninfo))
            }
            Self::Musl(guest) => {
                let start = |program: &Path| {
                    let mut command = pointed(guest.command(program)?, programs, host);
                    command.env(VARIABLE, library);
                    Ok(command)
                };
                programs.look(start, library, None)
            }
        }
    }
}

/// A command whose program finds the driver, with or without a Vulkan loader, and the driver the host.
fn pointed(mut command: Command, programs: &Programs, host: &Host) -> Command {
    let more = std::env::var("HESPER_TEST_SWITCHES").unwrap_or_default();
    command
        .env("VK_DRIVER_FILES", &programs.driver.manifest)
        .env("HESPER_DEBUG", format!("vtest,{more}"))
        .env("HESPER_VTEST_SOCKET", host.socket());
    command
}
