//! Replies that have come.

use super::{Asked, Ring};
use crate::Error;
use crate::reply_pool::Reply;
use crate::waiting::Patience;

impl Ring {
    /// Waits for the reply and hands it to `read`.
    ///
    /// # Errors
    /// [`Error::Lost`] when the host is gone; [`Error::OutOfHostMemory`] where a large reply can't be copied.
    pub fn answer<R>(&self, asked: Asked, read: impl FnOnce(&[u8]) -> R) -> Result<R, Error> {
        self.answer_with(self.options.patience, asked, read)
    }

    /// The same, with this patience.
    ///
    /// # Errors
    /// [`Error::Lost`] when the host is gone; [`Error::OutOfHostMemory`] where a large reply can't be copied.
    pub fn answer_with<R>(&self, patience: Patience, asked: Asked, read: impl FnOnce(&[u8]) -> R) -> Result<R, Error> {
        let (reply, size) = self.replied(patience, asked)?;
        reply.with_bytes(size, read)
    }

    /// Waits for the reply and hands it to `read` where it is, with its size; the host can change it at any time.
    ///
    /// # Errors
    /// [`Error::Lost`] when the host is gone.
    pub fn answer_in_place<R>(&self, asked: Asked, read: impl FnOnce(*const u8, usize) -> R) -> Result<R, Error> {
        let (reply, size) = self.replied(self.options.patience, asked)?;
        reply.in_place(size, |at| read(at, size))
    }

    fn replied(&self, patience: Patience, asked: Asked) -> Result<(Reply, usize), Error> {
        self.wait_with(patience, asked.seqno)?;
        if let Some(chunk) = asked.large {
            self.streams.recycle(chunk, Some(asked.seqno), self);
        }
        Ok((asked.reply, asked.reply_size))
    }
}
