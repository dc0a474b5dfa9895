//! llama.cpp in trees of others: the rig's root has one that brings its own C library, so it runs wherever it lies.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::models::{self, Weights};
use crate::{Root, cache, llama};

/// Where it lies, in the rig's root as in other trees.
pub const FOLDER: &str = "/opt/llama";

/// llama-bench there, with its loader and its libraries; the Vulkan loader is the tree's own.
const PROGRAM: [&str; 4] = [
    "/opt/llama/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
    "--library-path",
    "/opt/llama/usr/lib/x86_64-linux-gnu:/opt/llama/usr/lib/x86_64-linux-gnu/llama:/usr/lib/x86_64-linux-gnu:/usr/lib64",
    "/opt/llama/usr/bin/llama-bench",
];

/// Where it looks for its backends, whatever tree it is in: its own folder has them under this path.
pub const BACKENDS: &str = "/usr/lib/x86_64-linux-gnu/ggml";

/// Where libraries lie in trees, and which of the root's it doesn't bring.
const LIBRARIES: &str = "usr/lib/x86_64-linux-gnu";
const OF_THE_ROOT: [&str; 2] = ["libz.so.1", "libzstd.so.1"];

/// Copies llama.cpp of the rig's root into another tree.
///
/// # Errors
/// Those of the file system.
pub fn lend(root: &Root, tree: &Root) -> Result<()> {
    let (from, to) = (in_tree(root), in_tree(tree));
    let parent = to.parent().unwrap_or(tree.path());
    fs::create_dir_all(parent).with_context(|| format!("making {}", parent.display()))?;
    cache::run(Command::new("cp").arg("--archive").arg(from).arg(&to))?;
    for library in OF_THE_ROOT {
        let (from, to) = (root.path().join(LIBRARIES).join(library), to.join(LIBRARIES).join(library));
        fs::copy(&from, to).with_context(|| format!("copying {}", from.display()))?;
    }
    let backends = tree.path().join(BACKENDS.trim_start_matches('/'));
    fs::create_dir_all(backends.parent().unwrap_or(tree.path()))?;
    symlink(format!("{FOLDER}{BACKENDS}"), &backends).with_context(|| format!("making {}", backends.display()))
}

/// llama.cpp's folder in a tree, as it is seen from outside.
pub fn in_tree(tree: &Root) -> PathBuf {
    tree.path().join(FOLDER.trim_start_matches('/'))
}

/// The tiny model that [`words`] name.
///
/// # Errors
/// When it can't be made.
pub fn model() -> Result<PathBuf> {
    models::tiny(Weights::Q4K)
}

/// llama-bench and its arguments: a few tokens of the tiny model's, all layers on the GPU, told as JSON.
///
/// # Errors
/// As [`model`].
pub fn words() -> Result<Vec<String>> {
    let model = model()?.display().to_string();
    let arguments = ["-m", &model, "-ngl", "99", "-p", "8", "-n", "8", "-b", "8", "-ub", "8", "-r", "1", "-o", "json"];
    Ok(PROGRAM.iter().chain(&arguments).map(|w| (*w).to_owned()).collect())
}

/// Has a tree's llama-bench compute on the driver that the Vulkan loader finds there; `start` makes a command of a program in it.
///
/// # Errors
/// When it fails, or computes on something else.
pub fn compute(start: impl FnOnce(&Path) -> Result<Command>) -> Result<()> {
    let words = words()?;
    let (program, arguments) = words.split_first().context("no words")?;
    let out =
        start(Path::new(program))?.args(arguments).envs(llama::ENVIRONMENT).output().context("starting llama-bench")?;
    told(&String::from_utf8_lossy(&out.stdout))
        .with_context(|| format!("llama-bench ended with {}:\n{}", out.status, String::from_utf8_lossy(&out.stderr)))
}

/// Looks at what llama-bench printed.
///
/// # Errors
/// When it computed nothing, or not on the driver's device.
pub fn told(text: &str) -> Result<()> {
    let rows: Vec<Value> = serde_json::from_str(text).with_context(|| format!("reading {text:?}"))?;
    ensure!(rows.len() == 2, "llama-bench measured {} of 2 rows", rows.len());
    for row in &rows {
        let device = row["gpu_info"].as_str().unwrap_or_default();
        ensure!(device.starts_with("Virtio-GPU Venus ("), "llama-bench computes on {device:?}");
        ensure!(row["avg_ts"].as_f64().is_some_and(|speed| speed > 0.0), "llama-bench computed nothing: {row}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_drivers_device_will_do() {
        let said =
            |device: &str| format!(r#"[{{"gpu_info":"{device}","avg_ts":9.5}},{{"gpu_info":"{device}","avg_ts":1}}]"#);
        assert!(told(&said("Virtio-GPU Venus (llvmpipe)")).is_ok());
        for wrong in [said("llvmpipe"), said(""), "[]".into(), String::new()] {
            assert!(told(&wrong).is_err(), "{wrong}");
        }
    }
}
