//! How fast mapped memory is.

use std::hint::black_box;

use anyhow::Result;

use super::measure::{Bench, row, time};

impl Bench<'_> {
    /// Plain copies into mapped memory.
    pub fn bandwidth(&self) -> Result<()> {
        let to = self.gpu.buffer(16 << 20)?;
        let from = vec![0x5au8; to.size as usize];
        let ns = time(7, 1, || {
            // SAFETY: as long as the mapping, and apart from it.
            unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), to.map.cast(), from.len()) };
            black_box(to.get(1));
            Ok(())
        })?;
        row("copy into mapped memory", to.size as f64 / ns, "GB/s");
        self.gpu.free(to);
        Ok(())
    }
}
