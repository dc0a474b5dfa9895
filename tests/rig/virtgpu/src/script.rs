//! What a node shall be and refuse: a few words on each line.
//!
//! | line | |
//! | --- | --- |
//! | `host kernel` | the kernel's own node of this name, with what the other lines change |
//! | `host SOCKET` | an imitation over the test server there; without a `host` line, an imitation with plain memory whose commands nobody runs |
//! | `driver NAME` | the name of the kernel's driver |
//! | `param NUMBER ANSWER` | a number, or the name of an error |
//! | `capset BYTES` | of the host's capset only so many bytes; 0 leaves zeros |
//! | `rings NUMBER` | contexts have no more timelines; with 0 a context may not even ask for a number |
//! | `align BYTES` | blobs and mappings whose sizes or offsets aren't multiples are refused with EINVAL |
//! | `refuse CALL ERROR` | one of `open`, `capset`, `context`, `shmem` (blobs with id 0), `blob`, `map` (the ioctl), `mmap`, `export` and `import` (of dma-bufs) |

use std::collections::BTreeMap;
use std::path::PathBuf;

use nix::errno::Errno;

/// Where a node's calls go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Goes {
    /// Nowhere: memory of this process.
    #[default]
    Nowhere,
    /// To a test server.
    Server(PathBuf),
    /// To the kernel.
    Kernel,
}

/// A node's script.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    pub goes: Goes,
    pub driver: Option<String>,
    pub params: BTreeMap<u64, Result<u32, Errno>>,
    pub capset: Option<usize>,
    pub rings: Option<u64>,
    pub align: Option<u64>,
    refused: BTreeMap<String, Errno>,
}

/// The errors that scripts name.
const ERRORS: [(&str, Errno); 8] = [
    ("EACCES", Errno::EACCES),
    ("EINVAL", Errno::EINVAL),
    ("EIO", Errno::EIO),
    ("ENODEV", Errno::ENODEV),
    ("ENOENT", Errno::ENOENT),
    ("ENOMEM", Errno::ENOMEM),
    ("ENOSYS", Errno::ENOSYS),
    ("EPERM", Errno::EPERM),
];
const CALLS: [&str; 9] = ["open", "capset", "context", "shmem", "blob", "map", "mmap", "export", "import"];

fn error(name: &str) -> Option<Errno> {
    ERRORS.iter().find(|(n, _)| *n == name).map(|(_, errno)| *errno)
}

impl Script {
    /// Reads a script.
    ///
    /// # Errors
    /// The first line that isn't understood.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut script = Self::default();
        for line in text.lines().filter(|l| !l.trim().is_empty()) {
            let words: Vec<&str> = line.split_whitespace().collect();
            script.add(&words).ok_or_else(|| format!("not understood: {line}"))?;
        }
        Ok(script)
    }

    fn add(&mut self, words: &[&str]) -> Option<()> {
        match *words {
            ["host", "kernel"] => self.goes = Goes::Kernel,
            ["host", socket] => self.goes = Goes::Server(socket.into()),
            ["driver", name] => self.driver = Some(name.into()),
            ["param", number, answer] => {
                let answer = error(answer).map_or_else(|| answer.parse().ok().map(Ok), |errno| Some(Err(errno)))?;
                self.params.insert(number.parse().ok()?, answer);
            }
            ["capset", bytes] => self.capset = Some(bytes.parse().ok()?),
            ["rings", number] => self.rings = Some(number.parse().ok()?),
            ["align", bytes] => self.align = Some(bytes.parse().ok().filter(|b| *b > 0)?),
            ["refuse", call, name] if CALLS.contains(&call) => {
                self.refused.insert(call.into(), error(name)?);
            }
            _ => return None,
        }
        Some(())
    }

    /// Whether a call is let through.
    ///
    /// # Errors
    /// What the script refuses it with.
    pub fn allows(&self, call: &str) -> Result<(), Errno> {
        self.refused.get(call).map_or(Ok(()), |errno| Err(*errno))
    }

    /// Whether a size or an offset is let through.
    ///
    /// # Errors
    /// EINVAL for one that is no multiple of what the script wants.
    pub fn allows_size(&self, bytes: u64) -> Result<(), Errno> {
        if self.align.is_none_or(|a| bytes.is_multiple_of(a)) { Ok(()) } else { Err(Errno::EINVAL) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_read_whole_or_not_at_all() {
        let script =
            Script::parse("host /tmp/s\nparam 9 16384\n\nparam 4 ENOENT\nalign 16384\nrefuse mmap EACCES\n").unwrap();
        assert_eq!(script.goes, Goes::Server("/tmp/s".into()));
        assert_eq!((script.params[&9], script.params[&4]), (Ok(16384), Err(Errno::ENOENT)));
        assert_eq!((script.allows("mmap"), script.allows("open")), (Err(Errno::EACCES), Ok(())));
        assert_eq!((script.allows_size(32768), script.allows_size(4096)), (Ok(()), Err(Errno::EINVAL)));
        assert_eq!(Script::parse("").unwrap(), Script::default());
        for bad in ["param 9", "param nine 1", "refuse mmap EWHAT", "refuse everything EIO", "align 0", "hosts kernel"]
        {
            assert!(Script::parse(bad).is_err(), "{bad}");
        }
    }
}
