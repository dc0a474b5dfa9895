//! The side rings of the background, each with a thread of the host's: which command goes to which.
//!
//! A command goes behind others while these come to their ends quickly: calling another of the host's threads would take longer. Where a ring was seen to come no further for
//! [`SLOW`], new commands go elsewhere, to a ring that is made for that if need be; and where somebody will wait, commands are spread over as many rings as there may be.

use std::collections::VecDeque;

use hesper_winsys::ring::{Asked, Show};
use hesper_winsys::{Error, Ring, Seqno};

use crate::base::backlog::Request;
use crate::base::clock;
use crate::base::shared::{Mutex, OnceCell};

/// Side rings at most. The host's processors are what counts, whose number nobody knows.
const MOST: usize = 8;
/// Nanoseconds after which a command is a slow one.
const SLOW: u64 = 300_000;

/// A command that was sent: on which side ring, and the question there.
pub struct Question {
    lane: usize,
    asked: Asked,
}

/// What one side ring was asked.
#[derive(Default)]
struct Queue {
    /// What it wasn't seen to have run, oldest first.
    sent: VecDeque<Seqno>,
    /// Since when the oldest is at work, at most: in nanoseconds of the driver's clock.
    since: u64,
}

impl Queue {
    /// Looks how far the ring has come.
    fn look(&mut self, ring: &Ring, now: u64) {
        while self.sent.pop_front_if(|seqno| ring.done(*seqno)).is_some() {
            self.since = now;
        }
    }

    fn is_slow(&self, now: u64) -> bool {
        !self.sent.is_empty() && now.saturating_sub(self.since) >= SLOW
    }
}

/// The side rings.
#[derive(Default)]
pub struct Lanes {
    /// Made one after the other.
    rings: [OnceCell<Ring>; MOST],
    queues: Mutex<[Queue; MOST]>,
}

impl Lanes {
    /// Those that there are.
    pub fn rings(&self) -> impl Iterator<Item = &Ring> {
        self.rings.iter().map_while(OnceCell::get)
    }

    fn ring(&self, lane: usize) -> Result<&Ring, Error> {
        self.rings.get(lane).and_then(OnceCell::get).ok_or(Error::OutOfHostMemory)
    }

    /// Makes rings until there are as many as are wanted and there may be. Where one can't be made for want of memory or files, those there have to do.
    ///
    /// # Errors
    /// A lost host; or why there is none at all.
    pub fn make(&self, wanted: usize, new_ring: impl Fn() -> Result<Ring, Error>) -> Result<(), Error> {
        let there = self.rings().count();
        for (i, ring) in self.rings.iter().enumerate().take(wanted).skip(there) {
            match ring.get_or_try_init(&new_ring) {
                Ok(_) => {}
                Err(e) if i == 0 || matches!(e, Error::Lost(_)) => return Err(e),
                Err(_) => break,
            }
        }
        Ok(())
    }

    /// How many rings are wanted for one more command that nobody waits for: one more than there are where all are slow, since each stays with what it has, and else none more.
    pub fn wanted(&self) -> usize {
        let now = clock::now();
        let mut queues = self.queues.lock();
        let mut there = 0;
        for (queue, ring) in queues.iter_mut().zip(self.rings()) {
            queue.look(ring, now);
            if !queue.is_slow(now) {
                return there;
            }
            there += 1;
        }
        there + 1
    }

    /// Sends a command: to an idle ring, if `spread`, or behind others that aren't slow; else where the fewest are.
    ///
    /// # Errors
    /// A lost host.
    pub fn ask(&self, request: Request, spread: bool) -> Result<Question, Error> {
        let now = clock::now();
        let mut queues = self.queues.lock();
        let mut best: Option<(usize, usize)> = None;
        for (lane, (queue, ring)) in queues.iter_mut().zip(self.rings()).enumerate() {
            queue.look(ring, now);
            let good = if spread { queue.sent.is_empty() } else { !queue.is_slow(now) };
            let length = if good { 0 } else { queue.sent.len() };
            if best.is_none_or(|(_, least)| length < least) {
                best = Some((lane, length));
            }
            if good {
                break;
            }
        }
        let (lane, _) = best.ok_or(Error::OutOfHostMemory)?;
        let asked = self.ring(lane)?.ask(request.bytes, request.reply_size, Show::Now)?;
        if let Some(queue) = queues.get_mut(lane) {
            if queue.sent.is_empty() {
                queue.since = now;
            }
            queue.sent.push_back(asked.seqno());
        }
        Ok(Question { lane, asked })
    }

    /// Whether the answer to a question is there.
    pub fn is_there(&self, question: &Question) -> bool {
        self.ring(question.lane).map_or(true, |ring| ring.done(question.asked.seqno()))
    }

    /// Waits for an answer, and hands it to `read`.
    ///
    /// # Errors
    /// A lost host.
    pub fn answer<R>(&self, question: Question, read: impl FnOnce(&[u8]) -> R) -> Result<R, Error> {
        self.ring(question.lane)?.answer(question.asked, read)
    }

    /// Waits until all that was sent has been run.
    ///
    /// # Errors
    /// A lost host.
    pub fn drain(&self) -> Result<(), Error> {
        self.rings().try_for_each(|ring| ring.wait(ring.submit(&[])?))
    }
}
