//! Calls that every DRM device answers (Linux, include/uapi/drm/drm.h): its driver's name, and handles of memory.
//!
//! They go through the C library's `ioctl`, so that a library that is preloaded for a test sees them.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use nix::libc::c_int;

use super::ioctl::{Node, retry};
use crate::Error;

#[repr(C)]
struct Version {
    major: c_int,
    minor: c_int,
    patchlevel: c_int,
    name_len: usize,
    name: *mut u8,
    date_len: usize,
    date: *mut u8,
    desc_len: usize,
    desc: *mut u8,
}

#[repr(C)]
#[derive(Default)]
struct GemClose {
    handle: u32,
    pad: u32,
}

#[repr(C)]
#[derive(Default)]
struct PrimeHandle {
    handle: u32,
    flags: u32,
    fd: i32,
}

nix::ioctl_readwrite!(version, b'd', 0x00, Version);
nix::ioctl_write_ptr!(gem_close, b'd', 0x09, GemClose);
nix::ioctl_readwrite!(prime_handle_to_fd, b'd', 0x2d, PrimeHandle);
nix::ioctl_readwrite!(prime_fd_to_handle, b'd', 0x2e, PrimeHandle);

/// A dma-buf's file is closed at exec, and may be written to by whoever maps it (`DRM_CLOEXEC`, `DRM_RDWR`).
const PRIME_FLAGS: u32 = (nix::libc::O_CLOEXEC | nix::libc::O_RDWR) as u32;

impl Node {
    fn raw(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }

    /// The name of the kernel's driver; at most 64 bytes of it.
    ///
    /// # Errors
    /// [`Error::Refused`] for a file that is no DRM device.
    pub fn driver(&self) -> Result<String, Error> {
        let mut name = [0u8; 64];
        let none = ptr::null_mut();
        let mut ask = Version {
            major: 0,
            minor: 0,
            patchlevel: 0,
            name_len: name.len(),
            name: name.as_mut_ptr(),
            date_len: 0,
            date: none,
            desc_len: 0,
            desc: none,
        };
        // SAFETY: `ask` has the layout of the kernel's struct, which writes at most `name_len` bytes to `name`: all that the array has; the
        // other two texts are asked for with no room.
        retry("asking for the driver's name", || unsafe { version(self.raw(), &raw mut ask) })?;
        let name = name.get(..ask.name_len).unwrap_or(&name);
        Ok(String::from_utf8_lossy(name).into_owned())
    }

    /// A dma-buf of a handle, closed at exec.
    ///
    /// # Errors
    /// What the kernel refuses: an unknown handle, a blob that isn't shareable, no room for another open file.
    pub fn export(&self, bo: u32) -> Result<OwnedFd, Error> {
        let mut ask = PrimeHandle { handle: bo, flags: PRIME_FLAGS, fd: -1 };
        // SAFETY: `ask` has the layout of the kernel's struct, and holds no pointers.
        retry("exporting a dma-buf", || unsafe { prime_handle_to_fd(self.raw(), &raw mut ask) })?;
        // SAFETY: the kernel has just opened this descriptor for this call, and nothing else owns it.
        Ok(unsafe { OwnedFd::from_raw_fd(ask.fd) })
    }

    /// The handle of a dma-buf; the same one each time for the same memory.
    ///
    /// # Errors
    /// What the kernel refuses, such as a file that is no dma-buf.
    pub fn import(&self, fd: BorrowedFd<'_>) -> Result<u32, Error> {
        let mut ask = PrimeHandle { fd: fd.as_raw_fd(), ..PrimeHandle::default() };
        // SAFETY: `ask` has the layout of the kernel's struct, and holds no pointers.
        retry("importing a dma-buf", || unsafe { prime_fd_to_handle(self.raw(), &raw mut ask) })?;
        Ok(ask.handle)
    }

    /// Forgets a handle.
    pub fn close(&self, bo: u32) {
        let ask = GemClose { handle: bo, pad: 0 };
        // Only a handle that isn't there can fail.
        // SAFETY: `ask` has the layout of the kernel's struct, and holds no pointers.
        let _ = retry("closing a handle", || unsafe { gem_close(self.raw(), &raw const ask) });
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    /// Sizes of drm.h's structs, which are part of the ioctl numbers.
    #[test]
    fn structs_are_the_kernels() {
        assert_eq!(size_of::<Version>(), 64);
        assert_eq!(size_of::<GemClose>(), 8);
        assert_eq!(size_of::<PrimeHandle>(), 12);
    }

    #[test]
    fn a_file_that_is_no_device_refuses() {
        let node = Node::new(File::open("/dev/null").unwrap());
        assert!(node.driver().is_err() && node.export(1).is_err() && node.import(node.as_fd()).is_err());
        node.close(1);
    }
}
