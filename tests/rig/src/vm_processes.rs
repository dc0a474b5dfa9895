//! What a machine's guest makes its monitor hold: contexts, files, mappings.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::processes;

/// The processes of the one machine that this process runs.
#[derive(Clone, Debug)]
pub struct VmProcesses {
    qemu: i32,
}

/// What they hold for contexts of the guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Processes that run a context.
    pub contexts: usize,
    /// Open files of all processes that are no files of a file system, by their kinds: memory, sockets, events.
    pub files: BTreeMap<String, usize>,
    /// Mappings of all processes of shared memory.
    pub mappings: usize,
}

impl VmProcesses {
    /// The machine's, once it has been started.
    ///
    /// # Errors
    /// When /proc can't be read.
    pub fn find() -> Result<Option<Self>> {
        let all = processes::tree(i32::try_from(std::process::id())?)?;
        Ok(all.into_iter().find(|p| processes::name(*p).starts_with("qemu-system")).map(|qemu| Self { qemu }))
    }

    /// The folder that the guest has as /vm/job, by QEMU's own arguments.
    ///
    /// # Errors
    /// When QEMU has ended.
    pub fn shared_folder(&self) -> Result<PathBuf> {
        let arguments = fs::read(format!("/proc/{}/cmdline", self.qemu))?;
        let arguments = String::from_utf8_lossy(&arguments).into_owned();
        let job = arguments.split('\0').find_map(|a| a.strip_prefix("local,id=job,path=")?.split(',').next());
        Ok(job.context("QEMU shares no folder for jobs")?.into())
    }

    /// What they hold now.
    ///
    /// # Errors
    /// When /proc can't be read.
    pub fn held(&self) -> Result<Held> {
        let all = processes::tree(self.qemu)?;
        let mut held = Held { contexts: 0, files: BTreeMap::new(), mappings: 0 };
        for process in all {
            // virglrenderer names a context's process after the context.
            held.contexts += usize::from(processes::name(process).starts_with("virgl-"));
            let folder = Path::new("/proc").join(process.to_string());
            // A process that has ended meanwhile holds nothing.
            let Ok(files) = fs::read_dir(folder.join("fd")) else { continue };
            for file in files.flatten() {
                let target = fs::read_link(file.path()).unwrap_or_default().to_string_lossy().into_owned();
                if let Some(kind) = kind(&target) {
                    *held.files.entry(kind.to_owned()).or_default() += 1;
                }
            }
            let maps = fs::read_to_string(folder.join("maps")).unwrap_or_default();
            held.mappings += maps.lines().filter(|l| is_shared_memory(l)).count();
        }
        Ok(held)
    }
}

/// What an open file is; nothing for one of a file system, of which QEMU opens many for the guest's root.
fn kind(target: &str) -> Option<&str> {
    let memory = ["/memfd:", "/dmabuf:"].into_iter().find(|m| target.starts_with(m));
    memory
        .or_else(|| target.split_once(':').filter(|(kind, _)| !kind.is_empty() && !kind.contains('/')).map(|(k, _)| k))
}

/// Whether a line of `maps` (proc_pid_maps(5)) is of memory that is shared with others.
fn is_shared_memory(line: &str) -> bool {
    line.contains("/memfd:") || line.contains("/dmabuf:")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_apart() {
        assert_eq!(kind("/memfd:ring (deleted)"), Some("/memfd:"));
        assert_eq!(kind("socket:[1234]"), Some("socket"));
        assert_eq!(kind("anon_inode:[eventfd]"), Some("anon_inode"));
        assert_eq!(kind("/usr/lib/x86_64-linux-gnu/libc.so.6"), None);
        assert_eq!(kind("/a:b"), None);
    }
}
