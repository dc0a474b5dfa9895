//! The driver as a package: installed by the system's package manager, used, and removed.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use hesper_packaging::{Contents, deb, rpm};
use hesper_rig::package_tools::package_tools;
use hesper_rig::vulkaninfo::{self, VULKANINFO};
use hesper_rig::{Host, HostVersion, Root, TreeCopy, lent_llama, tree_files};

use super::programs::{Programs, said};

const PAPERS: [&str; 3] = [
    "/usr/share/doc/hesper/copyright",
    "/usr/share/doc/hesper/rust-standard-library.html",
    "/usr/share/doc/hesper/sbom.cdx.json",
];

/// A package manager, as far as it is needed here.
struct Manager {
    /// The tree that it is in.
    tree: Root,
    /// The package's file name.
    name: String,
    package: Vec<u8>,
    program: &'static str,
    /// What it is given to install the file that follows.
    install: &'static [&'static str],
    /// What it is given to remove the package.
    remove: &'static [&'static str],
}

/// Installs the deb on Debian 12, where vulkaninfo and the doctor find the driver with no word of its manifest in the environment, llama.cpp computes on it, and removes it.
///
/// # Errors
/// When something fails, is put elsewhere, or stays.
pub fn deb(root: &Root, host: &Host, programs: &Programs) -> Result<()> {
    let contents = Contents::collect(programs.guest, &programs.driver)?;
    let manager = Manager {
        tree: HostVersion::V0_10_4.tree(root)?,
        program: "/usr/bin/dpkg",
        name: deb::name(&contents),
        package: deb::package(&contents)?,
        // The tree's dpkg leaves papers out otherwise.
        install: &["--path-include=/usr/share/doc/hesper/*", "--install"],
        remove: &["--purge", "hesper"],
    };
    manager.look(root, host, "/usr/lib/x86_64-linux-gnu/libvulkan_hesper.so")
}

/// The same with the rpm and Debian's rpm, whose database knows nothing of the C library there: that one need isn't looked at.
///
/// # Errors
/// When something fails, is put elsewhere, or stays.
pub fn rpm(root: &Root, host: &Host, programs: &Programs) -> Result<()> {
    let contents = Contents::collect(programs.guest, &programs.driver)?;
    let manager = Manager {
        tree: package_tools()?,
        program: "/usr/bin/rpm",
        name: rpm::name(&contents),
        package: rpm::package(&contents)?,
        install: &["--nodeps", "--install"],
        remove: &["--erase", "hesper"],
    };
    manager.look(root, host, "/usr/lib64/libvulkan_hesper.so")
}

impl Manager {
    fn look(&self, root: &Root, host: &Host, library: &str) -> Result<()> {
        let copy = TreeCopy::of(&self.tree)?;
        lent_llama::lend(root, copy.tree())?;
        // Made before the tree's files are looked at.
        lent_llama::model()?;
        let start = |program: &Path| -> Result<Command> {
            let mut command = copy.tree().command(program)?;
            // The way to the host; of manifests there is no word.
            command.env("HESPER_DEBUG", "vtest").env("HESPER_VTEST_SOCKET", host.socket());
            Ok(command)
        };
        let manage = |arguments: &[&str], file: Option<&Path>| {
            said(self.program, copy.tree().command(self.program)?.args(arguments).args(file))
        };
        let device = || -> Result<bool> {
            // Without a device vulkaninfo ends with an error.
            let out = start(Path::new(VULKANINFO))?.arg("--summary").output().context("starting vulkaninfo")?;
            Ok(vulkaninfo::drivers(&crate::both(&out)).contains(&"hesper"))
        };
        ensure!(!device()?, "vulkaninfo shows a device of the driver before the installation");
        let before = tree_files(copy.tree())?;
        let file = std::env::temp_dir().join(format!("hesper-{}-{}", std::process::id(), self.name));
        fs::write(&file, &self.package).with_context(|| format!("writing {}", file.display()))?;
        let installed = manage(self.install, Some(&file));
        fs::remove_file(&file)?;
        installed?;
        let after = tree_files(copy.tree())?;
        let new = after.difference(&before).filter(|p| p.is_file());
        let new: BTreeSet<PathBuf> = new.map(|p| inside(copy.tree(), p)).collect::<Result<_>>()?;
        let mut expected = vec!["/usr/bin/hesper", library, "/usr/share/vulkan/icd.d/hesper_icd.json"];
        expected.extend(PAPERS);
        let expected: BTreeSet<PathBuf> = expected.iter().map(PathBuf::from).collect();
        ensure!(new == expected, "the package brings {new:?}");
        ensure!(device()?, "vulkaninfo shows no device of the driver");
        // It looks at render nodes as well, of which there are none.
        let out = start(Path::new("/usr/bin/hesper"))?.arg("doctor").output().context("starting the doctor")?;
        let report = crate::both(&out);
        let line = "/usr/share/vulkan/icd.d/hesper_icd.json: installed";
        ensure!(report.contains(line), "the doctor doesn't say `{line}`:\n{report}");
        // The host's GPU is a processor here, as the tree's own lavapipe is: llama.cpp wouldn't take that one beside a GPU.
        lent_llama::compute(|program| {
            let mut command = start(program)?;
            command.env("VK_LOADER_DRIVERS_SELECT", "*hesper*");
            Ok(command)
        })?;
        manage(self.remove, None)?;
        ensure!(tree_files(copy.tree())? == before, "something stays of the package");
        ensure!(!device()?, "vulkaninfo shows a device of the driver that was removed");
        Ok(())
    }
}

/// A file's path in a tree.
fn inside(tree: &Root, file: &Path) -> Result<PathBuf> {
    Ok(Path::new("/").join(file.strip_prefix(tree.path())?))
}
