//! sync_files (Linux, Documentation/driver-api/sync_file.rst): files that stand for work, and become readable when it has ended. They are what
//! external fences and semaphores of the kind SYNC_FD hand from process to process.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;

use crate::Error;

/// A sync_file; closed on drop, and at exec.
#[derive(Debug)]
pub struct SyncFile(OwnedFd);

/// `sync_file_info` (Linux, include/uapi/linux/sync_file.h).
#[repr(C)]
#[derive(Default)]
struct Info {
    name: [u8; 32],
    status: i32,
    flags: u32,
    num_fences: u32,
    pad: u32,
    sync_fence_info: u64,
}

nix::ioctl_readwrite!(file_info, b'>', 4, Info);

impl SyncFile {
    /// Another descriptor of the sync_file under `file`, which stays the caller's.
    ///
    /// # Errors
    /// [`Error::Refused`] for a number under which no sync_file is open; [`Error::OutOfHostMemory`] without room for another open file.
    pub fn borrowed(file: BorrowedFd<'_>) -> Result<Self, Error> {
        // Without room for them, the kernel tells nothing of the single fences.
        let mut ask = Info::default();
        // SAFETY: `ask` has the layout of the kernel's struct, and its one pointer is null with a count of 0.
        unsafe { file_info(file.as_raw_fd(), &raw mut ask) }.map_err(|e| Error::os("importing a sync_file", e))?;
        file.try_clone_to_owned().map(Self).map_err(|_| Error::OutOfHostMemory)
    }

    /// Sleeps until it is signalled, at most for `time`; whether it is.
    ///
    /// # Errors
    /// [`Error::OutOfHostMemory`] where the kernel has none for the wait; [`Error::Refused`] for a file that can't be waited for.
    pub fn wait(&self, time: Duration) -> Result<bool, Error> {
        let start = Instant::now();
        loop {
            let mut files = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
            let left = time.saturating_sub(start.elapsed());
            match ppoll(&mut files, Some(TimeSpec::from_duration(left)), None) {
                Ok(n) => return Ok(n > 0),
                Err(Errno::EINTR | Errno::EAGAIN) => {}
                Err(e) => return Err(Error::os("waiting for a sync_file", e)),
            }
        }
    }
}

impl From<OwnedFd> for SyncFile {
    fn from(file: OwnedFd) -> Self {
        Self(file)
    }
}

impl From<SyncFile> for OwnedFd {
    fn from(file: SyncFile) -> Self {
        file.0
    }
}

impl AsFd for SyncFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_another_kind_is_refused() {
        let (read, _write) = nix::unistd::pipe().unwrap();
        assert!(matches!(SyncFile::borrowed(read.as_fd()), Err(Error::Refused(_))));
        assert_eq!(size_of::<Info>(), 56);
    }

    #[test]
    fn a_wait_ends_with_the_signal_or_in_time() {
        let (read, write) = nix::unistd::pipe().unwrap();
        let file = SyncFile::from(read);
        let start = Instant::now();
        assert!(!file.wait(Duration::from_millis(5)).unwrap() && start.elapsed() >= Duration::from_millis(5));
        nix::unistd::write(&write, b"!").unwrap();
        assert!(file.wait(Duration::from_secs(60)).unwrap() && file.wait(Duration::ZERO).unwrap());
    }
}
