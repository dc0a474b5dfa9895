//! Memory that the guest, the host or both have as well.

use std::io;
use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

/// A mapping of a blob's file.
pub struct Shared {
    base: NonNull<u8>,
    size: usize,
}

// SAFETY: the memory is shared with other processes anyway; it is only touched by atomic accesses.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    /// Maps the first `size` bytes.
    pub fn map(file: &impl AsFd, size: usize) -> io::Result<Self> {
        let length = NonZeroUsize::new(size).ok_or(io::ErrorKind::InvalidInput)?;
        let prot = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping somewhere, of a file that the other sides keep as long as it is.
        let base = unsafe { mmap(None, length, prot, MapFlags::MAP_SHARED, file, 0)? };
        Ok(Self { base: base.cast(), size })
    }

    /// The 32-bit word at a byte offset that is a multiple of four.
    ///
    /// # Panics
    /// Outside of the memory: nobody here has any business there.
    pub fn word(&self, at: usize) -> &AtomicU32 {
        assert!(at.is_multiple_of(4) && at + 4 <= self.size, "a word at {at} of {}", self.size);
        // SAFETY: inside of the mapping, which lives as long as `self`, and aligned.
        unsafe { AtomicU32::from_ptr(self.base.as_ptr().add(at).cast()) }
    }

    /// Bytes at a multiple of four, as many as there are.
    pub fn read(&self, at: usize, size: usize) -> Vec<u8> {
        let end = (at + size).min(self.size & !3);
        (at..end).step_by(4).flat_map(|w| self.word(w).load(Ordering::Relaxed).to_le_bytes()).collect()
    }

    /// Writes whole words at a multiple of four, as many as there is room for.
    pub fn write(&self, at: usize, bytes: &[u8]) {
        for (i, word) in bytes.chunks_exact(4).enumerate() {
            let at = at + i * 4;
            if at + 4 <= self.size {
                let word = u32::from_le_bytes(word.try_into().unwrap_or_default());
                self.word(at).store(word, Ordering::Relaxed);
            }
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: mapped by `map` with this size, and nothing refers to it any more.
        let _ = unsafe { munmap(self.base.cast(), self.size) };
    }
}
