//! Commands that stay where they were written, in a chunk, and that the ring only points at.

use super::{Ring, Show};
use crate::seqno::Seqno;
use crate::stream::Chunk;
use crate::{Error, transport};

impl Ring {
    /// Sends `len` bytes at `from` of a chunk, whole commands, which must stay as they are until they have been read.
    ///
    /// # Errors
    /// As [`Self::submit`].
    pub fn submit_part(&self, chunk: &Chunk, from: usize, len: usize, show: Show) -> Result<Seqno, Error> {
        self.ask_part(chunk, from, len, &[], show)
    }

    /// The same behind `set_reply`, the command that says where the reply of the first one goes; nothing comes between the two.
    ///
    /// # Errors
    /// As [`Self::submit`].
    pub fn ask_part(
        &self,
        chunk: &Chunk,
        from: usize,
        len: usize,
        set_reply: &[u8],
        show: Show,
    ) -> Result<Seqno, Error> {
        let execute = transport::execute_stream(chunk.resource(), chunk.offset() + from, len);
        let mut write = self.write.lock();
        self.put(&mut write, &[set_reply, &execute])?;
        write.pointed_at += len;
        if !set_reply.is_empty() {
            write.next_reply = None;
        }
        match show {
            Show::Now => self.publish(&mut write),
            Show::Later => self.show_later(&mut write),
        }
    }
}
