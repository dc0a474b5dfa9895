//! What processes hold, as the kernel counts it.

use std::fs;
use std::ops::AddAssign;
use std::path::Path;

/// What a process holds, or several together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of memory: what is resident of its own, and all that it has mapped of what it shares with others. How much of that it has touched
    /// yet grows for a long time where pieces are used in turns, and says nothing.
    pub memory: u64,
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
        let maps = fs::read_to_string(path.join("maps")).unwrap_or_default();
        Self {
            memory: number("RssAnon:").unwrap_or(0) * 1024 + maps.lines().filter_map(shared).sum::<u64>(),
            threads: number("Threads:").unwrap_or(0),
            files: fs::read_dir(path.join("fd")).map_or(0, |d| d.count() as u64),
            mappings: maps.lines().count() as u64,
        }
    }
}

/// The bytes of a line of `maps` (proc_pid_maps(5)), where others have them, too.
fn shared(line: &str) -> Option<u64> {
    let mut columns = line.split(' ');
    let (from, to) = columns.next()?.split_once('-')?;
    let is_shared = columns.next()?.ends_with('s');
    let size = u64::from_str_radix(to, 16).ok()?.checked_sub(u64::from_str_radix(from, 16).ok()?)?;
    is_shared.then_some(size)
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.memory += other.memory;
        self.files += other.files;
        self.mappings += other.mappings;
        self.threads += other.threads;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_mappings_are_counted_whole() {
        assert_eq!(shared("7f0000000000-7f0000003000 rw-s 00000000 00:01 7 /memfd:ring (deleted)"), Some(0x3000));
        assert_eq!(shared("7f0000000000-7f0000003000 rw-p 00000000 00:00 0"), None);
        assert!(Usage::of(std::process::id()).memory > 0);
    }
}
