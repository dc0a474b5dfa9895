//! Calls that every DRM device answers (Linux, include/uapi/drm/drm.h): its driver's name, and handles of memory.
//!
//! The crate drm makes them. They go through the C library's `ioctl` (see Cargo.toml on rustix), so that a library that is preloaded for a
//! test sees them.

use std::io;
use std::num::NonZeroU32;
use std::os::fd::{BorrowedFd, OwnedFd};

use ::drm::Device as _;
use ::drm::buffer::Handle;
use ::drm::control::Device as _;
use nix::errno::Errno;

use super::ioctl::{Node, uninterrupted};
use crate::Error;

impl ::drm::Device for Node {}
impl ::drm::control::Device for Node {}

/// A dma-buf's file is closed at exec, and may be written to by whoever maps it.
const PRIME_FLAGS: u32 = ::drm::CLOEXEC | ::drm::RDWR;

/// Makes a call of the crate drm, as often as a signal comes in between.
pub(super) fn call<T>(what: &str, call: impl FnMut() -> io::Result<T>) -> Result<T, Error> {
    answer(call).map_err(|e| Error::os(what, e))
}

/// The same, for calls whose errors have a meaning of their own.
fn answer<T>(mut call: impl FnMut() -> io::Result<T>) -> nix::Result<T> {
    uninterrupted(|| call().map_err(|e| e.raw_os_error().map_or(Errno::UnknownErrno, Errno::from_raw)))
}

/// Why a dma-buf can't be imported. ENODEV tells of another device's memory, which this driver of the kernel's doesn't take
/// (virtgpu_prime.c), and not, as elsewhere, of a device that has gone.
fn not_imported(e: Errno) -> Error {
    match e {
        Errno::ENODEV => Error::Refused("importing a dma-buf: it is memory of another device".into()),
        e => Error::os("importing a dma-buf", e),
    }
}

/// A handle as the crate drm has it; the kernel gives none that is 0.
fn handle(bo: u32) -> Option<Handle> {
    NonZeroU32::new(bo).map(Handle::from)
}

impl Node {
    /// The name of the kernel's driver.
    ///
    /// # Errors
    /// [`Error::Refused`] for a file that is no DRM device.
    pub fn driver(&self) -> Result<String, Error> {
        let driver = call("asking for the driver's name", || self.get_driver())?;
        Ok(driver.name().to_string_lossy().into_owned())
    }

    /// A dma-buf of a handle, closed at exec.
    ///
    /// # Errors
    /// What the kernel refuses: an unknown handle, a blob that isn't shareable, no room for another open file.
    pub fn export(&self, bo: u32) -> Result<OwnedFd, Error> {
        let what = "exporting a dma-buf";
        let handle = handle(bo).ok_or_else(|| Error::os(what, Errno::ENOENT))?;
        call(what, || self.buffer_to_prime_fd(handle, PRIME_FLAGS))
    }

    /// The handle of a dma-buf; the same one each time for the same memory.
    ///
    /// # Errors
    /// What the kernel refuses, such as a file that is no dma-buf, or one of another device.
    pub fn import(&self, fd: BorrowedFd<'_>) -> Result<u32, Error> {
        answer(|| self.prime_fd_to_buffer(fd)).map(u32::from).map_err(not_imported)
    }

    /// Forgets a handle.
    pub fn close(&self, bo: u32) {
        if let Some(handle) = handle(bo) {
            // Only a handle that isn't there can fail.
            let _ = call("closing a handle", || self.close_buffer(handle));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::AsFd as _;

    use super::*;

    #[test]
    fn a_file_that_is_no_device_refuses() {
        let node = Node::new(File::open("/dev/null").unwrap());
        assert!(node.driver().is_err() && node.export(1).is_err() && node.import(node.as_fd()).is_err());
        node.close(1);
    }

    #[test]
    fn memory_of_another_device_is_no_loss_of_this_one() {
        assert!(matches!(not_imported(Errno::ENODEV), Error::Refused(_)));
        assert!(matches!(not_imported(Errno::ENOTTY), Error::Refused(_)));
        assert_eq!(not_imported(Errno::ENOMEM), Error::OutOfHostMemory);
    }

    #[test]
    fn no_handle_is_0() {
        let node = Node::new(File::open("/dev/null").unwrap());
        assert_eq!(
            node.export(0).unwrap_err().to_string(),
            Error::os("exporting a dma-buf", Errno::ENOENT).to_string()
        );
        node.close(0);
    }
}
