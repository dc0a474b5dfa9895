//! The command stream that encoders write into.
//!
//! A [`Writer`] holds a window of bytes. The hot path is one comparison and plain stores; when the window is full, the
//! [`ChunkSource`] behind it supplies a larger one and the command begun so far moves along, so that a command is
//! never split (WIRE.md 2.1).

use core::ffi::c_char;
use std::ptr;

use crate::fetch::{copy_past_caches, fetch_for_writing, order_what_passed_caches};
use crate::{Codec, Texels};

/// Where a [`Writer`] gets room from.
pub trait ChunkSource {
    /// Supplies a window with room for at least `begun.len() + need` bytes, or `None` when there is no memory.
    ///
    /// `finished` is how many bytes at the start of the old window are whole commands, and `begun` the bytes of the
    /// command being written, which the writer copies to the start of the new window afterwards.
    fn next_window(&mut self, finished: usize, begun: &[u8], need: usize) -> Option<Window>;
}

/// Nothing behind a window that holds all that is to be written, or else the writer fails.
pub struct NoMore;

impl ChunkSource for NoMore {
    fn next_window(&mut self, _finished: usize, _begun: &[u8], _need: usize) -> Option<Window> {
        None
    }
}

/// A piece of writable memory that a [`Writer`] fills.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    base: *mut u8,
    len: usize,
}

impl Default for Window {
    /// No room at all.
    fn default() -> Self {
        Self { base: ptr::NonNull::<u8>::dangling().as_ptr(), len: 0 }
    }
}

impl Window {
    /// A window of `len` bytes at `base`.
    ///
    /// # Safety
    /// The memory must be valid for writes, and for reads of what was written, until the writer has moved on to another
    /// window or is gone, and nothing else in this process may write there meanwhile.
    pub unsafe fn new(base: *mut u8, len: usize) -> Self {
        Self { base, len }
    }

    /// Fetches memory behind the first `used` bytes that will be written soon.
    #[inline]
    pub fn fetch_ahead(&self, used: usize) {
        // Far enough for some other processor to answer meanwhile; most commands take no more than two lines.
        fetch_for_writing::<2>(self.base.wrapping_add(used + 2048));
    }
}

/// Writes commands, little endian, every item a multiple of four bytes (WIRE.md 1.1).
pub struct Writer<'a> {
    cur: *mut u8,
    end: *mut u8,
    base: *mut u8,
    command: *mut u8,
    failed: bool,
    codec: &'a Codec,
    source: &'a mut dyn ChunkSource,
}

impl<'a> Writer<'a> {
    /// A writer that asks `source` for its first window when something is written.
    pub fn new(codec: &'a Codec, source: &'a mut dyn ChunkSource) -> Self {
        let nowhere = ptr::NonNull::<u8>::dangling().as_ptr();
        Self { cur: nowhere, end: nowhere, base: nowhere, command: nowhere, failed: false, codec, source }
    }

    /// A writer that goes on in `window`, of which the first `used` bytes are whole commands already.
    #[inline]
    pub fn resume(window: Window, used: usize, codec: &'a Codec, source: &'a mut dyn ChunkSource) -> Self {
        let cur = window.base.wrapping_add(used.min(window.len));
        Self {
            cur,
            end: window.base.wrapping_add(window.len),
            base: window.base,
            command: cur,
            failed: false,
            codec,
            source,
        }
    }

    /// Ends the command begun: what was written so far stays together from here on no longer.
    ///
    /// Returns the number of bytes of whole commands in the current window, or `None` when memory ran out since the
    /// last call, in which case the unfinished command is taken back.
    #[inline]
    pub fn finish(&mut self) -> Option<usize> {
        if self.failed {
            self.failed = false;
            self.cur = self.command;
            return None;
        }
        self.command = self.cur;
        Some(self.cur as usize - self.base as usize)
    }

    /// What the host's codec knows.
    #[inline]
    pub fn codec(&self) -> &'a Codec {
        self.codec
    }

    /// Whether memory ran out in the command begun.
    pub fn failed(&self) -> bool {
        self.failed
    }

    /// Takes room for exactly `N` bytes, all of which the caller must set.
    #[inline]
    pub fn run<const N: usize>(&mut self) -> Option<&mut [u8; N]> {
        if (self.end as usize) - (self.cur as usize) < N && !self.refill(N) {
            return None;
        }
        let at = self.cur;
        self.cur = at.wrapping_add(N);
        // SAFETY: `at` lies at least N bytes before the window's end, and `Window::new` promised writable memory there;
        // u8 has no alignment and every bit pattern is valid.
        Some(unsafe { &mut *at.cast::<[u8; N]>() })
    }

    /// Writes 32 bits.
    #[inline]
    pub fn u32(&mut self, v: u32) {
        if let Some(b) = self.run::<4>() {
            *b = v.to_le_bytes();
        }
    }

    /// Writes 64 bits.
    #[inline]
    pub fn u64(&mut self, v: u64) {
        if let Some(b) = self.run::<8>() {
            *b = v.to_le_bytes();
        }
    }

    /// Writes `len` bytes from `data` and pads them with zeros to a multiple of four.
    ///
    /// # Safety
    /// `data` must be valid for reads of `len` bytes (it may be anything where `len` is 0).
    #[inline]
    pub unsafe fn bytes(&mut self, data: *const u8, len: usize) {
        if len == 0 {
            return;
        }
        // A few words, such as push constants, are stored before a call of memcpy would have begun.
        if len.is_multiple_of(4) && len <= 32 && (self.end as usize) - (self.cur as usize) >= len {
            for at in (0..len).step_by(4) {
                // SAFETY: `data` has `len` bytes by contract, and so has the window.
                unsafe { self.cur.add(at).cast::<[u8; 4]>().write(data.add(at).cast::<[u8; 4]>().read()) };
            }
            self.cur = self.cur.wrapping_add(len);
            return;
        }
        // SAFETY: by contract.
        unsafe { self.many_bytes(data, len) };
    }

    #[inline]
    unsafe fn many_bytes(&mut self, data: *const u8, len: usize) {
        let Some(padded) = self.room(len) else { return };
        // SAFETY: the window has `padded` bytes left at `cur`, `data` has `len` by contract.
        unsafe { copy_padded(data, len, self.cur, padded) };
        self.cur = self.cur.wrapping_add(padded);
    }

    /// Writes `n` items of `size` bytes that lie in memory as they do on the wire.
    ///
    /// # Safety
    /// `data` must be valid for reads of `n * size` bytes.
    #[inline(always)]
    pub unsafe fn array(&mut self, data: *const u8, n: usize, size: usize) {
        // `size` is a constant, so most arrays, which have one item, are a few stores.
        if n == 1 && size.is_multiple_of(4) && (self.end as usize) - (self.cur as usize) >= size {
            // SAFETY: `data` has one item by contract, the window has room for it, and the two can't overlap.
            unsafe { ptr::copy_nonoverlapping(data, self.cur, size) };
            self.cur = self.cur.wrapping_add(size);
            return;
        }
        match n.checked_mul(size) {
            Some(0) => {}
            // SAFETY: by contract.
            Some(len) => unsafe { self.many_bytes(data, len) },
            None => self.failed = true,
        }
    }

    /// Writes `n` items of `size` bytes, a multiple of four, that lie `stride` bytes apart; on the wire nothing is between them.
    ///
    /// # Safety
    /// `data + i * stride` must be valid for reads of `size` bytes for each `i` below `n`.
    #[inline]
    pub unsafe fn strided(&mut self, data: *const u8, n: usize, size: usize, stride: usize) {
        if stride == size {
            // SAFETY: the items lie together.
            unsafe { self.array(data, n, size) };
            return;
        }
        for i in 0..n {
            // SAFETY: the caller vouches for the item at `i * stride`.
            unsafe { self.array(data.wrapping_add(i.wrapping_mul(stride)), 1, size) };
        }
    }

    /// Writes rows of texels, and fills them up with zeros to a multiple of four bytes.
    ///
    /// # Safety
    /// Each row must be valid for reads.
    pub unsafe fn texels(&mut self, texels: &Texels) {
        let len = texels.len();
        if len == 0 {
            return;
        }
        let Some(padded) = self.room(len) else { return };
        let at = self.cur;
        if texels.is_streamed {
            // SAFETY: the rows are valid by contract and together take `len` bytes, for which `room` has found place; memory given by an application
            // isn't the stream's own.
            texels.each_row(|row, before| unsafe { copy_past_caches(row, at.wrapping_add(before), texels.row) });
            order_what_passed_caches();
        } else {
            // SAFETY: as above.
            texels
                .each_row(|row, before| unsafe { ptr::copy_nonoverlapping(row, at.wrapping_add(before), texels.row) });
        }
        // SAFETY: the rest of that place.
        unsafe { ptr::write_bytes(at.wrapping_add(len), 0, padded - len) };
        self.cur = at.wrapping_add(padded);
    }

    /// Makes room for `len` bytes and what fills them up to a multiple of four; how many that are.
    #[inline]
    fn room(&mut self, len: usize) -> Option<usize> {
        let Some(padded) = len.checked_next_multiple_of(4) else {
            self.failed = true;
            return None;
        };
        let enough = (self.end as usize) - (self.cur as usize) >= padded || self.refill(padded);
        enough.then_some(padded)
    }

    /// Writes a NUL-terminated string with its size in front, or size 0 for a null pointer (WIRE.md 1.5).
    ///
    /// # Safety
    /// `s` must be null or point at a NUL-terminated string.
    pub unsafe fn string(&mut self, s: *const c_char) {
        if s.is_null() {
            self.u64(0);
            return;
        }
        // SAFETY: not null, so NUL-terminated by contract.
        let bytes = unsafe { std::ffi::CStr::from_ptr(s) }.to_bytes_with_nul();
        self.u64(bytes.len() as u64);
        // SAFETY: a slice of our own.
        unsafe { self.bytes(bytes.as_ptr(), bytes.len()) };
    }

    /// Goes on in another window. The writer's members travel by value, so that the compiler can keep them in registers
    /// wherever nothing else takes the writer's address: from one command to the next that is most of the time they take.
    #[inline(always)]
    fn refill(&mut self, need: usize) -> bool {
        if self.failed {
            return false;
        }
        match another_window(self.base, self.command, self.cur, &mut *self.source, need) {
            Some((window, begun)) => {
                self.base = window.base;
                self.command = window.base;
                self.cur = window.base.wrapping_add(begun);
                self.end = window.base.wrapping_add(window.len);
                true
            }
            None => {
                self.failed = true;
                false
            }
        }
    }
}

/// Fetches a window with room for `need` bytes behind the command begun, and moves that along; with its length so far.
#[cold]
#[inline(never)]
fn another_window(
    base: *mut u8,
    command: *mut u8,
    cur: *mut u8,
    source: &mut dyn ChunkSource,
    need: usize,
) -> Option<(Window, usize)> {
    let begun_len = cur as usize - command as usize;
    let finished = command as usize - base as usize;
    // SAFETY: these bytes were written by the writer into its window, which is still valid here.
    let begun: &[u8] = unsafe { std::slice::from_raw_parts(command, begun_len) };
    let window = source.next_window(finished, begun, need)?;
    if begun_len.checked_add(need).is_none_or(|n| n > window.len) {
        return None;
    }
    // SAFETY: the new window holds at least `begun_len + need` bytes; `copy` allows overlap, for sources that grow in place.
    unsafe { ptr::copy(command, window.base, begun_len) };
    Some((window, begun_len))
}

/// Copies `len` bytes, more than none, and sets what is left of `padded`, their number rounded up to four, to zero.
///
/// # Safety
/// `data` must be valid for reads of `len` bytes and `to` for writes of `padded`; the two mustn't overlap, which memory given by an
/// application and the stream's own can't.
#[inline(never)]
unsafe fn copy_padded(data: *const u8, len: usize, to: *mut u8, padded: usize) {
    // SAFETY: by contract.
    unsafe {
        ptr::write_bytes(to.add(padded - 4), 0, 4);
        ptr::copy_nonoverlapping(data, to, len);
    }
}

/// Stores `v` at byte `at` of a run; `at` is a constant, so the check disappears.
#[inline(always)]
pub fn set32<const N: usize>(run: &mut [u8; N], at: usize, v: u32) {
    if let Some(b) = run.get_mut(at..at + 4) {
        b.copy_from_slice(&v.to_le_bytes());
    }
}

/// Stores `v` at byte `at` of a run; `at` is a constant, so the check disappears.
#[inline(always)]
pub fn set64<const N: usize>(run: &mut [u8; N], at: usize, v: u64) {
    if let Some(b) = run.get_mut(at..at + 8) {
        b.copy_from_slice(&v.to_le_bytes());
    }
}
