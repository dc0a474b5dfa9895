//! The driver on a system that it is installed on, by its own program, as users do.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use hesper_rig::vulkaninfo::{self, VULKANINFO};
use hesper_rig::{Host, Libraries, Nodes, Root, SmallTree, tree_files};

use super::programs::{Programs, Seen, said};
use crate::both;

const LIBRARY: &str = "/usr/lib64/libvulkan_hesper.so";
const MANIFEST: &str = "/usr/share/vulkan/icd.d/hesper_icd.json";

/// Installs the driver in a tree with Fedora's layout, where the Vulkan loader finds it with no word about it in the environment, and its render
/// node over `host` by itself (`tests/rig/virtgpu`); runs the programs, and takes it away again.
///
/// # Errors
/// When something fails, is put elsewhere, or stays.
pub fn look(root: &Root, host: &Host, programs: &Programs) -> Result<Seen> {
    let system = SmallTree::make(root, Libraries::Fedora)?;
    let nodes = Nodes::over(host, "")?;
    let start = |program: &Path| -> Result<Command> {
        let mut command = system.tree().command(program)?;
        command.envs(nodes.environment());
        Ok(command)
    };
    let hesper = |word: &str| said(&format!("hesper {word}"), start(&programs.driver.program)?.arg(word));
    // Its status says that programs find nothing.
    let doctor = || -> Result<String> { Ok(both(&start(&programs.driver.program)?.arg("doctor").output()?)) };
    let nothing = |when: &str| {
        let report = doctor()?;
        ensure!(report.contains("no manifest of this driver"), "{when} the doctor says:\n{report}");
        let found = vulkaninfo::facts_of(start(VULKANINFO.as_ref())?);
        ensure!(found.is_err(), "{when} vulkaninfo finds a device");
        Ok(())
    };

    nothing("before the installation")?;
    let before = tree_files(system.tree())?;
    hesper("install")?;
    let installed = tree_files(system.tree())?;
    let below = |path: &str| system.tree().path().join(path.trim_start_matches('/'));
    let new: Vec<_> = installed.difference(&before).cloned().collect();
    ensure!(new == [LIBRARY, MANIFEST].map(below), "the installation leaves {new:?}");
    let report = hesper("doctor")?;
    for line in [&format!("{MANIFEST}: installed"), "Hesper can work here, on /dev/dri/renderD128."] {
        ensure!(report.lines().any(|l| l.ends_with(line)), "the doctor doesn't say `{line}`:\n{report}");
    }
    let seen = programs.look(start, LIBRARY.as_ref(), Some(VULKANINFO.as_ref())).context("installed")?;
    hesper("uninstall")?;
    ensure!(tree_files(system.tree())? == before, "something stays of the installation");
    nothing("after it was taken away")?;
    Ok(seen)
}
