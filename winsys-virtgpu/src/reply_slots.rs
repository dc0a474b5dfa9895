//! Places for short replies that are used in turns.

use crate::{Error, Shmem, Winsys, transport};

/// Bytes of a reply: the command's number and its result (WIRE.md 2.2).
pub const REPLY: usize = 8;
/// Bytes from one place to the next: a cache line, since the host writes one while the guest looks at another.
const APART: usize = 64;

/// Places for replies of [`REPLY`] bytes, zeros until the host writes them, so that a reply that was never written isn't taken for an older one:
/// no reply is all zeros.
pub struct ReplySlots {
    shmem: Shmem,
    slots: usize,
}

impl ReplySlots {
    /// So many places.
    ///
    /// # Errors
    /// What the host or the kernel refuse.
    pub fn new(winsys: &dyn Winsys, slots: usize) -> Result<Self, Error> {
        Ok(Self { shmem: winsys.create_shmem((slots * APART) as u64)?, slots })
    }

    /// The command that has the next reply go to the place of the `n`th, which comes round after all others have been used.
    pub fn set_reply(&self, n: u64) -> [u8; 36] {
        transport::set_reply(self.shmem.id(), self.at(n), REPLY)
    }

    /// The `n`th reply, where the host has written it; its place is free again.
    pub fn take(&self, n: u64) -> [u8; REPLY] {
        let mut reply = [0; REPLY];
        self.shmem.mapping().read(self.at(n), &mut reply);
        self.shmem.mapping().write(self.at(n), &[0; REPLY]);
        reply
    }

    fn at(&self, n: u64) -> usize {
        (n % self.slots.max(1) as u64) as usize * APART
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_come_round_and_are_empty_then() {
        let host = crate::testing::Host::new();
        let slots = ReplySlots::new(&*host, 3).unwrap();
        let place = |n: u64| u64::from_le_bytes(slots.set_reply(n)[20..28].try_into().unwrap()) as usize;
        assert_eq!((0..7).map(place).collect::<Vec<_>>(), [0, 64, 128, 0, 64, 128, 0]);
        for n in 0..7 {
            assert!(slots.shmem.mapping().write(place(n), &[7; REPLY]));
            assert_eq!((slots.take(n), slots.take(n)), ([7; REPLY], [0; REPLY]));
        }
        assert!(place(2) + APART <= slots.shmem.mapping().len());
    }
}
