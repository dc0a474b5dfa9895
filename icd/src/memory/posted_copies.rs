//! Copies to images by the host's processor that nobody waits for.
//!
//! vkCopyMemoryToImage takes the texels at once, and whatever uses the image afterwards comes later in the main ring: submissions, copies by the host's
//! processor, changes of its layout, its end. But a program that has the image's memory mapped, or another process, could write there what the copy, still under way,
//! would overwrite. So one invariant holds:
//!
//! **While a posted copy may be under way, the memory that it writes isn't shared, and no vkMapMemory of its device returns.**
//!
//! * A copy is posted under the lock over the stream that brings texels ([`texel_stream`](crate::base::texel_stream)), into memory that is neither shared nor mapped *after* the announcement ([`AnyPending`]); else it is waited for.
//! * Whoever maps memory marks it as mapped, and then waits for the stream's last copy under that lock, whichever memory the copy writes: an image may
//!   be gone by then and its memory, kept by [`freed`](super::freed), be another allocation's.
//!
//! All devices of a context share the stream: one of them may wait for another's copies, which is more than it needs.
//!
//! What came of a copy is looked at later, by the stream. The switch `no-posted-copies` has every copy waited for.

use hesper_encoder::Writer;
use hesper_winsys::{Error, trace};

use crate::base::connection::Connection;
use crate::base::outcomes::REPLY;
use crate::base::settings;
use crate::base::texel_stream::{self, COMMAND, Writing};
use crate::memory::pending::AnyPending;

/// Bytes of a copy's command beside its texels, at most.
const BESIDE: usize = 256;
/// Bytes of texels that are copied at once. A host's driver may take as long for each piece as for hundreds of kilobytes (NVIDIA's: 20 us).
pub const PIECE: usize = texel_stream::LARGE - BESIDE;

/// The copies of a device.
#[derive(Default)]
pub struct PostedCopies {
    any: AnyPending,
}

/// Leave to post copies; until it is dropped no memory is mapped.
pub struct Posting<'a> {
    connection: &'a Connection,
    writing: Writing<'a>,
}

impl PostedCopies {
    /// Leave to post copies into memory that is `out_of_sight`: nobody could look at it but by what is sent later.
    pub fn begin<'a>(&self, connection: &'a Connection, out_of_sight: impl Fn() -> bool) -> Option<Posting<'a>> {
        if !settings::get().posted_copies || !out_of_sight() {
            return None;
        }
        let writing = connection.texels.lock();
        // Looked at again, in case it was mapped meanwhile.
        let may = self.any.announce() && out_of_sight();
        may.then_some(Posting { connection, writing })
    }

    /// Whether none may be under way, as a thread finds that has marked memory as mapped and passed the light fence
    /// ([`Observer::is_quiet_for_mapping`](super::pending::Observer::is_quiet_for_mapping)).
    #[inline]
    pub fn is_quiet(&self) -> bool {
        !self.any.get()
    }

    /// Waits until none is under way, for a thread that has marked memory as mapped. A lost host copies nothing any more.
    ///
    /// # Errors
    /// What waiting fails with: one may still be under way.
    pub fn settle(&self, connection: &Connection) -> Result<(), Error> {
        let writing = connection.texels.lock();
        match writing.last().map(|seqno| connection.ring.wait(seqno)) {
            None | Some(Ok(()) | Err(Error::Lost(_))) => {
                self.any.withdraw();
                Ok(())
            }
            Some(Err(e)) => Err(e),
        }
    }
}

impl Posting<'_> {
    /// Posts a copy of `size` bytes of texels.
    ///
    /// # Errors
    /// A lost host, or no memory for the command.
    pub fn post(&mut self, size: usize, encode: impl Fn(&mut Writer, u32)) -> Result<(), Error> {
        trace::instant("copy posted", size as u64);
        let Self { connection, writing } = self;
        let most = size.saturating_add(BESIDE);
        let posted = writing.post(&*connection.winsys, &connection.streams, &connection.ring, most, &encode);
        if connection.report(posted)?.is_none() {
            writing.note(connection.post_for_outcome(COMMAND, REPLY, encode)?);
        }
        Ok(())
    }
}
