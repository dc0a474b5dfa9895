//! The reply stream that decoders read from.

use std::ptr;

use ash::vk;

/// Reads a reply, little endian (WIRE.md 2.2).
///
/// The bytes come from the host and may be anything: reading past the end or a value that can't be sets
/// [`Reader::is_bad`] and yields zeros from then on, and the caller checks once at the end.
pub struct Reader<'a> {
    bytes: &'a [u8],
    bad: bool,
}

impl<'a> Reader<'a> {
    /// A reader of `bytes`, which must be a private copy: memory that the host can still change is no slice.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, bad: false }
    }

    /// Whether the reply was too short or contradicted the request.
    pub fn is_bad(&self) -> bool {
        self.bad
    }

    /// Marks the reply as malformed.
    #[cold]
    pub fn set_bad(&mut self) {
        self.bad = true;
        self.bytes = &[];
    }

    /// Takes `n` bytes.
    #[inline]
    pub fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        match self.bytes.split_at_checked(n) {
            Some((head, rest)) => {
                self.bytes = rest;
                Some(head)
            }
            None => {
                self.set_bad();
                None
            }
        }
    }

    /// Reads 32 bits.
    #[inline]
    pub fn u32(&mut self) -> u32 {
        self.take(4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes)
    }

    /// Reads 64 bits.
    #[inline]
    pub fn u64(&mut self) -> u64 {
        self.take(8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes)
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
        if let Some(b) = self.take(padded) {
            // SAFETY: `b` has at least `len` bytes and `to` takes as many by contract.
            unsafe { ptr::copy_nonoverlapping(b.as_ptr(), to, len) };
        }
    }
}
