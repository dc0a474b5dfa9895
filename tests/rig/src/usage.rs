//! What processes hold, as the kernel counts it.

use std::fs;
use std::ops::AddAssign;
use std::path::Path;

/// What a process holds, or several together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of resident memory.
    pub resident: u64,
    /// Open files.
    pub files: u64,
    /// Mappings.
    pub mappings: u64,
    /// Threads.
    pub threads: u64,
}

impl Usage {
    /// What a process holds; nothing if it has ended.
    pub fn of(process: u32) -> Self {
        let path = Path::new("/proc").join(process.to_string());
        let status = fs::read_to_string(path.join("status")).unwrap_or_default();
        let number = |name: &str| {
            status.lines().find_map(|l| l.strip_prefix(name)?.split_whitespace().next()?.parse::<u64>().ok())
        };
        Self {
            resident: number("VmRSS:").unwrap_or(0) * 1024,
            threads: number("Threads:").unwrap_or(0),
            files: fs::read_dir(path.join("fd")).map_or(0, |d| d.count() as u64),
            mappings: fs::read_to_string(path.join("maps")).map_or(0, |m| m.lines().count() as u64),
        }
    }
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.resident += other.resident;
        self.files += other.files;
        self.mappings += other.mappings;
        self.threads += other.threads;
    }
}
