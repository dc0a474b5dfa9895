//! Memory for commands that carry much: one writer fills its parts in turns, and a ring reads them in the same order.
//!
//! Parts of many pages, and not the ring's own few: the less of a part the other processor still has in its cache when the part is written again, the
//! faster. Lines that two processors hand to and fro cost most of what such a command takes.

use hesper_encoder::Window;

use crate::stream::{Chunk, StreamPool};
use crate::{Error, Ring, Seqno};

/// Bytes that are fetched ahead at most, and after a command of how many at most: much goes past caches.
const MOST_FETCHED: usize = 4096;
const MOST_FETCHED_BEHIND: usize = 4 * MOST_FETCHED;

/// How large the parts are, and how many.
#[derive(Clone, Copy)]
pub struct Parts {
    /// Bytes of one.
    pub size: usize,
    /// How many there are at most. Another one is made where one is full and the host still reads the oldest.
    pub most: usize,
    /// Whether the pages of one are there from the start. Each costs microseconds when it is written first, and more than a small command.
    pub populated: bool,
}

/// The parts of one writer.
pub struct Turns {
    kind: Parts,
    /// In the order in which they are filled, from the one behind `now` on, and what ends the last command in each.
    parts: Vec<(Chunk, Seqno)>,
    now: usize,
    used: usize,
}

impl Turns {
    /// None yet.
    pub const fn new(kind: Parts) -> Self {
        Self { kind, parts: Vec::new(), now: 0, used: 0 }
    }

    /// Where a command of `len` bytes, at most a part, is to be written; nothing that was written before is there any more.
    ///
    /// # Errors
    /// What the host or the kernel refuse; [`Error::OutOfHostMemory`] where `len` is more.
    pub fn window(&mut self, len: usize, streams: &StreamPool, ring: &Ring) -> Result<Window, Error> {
        let size = self.kind.size;
        let fits = |used: usize| used.checked_add(len).is_some_and(|end| end <= size);
        if !fits(0) {
            return Err(Error::OutOfHostMemory);
        }
        if self.parts.is_empty() || !fits(self.used) {
            self.turn(streams, ring)?;
        }
        let used = self.used;
        let now = self.parts.get_mut(self.now);
        now.and_then(|(chunk, _)| chunk.window(used)).ok_or(Error::OutOfHostMemory)
    }

    /// Goes on with the oldest part, or with a new one where the host still reads the oldest.
    fn turn(&mut self, streams: &StreamPool, ring: &Ring) -> Result<(), Error> {
        let next = (self.now + 1) % self.parts.len().max(1);
        let oldest = self.parts.get(next).map(|(_, read)| *read);
        let is_read = oldest.is_some_and(|read| ring.done(read));
        if !is_read && self.parts.len() < self.kind.most {
            match (streams.take(self.kind.size), oldest) {
                (Ok(chunk), _) => {
                    if self.kind.populated {
                        chunk.populate();
                    }
                    let behind = (self.now + 1).min(self.parts.len());
                    self.parts.insert(behind, (chunk, ring.position()));
                    (self.now, self.used) = (behind, 0);
                    return Ok(());
                }
                (Err(e), None) => return Err(e),
                // What there is serves as well.
                (Err(_), Some(_)) => {}
            }
        }
        if let Some(read) = oldest {
            ring.wait(read)?;
        }
        (self.now, self.used) = (next, 0);
        Ok(())
    }

    /// Has the host run the command of `len` bytes that was written into the last window; `send` says how.
    ///
    /// # Errors
    /// As `send`.
    pub fn send(
        &mut self,
        len: usize,
        send: impl FnOnce(&Chunk, usize) -> Result<Seqno, Error>,
    ) -> Result<Seqno, Error> {
        let (chunk, read) = self.parts.get_mut(self.now).ok_or(Error::OutOfHostMemory)?;
        *read = send(chunk, self.used)?;
        self.used += len;
        if len <= MOST_FETCHED_BEHIND {
            chunk.fetch_ahead(self.used, len.min(MOST_FETCHED));
        }
        Ok(*read)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use hesper_encoder::{Codec, NoMore, Writer};

    use super::*;
    use crate::ring::Show;
    use crate::ring::tests::{ring, run};
    use crate::testing::Host;

    const PART: usize = 128 << 10;
    const PARTS: usize = 4;

    struct Setup {
        streams: StreamPool,
        ring: Ring,
        turns: Turns,
    }

    impl Setup {
        fn new() -> Self {
            let host = Host::new();
            let streams = StreamPool::new(Arc::<Host>::clone(&host));
            Self {
                streams,
                ring: ring(&host, 1),
                turns: Turns::new(Parts { size: PART, most: PARTS, populated: true }),
            }
        }

        /// Sends a command of this many bytes; the memory that it lies in.
        fn send(&mut self, len: usize) -> (u32, usize) {
            let window = self.turns.window(len, &self.streams, &self.ring).unwrap();
            let mut nothing = NoMore;
            let mut writer = Writer::resume(window, 0, &Codec::ALL, &mut nothing);
            // SAFETY: bytes of the test's own.
            unsafe { writer.bytes(vec![7; len].as_ptr(), len) };
            assert_eq!(writer.finish(), Some(len));
            let mut at = (0, 0);
            let send = |chunk: &Chunk, from: usize| {
                at = (chunk.resource(), from);
                self.ring.submit_part(chunk, from, len, Show::Now)
            };
            self.turns.send(len, send).unwrap();
            at
        }
    }

    #[test]
    fn one_part_does_for_a_host_that_keeps_up() {
        let mut setup = Setup::new();
        let mut parts = Vec::new();
        for _ in 0..5 {
            let (first, at) = setup.send(PART / 2);
            let (second, behind) = setup.send(PART / 2);
            assert_eq!((second, at, behind), (first, 0, PART / 2));
            parts.push(first);
            run(&setup.ring);
        }
        assert!(parts.iter().all(|p| *p == parts[0]), "{parts:?}");
    }

    #[test]
    fn no_part_is_written_again_before_the_host_has_read_it() {
        let mut setup = Setup::new();
        let first: Vec<_> = (0..PARTS).map(|_| setup.send(PART).0).collect();
        let mut different = first.clone();
        different.sort_unstable();
        different.dedup();
        assert_eq!(different.len(), PARTS, "the host has read none");
        std::thread::scope(|s| {
            let ring = &setup.ring;
            let host = s.spawn(move || {
                std::thread::sleep(std::time::Duration::from_millis(30));
                run(ring);
            });
            let window = setup.turns.window(PART, &setup.streams, ring);
            assert!(ring.is_idle() && window.is_ok(), "it waits until the host has read");
            host.join().unwrap();
        });
        let send = |_| {
            let part = setup.send(PART).0;
            run(&setup.ring);
            part
        };
        let again: Vec<_> = (0..PARTS).map(send).collect();
        assert_eq!(again, first, "oldest first");
    }

    #[test]
    fn more_than_a_part_holds_is_refused() {
        let mut setup = Setup::new();
        for len in [PART + 1, usize::MAX] {
            assert!(matches!(setup.turns.window(len, &setup.streams, &setup.ring), Err(Error::OutOfHostMemory)));
        }
        setup.send(PART);
    }
}
