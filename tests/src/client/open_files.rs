//! What a driver opens is closed when its objects go, and when the program becomes another one.

use std::collections::BTreeSet;
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Result, bail, ensure};

use crate::forks::works;
use crate::gpu::Gpu;

/// Numbers and targets of this process's open files.
fn open_files() -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let path = entry?.path();
        let target = std::fs::read_link(&path)?;
        // The list itself.
        if !target.ends_with("fd") {
            found.insert(format!("{} {}", path.display(), target.display()));
        }
    }
    Ok(found)
}

/// Uses a device, looks at what is open afterwards, uses another one, and becomes `open-files`.
pub fn run() -> Result<()> {
    let before = open_files()?;
    works(&Gpu::new()?)?;
    let after = open_files()?;
    ensure!(before == after, "open when everything is destroyed: {:?}", &after - &before);
    let gpu = Gpu::new()?;
    let buffer = gpu.buffer(5000)?;
    works(&gpu)?;
    ensure!(open_files()? != before, "a driver with a device has nothing open");
    let failed = Command::new("/proc/self/exe").arg("open-files").args(&before).exec();
    gpu.free(buffer);
    bail!("exec: {failed}")
}

/// Fails unless these files are open, and no others.
pub fn expect(expected: Vec<String>) -> Result<()> {
    let (found, expected) = (open_files()?, expected.into_iter().collect());
    ensure!(found == expected, "open after exec: {:?}", &found - &expected);
    println!("{} files are open after exec, as before", found.len());
    Ok(())
}
