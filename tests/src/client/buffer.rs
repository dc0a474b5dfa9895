//! A buffer, and what is in it.

use anyhow::{Result, ensure};
use ash::vk;

/// A buffer with memory of its own; mapped where the type can be.
pub struct Buffer {
    pub buffer: vk::Buffer,
    pub memory: vk::DeviceMemory,
    pub size: u64,
    pub map: *mut u32,
}

impl Buffer {
    pub fn words(&self) -> usize {
        self.size as usize / 4
    }

    /// Fills a mapped buffer with `f(i)`.
    pub fn fill(&self, f: impl Fn(u32) -> u32) {
        assert!(!self.map.is_null(), "the buffer isn't mapped");
        for i in 0..self.words() {
            // SAFETY: inside the mapping, which no GPU work touches at this time.
            unsafe { self.map.add(i).write_volatile(f(i as u32)) };
        }
    }

    /// One word of a mapped buffer.
    pub fn get(&self, i: usize) -> u32 {
        assert!(!self.map.is_null() && i < self.words(), "outside of the mapping");
        // SAFETY: checked above.
        unsafe { self.map.add(i).read_volatile() }
    }

    /// Fails unless a mapped buffer holds `f(i)` everywhere.
    pub fn expect(&self, what: &str, f: impl Fn(u32) -> u32) -> Result<()> {
        for i in 0..self.words() {
            let (found, wanted) = (self.get(i), f(i as u32));
            ensure!(found == wanted, "{what}: word {i} is {found:#x}, not {wanted:#x}");
        }
        Ok(())
    }
}
