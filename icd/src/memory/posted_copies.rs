//! Copies to images by the host's processor that nobody waits for.
//!
//! vkCopyMemoryToImage takes the texels at once, and whatever uses the image afterwards comes later in the main ring: submissions, copies by the host's
//! processor, changes of its layout, its end. But a program that has the image's memory mapped, or another process, could write there what the copy, still under way,
//! would overwrite. So one invariant holds:
//!
//! **While a posted copy may be under way, the memory that it writes isn't shared, and no vkMapMemory of its device returns.**
//!
//! * A copy is posted under the lock over the last one, into memory that is neither shared nor mapped *after* the announcement ([`AnyPending`]); else it is waited for.
//! * Whoever maps memory marks it as mapped, and then waits for the last copy under that lock, whichever memory the copy writes: an image may
//!   be gone by then and its memory, kept by [`freed`](super::freed), be another allocation's.
//!
//! What came of a copy is looked at later (`base::outcomes`). The switch `no-posted-copies` has every copy waited for.

use hesper_encoder::Writer;
use hesper_winsys::{Error, Seqno, trace};
use parking_lot::{Mutex, MutexGuard};

use crate::base::connection::Connection;
use crate::base::outcomes::REPLY;
use crate::base::settings;
use crate::memory::pending::AnyPending;

/// The copies of a device.
#[derive(Default)]
pub struct PostedCopies {
    any: AnyPending,
    /// Where the main ring is when the last of those that may be under way is over.
    last: Mutex<Option<Seqno>>,
}

/// Leave to post copies; until it is dropped no memory is mapped.
pub struct Posting<'a>(MutexGuard<'a, Option<Seqno>>);

impl PostedCopies {
    /// Leave to post copies into memory that is `out_of_sight`: nobody could look at it but by what is sent later.
    pub fn begin(&self, out_of_sight: impl Fn() -> bool) -> Option<Posting<'_>> {
        if !settings::get().posted_copies || !out_of_sight() {
            return None;
        }
        let last = self.last.lock();
        // Looked at again, in case it was mapped meanwhile.
        let may = self.any.announce() && out_of_sight();
        may.then_some(Posting(last))
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
        let mut last = self.last.lock();
        match last.map(|seqno| connection.ring.wait(seqno)) {
            None | Some(Ok(()) | Err(Error::Lost(_))) => {
                *last = None;
                self.any.withdraw();
                Ok(())
            }
            Some(Err(e)) => Err(e),
        }
    }
}

impl Posting<'_> {
    /// Posts a copy.
    ///
    /// # Errors
    /// A lost host, or no memory for the command.
    pub fn post(&mut self, connection: &Connection, encode: impl FnOnce(&mut Writer, u32)) -> Result<(), Error> {
        trace::instant("copy posted", 0);
        *self.0 = Some(connection.post_for_outcome("vkCopyMemoryToImage", REPLY, encode)?);
        Ok(())
    }
}
