//! Commands that stay where they were written, in a chunk, and that the ring only points at.

use super::write::LastPart;
use super::{Ring, Show};
use crate::reply_place::ReplyPlace;
use crate::seqno::Seqno;
use crate::stream::Chunk;
use crate::{Error, transport};

impl Ring {
    /// Sends `len` bytes at `from` of a chunk, whole commands, which must stay as they are until they have been read. The host may read parts that follow
    /// each other as one: then each of them counts as read when all are.
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
        let (resource, start) = (chunk.resource(), chunk.offset() + from);
        let mut write = self.write.lock();
        // The command that tells another place would have to stand between the two.
        let goes_there_anyway = reply.is_none_or(|reply| write.next_reply == Some(reply.start));
        let before = write.part_before(resource, start).filter(|_| goes_there_anyway && self.options.joined_parts);
        if let Some(before) = before {
            let part = LastPart { len: before.len + len, ..before };
            let execute = transport::execute_stream(resource, part.start, part.len);
            self.thread.memory.write(part.from, &execute);
            write.last_part = Some(part);
            if let Some(reply) = reply {
                self.expect_reply(&mut write, reply);
            }
        } else {
            let execute = transport::execute_stream(resource, start, len);
            match reply {
                None => self.put(&mut write, &[&execute])?,
                Some(reply) => self.put_asking(&mut write, reply, &execute)?,
            }
            let to = write.tail;
            write.last_part = Some(LastPart { from: to - execute.len() as u64, to, resource, start, len });
        }
        write.pointed_at += len;
        match show {
            Show::Now => self.publish(&mut write),
            Show::Later => self.show_later(&mut write),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::tests::{ring_with, run};
    use crate::ring::{ReplyKind, RingOptions};
    use crate::testing::Host;

    /// The sizes of the parts that the ring points at from byte `from` on, and which other commands lie between: 0 for one that says where a reply goes.
    fn parts(ring: &Ring, from: u64) -> Vec<u32> {
        let (mut at, tail, mut found) = (from as u32, ring.position().get(), Vec::new());
        while at != tail {
            let word = |i: u32| u32::from_le_bytes(ring.thread.memory.read(at + i * 4));
            let (is_part, len) = if word(0) == 180 { (true, 64) } else { (false, 36) };
            found.push(if is_part { word(8) } else { 0 });
            at += len;
        }
        found
    }

    fn sent(joined_parts: bool, send: impl FnOnce(&Ring, &mut Chunk)) -> Vec<u32> {
        let host = Host::new();
        let ring = ring_with(&host, 1, RingOptions { joined_parts, ..RingOptions::default() });
        let mut chunk = ring.streams.take(1000).unwrap();
        send(&ring, &mut chunk);
        parts(&ring, 0)
    }

    #[test]
    fn parts_that_follow_each_other_are_one_until_the_host_is_shown_them() {
        let later = |ring: &Ring, chunk: &Chunk, from, len| ring.submit_part(chunk, from, len, Show::Later).unwrap();
        let followed = |ring: &Ring, chunk: &mut Chunk| {
            let ends = [later(ring, chunk, 0, 100), later(ring, chunk, 100, 50), later(ring, chunk, 150, 8)];
            assert!(ends.iter().all(|end| *end == ends[0]));
        };
        assert_eq!(sent(true, followed), [158]);
        let in_turn = |ring: &Ring, chunk: &mut Chunk| {
            for from in [0, 8, 16] {
                later(ring, chunk, from, 8);
            }
        };
        assert_eq!(sent(false, in_turn), [8, 8, 8]);
        let apart = |ring: &Ring, chunk: &mut Chunk| {
            later(ring, chunk, 0, 100);
            later(ring, chunk, 104, 50);
            later(ring, chunk, 100, 4);
        };
        assert_eq!(sent(true, apart), [100, 50, 4]);
        let shown = |ring: &Ring, chunk: &mut Chunk| {
            later(ring, chunk, 0, 100);
            ring.show().unwrap();
            assert!(!ring.done(later(ring, chunk, 100, 50)));
            run(ring);
            ring.submit_part(chunk, 150, 8, Show::Now).unwrap();
            later(ring, chunk, 158, 8);
        };
        assert_eq!(sent(true, shown), [100, 58, 8]);
        let behind_another = |ring: &Ring, chunk: &mut Chunk| {
            later(ring, chunk, 0, 100);
            ring.post(&transport::set_reply(1, 0, 8)).unwrap();
            later(ring, chunk, 100, 50);
        };
        assert_eq!(sent(true, behind_another), [100, 0, 50]);
    }

    #[test]
    fn a_part_whose_reply_goes_elsewhere_is_pointed_at_by_itself() {
        let ask = |ring: &Ring, chunk: &Chunk, kind, from| {
            let reply = ring.room_for_reply(kind, 8).unwrap();
            ring.ask_part(chunk, from, 20, &reply.place(8), Show::Later).unwrap();
            reply
        };
        let exact = |ring: &Ring, chunk: &mut Chunk| {
            let _replies = [0, 20, 40].map(|from| ask(ring, chunk, ReplyKind::Exact, from));
            let _reply = ask(ring, chunk, ReplyKind::Ordinary, 60);
            let _replies = [80, 100].map(|from| ask(ring, chunk, ReplyKind::Exact, from));
        };
        assert_eq!(sent(true, exact), [0, 60, 0, 20, 0, 40]);
        assert_eq!(sent(false, exact), [0, 20, 20, 20, 0, 20, 0, 20, 20]);
    }
}
