//! Texels in the program's memory, whose rows may lie apart.

/// Rows of bytes, in slices. On the wire each follows the one before closely (WIRE.md 1.5).
#[derive(Clone, Copy, Debug)]
pub struct Texels {
    /// The first row.
    pub first: *const u8,
    /// Bytes of a row.
    pub row: usize,
    /// Rows of a slice, and bytes from one to the next.
    pub rows: usize,
    pub row_pitch: usize,
    /// Slices, and bytes from one to the next.
    pub slices: usize,
    pub slice_pitch: usize,
    /// Whether they are much, and another processor reads next what is written of them.
    pub is_streamed: bool,
}

impl Texels {
    /// `len` bytes that lie in memory as on the wire.
    pub const fn closely(first: *const u8, len: usize) -> Self {
        Self { first, row: len, rows: 1, row_pitch: 0, slices: 1, slice_pitch: 0, is_streamed: false }
    }

    /// Bytes on the wire, without what fills up the last four; as many as no memory holds where that is more than a number can say.
    #[inline]
    pub const fn len(&self) -> usize {
        self.row.saturating_mul(self.rows).saturating_mul(self.slices)
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Hands the start of each row to `f`, and how many bytes lie before it on the wire.
    #[inline]
    pub fn each_row(&self, mut f: impl FnMut(*const u8, usize)) {
        let mut before = 0usize;
        for slice in 0..self.slices {
            let mut start = self.first.wrapping_add(slice.wrapping_mul(self.slice_pitch));
            for _ in 0..self.rows {
                f(start, before);
                start = start.wrapping_add(self.row_pitch);
                before = before.wrapping_add(self.row);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Codec, Scratch};

    fn written(texels: &Texels) -> Vec<u8> {
        let mut scratch = Scratch::default();
        // SAFETY: rows of the test's own memory.
        let bytes = scratch.encode(&Codec::ALL, |w| unsafe { w.texels(texels) });
        bytes.map(<[u8]>::to_vec).unwrap()
    }

    #[test]
    fn rows_follow_each_other_closely_and_zeros_fill_up() {
        let memory: Vec<u8> = (1..=200).collect();
        let first = memory.as_ptr();
        for len in [0, 1, 3, 4, 5, 64, 199] {
            let mut wanted = memory[..len].to_vec();
            wanted.resize(len.next_multiple_of(4), 0);
            assert_eq!(written(&Texels::closely(first, len)), wanted, "{len}");
        }
        let apart = Texels { first, row: 5, rows: 3, row_pitch: 7, slices: 2, slice_pitch: 50, is_streamed: false };
        assert_eq!((apart.len(), apart.is_empty()), (30, false));
        let row = |at: usize| memory[at..at + 5].iter().copied();
        let wanted = [0, 7, 14, 50, 57, 64].into_iter().flat_map(row).chain([0, 0]);
        for is_streamed in [false, true] {
            let rows = Texels { is_streamed, ..apart };
            assert!(written(&rows).into_iter().eq(wanted.clone()), "{is_streamed}");
        }
    }

    #[test]
    fn more_than_any_memory_holds_fails() {
        let endless = Texels { row: usize::MAX, rows: 2, ..Texels::closely([0u8; 4].as_ptr(), 4) };
        let mut scratch = Scratch::default();
        // SAFETY: nothing is read, since there is no room for it.
        assert!(scratch.encode(&Codec::ALL, |w| unsafe { w.texels(&endless) }).is_none());
    }
}
