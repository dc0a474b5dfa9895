//! A growable buffer to encode commands in before they go to a ring.

use crate::Codec;
use crate::writer::{ChunkSource, Window, Writer};

/// Reusable memory for one or more whole commands.
#[derive(Default)]
pub struct Scratch {
    buffer: Vec<u8>,
    /// The buffer before the last growth: the writer still copies the command begun out of it.
    previous: Vec<u8>,
    /// Bytes of whole commands before the writer's current window.
    before: usize,
}

/// Commands above this are an error: no ring takes them, and the count behind them is nonsense.
const LIMIT: usize = 1 << 30;

impl Scratch {
    /// Encodes with `f` and returns the bytes, or `None` when memory ran out.
    pub fn encode(&mut self, codec: &Codec, f: impl FnOnce(&mut Writer)) -> Option<&[u8]> {
        self.before = 0;
        self.previous = Vec::new();
        if self.buffer.len() > 1 << 20 {
            self.buffer = Vec::new();
        }
        // SAFETY: the buffer is ours, is borrowed mutably for as long as the writer lives, and outlives it: growing
        // moves it to `previous`, which stays until the writer has moved on.
        let window = unsafe { Window::new(self.buffer.as_mut_ptr(), self.buffer.len()) };
        let mut w = Writer::resume(window, 0, codec, self);
        f(&mut w);
        let in_window = w.finish()?;
        self.buffer.get(..self.before + in_window)
    }
}

impl ChunkSource for Scratch {
    fn next_window(&mut self, finished: usize, begun: &[u8], need: usize) -> Option<Window> {
        let kept = self.before.checked_add(finished)?;
        let least = kept.checked_add(begun.len())?.checked_add(need)?;
        if least > LIMIT {
            return None;
        }
        let size = least.max(self.buffer.len() * 2).max(4096);
        let mut grown = Vec::new();
        grown.try_reserve_exact(size).ok()?;
        grown.resize(size, 0);
        grown.get_mut(..kept)?.copy_from_slice(self.buffer.get(..kept)?);
        self.previous = std::mem::replace(&mut self.buffer, grown);
        self.before = kept;
        let room = self.buffer.get_mut(kept..)?;
        // SAFETY: as in `encode`.
        Some(unsafe { Window::new(room.as_mut_ptr(), room.len()) })
    }
}
