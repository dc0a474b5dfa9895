//! Commands whose replies are read later.

use crate::reply_pool::Reply;
use crate::seqno::Seqno;
use crate::stream::Chunk;

/// When the host is shown a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Show {
    /// At once.
    Now,
    /// With what is sent next, as what is posted.
    Later,
}

/// What a reply is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyKind {
    /// Of any size up to the one that is asked for.
    Ordinary,
    /// One of those that bring mebibytes together.
    Much,
    /// Of a size that is known exactly, whatever the result; it is looked at later.
    Exact,
}

/// A command whose reply hasn't been read yet. It has to be answered, or else its ring to end: until then the host may write to
/// the reply's memory, which is used again when this is dropped.
#[must_use]
pub struct Asked {
    pub(super) seqno: Seqno,
    pub(super) reply: Reply,
    pub(super) reply_size: usize,
    pub(super) large: Option<Chunk>,
}

impl Asked {
    /// The same, of whose reply no more than the first `size` bytes are read.
    pub fn up_to(self, size: usize) -> Self {
        Self { reply_size: self.reply_size.min(size), ..self }
    }

    /// When the reply is there.
    pub fn seqno(&self) -> Seqno {
        self.seqno
    }
}
