//! What a target decides by its input, beside what it hands on.

/// The bytes of an input, taken one after the other; zeros behind them.
pub struct Choices<'a> {
    rest: &'a [u8],
}

impl<'a> Choices<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.rest.split_first() else { return 0 };
        self.rest = rest;
        *first
    }

    pub fn u16(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    /// A piece of at most `n` bytes.
    pub fn piece(&mut self, n: usize) -> &'a [u8] {
        let (piece, rest) = self.rest.split_at(n.min(self.rest.len()));
        self.rest = rest;
        piece
    }

    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }
}
