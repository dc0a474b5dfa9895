//! What a machine boots, made from Debian's packages when it is asked for: a kernel with its initramfs, and the guest's root.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::cache::{self, made, recipe};
use crate::{Architecture, Machine, Root};

const KERNEL: &str = include_str!("../vm/kernel.sh");
const INITRAMFS: &str = include_str!("../vm/initramfs.sh");
const INIT: &str = include_str!("../vm/init");
const ARM64: &str = include_str!("../vm/arm64.sh");

/// The files of a machine.
#[derive(Clone, Debug)]
pub struct BootFiles {
    /// The kernel's image.
    pub kernel: PathBuf,
    /// The file system of its first program.
    pub initramfs: PathBuf,
    /// The kernel's version, as `uname -r` prints it.
    pub version: String,
    /// The guest's root.
    pub tree: PathBuf,
    /// QEMU for the processor, to be run in the rig's root.
    pub qemu: PathBuf,
}

impl BootFiles {
    /// The files; made if they aren't in the cache yet, in half a minute for a kernel and a minute or two for the root of an AArch64 guest.
    ///
    /// # Errors
    /// When they can't be made; with the recipe's output.
    pub fn ensure(root: &Root, machine: Machine) -> Result<Self> {
        let name = format!("vm/{machine}");
        let about = format!("fetching the kernel of {machine} (100 MB from Debian's archive)");
        let folder = made(&name, &[KERNEL, INITRAMFS, INIT], &about, |new| kernel(root, machine, new))?;
        let version = folder.join("version");
        let version = std::fs::read_to_string(&version).with_context(|| format!("reading {}", version.display()))?;
        // An x86-64 guest runs in the rig's own root.
        let (tree, qemu) = match machine.architecture() {
            Architecture::Amd64 => (root.path().to_path_buf(), PathBuf::from("/usr/bin/qemu-system-x86_64")),
            Architecture::Arm64 => arm64(root)?,
        };
        let (kernel, initramfs) = (folder.join("vmlinuz"), folder.join("initramfs.gz"));
        Ok(Self { kernel, initramfs, version: version.trim().to_owned(), tree, qemu })
    }
}

fn kernel(root: &Root, machine: Machine, new: &Path) -> Result<()> {
    let (package, suite) = (machine.kernel_package(), machine.kernel().suite());
    cache::run(recipe(KERNEL, new)?.args([machine.architecture().name(), &package, suite]))?;
    let (script, init) = (new.join("initramfs.sh"), new.join("init"));
    std::fs::write(&script, INITRAMFS)?;
    std::fs::write(&init, INIT)?;
    cache::run(root.command("/bin/sh")?.arg(&script).arg(new).arg(&init))
}

/// The root of an AArch64 guest, and QEMU for it.
fn arm64(root: &Root) -> Result<(PathBuf, PathBuf)> {
    let about = "making an AArch64 guest's root (200 MB from Debian's archive, 1 to 2 minutes)";
    let folder = made("vm/arm64", &[ARM64], about, |new| {
        let mut version = Command::new("dpkg-query");
        version.arg(format!("--admindir={}", root.path().join("var/lib/dpkg").display()));
        let out =
            version.args(["-W", "-f", "${Version}", "qemu-system-x86"]).output().context("starting dpkg-query")?;
        ensure!(out.status.success(), "the rig's root has no QEMU: {}", String::from_utf8_lossy(&out.stderr));
        cache::run(recipe(ARM64, new)?.arg(String::from_utf8_lossy(&out.stdout).trim()))
    })?;
    Ok((folder.join("tree"), folder.join("qemu-system-aarch64")))
}
