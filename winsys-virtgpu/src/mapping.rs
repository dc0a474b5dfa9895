//! Memory shared with the host.

use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU32;

use nix::errno::Errno;
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

/// A mapping, unmapped on drop.
///
/// The host reads and writes the memory at any time, so there are no references into it: only atomics and copies.
#[derive(Debug)]
pub struct Mapping {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: a mapping belongs to the process, not to the thread that made it: any thread may use it and unmap it.
unsafe impl Send for Mapping {}
// SAFETY: `&Mapping` hands out addresses, and makes no Rust reference into the memory but to atomics; the copies of `read` and
// `write` may meet another thread's or the host's, which shared memory has to bear: nothing is trusted that was read from it.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `len` bytes of `fd` at `offset`, shared, for reading and writing.
    ///
    /// # Errors
    /// What mmap says; ENOMEM for a length that can't be.
    pub fn new(fd: impl AsFd, len: u64, offset: u64) -> Result<Self, Errno> {
        let len = usize::try_from(len).ok().and_then(NonZeroUsize::new).ok_or(Errno::ENOMEM)?;
        let offset = i64::try_from(offset).map_err(|_| Errno::ENOMEM)?;
        let prot = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: without MAP_FIXED, the kernel picks an address where nothing of this process is mapped.
        let base = unsafe { mmap(None, len, prot, MapFlags::MAP_SHARED, fd, offset) }?;
        Ok(Self { base: base.cast(), len: len.get() })
    }

    /// Maps `len` bytes of no file, all zeros, for hosts that tests play.
    #[cfg(test)]
    pub fn anonymous(len: u64) -> Result<Self, Errno> {
        let len = usize::try_from(len).ok().and_then(NonZeroUsize::new).ok_or(Errno::ENOMEM)?;
        let prot = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: without MAP_FIXED, the kernel picks an address where nothing of this process is mapped.
        let base = unsafe { nix::sys::mman::mmap_anonymous(None, len, prot, MapFlags::MAP_PRIVATE) }?;
        Ok(Self { base: base.cast(), len: len.get() })
    }

    /// The first byte.
    #[inline]
    pub fn base(&self) -> *mut u8 {
        self.base.as_ptr()
    }

    /// Bytes mapped.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Never: empty mappings can't be made.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The address of `len` bytes at `offset`, if they lie inside.
    #[inline]
    pub fn at(&self, offset: usize, len: usize) -> Option<*mut u8> {
        let end = offset.checked_add(len)?;
        (end <= self.len).then(|| self.base().wrapping_add(offset))
    }

    /// The aligned 32-bit word at `offset`.
    pub fn word(&self, offset: usize) -> Option<&AtomicU32> {
        let p = self.at(offset, 4).filter(|p| p.addr().is_multiple_of(4))?;
        // SAFETY: `p` is inside the mapping and aligned, the reference borrows `self`, which keeps the memory mapped, and this
        // side reaches the words that it names here through atomics alone.
        Some(unsafe { AtomicU32::from_ptr(p.cast()) })
    }

    /// Copies `bytes` to `offset`; whether they fit.
    pub fn write(&self, offset: usize, bytes: &[u8]) -> bool {
        let Some(to) = self.at(offset, bytes.len()) else { return false };
        // SAFETY: `at` has found the target inside the mapping, and `bytes` is a Rust slice, of which none lies in a mapping that is
        // written to.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len()) };
        true
    }

    /// Copies from `offset` into `bytes`; whether they lie inside.
    pub fn read(&self, offset: usize, bytes: &mut [u8]) -> bool {
        let Some(from) = self.at(offset, bytes.len()) else { return false };
        // SAFETY: `at` has found the source inside the mapping, and `bytes` is borrowed exclusively, so it lies elsewhere.
        unsafe { std::ptr::copy_nonoverlapping(from, bytes.as_mut_ptr(), bytes.len()) };
        true
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: `base` and `len` are what mmap was asked for and gave; whoever took an address out of the mapping keeps the
        // mapping's owner as long.
        let _ = unsafe { munmap(self.base.cast(), self.len) };
    }
}
