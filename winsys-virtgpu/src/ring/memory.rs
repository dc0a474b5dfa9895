//! The memory of a ring: where its words and its buffer lie, and how commands get into it (WIRE.md 5.1, 5.3).

use hesper_encoder::fetch::fetch_for_writing;

use crate::shared::AtomicU32;
use crate::transport::RingLayout;
use crate::{Error, Shmem, Winsys};

/// Bits of the status word (WIRE.md 5.6).
pub const STATUS_IDLE: u32 = 1;
pub const STATUS_FATAL: u32 = 2;
pub const STATUS_ALIVE: u32 = 4;

/// Where the words of a ring lie, in bytes from its start; a cache line each, since both sides write.
const HEAD: usize = 0;
const TAIL: usize = 64;
const STATUS: usize = 128;
const BUFFER: usize = 192;
/// Bytes behind the buffer that a command could write to; none does.
const EXTRA: usize = 4;

/// Cache lines that are fetched ahead at least: as many as a few small commands take.
const LINES: usize = 4;
/// And at most, behind a command as large: 4 KiB. More gained nothing.
const MOST_LINES: usize = 64;

/// A ring's place in shared memory.
#[derive(Clone, Copy)]
struct Place {
    /// Bytes from the start of the memory, a multiple of 64.
    start: usize,
    /// Bytes of commands; a power of two.
    buffer_size: usize,
}

impl Place {
    const fn end(self) -> usize {
        self.start + BUFFER + self.buffer_size + EXTRA
    }

    fn layout(self, resource: u32, size: usize, idle_timeout_ns: u64) -> RingLayout {
        let buffer = self.start + BUFFER;
        RingLayout {
            resource,
            size,
            idle_timeout_ns,
            head: self.start + HEAD,
            tail: self.start + TAIL,
            status: self.start + STATUS,
            buffer,
            buffer_size: self.buffer_size,
            extra: buffer + self.buffer_size,
            extra_size: EXTRA,
        }
    }
}

/// The memory of one ring, with a tiny second ring behind it for questions to the host.
pub struct RingMemory {
    shmem: Shmem,
    main: Place,
    question: Place,
    /// Stands for words that aren't there; none is.
    nowhere: AtomicU32,
}

impl RingMemory {
    /// Memory for a ring of `buffer_size` bytes, all zeros.
    pub fn create(winsys: &dyn Winsys, buffer_size: usize) -> Result<Self, Error> {
        let main = Place { start: 0, buffer_size };
        let question = Place { start: main.end().next_multiple_of(64), buffer_size: 64 };
        let shmem = winsys.create_shmem(question.end() as u64)?;
        Ok(Self { shmem, main, question, nowhere: AtomicU32::new(0) })
    }

    /// What the host is told of the ring.
    pub fn layout(&self, idle_timeout_ns: u64) -> RingLayout {
        self.main.layout(self.shmem.id(), self.main.end(), idle_timeout_ns)
    }

    /// What the host is told of the ring for questions.
    pub fn question_layout(&self, idle_timeout_ns: u64) -> RingLayout {
        self.question.layout(self.shmem.id(), self.question.end(), idle_timeout_ns)
    }

    /// Bytes of commands that the ring holds; a power of two.
    #[inline]
    pub fn size(&self) -> usize {
        self.main.buffer_size
    }

    #[inline]
    fn word(&self, at: usize) -> &AtomicU32 {
        // The mapping is as long as `create` asked for, so the word is always there.
        self.shmem.mapping().word(at).unwrap_or(&self.nowhere)
    }

    /// Bytes that the host has run, modulo 2^32.
    #[inline]
    pub fn head(&self) -> &AtomicU32 {
        self.word(HEAD)
    }

    /// Bytes that the host has been shown, modulo 2^32.
    #[inline]
    pub fn tail(&self) -> &AtomicU32 {
        self.word(TAIL)
    }

    /// `STATUS_*`.
    #[inline]
    pub fn status(&self) -> &AtomicU32 {
        self.word(STATUS)
    }

    /// The head of the ring for questions.
    pub fn question_head(&self) -> &AtomicU32 {
        self.word(self.question.start + HEAD)
    }

    /// The tail of the ring for questions.
    pub fn question_tail(&self) -> &AtomicU32 {
        self.word(self.question.start + TAIL)
    }

    /// Copies bytes, at most as many as the ring holds, to `position`.
    #[inline]
    pub fn write(&self, position: u64, bytes: &[u8]) {
        self.write_in(self.main, position, bytes);
    }

    /// Four bytes of commands.
    #[cfg(test)]
    pub fn read(&self, position: u32) -> [u8; 4] {
        let mut bytes = [0; 4];
        assert!(self.shmem.mapping().read(BUFFER + (position as usize & (self.size() - 1)), &mut bytes));
        bytes
    }

    /// The same in the ring for questions.
    pub fn write_question(&self, position: u64, bytes: &[u8]) {
        self.write_in(self.question, position, bytes);
    }

    #[inline]
    fn write_in(&self, place: Place, position: u64, bytes: &[u8]) {
        let at = position as usize & (place.buffer_size - 1);
        let (first, second) = bytes.split_at(bytes.len().min(place.buffer_size - at));
        let buffer = place.start + BUFFER;
        self.shmem.mapping().write(buffer + at, first);
        if !second.is_empty() {
            self.shmem.mapping().write(buffer, second);
        }
    }

    /// Fetches what is written next into this processor's cache, since showing it waits for every store: as much as the `last` command took, whose like
    /// mostly follows. But not what the host has still to read, of which there are `used` bytes before `position`.
    #[inline]
    pub fn fetch_ahead(&self, position: u64, used: u64, last: usize) {
        let lines = (last / 64).clamp(LINES, MOST_LINES);
        if used as usize + 64 * (1 + lines) > self.size() {
            return;
        }
        let fetch = |from: usize| {
            let next = BUFFER + (from & (self.size() - 1));
            fetch_for_writing::<LINES>(self.shmem.mapping().base().wrapping_add(next + 64));
        };
        (0..lines).step_by(LINES).for_each(|line| fetch(position as usize + 64 * line));
    }
}
