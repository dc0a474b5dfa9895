//! Places for short replies that are used in turns.

use crate::reply_place::{MemoryNumber, Place, ReplyPlace};
use crate::{Error, Shmem, Winsys};

/// Bytes of a reply: the command's number and its result (WIRE.md 2.2).
pub const REPLY: usize = 8;
/// Places for replies of [`REPLY`] bytes, one behind the other, zeros until the host writes them, so that a reply that was never written isn't taken for an
/// older one: no reply is all zeros.
pub struct ReplySlots {
    shmem: Shmem,
    number: MemoryNumber,
    slots: usize,
}

impl ReplySlots {
    /// So many places.
    ///
    /// # Errors
    /// What the host or the kernel refuse.
    pub fn new(winsys: &dyn Winsys, slots: usize) -> Result<Self, Error> {
        Ok(Self { shmem: winsys.create_shmem((slots * REPLY) as u64)?, number: MemoryNumber::next(), slots })
    }

    /// The place of the `n`th reply, which comes round after all others have been used.
    pub fn place(&self, n: u64) -> ReplyPlace {
        let offset = self.at(n);
        ReplyPlace {
            resource: self.shmem.id(),
            start: Place { memory: self.number, offset },
            size: REPLY,
            is_exact: true,
            room: self.slots * REPLY - offset,
        }
    }

    /// The `n`th reply, where the host has written it; its place is free again.
    pub fn take(&self, n: u64) -> [u8; REPLY] {
        let mut reply = [0; REPLY];
        self.shmem.mapping().read(self.at(n), &mut reply);
        self.shmem.mapping().write(self.at(n), &[0; REPLY]);
        reply
    }

    fn at(&self, n: u64) -> usize {
        (n % self.slots.max(1) as u64) as usize * REPLY
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_come_round_and_are_empty_then() {
        let host = crate::testing::Host::new();
        let slots = ReplySlots::new(&*host, 3).unwrap();
        let place = |n: u64| slots.place(n).start.offset;
        assert_eq!((0..7).map(place).collect::<Vec<_>>(), [0, 8, 16, 0, 8, 16, 0]);
        let goes_on = |n: u64| slots.place(n).end() == Some(slots.place(n + 1).start);
        assert_eq!([0, 1, 2, 3].map(goes_on), [true, true, false, true]);
        for n in 0..7 {
            assert!(slots.shmem.mapping().write(place(n), &[7; REPLY]));
            assert_eq!((slots.take(n), slots.take(n)), ([7; REPLY], [0; REPLY]));
        }
        assert!(place(2) + slots.place(2).room <= slots.shmem.mapping().len());
    }
}
