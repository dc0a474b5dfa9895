//! Commands that stay where they were written, in a chunk, and that the ring only points at.

use super::{Ring, Show};
use crate::reply_place::ReplyPlace;
use crate::seqno::Seqno;
use crate::stream::Chunk;
use crate::{Error, transport};

impl Ring {
    /// Sends `len` bytes at `from` of a chunk, whole commands, which must stay as they are until they have been read.
    ///
    /// # Errors
    /// As [`Self::submit`].
    pub fn submit_part(&self, chunk: &Chunk, from: usize, len: usize, show: Show) -> Result<Seqno, Error> {
        self.put_part(chunk, from, len, None, show)
    }

    /// The same for a single command that asks for a reply.
    ///
    /// # Errors
    /// As [`Self::submit`].
    pub fn ask_part(
        &self,
        chunk: &Chunk,
        from: usize,
        len: usize,
        reply: &ReplyPlace,
        show: Show,
    ) -> Result<Seqno, Error> {
        self.put_part(chunk, from, len, Some(reply), show)
    }

    fn put_part(
        &self,
        chunk: &Chunk,
        from: usize,
        len: usize,
        reply: Option<&ReplyPlace>,
        show: Show,
    ) -> Result<Seqno, Error> {
        let execute = transport::execute_stream(chunk.resource(), chunk.offset() + from, len);
        let mut write = self.write.lock();
        match reply {
            None => self.put(&mut write, &[&execute])?,
            Some(reply) => self.put_asking(&mut write, reply, &execute)?,
        }
        write.pointed_at += len;
        match show {
            Show::Now => self.publish(&mut write),
            Show::Later => self.show_later(&mut write),
        }
    }
}
