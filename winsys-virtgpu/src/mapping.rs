//! Memory shared with the host.

use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU32;

use nix::errno::Errno;
use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap, mmap_anonymous, munmap};
use nix::unistd::{Whence, lseek};

use crate::Error;

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

const READ_WRITE: ProtFlags = ProtFlags::PROT_READ.union(ProtFlags::PROT_WRITE);

/// Length and offset as mmap takes them; ENOMEM for what can't be.
fn numbers(len: u64, offset: u64) -> Result<(NonZeroUsize, i64), Errno> {
    let len = usize::try_from(len).ok().and_then(NonZeroUsize::new);
    len.zip(i64::try_from(offset).ok()).ok_or(Errno::ENOMEM)
}

impl Mapping {
    /// Maps `len` bytes of `fd` at `offset`, shared, for reading and writing.
    ///
    /// # Errors
    /// What mmap says; ENOMEM for a length that can't be.
    pub fn new(fd: impl AsFd, len: u64, offset: u64) -> Result<Self, Errno> {
        let (len, offset) = numbers(len, offset)?;
        // SAFETY: without MAP_FIXED, the kernel picks an address where nothing of this process is mapped.
        let base = unsafe { mmap(None, len, READ_WRITE, MapFlags::MAP_SHARED, fd, offset) }?;
        Ok(Self { base: base.cast(), len: len.get() })
    }

    /// The same at an address that the caller picks, in place of whatever is mapped there.
    ///
    /// # Errors
    /// What mmap says, as to an address that is no multiple of the page. What was mapped there may be gone then.
    ///
    /// # Safety
    /// The range is the caller's: nobody uses what was mapped there before.
    pub unsafe fn placed(at: NonZeroUsize, fd: impl AsFd, len: u64, offset: u64) -> Result<Self, Errno> {
        let (len, offset) = numbers(len, offset)?;
        let flags = MapFlags::MAP_SHARED | MapFlags::MAP_FIXED;
        // SAFETY: what goes is the caller's to replace.
        let base = unsafe { mmap(Some(at), len, READ_WRITE, flags, fd, offset) }?;
        Ok(Self { base: base.cast(), len: len.get() })
    }

    /// Maps `len` bytes of no file, all zeros, for hosts that tests play.
    #[cfg(test)]
    pub fn anonymous(len: u64) -> Result<Self, Errno> {
        let len = usize::try_from(len).ok().and_then(NonZeroUsize::new).ok_or(Errno::ENOMEM)?;
        // SAFETY: without MAP_FIXED, the kernel picks an address where nothing of this process is mapped.
        let base = unsafe { mmap_anonymous(None, len, READ_WRITE, MapFlags::MAP_PRIVATE) }?;
        Ok(Self { base: base.cast(), len: len.get() })
    }

    /// Ends the mapping, but keeps its range from everybody else: nothing can be read or written there, and the kernel maps nothing there by itself. The
    /// range is unmapped by whoever it was reserved for.
    ///
    /// # Errors
    /// What mmap says, with the mapping, which stays.
    pub fn reserve(self) -> Result<(), (Self, Error)> {
        let Some(len) = NonZeroUsize::new(self.len) else { return Ok(()) };
        let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_FIXED;
        // SAFETY: the range that mmap gave this mapping, which ends here: whoever took an address out of it has kept the mapping until now.
        match unsafe { mmap_anonymous(Some(self.base.addr()), len, ProtFlags::PROT_NONE, flags) } {
            Ok(_) => {
                std::mem::forget(self);
                Ok(())
            }
            Err(e) => Err((self, Error::os("reserving the addresses of a mapping", e))),
        }
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

    /// Has the kernel find the pages of `len` bytes at `offset`, which begins one, now. A hint: kernels before Linux 5.14, and those that map a
    /// device's memory, which needs none, refuse it.
    pub fn populate(&self, offset: usize, len: usize) {
        let Some(at) = self.at(offset, len).and_then(|at| NonNull::new(at.cast())) else { return };
        // Miri has no kernel to ask.
        if !cfg!(miri) {
            // SAFETY: the bytes are inside the mapping, and populating changes none of them.
            let _ = unsafe { madvise(at, len, MmapAdvise::MADV_POPULATE_WRITE) };
        }
    }

    /// Enters the pages of `file`, whose start is mapped, into the page table, if all that are mapped have been written before: in steps of many, where the program's
    /// first look at each would be a fault of its own. Nothing is done to a file of memory (shmem) with holes, which would be filled, and to one that doesn't tell (a dma-buf, a
    /// device). A hint, as above. Afterwards the file's position is its start.
    pub fn enter_pages(&self, file: impl AsFd) {
        let hole = lseek(&file, 0, Whence::SeekHole);
        let _ = lseek(&file, 0, Whence::SeekSet);
        let whole = hole.is_ok_and(|hole| usize::try_from(hole).is_ok_and(|hole| hole >= self.len));
        if whole && !cfg!(miri) {
            // SAFETY: the whole mapping, whose bytes are looked at and not changed.
            let _ = unsafe { madvise(self.base.cast(), self.len, MmapAdvise::MADV_POPULATE_READ) };
        }
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

#[cfg(test)]
mod tests {
    use std::ffi::CStr;
    use std::os::fd::OwnedFd;

    use nix::sys::memfd::{MFdFlags, memfd_create};
    use nix::unistd::ftruncate;

    use super::*;
    use crate::alignment::page;

    const PAGES: u64 = 4;

    /// A file whose name the kernel's list of mappings shows.
    fn file(name: &CStr) -> OwnedFd {
        let file = memfd_create(name, MFdFlags::MFD_CLOEXEC).unwrap();
        ftruncate(&file, (PAGES * page()) as i64).unwrap();
        file
    }

    /// A range that nobody else of this process gets.
    fn range() -> NonZeroUsize {
        let mapping = Mapping::anonymous(PAGES * page()).unwrap();
        let at = mapping.base.addr();
        mapping.reserve().unwrap();
        at
    }

    /// What is mapped at an address, as the kernel shows it.
    fn shown(at: NonZeroUsize) -> Option<String> {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let covers = |line: &&str| {
            let (start, end) = line.split(' ').next().unwrap().split_once('-').unwrap();
            let number = |text| usize::from_str_radix(text, 16).unwrap();
            (number(start)..number(end)).contains(&at.get())
        };
        maps.lines().find(covers).map(str::to_owned)
    }

    #[test]
    fn a_placed_mapping_lies_where_it_was_asked_for_and_can_be_taken_back() {
        let (file, at, size) = (file(c"hesper-placed"), range(), PAGES * page());
        let ours = || shown(at).is_some_and(|line| line.contains("hesper-placed"));
        let own = Mapping::new(&file, size, 0).unwrap();
        for round in 0..3u8 {
            // SAFETY: the range was reserved for this.
            let placed = unsafe { Mapping::placed(at, &file, size, 0) }.unwrap();
            assert!((placed.base.addr(), placed.len()) == (at, own.len()) && ours());
            assert!(own.write(own.len() - 1, &[round + 1]));
            let mut read = [0];
            assert!(placed.read(placed.len() - 1, &mut read) && read == [round + 1]);
            placed.reserve().unwrap();
            assert!(shown(at).unwrap().contains("---p"), "{:?}", shown(at));
        }
        // SAFETY: as above.
        drop(unsafe { Mapping::placed(at, &file, size, 0) }.unwrap());
        assert!(!ours());
    }

    /// How many pages of a mapping are in the page table, as the kernel shows it (/proc/PID/pagemap: bit 63 of each word).
    #[cfg(not(miri))]
    fn entered(mapping: &Mapping) -> usize {
        use std::os::unix::fs::FileExt;
        let pagemap = std::fs::File::open("/proc/self/pagemap").unwrap();
        let mut words = [0; PAGES as usize * 8];
        pagemap.read_exact_at(&mut words, mapping.base().addr() as u64 / page() * 8).unwrap();
        words.chunks_exact(8).filter(|word| word[7] & 0x80 != 0).count()
    }

    #[test]
    #[cfg(not(miri))]
    fn pages_that_were_written_are_entered_at_once_and_holes_stay() {
        let (file, size) = (file(c"hesper-pages"), PAGES * page());
        let (host, guest) = (Mapping::new(&file, size, 0).unwrap(), Mapping::new(&file, size, 0).unwrap());
        guest.enter_pages(&file);
        assert_eq!(entered(&guest), 0);
        (0..PAGES).for_each(|n| assert!(host.write((n * page()) as usize, &[7])));
        assert_eq!(entered(&guest), 0);
        guest.enter_pages(&file);
        assert_eq!(entered(&guest), PAGES as usize);
        assert!(guest.write(5, &[8]) && entered(&host) == PAGES as usize);
    }

    #[test]
    fn nothing_is_mapped_into_a_reserved_range() {
        let (file, at, size) = (file(c"hesper-mapping"), range(), PAGES * page());
        let reserved = at.get()..at.get() + size as usize;
        let others: Vec<Mapping> = (0..64).map(|_| Mapping::new(&file, size, 0).unwrap()).collect();
        assert!(others.iter().all(|o| !reserved.contains(&o.base().addr())));
    }

    #[test]
    fn addresses_that_cannot_be_are_refused() {
        let (file, at, size) = (file(c"hesper-mapping"), range(), PAGES * page());
        let odd = at.checked_add(1).unwrap();
        let last = NonZeroUsize::MAX;
        let beyond = NonZeroUsize::new(usize::MAX & !(page() as usize - 1)).unwrap();
        for place in [odd, last, beyond] {
            // SAFETY: the range's own second byte, and addresses where no program has anything.
            let refused = unsafe { Mapping::placed(place, &file, size, 0) };
            assert!(refused.is_err(), "{place:#x}");
        }
        for (len, offset) in [(0, 0), (u64::MAX, 0), (size, 1), (size, u64::MAX)] {
            // SAFETY: as above.
            assert!(unsafe { Mapping::placed(at, &file, len, offset) }.is_err(), "{len} bytes from {offset}");
        }
    }
}
