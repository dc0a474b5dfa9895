//! A range of addresses that is this program's.

use std::num::NonZeroUsize;

use anyhow::{Context, Result};
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, munmap};

/// A range in which nothing can be read or written until something is placed in it; unmapped at its end, whatever was placed.
pub struct Range {
    /// What was reserved, so that the range begins at a multiple of the step.
    all: std::ptr::NonNull<std::ffi::c_void>,
    bytes: usize,
    /// Its first byte.
    pub start: *mut u8,
    len: NonZeroUsize,
}

impl Range {
    /// `len` bytes at a multiple of `step`, a power of two.
    pub fn new(len: usize, step: usize) -> Result<Self> {
        let len = NonZeroUsize::new(len).context("an empty range")?;
        let bytes = len.checked_add(step).context("a range that can't be")?;
        // SAFETY: the kernel picks addresses where nothing of this process is.
        let all = unsafe { mmap_anonymous(None, bytes, ProtFlags::PROT_NONE, MapFlags::MAP_PRIVATE)? };
        let base: *mut u8 = all.as_ptr().cast();
        let start = base.wrapping_add(base.addr().next_multiple_of(step) - base.addr());
        Ok(Self { all, bytes: bytes.get(), start, len })
    }

    /// Reserves it again after something in it was unmapped, before the kernel puts something else there.
    pub fn hold(&self) -> Result<()> {
        let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_FIXED_NOREPLACE;
        let at = NonZeroUsize::new(self.start.addr());
        // SAFETY: nothing is replaced.
        let held = unsafe { mmap_anonymous(at, self.len, ProtFlags::PROT_NONE, flags) };
        held.map(drop).context("something else is in a range of this program's")
    }
}

impl Drop for Range {
    fn drop(&mut self) {
        // SAFETY: this program's own range, which nobody uses any more.
        let _ = unsafe { munmap(self.all, self.bytes) };
    }
}

/// How memory is mapped at an address: rights, and `s` for what is shared or `p`; nothing where nothing is mapped.
pub fn mapped_as(at: *const u8) -> Result<Option<String>> {
    let maps = std::fs::read_to_string("/proc/self/maps")?;
    let covers = |line: &&str| {
        let ends = line.split(' ').next().and_then(|range| range.split_once('-'));
        let number = |text| usize::from_str_radix(text, 16).ok();
        ends.and_then(|(start, end)| Some(number(start)?..number(end)?)).is_some_and(|r| r.contains(&at.addr()))
    };
    Ok(maps.lines().find(covers).and_then(|line| line.split(' ').nth(1)).map(str::to_owned))
}
