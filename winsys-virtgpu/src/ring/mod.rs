//! The ring: a piece of shared memory that commands are written into and a thread of the host reads (WIRE.md 5).
//!
//! `head` and `tail` are free-running byte counters. A [`Seqno`] is the tail after a submission; it is done when the
//! head has reached it. Commands that return something are sent with the place for their reply in front ([`Ring::call`]), unless the host would write
//! there anyway; nothing may come between the two, so both are written under one lock. What is sent in other ways neither asks for replies nor moves
//! their place.

mod answer;
mod ask;
mod asked;
mod host_thread;
mod memory;
mod options;
mod parking;
mod part;
mod question;
mod silence;
mod watch;
mod write;

use std::sync::Arc;
use std::sync::atomic::Ordering;

pub use crate::reply_pool::Reply;
use crate::reply_pool::{Placement, ReplyPool};
use crate::seqno::{Progress, Seqno};
use crate::shared::{Mutex, fence};
use crate::stream::{Chunk, StreamPool};
use crate::waiting::Patience;
use crate::{Error, Health, Winsys, trace, transport};
pub use asked::{Asked, ReplyKind, Show};
use host_thread::HostThread;
use memory::RingMemory;
pub use options::{IDLE, RingOptions};
use parking::Parked;
use silence::MONITOR_US;
pub use watch::Watch;
use write::{POINTED_AT, POSTED, Write};

/// Mebibytes that replies go through which are much together: more than the processors' own caches hold.
const LARGE_REPLIES: usize = 8;

/// A ring.
pub struct Ring {
    thread: HostThread,
    /// Held by whoever writes commands, shows them, or notes a newer head.
    write: Mutex<Write>,
    replies: ReplyPool,
    /// For those whose size is known exactly.
    exact_replies: ReplyPool,
    /// For replies that are much together.
    large_replies: ReplyPool,
    streams: Arc<StreamPool>,
    options: RingOptions,
}

impl Ring {
    /// Makes a ring with number `id`, which is below 2^63 and no other ring of the context has.
    ///
    /// # Errors
    /// What the host or the kernel refuse.
    pub fn create(
        winsys: Arc<dyn Winsys>,
        health: Arc<Health>,
        id: u64,
        streams: Arc<StreamPool>,
        options: RingOptions,
    ) -> Result<Self, Error> {
        let options = options.checked();
        let memory = RingMemory::create(&*winsys, options.buffer_size)?;
        winsys.submit(&transport::create_ring(id, &memory.layout(options.idle_timeout_ns()), MONITOR_US))?;
        Ok(Self {
            write: Mutex::new(Write::at(0)),
            replies: ReplyPool::new(winsys.clone(), Placement::Apart, 1),
            exact_replies: ReplyPool::new(winsys.clone(), Placement::Behind, 1),
            large_replies: ReplyPool::new(winsys.clone(), Placement::Apart, LARGE_REPLIES),
            streams,
            thread: HostThread::new(id, memory, health, winsys, options.notify_always),
            options,
        })
    }

    /// The number that transport commands name it by.
    pub fn id(&self) -> u64 {
        self.thread.id
    }

    /// Sends whole commands. Large ones go through other shared memory.
    ///
    /// # Errors
    /// [`Error::Lost`] when the host is gone.
    pub fn submit(&self, commands: &[u8]) -> Result<Seqno, Error> {
        if commands.len() <= self.direct_limit() {
            let mut write = self.write.lock();
            self.put(&mut write, &[commands])?;
            return self.publish(&mut write);
        }
        let mut chunk = self.streams.take(commands.len())?;
        if !chunk.write(commands) {
            return Err(Error::OutOfHostMemory);
        }
        self.submit_chunk(chunk, commands.len())
    }

    /// Sends whole commands that nothing depends on until another command is sent: the host needn't see them at once. Each
    /// show costs a full barrier here and a look there.
    ///
    /// # Errors
    /// As [`Self::submit`].
    pub fn post(&self, commands: &[u8]) -> Result<Seqno, Error> {
        if commands.len() > POSTED {
            return self.submit(commands);
        }
        let mut write = self.write.lock();
        self.put(&mut write, &[commands])?;
        self.show_later(&mut write)
    }

    /// Shows the host what was written when that is enough to be worth it.
    #[inline]
    fn show_later(&self, write: &mut Write) -> Result<Seqno, Error> {
        if write.pointed_at >= POINTED_AT || (write.posted() >= POSTED && self.has_enough(write)) {
            return self.publish(write);
        }
        self.thread.health.check()?;
        Ok(Seqno::new(write.tail))
    }

    /// Whether what was written is worth showing to a thread that waits behind what it was shown: for less it isn't woken.
    #[cold]
    fn has_enough(&self, write: &Write) -> bool {
        !self.parks() || write.posted() >= self.options.buffer_size / 2
    }

    /// Shows the host what has been posted.
    ///
    /// # Errors
    /// As [`Self::submit`].
    pub fn show(&self) -> Result<(), Error> {
        let mut write = self.write.lock();
        if write.tail == write.shown { Ok(()) } else { self.publish(&mut write).map(drop) }
    }

    /// Shows the host what has been posted where its thread has nothing else to do, and would fall asleep: whoever calls will have more for it in a moment.
    pub fn rouse(&self) {
        if self.is_idle() && !self.parks() {
            // A lost host is told of by whoever sends what comes next.
            let _ = self.show();
        }
    }

    /// Sends the first `len` bytes of a chunk, whole commands, and recycles the chunk when they have been read.
    pub fn submit_chunk(&self, chunk: Chunk, len: usize) -> Result<Seqno, Error> {
        let seqno = self.submit_part(&chunk, 0, len, Show::Now);
        self.streams.recycle(chunk, seqno.as_ref().ok().copied(), self);
        seqno
    }

    /// Commands above this go through other memory, so that a few can't fill the ring.
    pub fn direct_limit(&self) -> usize {
        self.options.buffer_size / 4
    }

    /// How far the ring has been filled, as a submission that is sent now would find it; the host needn't have been shown all of that.
    pub fn position(&self) -> Seqno {
        Seqno::new(self.write.lock().end())
    }

    /// Whether the host has read everything up to `seqno`.
    #[inline]
    pub fn done(&self, seqno: Seqno) -> bool {
        self.thread.reached(seqno)
    }

    /// Whether the host has run everything that it was shown.
    #[inline]
    pub fn is_idle(&self) -> bool {
        self.thread.is_idle()
    }

    /// Waits until the host has read, and so run, everything up to `seqno`.
    ///
    /// # Errors
    /// [`Error::Lost`] when the host is gone.
    pub fn wait(&self, seqno: Seqno) -> Result<(), Error> {
        self.wait_with(self.options.patience, seqno)
    }

    /// The same, with this patience.
    ///
    /// # Errors
    /// [`Error::Lost`] when the host is gone.
    pub fn wait_with(&self, patience: Patience, seqno: Seqno) -> Result<(), Error> {
        if self.done(seqno) {
            return Ok(());
        }
        self.show()?;
        let mut span = trace::span("wait for the host");
        let mut watch = self.watch_with(patience);
        while !self.done(seqno) {
            watch.pause(None)?;
        }
        if let Some(span) = &mut span {
            span.value(watch.sleeps().into());
        }
        Ok(())
    }

    /// Begins a wait for something that commands in this ring bring about.
    pub fn watch(&self) -> Watch<'_> {
        self.watch_with(self.options.patience)
    }

    fn watch_with(&self, patience: Patience) -> Watch<'_> {
        Watch::new(&self.thread, patience, &self.options.contention)
    }

    /// Makes the ring wait for everything that the context was told before (WIRE.md 5.7). Blocks nobody here.
    pub fn roundtrip(&self) -> Result<(), Error> {
        let n = self.thread.seqnos.tell_next(&*self.thread.winsys, self.id())?;
        self.submit(&transport::wait_virtqueue_seqno(n)).map(drop)
    }

    /// The command that makes the context wait for `seqno`.
    pub fn wait_command(&self, seqno: Seqno) -> [u8; 24] {
        transport::wait_ring_seqno(self.id(), seqno.get().into())
    }

    /// The error that every call returns once the host is lost.
    pub fn check(&self) -> Result<(), Error> {
        self.thread.check()
    }

    /// Copies commands behind the tail; `publish` makes them visible.
    fn put(&self, write: &mut Write, parts: &[&[u8]]) -> Result<(), Error> {
        let memory = &self.thread.memory;
        let total: usize = parts.iter().map(|p| p.len()).sum();
        if total > memory.size() {
            return Err(Error::OutOfHostMemory);
        }
        let tail = write.tail;
        let full = |head: u64| tail - head + total as u64 > memory.size() as u64;
        // Reading the head takes its cache line from the host: an older one does as long as it shows enough room.
        let mut head = self.thread.known_head();
        if full(head) {
            head = self.thread.read_head(write.shown)?;
        }
        if full(head) {
            // The host can't make room by reading what it hasn't been shown.
            if write.tail != write.shown {
                self.show_up_to(write, false)?;
            }
            // Nor can a thread that waits for what is shown next.
            if let Some(parked) = write.parked.take() {
                self.thread.unpark(parked.number)?;
            }
            let mut watch = self.watch();
            while full(head) {
                watch.pause(None)?;
                head = self.thread.read_head(write.shown)?;
            }
        }
        for part in parts {
            memory.write(write.tail, part);
            write.tail += part.len() as u64;
        }
        memory.fetch_ahead(write.tail, write.tail - head, total);
        Ok(())
    }

    /// Whether the host's thread waits behind what it is shown.
    #[inline]
    pub fn parks(&self) -> bool {
        self.options.contention.is_high() && self.options.parks
    }

    /// Shows the host the new tail, and wakes it if it sleeps.
    fn publish(&self, write: &mut Write) -> Result<Seqno, Error> {
        self.show_up_to(write, self.parks())
    }

    /// The same; `parks` says whether the host's thread is to wait behind that.
    fn show_up_to(&self, write: &mut Write, parks: bool) -> Result<Seqno, Error> {
        let tail = write.end();
        trace::instant(if self.id() == 1 { "ring" } else { "side ring" }, tail);
        self.thread.health.check()?;
        if write.shown == write.tail && tail != write.tail {
            // There is nothing new, and all the rest lies before the wait.
            return Ok(Seqno::new(tail));
        }
        let parked = write.parked.take();
        if parks {
            self.park(write);
        }
        (write.shown, write.pointed_at) = (write.tail, 0);
        // Release: the host loads the tail with acquire, and finds the commands that were written before.
        self.thread.memory.tail().store(write.tail as u32, Ordering::Release);
        if let Some(parked) = parked {
            self.thread.unpark(parked.number)?;
        }
        // The host sets IDLE and then looks at the tail; here it is the other way round. Without a full barrier on both
        // sides each could miss what the other wrote, and the wake-up would be lost (WIRE.md 5.4). One is enough.
        fence(Ordering::SeqCst);
        self.thread.wake(tail)?;
        Ok(Seqno::new(tail))
    }

    /// Has the host's thread wait behind all that was written, where there is room for that.
    fn park(&self, write: &mut Write) {
        let memory = &self.thread.memory;
        if (write.tail - self.thread.known_head()) as usize + parking::WAIT > memory.size() {
            return;
        }
        let parked = Parked { number: self.thread.seqnos.next(), from: write.tail };
        memory.write(parked.from, &transport::wait_virtqueue_seqno(parked.number));
        write.tail = parked.to();
        write.parked = Some(parked);
    }
}

impl Progress for Ring {
    fn ring(&self) -> u64 {
        self.id()
    }

    fn reached(&self, seqno: Seqno) -> bool {
        self.done(seqno)
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        self.thread.end();
        // The host hears of the ring's end before it hears of the end of what the ring read.
        self.streams.forget(self.id());
    }
}

#[cfg(test)]
pub(crate) mod tests;
