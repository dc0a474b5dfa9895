//! The ring: a piece of shared memory that commands are written into and a thread of the host reads (WIRE.md 5).
//!
//! `head` and `tail` are free-running byte counters. A [`Seqno`] is the tail after a submission; it is done when the
//! head has reached it. Commands that return something are sent with the place for their reply in front
//! ([`Ring::call`]); nothing may come between the two, so both are written under one lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
use std::time::{Duration, Instant};

use hesper_encoder::fetch::fetch_for_writing;
use parking_lot::Mutex;

use crate::stream::{Chunk, Reply, ReplyPool, StreamPool};
use crate::transport::{self, RingLayout};
use crate::waiting::{Patience, Pause, Wait};
use crate::{Error, Health, Shmem, Winsys, trace};

const HEAD: usize = 0;
const TAIL: usize = 64;
const STATUS: usize = 128;
const BUFFER: usize = 192;

const STATUS_IDLE: u32 = 1;
const STATUS_FATAL: u32 = 2;
const STATUS_ALIVE: u32 = 4;

/// How often the host's monitor reports, and how long a silent host is believed in.
const MONITOR_US: u32 = 1_000_000;
const SILENCE: Duration = Duration::from_secs(6);

/// How long the host's thread looks for work before it sleeps and has to be woken, which takes 80 to 250 microseconds
/// (seen in traces over vtest). Longer looking gained nothing on a GPU, and took from the work where the host computes on its processor.
const IDLE: Duration = Duration::from_millis(1);

/// What a ring is like.
#[derive(Clone, Copy, Debug)]
pub struct RingOptions {
    /// Bytes of commands in flight; a power of two, at most 16 MiB.
    pub buffer_size: usize,
    /// How long the host's thread looks for work before it sleeps and has to be woken.
    pub idle_timeout: Duration,
    /// How the guest waits.
    pub patience: Patience,
}

impl Default for RingOptions {
    fn default() -> Self {
        // Small enough to stay in the processors' caches, where a memory that is written once around is always cold.
        Self { buffer_size: 256 << 10, idle_timeout: IDLE, patience: Patience::default() }
    }
}

/// Cache lines that are fetched ahead: as many as a few small commands take.
const LINES: usize = 4;

/// Bytes of posted commands that the host isn't shown at once.
const POSTED: usize = 4096;

/// A position in the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seqno(u32);

impl Seqno {
    /// The number as the host counts.
    pub fn get(self) -> u32 {
        self.0
    }
}

/// When the host is shown a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Show {
    /// At once.
    Now,
    /// At once if it has nothing to do, else with what is sent next.
    IfIdle,
}

/// A command whose reply hasn't been read yet.
pub struct Asked {
    seqno: Seqno,
    reply: Reply,
    reply_size: usize,
    large: Option<Chunk>,
}

impl Asked {
    /// When the reply is there.
    pub fn seqno(&self) -> Seqno {
        self.seqno
    }
}

struct Write {
    /// Where the next command goes.
    tail: u32,
    /// What the host has been shown of that.
    shown: u32,
    /// The head when it was last looked at: reading it takes its cache line from the host.
    head: u32,
}

/// A ring.
pub struct Ring {
    id: u64,
    write: Mutex<Write>,
    replies: ReplyPool,
    streams: Arc<StreamPool>,
    roundtrips: AtomicU64,
    health: Arc<Health>,
    options: RingOptions,
    // Dropped after the host has let go of it.
    shmem: Arc<Shmem>,
    winsys: Arc<dyn Winsys>,
}

impl Ring {
    /// Makes a ring with number `id`, which no other ring of the context has.
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
        let buffer_size = options.buffer_size.next_power_of_two().clamp(4096, 16 << 20);
        let options = RingOptions { buffer_size, ..options };
        let extra = BUFFER + buffer_size;
        let shmem = Arc::new(winsys.create_shmem(extra as u64 + 4)?);
        let layout = RingLayout {
            resource: shmem.id(),
            size: extra + 4,
            idle_timeout_ns: u64::try_from(options.idle_timeout.as_nanos()).unwrap_or(1_000_000),
            head: HEAD,
            tail: TAIL,
            status: STATUS,
            buffer: BUFFER,
            buffer_size,
            extra,
            extra_size: 4,
        };
        winsys.submit(&transport::create_ring(id, &layout, MONITOR_US))?;
        Ok(Self {
            id,
            write: Mutex::new(Write { tail: 0, shown: 0, head: 0 }),
            replies: ReplyPool::new(winsys.clone()),
            streams,
            roundtrips: AtomicU64::new(0),
            health,
            options,
            shmem,
            winsys,
        })
    }

    /// The number that transport commands name it by.
    pub fn id(&self) -> u64 {
        self.id
    }

    fn word(&self, at: usize) -> &AtomicU32 {
        static NOWHERE: AtomicU32 = AtomicU32::new(0);
        self.shmem.mapping().word(at).unwrap_or(&NOWHERE)
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
        if write.tail.wrapping_sub(write.shown) as usize >= POSTED {
            return self.publish(&mut write);
        }
        self.health.check()?;
        Ok(Seqno(write.tail))
    }

    /// Shows the host what has been posted.
    fn show(&self) -> Result<(), Error> {
        let mut write = self.write.lock();
        if write.tail == write.shown { Ok(()) } else { self.publish(&mut write).map(drop) }
    }

    /// Sends the first `len` bytes of a chunk, whole commands, and recycles the chunk when they have been read.
    pub fn submit_chunk(&self, chunk: Chunk, len: usize) -> Result<Seqno, Error> {
        let seqno = self.submit_part(&chunk, 0, len);
        self.streams.recycle(chunk, seqno.as_ref().ok().copied(), self);
        seqno
    }

    /// Sends `len` bytes at `from` of a chunk, whole commands, which must stay as they are until they have been read.
    pub fn submit_part(&self, chunk: &Chunk, from: usize, len: usize) -> Result<Seqno, Error> {
        let execute = transport::execute_stream(chunk.resource(), chunk.offset() + from, len);
        let mut write = self.write.lock();
        self.put(&mut write, &[&execute])?;
        self.publish(&mut write)
    }

    /// Commands above this go through other memory, so that a few can't fill the ring.
    pub fn direct_limit(&self) -> usize {
        self.options.buffer_size / 4
    }

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
        let reply = self.replies.take(reply_size)?;
        let set_reply = transport::set_reply(reply.resource(), reply.offset(), reply_size);
        let large = if command.len() > self.direct_limit() {
            let mut chunk = self.streams.take(command.len())?;
            if !chunk.write(command) {
                return Err(Error::OutOfHostMemory);
            }
            Some(chunk)
        } else {
            None
        };
        let seqno = {
            let mut write = self.write.lock();
            match &large {
                None => self.put(&mut write, &[&set_reply, command])?,
                Some(c) => {
                    let execute = transport::execute_stream(c.resource(), c.offset(), command.len());
                    self.put(&mut write, &[&set_reply, &execute])?;
                }
            }
            let posted = write.tail.wrapping_sub(write.shown) as usize;
            if show == Show::Now || posted >= POSTED || self.is_idle() {
                self.publish(&mut write)?
            } else {
                self.health.check()?;
                Seqno(write.tail)
            }
        };
        Ok(Asked { seqno, reply, reply_size, large })
    }

    /// Waits for the reply and hands it to `read`.
    ///
    /// # Errors
    /// [`Error::Lost`] when the host is gone.
    pub fn answer<R>(&self, asked: Asked, read: impl FnOnce(&[u8]) -> R) -> Result<R, Error> {
        self.wait(asked.seqno)?;
        if let Some(chunk) = asked.large {
            self.streams.recycle(chunk, Some(asked.seqno), self);
        }
        Ok(asked.reply.with_bytes(asked.reply_size, read))
    }

    /// Whether the host has read everything up to `seqno`.
    #[inline]
    pub fn done(&self, seqno: Seqno) -> bool {
        reached(self.word(HEAD).load(Ordering::Acquire), seqno.0)
    }

    /// Whether the host has run everything that it was shown.
    #[inline]
    pub fn is_idle(&self) -> bool {
        self.word(HEAD).load(Ordering::Acquire) == self.word(TAIL).load(Ordering::Relaxed)
    }

    /// Waits until the host has read, and so run, everything up to `seqno`.
    ///
    /// # Errors
    /// [`Error::Lost`] when the host is gone.
    pub fn wait(&self, seqno: Seqno) -> Result<(), Error> {
        if self.done(seqno) {
            return Ok(());
        }
        self.show()?;
        let mut span = trace::span("wait for the host");
        let mut watch = Watch::new(self);
        while !self.done(seqno) {
            watch.pause(None)?;
        }
        if let Some(span) = &mut span {
            span.value(watch.wait.sleeps().into());
        }
        Ok(())
    }

    /// Makes the ring wait for everything that the context was told before (WIRE.md 5.7). Blocks nobody here.
    pub fn roundtrip(&self) -> Result<(), Error> {
        let n = self.roundtrips.fetch_add(1, Ordering::Relaxed) + 1;
        self.winsys.submit(&transport::submit_virtqueue_seqno(self.id, n))?;
        self.submit(&transport::wait_virtqueue_seqno(n)).map(drop)
    }

    /// The command that makes the context wait for `seqno`.
    pub fn wait_command(&self, seqno: Seqno) -> [u8; 24] {
        transport::wait_ring_seqno(self.id, u64::from(seqno.0))
    }

    /// The error that every call returns once the host is lost.
    pub fn check(&self) -> Result<(), Error> {
        if self.word(STATUS).load(Ordering::Relaxed) & STATUS_FATAL != 0 {
            return Err(self.lose(Error::Lost(
                "its ring has stopped: virglrenderer rejected a command or ran into a fatal error (see the host's log)"
                    .into(),
            )));
        }
        self.health.check()
    }

    fn lose(&self, e: Error) -> Error {
        self.health.lose(e)
    }

    /// Copies commands behind the tail; `publish` makes them visible.
    fn put(&self, write: &mut Write, parts: &[&[u8]]) -> Result<(), Error> {
        let total: usize = parts.iter().map(|p| p.len()).sum();
        let size = self.options.buffer_size;
        if total > size {
            return Err(Error::OutOfHostMemory);
        }
        let tail = write.tail;
        let full = |head: u32| tail.wrapping_sub(head) as usize + total > size;
        if full(write.head) {
            write.head = self.word(HEAD).load(Ordering::Acquire);
        }
        if full(write.head) {
            // The host can't make room by reading what it hasn't been shown.
            if write.tail != write.shown {
                self.publish(write)?;
            }
            let mut watch = Watch::new(self);
            while full(write.head) {
                watch.pause(None)?;
                write.head = self.word(HEAD).load(Ordering::Acquire);
            }
        }
        for part in parts {
            let at = write.tail as usize & (size - 1);
            let (first, second) = part.split_at(part.len().min(size - at));
            self.shmem.mapping().write(BUFFER + at, first);
            if !second.is_empty() {
                self.shmem.mapping().write(BUFFER, second);
            }
            write.tail = write.tail.wrapping_add(part.len() as u32);
        }
        // For what is written next, since showing it waits for every store; but not what the host has still to read.
        if write.tail.wrapping_sub(write.head) as usize + 64 * (1 + LINES) <= size {
            let next = BUFFER + (write.tail as usize & (size - 1));
            fetch_for_writing::<LINES>(self.shmem.mapping().base().wrapping_add(next + 64));
        }
        Ok(())
    }

    /// Shows the host the new tail, and wakes it if it sleeps.
    fn publish(&self, write: &mut Write) -> Result<Seqno, Error> {
        let tail = write.tail;
        write.shown = tail;
        trace::instant(if self.id == 1 { "ring" } else { "side ring" }, tail.into());
        self.health.check()?;
        // After the commands that it shows.
        self.word(TAIL).store(tail, Ordering::Release);
        // The host sets IDLE and then looks at the tail; here it is the other way round. Without a full barrier on both
        // sides each could miss what the other wrote, and the wake-up would be lost (WIRE.md 5.4). One is enough.
        fence(Ordering::SeqCst);
        let status = self.word(STATUS).load(Ordering::Relaxed);
        if status & STATUS_FATAL != 0 {
            self.check()?;
        }
        if status & STATUS_IDLE != 0 {
            let _span = trace::span("wake the host");
            self.winsys.submit(&transport::notify_ring(self.id, tail)).map_err(|e| self.lose(e))?;
        }
        Ok(Seqno(tail))
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // A lost host has no ring any more; a living one must let go of the memory before it is given back.
        if self.check().is_ok() {
            let _ = self.winsys.submit(&transport::destroy_ring(self.id));
        }
    }
}

/// Whether `head` is at or beyond `seqno`, with wrap-around.
#[inline]
fn reached(head: u32, seqno: u32) -> bool {
    (head.wrapping_sub(seqno) as i32) >= 0
}

/// A wait on a ring, with an eye on the host's health: a fatal ring, a closed connection, a silent monitor.
pub struct Watch<'a> {
    ring: &'a Ring,
    wait: Wait,
    head: u32,
    heard: Option<Instant>,
    notified: Option<Instant>,
}

impl<'a> Watch<'a> {
    /// Begins a wait for something that commands in `ring` bring about.
    pub fn new(ring: &'a Ring) -> Self {
        Self { ring, wait: Wait::new(ring.options.patience), head: 0, heard: None, notified: None }
    }

    /// Pauses until the next look.
    ///
    /// # Errors
    /// [`Error::Lost`] when the host is gone.
    pub fn pause(&mut self, deadline: Option<Instant>) -> Result<(), Error> {
        if self.ring.word(STATUS).load(Ordering::Relaxed) & STATUS_FATAL != 0 {
            self.ring.check()?;
        }
        self.ring.health.check()?;
        if self.wait.pause(deadline) == Pause::Slept {
            self.look_after_the_host()?;
        }
        Ok(())
    }

    #[cold]
    fn look_after_the_host(&mut self) -> Result<(), Error> {
        let ring = self.ring;
        ring.check()?;
        ring.winsys.check().map_err(|e| ring.lose(e))?;
        let now = Instant::now();
        let status = ring.word(STATUS).fetch_and(!STATUS_ALIVE, Ordering::Relaxed);
        let head = ring.word(HEAD).load(Ordering::Relaxed);
        let heard = *self.heard.get_or_insert(now);
        if status & STATUS_ALIVE != 0 || head != self.head {
            self.head = head;
            self.heard = Some(now);
        } else if now.duration_since(heard) > SILENCE {
            let e = Error::Lost("the host has shown no sign of life for 6 s: its process has died or hangs".into());
            return Err(ring.lose(e));
        }
        // A ring that sleeps over unread commands has missed its call; asking again does no harm.
        let unread = !reached(head, ring.word(TAIL).load(Ordering::Relaxed));
        let again = self.notified.is_none_or(|t| now.duration_since(t) > Duration::from_millis(10));
        if status & STATUS_IDLE != 0 && unread && again {
            self.notified = Some(now);
            ring.winsys.submit(&transport::notify_ring(ring.id, 0)).map_err(|e| ring.lose(e))?;
        }
        Ok(())
    }
}
