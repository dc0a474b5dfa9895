//! Garbage for everything that Vulkan ignores, and memory that ends where a page ends that can't be touched.

use std::ffi::c_void;

use std::sync::atomic::{AtomicBool, Ordering};

use ash::vk::Handle;

/// A slot of a ring: as many bytes, and an unreadable page behind them. The largest image takes 295 kB, and up to a few times as many in the order that only
/// its device knows.
const ROOM: usize = 2 << 20;
const SLOTS: usize = 24;
const PAGE: usize = 4096;

/// Whether the program that runs wants garbage, or zeroes.
static ON: AtomicBool = AtomicBool::new(false);

/// Sets whether there is garbage from now on.
pub fn set(on: bool) {
    ON.store(on, Ordering::Relaxed);
}

/// Whether there is garbage.
pub fn on() -> bool {
    ON.load(Ordering::Relaxed)
}

/// A handle that is none.
pub fn handle<H: Handle>() -> H {
    H::from_raw(if on() { 0xbad0_bad1_bad2_bad3 } else { 0 })
}

/// A number that is too large for anything.
pub fn count() -> u32 {
    if on() { 0x7bad_bad0 } else { 0 }
}

/// Memory for arguments. What was put last is still there when another 23 things have been put.
pub struct Edge {
    base: *mut u8,
    next: usize,
}

impl Edge {
    /// # Panics
    /// Without memory.
    pub fn new() -> Self {
        let size = SLOTS * (ROOM + PAGE);
        // SAFETY: a new mapping.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                size,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        assert!(base != libc::MAP_FAILED, "no memory");
        for slot in 0..SLOTS {
            // SAFETY: inside of the mapping.
            let done = unsafe { libc::mprotect(base.add(slot * (ROOM + PAGE) + ROOM), PAGE, libc::PROT_NONE) };
            assert!(done == 0, "no guard page");
        }
        Self { base: base.cast(), next: 0 }
    }

    /// Room for bytes that ends at an unreadable page; filled with a pattern.
    ///
    /// # Panics
    /// For more than fits.
    pub fn room(&mut self, bytes: usize) -> *mut u8 {
        assert!(bytes <= ROOM, "{bytes} bytes of arguments");
        self.next = (self.next + 1) % SLOTS;
        // SAFETY: inside of the slot.
        unsafe {
            let at = self.base.add(self.next * (ROOM + PAGE) + ROOM - bytes);
            std::ptr::write_bytes(at, 0xa5, bytes);
            at
        }
    }

    /// A copy of an array at the end of a page.
    pub fn array<T: Copy>(&mut self, items: &[T]) -> *const T {
        if items.is_empty() {
            return self.bad();
        }
        let at = self.room(size_of_val(items)).cast::<T>();
        // SAFETY: that much room, aligned since sizes are multiples of alignments.
        unsafe { std::ptr::copy_nonoverlapping(items.as_ptr(), at, items.len()) };
        at
    }

    /// A pointer into an unreadable page.
    pub fn bad<T>(&self) -> *const T {
        if !on() {
            return std::ptr::null();
        }
        // SAFETY: inside of the mapping.
        unsafe { self.base.add(ROOM + 64).cast::<c_void>().cast() }
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        // SAFETY: this mapping; arguments of calls that have returned.
        unsafe { libc::munmap(self.base.cast(), SLOTS * (ROOM + PAGE)) };
    }
}

/// Bytes that look random.
pub fn bytes(seed: u64, size: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678_9abc_def1;
    let mut all = Vec::with_capacity(size + 8);
    while all.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        all.extend_from_slice(&state.to_le_bytes());
    }
    all.truncate(size);
    all
}
