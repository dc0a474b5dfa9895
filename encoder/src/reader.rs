//! The reply stream that decoders read from.

use std::marker::PhantomData;
use std::ptr;

use ash::vk;

use crate::Texels;

/// Reads a reply, little endian (WIRE.md 2.2).
///
/// The bytes come from the host and may be anything: reading past the end or a value that can't be sets
/// [`Reader::is_bad`] and yields zeros from then on, and the caller checks once at the end. Each byte is looked at once: what was checked is what is used.
pub struct Reader<'a> {
    at: *const u8,
    left: usize,
    bad: bool,
    /// Where the next array of bytes goes, if not to the place that the decoder names.
    rows: Option<Texels>,
    bytes: PhantomData<&'a [u8]>,
}

impl<'a> Reader<'a> {
    /// A reader of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        // SAFETY: a slice, which is borrowed as long.
        unsafe { Self::over(bytes.as_ptr(), bytes.len()) }
    }

    /// A reader of `len` bytes, which the host may change meanwhile.
    ///
    /// # Safety
    /// `at` must be valid for reads of `len` bytes as long as the reader lives.
    pub unsafe fn over(at: *const u8, len: usize) -> Self {
        Self { at, left: len, bad: false, rows: None, bytes: PhantomData }
    }

    /// Has the next array of bytes go to rows that may lie apart, and not to the place that its decoder is given: as many bytes or, as of a command
    /// that has failed, none. Else the reply is bad.
    ///
    /// # Safety
    /// Each row must be valid for writes.
    pub unsafe fn into_rows(self, texels: Texels) -> Self {
        Self { rows: Some(texels), ..self }
    }

    /// What `decode` reads; `None` of a bad reply.
    pub fn decode<R>(mut self, decode: impl FnOnce(&mut Self) -> R) -> Option<R> {
        let value = decode(&mut self);
        (!self.bad).then_some(value)
    }

    /// Whether the reply was too short or contradicted the request.
    pub fn is_bad(&self) -> bool {
        self.bad
    }

    /// Marks the reply as malformed.
    #[cold]
    pub fn set_bad(&mut self) {
        self.bad = true;
        self.left = 0;
    }

    /// Whether the bytes that go to rows haven't come.
    pub fn awaits_rows(&self) -> bool {
        self.rows.is_some()
    }

    /// Passes over `n` bytes; where they are.
    #[inline]
    pub fn take(&mut self, n: usize) -> Option<*const u8> {
        let Some(left) = self.left.checked_sub(n) else {
            self.set_bad();
            return None;
        };
        let taken = self.at;
        (self.at, self.left) = (taken.wrapping_add(n), left);
        Some(taken)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> [u8; N] {
        // SAFETY: `take` has found N bytes there, which are valid for reads by the contract of `over`.
        self.take(N).map_or([0; N], |at| unsafe { at.cast::<[u8; N]>().read() })
    }

    /// Reads 32 bits.
    #[inline]
    pub fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.array())
    }

    /// Reads 64 bits.
    #[inline]
    pub fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.array())
    }

    /// Reads 32 bits that must equal `expected`.
    #[inline]
    pub fn expect32(&mut self, expected: u32) {
        if self.u32() != expected {
            self.set_bad();
        }
    }

    /// Reads a 64-bit count or presence flag that must equal `expected`; returns whether it does.
    #[inline]
    pub fn expect64(&mut self, expected: u64) -> bool {
        let ok = self.u64() == expected && !self.bad;
        if !ok {
            self.set_bad();
        }
        ok
    }

    /// Reads the count of an array for which there is `room`; more than that is a malformed reply.
    #[inline]
    pub fn count(&mut self, room: usize) -> usize {
        let n = self.u64();
        if n > room as u64 {
            self.set_bad();
            return 0;
        }
        n as usize
    }

    /// Reads the head of a chain's next struct and finds that struct in the caller's chain `p`, passing over those that
    /// were not sent (WIRE.md 1.7). `None` at the chain's end.
    ///
    /// # Safety
    /// `p` must be null or a valid pNext chain.
    pub unsafe fn next_in_chain<'b>(
        &mut self,
        mut p: *mut vk::BaseOutStructure<'b>,
    ) -> Option<(i32, *mut vk::BaseOutStructure<'b>)> {
        match self.u64() {
            0 => return None,
            1 => {}
            _ => {
                self.set_bad();
                return None;
            }
        }
        let s_type = self.u32() as i32;
        while !p.is_null() {
            // SAFETY: not null, so a struct of the chain by contract.
            let (at, next) = unsafe { ((*p).s_type.as_raw(), (*p).p_next) };
            if at == s_type {
                return Some((s_type, p));
            }
            p = next.cast();
        }
        self.set_bad();
        None
    }

    /// Reads `len` bytes and the padding behind them into `to`.
    ///
    /// # Safety
    /// `to` must be valid for writes of `len` bytes.
    pub unsafe fn bytes(&mut self, to: *mut u8, len: usize) {
        let Some(padded) = len.checked_next_multiple_of(4) else {
            self.set_bad();
            return;
        };
        let Some(from) = self.take(padded) else { return };
        let rows = self.rows.take_if(|_| len > 0).unwrap_or(Texels::closely(to, len));
        if rows.len() != len {
            self.set_bad();
            return;
        }
        // SAFETY: `take` has found `len` bytes, which are as many as the rows have; these are valid for writes by the contract of this function or of
        // `into_rows`. A reply's memory is none of the program's.
        rows.each_row(|row, before| unsafe {
            ptr::copy_nonoverlapping(from.wrapping_add(before), row.cast_mut(), rows.row)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is left of a reply of bytes that go to rows of three, and where they have gone.
    fn scattered(len: usize) -> (Option<u32>, [u8; 16]) {
        let mut memory = [0u8; 16];
        let (first, mut place) = (memory.as_mut_ptr(), [0xffu8; 8]);
        let rows = Texels { row: 3, rows: 2, row_pitch: 5, ..Texels::closely(first, 0) };
        let reply: Vec<u8> = (1..=len.next_multiple_of(4) as u8).chain([9, 0, 0, 0]).collect();
        // SAFETY: a vector's bytes, and rows inside of an array.
        let left = unsafe { Reader::over(reply.as_ptr(), reply.len()).into_rows(rows) }.decode(|r| {
            // SAFETY: a place for as many bytes as any test has.
            unsafe { r.bytes(place.as_mut_ptr(), len) };
            r.u32()
        });
        assert_eq!(place, [0xff; 8], "the bytes go to the rows");
        (left, memory)
    }

    #[test]
    fn bytes_go_to_rows() {
        assert_eq!(scattered(6), (Some(9), [1, 2, 3, 0, 0, 4, 5, 6, 0, 0, 0, 0, 0, 0, 0, 0]));
        // A command that has failed returns none.
        assert_eq!(scattered(0), (Some(9), [0; 16]));
        for other in [3, 5, 7, 8] {
            assert_eq!(scattered(other), (None, [0; 16]), "{other}");
        }
    }
}
