//! Memory shared with the host.

use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU32;

use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

use crate::Error;

/// A mapping, unmapped on drop.
///
/// The host reads and writes the memory at any time, so there are no references into it: only atomics and copies.
#[derive(Debug)]
pub struct Mapping {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: the mapping is plain shared memory, reached only through raw pointers and atomics.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `len` bytes of `fd` at `offset`, shared, for reading and writing.
    ///
    /// # Errors
    /// What mmap says.
    pub fn new(fd: impl AsFd, len: u64, offset: u64) -> Result<Self, Error> {
        let len = usize::try_from(len).ok().and_then(NonZeroUsize::new).ok_or(Error::OutOfHostMemory)?;
        let offset = i64::try_from(offset).map_err(|_| Error::OutOfHostMemory)?;
        let prot = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping at an address that the kernel picks touches nothing of ours.
        let base = unsafe { mmap(None, len, prot, MapFlags::MAP_SHARED, fd, offset) }
            .map_err(|e| Error::os("mmap of a blob", e))?;
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
        // SAFETY: inside the mapping, aligned, alive as long as `self`, and only touched atomically on this side.
        Some(unsafe { AtomicU32::from_ptr(p.cast()) })
    }

    /// Copies `bytes` to `offset`; whether they fit.
    pub fn write(&self, offset: usize, bytes: &[u8]) -> bool {
        let Some(to) = self.at(offset, bytes.len()) else { return false };
        // SAFETY: inside the mapping; `bytes` is memory of this process and can't overlap it.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len()) };
        true
    }

    /// Copies from `offset` into `bytes`; whether they lie inside.
    pub fn read(&self, offset: usize, bytes: &mut [u8]) -> bool {
        let Some(from) = self.at(offset, bytes.len()) else { return false };
        // SAFETY: as in `write`.
        unsafe { std::ptr::copy_nonoverlapping(from, bytes.as_mut_ptr(), bytes.len()) };
        true
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: made by mmap with this length, and nobody keeps pointers beyond the owner's life.
        let _ = unsafe { munmap(self.base.cast(), self.len) };
    }
}
