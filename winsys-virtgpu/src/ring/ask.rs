//! Commands that ask for a reply.

use super::write::Write;
use super::{Asked, ReplyKind, Ring, Show};
use crate::reply_place::ReplyPlace;
use crate::reply_pool::Reply;
use crate::{Error, transport};

impl Ring {
    /// Sends a command with the reply bit set, waits, and hands the reply, at most `reply_size` bytes, to `read`.
    ///
    /// # Errors
    /// [`Error::Lost`] when the host is gone.
    pub fn call<R>(&self, command: &[u8], reply_size: usize, read: impl FnOnce(&[u8]) -> R) -> Result<R, Error> {
        let asked = self.ask(command, reply_size, Show::Now)?;
        self.answer(asked, read)
    }

    /// Sends a command with the reply bit set, whose reply takes at most `reply_size` bytes, and doesn't wait.
    ///
    /// # Errors
    /// [`Error::Lost`] when the host is gone.
    pub fn ask(&self, command: &[u8], reply_size: usize, show: Show) -> Result<Asked, Error> {
        self.ask_for(self.room_for_reply(ReplyKind::Ordinary, reply_size)?, command, reply_size, show)
    }

    /// Room for a reply of at most `reply_size` bytes, for [`Self::ask_for`]; of exactly so many where it is [`ReplyKind::Exact`].
    ///
    /// # Errors
    /// What the host or the kernel refuse.
    pub fn room_for_reply(&self, kind: ReplyKind, reply_size: usize) -> Result<Reply, Error> {
        match kind {
            ReplyKind::Ordinary => self.replies.take(reply_size),
            ReplyKind::Much => self.large_replies.take(reply_size),
            ReplyKind::Exact => self.exact_replies.take(reply_size),
        }
    }

    /// Does what [`Self::ask`] does, with room for the reply that has been taken.
    ///
    /// # Errors
    /// [`Error::Lost`] when the host is gone.
    pub fn ask_for(&self, reply: Reply, command: &[u8], reply_size: usize, show: Show) -> Result<Asked, Error> {
        let large = if command.len() > self.direct_limit() {
            let mut chunk = self.streams.take(command.len())?;
            if !chunk.write(command) {
                return Err(Error::OutOfHostMemory);
            }
            Some(chunk)
        } else {
            None
        };
        let execute = large.as_ref().map(|c| transport::execute_stream(c.resource(), c.offset(), command.len()));
        let command = execute.as_ref().map_or(command, |e| e);
        let seqno = {
            let mut write = self.write.lock();
            self.put_asking(&mut write, &reply.place(reply_size), command)?;
            match show {
                Show::Now => self.publish(&mut write)?,
                Show::Later => self.show_later(&mut write)?,
            }
        };
        Ok(Asked { seqno, reply, reply_size, large })
    }

    /// Copies a command that asks for a reply behind the tail, and in front of it, unless the host writes there anyway, the place; nothing comes between
    /// the two.
    pub(super) fn put_asking(&self, write: &mut Write, reply: &ReplyPlace, command: &[u8]) -> Result<(), Error> {
        if write.next_reply == Some(reply.start) {
            self.put(write, &[command])?;
        } else {
            self.put(write, &[&reply.command(), command])?;
        }
        self.expect_reply(write, reply);
        Ok(())
    }

    /// Keeps in mind where the reply behind this one would go.
    pub(super) fn expect_reply(&self, write: &mut Write, reply: &ReplyPlace) {
        write.next_reply = reply.end().filter(|_| self.options.reply_runs);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use hesper_encoder::{Codec, NoMore, Writer};

    use super::*;
    use crate::StreamPool;
    use crate::contention::{Contention, Mode};
    use crate::ring::RingOptions;
    use crate::ring::tests::ring_with;
    use crate::stream::Chunk;
    use crate::testing::Host;

    /// A command of the tests' own, and its bytes.
    const ECHO: u32 = 9000;
    const LEN: usize = 20;

    /// Has the host reply with `size` bytes, all of them `token`; or not at all.
    fn echo(replies: bool, token: u32, size: usize) -> [u8; LEN] {
        let words = [ECHO, replies.into(), token, size as u32, 0];
        std::array::from_fn(|i| words.get(i / 4).map_or(0, |w| w.to_le_bytes()[i % 4]))
    }

    /// A host that knows this command and the transport's (WIRE.md 2.3), and counts the places that it is told.
    struct Player<'a> {
        host: &'a Host,
        ring: &'a Ring,
        stream: Option<(u32, usize)>,
        told: &'a AtomicUsize,
    }

    impl Player<'_> {
        fn run(mut self, over: &AtomicBool) {
            let memory = &self.ring.thread.memory;
            let mut head = 0u32;
            loop {
                // Read before the tail: what was sent before all was over is run.
                let is_over = over.load(Ordering::Acquire);
                let tail = memory.tail().load(Ordering::Acquire);
                while head != tail {
                    let word = |i: u32| u32::from_le_bytes(memory.read(head.wrapping_add(i * 4)));
                    head = head.wrapping_add(match word(0) {
                        252 => {
                            let told = self.host.roundtrips.lock().last().copied().unwrap_or(0);
                            if told < u64::from(word(2)) {
                                break;
                            }
                            16
                        }
                        178 => {
                            self.stream = Some((word(4), word(5) as usize));
                            self.told.fetch_add(1, Ordering::Relaxed);
                            36
                        }
                        180 => {
                            for from in (0..word(8) as usize).step_by(LEN) {
                                let words = self.host.at(word(5), word(6) as usize + from, LEN, |at| {
                                    // SAFETY: as many bytes are there, and the guest has written them before it told of them.
                                    unsafe { at.cast::<[u32; 5]>().read_unaligned() }
                                });
                                self.echo(words);
                            }
                            64
                        }
                        _ => {
                            self.echo([0, 1, 2, 3, 4].map(word));
                            LEN as u32
                        }
                    });
                    memory.head().store(head, Ordering::Release);
                }
                if is_over {
                    return;
                }
                std::thread::yield_now();
            }
        }

        fn echo(&mut self, [command, replies, token, size, _]: [u32; 5]) {
            assert_eq!(command, ECHO, "no command");
            if replies == 0 {
                return;
            }
            let Some((resource, at)) = &mut self.stream else { panic!("a reply without a place") };
            for i in 0..size as usize / 4 {
                // SAFETY: as many bytes are there, and nobody else writes to them before the head has come this far.
                self.host.at(*resource, *at + i * 4, 4, |at| unsafe { at.cast::<u32>().write_unaligned(token) });
            }
            *at += size as usize;
        }
    }

    /// Asks in one of the ways that there are; `parts` is for commands that lie one behind the other.
    fn ask(ring: &Ring, streams: &StreamPool, parts: &mut Vec<(Chunk, usize)>, way: u32, token: u32) -> Asked {
        let size = 8 * (1 + token as usize % 20);
        match way {
            0 => {
                let reply = ring.room_for_reply(ReplyKind::Exact, size).unwrap();
                ring.ask_for(reply, &echo(true, token, size), size, Show::Later).unwrap()
            }
            1 => {
                // At most so many bytes: there are fewer.
                ring.ask(&echo(true, token, 8), size, Show::Now).unwrap()
            }
            3 => {
                if parts.last().is_none_or(|(chunk, used)| used + LEN > chunk.len()) {
                    parts.push((streams.take(LEN).unwrap(), 0));
                }
                let (chunk, used) = parts.last_mut().unwrap();
                let reply = ring.room_for_reply(ReplyKind::Exact, size).unwrap();
                let mut nothing = NoMore;
                let mut writer = Writer::resume(chunk.window(*used).unwrap(), 0, &Codec::ALL, &mut nothing);
                // SAFETY: the array's own bytes.
                unsafe { writer.bytes(echo(true, token, size).as_ptr(), LEN) };
                assert_eq!(writer.finish(), Some(LEN));
                let seqno = ring.ask_part(chunk, *used, LEN, &reply.place(size), Show::Later).unwrap();
                *used += LEN;
                Asked { seqno, reply, reply_size: size, large: None }
            }
            _ => {
                let reply = ring.room_for_reply(ReplyKind::Ordinary, 8).unwrap();
                let mut chunk = streams.take(LEN).unwrap();
                assert!(chunk.write(&echo(true, token, 8)));
                let seqno = ring.ask_part(&chunk, 0, LEN, &reply.place(8), Show::Later).unwrap();
                Asked { seqno, reply, reply_size: 8, large: Some(chunk) }
            }
        }
    }

    /// Has threads ask in these ways, in turns; how many places of replies the host is told.
    fn told(reply_runs: bool, threads: &[&[u32]], times: u32) -> usize {
        told_with(RingOptions { reply_runs, ..RingOptions::default() }, threads, times)
    }

    fn told_with(options: RingOptions, threads: &[&[u32]], times: u32) -> usize {
        let (host, over, told) = (Host::new(), AtomicBool::new(false), AtomicUsize::new(0));
        let options = RingOptions { buffer_size: 4096, ..options };
        let ring = ring_with(&host, 1, options);
        let streams = Arc::new(StreamPool::new(host.clone()));
        std::thread::scope(|s| {
            s.spawn(|| Player { host: &host, ring: &ring, stream: None, told: &told }.run(&over));
            let asking: Vec<_> = (0u32..)
                .zip(threads)
                .map(|(thread, ways)| {
                    let (ring, streams) = (&ring, &streams);
                    s.spawn(move || {
                        let (mut due, mut parts) = (std::collections::VecDeque::new(), Vec::new());
                        for i in 0..times {
                            let (way, token) = (ways[i as usize % ways.len()], (thread << 24) | (i + 1));
                            due.push_back((token, ask(ring, streams, &mut parts, way, token)));
                            if i % 7 == 0 {
                                ring.post(&echo(false, 0, 0)).unwrap();
                            }
                            while due.len() > 9 || i + 1 == times && !due.is_empty() {
                                let (token, asked) = due.pop_front().unwrap();
                                let is_right =
                                    |b: &[u8]| b.get(..8) == Some(&[token, token].map(u32::to_le_bytes).concat());
                                assert!(ring.answer(asked, is_right).unwrap(), "command {i} of {ways:?}");
                            }
                        }
                    })
                })
                .collect();
            let ended: Vec<_> = asking.into_iter().map(|t| t.join()).collect();
            over.store(true, Ordering::Release);
            assert!(ended.iter().all(Result::is_ok));
        });
        told.into_inner()
    }

    #[test]
    fn replies_are_where_they_are_looked_for() {
        let times = if cfg!(miri) { 40 } else { 4000 };
        told(true, &[&[3]], times);
        for reply_runs in [false, true] {
            told(reply_runs, &[&[0], &[0, 0, 1], &[0, 3, 0, 2], &[3]], times);
        }
    }

    #[test]
    fn replies_are_where_they_are_looked_for_by_a_host_that_waits_in_between() {
        let contention = Arc::new(Contention::new(Mode::Always));
        let options = RingOptions { contention, ..RingOptions::default() };
        told_with(options, &[&[3], &[0, 3, 1], &[3, 3, 3, 2]], if cfg!(miri) { 20 } else { 1000 });
    }

    #[test]
    fn the_host_is_told_of_a_runs_first_place() {
        assert_eq!(told(false, &[&[0]], 200), 200);
        assert_eq!(told(true, &[&[0]], 200), 1);
        // Each of the others, and what comes behind it.
        assert_eq!(told(true, &[&[0, 0, 0, 1, 0, 2]], 600), 400);
    }
}
