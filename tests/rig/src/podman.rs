//! podman, on a machine of its own making (`tests/rig/podman.sh`).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, ensure};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use nix::unistd::{Gid, chown};

use crate::package_tools::package_tools;
use crate::{Root, cache, driver_build};

/// The group of the machine's render nodes, in which user 1000 is, too.
pub const GROUP: u32 = 105;
/// The major number of DRM devices (include/uapi/linux/major.h). Without a driver for it a node that may be opened fails with ENXIO.
const DRM: u64 = 226;

/// Who runs podman, and has images and containers of his own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum User {
    /// The machine's.
    Root,
    /// The tree's user 1000, without any right but that of his group.
    Ordinary,
}

/// A machine with podman, which goes away when dropped.
#[derive(Debug)]
pub struct Podman {
    tree: Root,
    folder: PathBuf,
}

impl Podman {
    /// A machine without a GPU.
    ///
    /// # Errors
    /// When podman can't be had.
    pub fn new() -> Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("hesper-podman-{}-{number}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        let machine = Self { tree: package_tools()?, folder };
        for name in ["dri", "cdi"] {
            let folder = machine.folder.join(name);
            fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        }
        Ok(machine)
    }

    /// A folder of the machine's, under the same path here and there.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the CDI spec of this name lies.
    pub fn spec(&self, name: &str) -> PathBuf {
        self.folder.join("cdi").join(name)
    }

    /// Makes /dev/dri/renderD`number`, which belongs to root and [`GROUP`], who may use it. There is no device behind it.
    ///
    /// # Errors
    /// Without the right to make nodes.
    pub fn add_node(&self, number: u8) -> Result<()> {
        let node = self.folder.join(format!("dri/renderD{number}"));
        let say = || format!("making {}", node.display());
        mknod(&node, SFlag::S_IFCHR, Mode::empty(), makedev(DRM, number.into())).with_context(say)?;
        chown(&node, None, Some(Gid::from_raw(GROUP))).with_context(say)?;
        fs::set_permissions(&node, std::os::unix::fs::PermissionsExt::from_mode(0o660)).with_context(say)
    }

    /// A command of podman's; its arguments are to follow.
    ///
    /// # Errors
    /// Without the right to mount.
    pub fn command(&self, user: User) -> Result<Command> {
        let mut command = self.tree.command("/bin/sh")?;
        command.arg(driver_build::workspace().join("tests/rig/podman.sh")).arg(&self.folder);
        command.arg(match user {
            User::Root => "root",
            User::Ordinary => "user",
        });
        Ok(command)
    }

    /// A command that runs what follows in a container: options of `podman run`, the image, and a program. The container has no network and all variables that begin with HESPER_.
    ///
    /// # Errors
    /// Without the right to mount.
    pub fn run(&self, user: User) -> Result<Command> {
        let mut command = self.command(user)?;
        command.args(["run", "--rm", "--network=none", "--env=HESPER_*"]);
        match user {
            // With rules for devices, in a group of the machine's own. The hierarchy that has these needn't have limits.
            User::Root => {
                let group = self.folder.file_name().unwrap_or_default().to_string_lossy();
                command.arg("--pids-limit=0").arg(format!("--cgroup-parent=/{group}"))
            }
            User::Ordinary => command.arg("--cgroups=disabled"),
        };
        Ok(command)
    }

    /// Runs a command of podman's to its end, and returns what it printed.
    ///
    /// # Errors
    /// When it fails, with what it said.
    pub fn said(&self, user: User, arguments: &[&str]) -> Result<String> {
        let out = self.command(user)?.args(arguments).output().context("starting podman")?;
        let (said, complaints) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
        ensure!(out.status.success(), "podman {arguments:?} ended with {}:\n{said}{complaints}", out.status);
        Ok(said.into_owned())
    }

    /// Makes an image of the files of a tree.
    ///
    /// # Errors
    /// When podman refuses.
    pub fn import(&self, user: User, base: &Root, name: &str) -> Result<()> {
        let archive = self.folder.join("base.tar");
        cache::run(Command::new("tar").arg("-cf").arg(&archive).arg("-C").arg(base.path()).arg("."))?;
        cache::run(self.command(user)?.args(["import", "--quiet"]).arg(&archive).arg(name))
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        // What podman mounted was mounted for its commands alone.
        let _ = fs::remove_dir_all(&self.folder);
    }
}
