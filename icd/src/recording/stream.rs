//! The command stream of one recording: a chunk of shared memory that the generated encoders write into.
//!
//! Whenever enough has been recorded, the host is told to run that part, so that it replays while the guest still records: much at a
//! time while the host has other work, little where it waits, since its thread would fall asleep and take 60 us to wake. A short part
//! is copied into the ring, so that the chunk is free for the next recording at once.

use hesper_encoder::{ChunkSource, Window, Writer};
use hesper_winsys::ring::Show;
use hesper_winsys::{Chunk, Error, Seqno};

use crate::base::clock;
use crate::base::connection::Connection;
use crate::pipelines::compiling::InDoubt;
use crate::recording::awaited::Awaited;

/// Bytes after which the host is told to run what has been recorded.
const EAGER: usize = 8 << 10;
/// Bytes after which the stream asks whether the host has nothing else to do.
const IDLE_EAGER: usize = 2 << 10;
/// Nanoseconds for which an idle host is left alone: its thread looks for work a little longer than that before it sleeps. Two
/// processors that read and write the same memory closely behind each other take three times as long.
const IDLE_TIME: u64 = 4_000;
/// Bytes that are copied into the ring rather than pointed at.
const COPIED: usize = 4 << 10;
/// The end of held bytes where none are held.
const NONE_HELD: usize = usize::MAX;

/// The commands of one command buffer that are being recorded.
pub struct Stream {
    /// The chunk's memory, and the chunk.
    window: Window,
    chunk: Option<Chunk>,
    /// A chunk that was full, and how it was sent: the writer still copies the command begun out of it.
    full: Option<(Chunk, Result<Seqno, Error>)>,
    /// Bytes of whole commands in the chunk, and how many of those the host has been told of.
    used: usize,
    sent: usize,
    /// How far the chunk may be filled before [`Self::send_some`] is called.
    unasked_up_to: usize,
    /// When a part was sent last.
    sent_at: u64,
    /// Whether the host reads commands in the chunk, and not only copies of them.
    pointed_at: bool,
    /// Whether the host has been told of any part of this recording, in this chunk or an earlier one.
    begun_at_host: bool,
    /// Whether the host has been told of any recording since [`Self::forget_sent`].
    sent_any: bool,
    /// The first error of this recording; nothing is written after it.
    error: Option<Error>,
    /// As long as the chunk's whole commands end here, no part is sent: the host may never have to see them (`held_copies`).
    held_up_to: usize,
    /// Pipelines that have to be there before anything more is sent.
    awaited: Awaited,
}

impl Default for Stream {
    fn default() -> Self {
        Self {
            window: Window::default(),
            chunk: None,
            full: None,
            used: 0,
            sent: 0,
            unasked_up_to: 0,
            sent_at: 0,
            pointed_at: false,
            begun_at_host: false,
            sent_any: false,
            error: None,
            held_up_to: NONE_HELD,
            awaited: Awaited::default(),
        }
    }
}

/// Where the writer gets its next chunk from.
struct Source<'a> {
    stream: &'a mut Stream,
    connection: &'a Connection,
}

impl ChunkSource for Source<'_> {
    fn next_window(&mut self, finished: usize, begun: &[u8], need: usize) -> Option<Window> {
        let s = &mut *self.stream;
        if let Some(chunk) = s.chunk.take() {
            match s.is_settled(self.connection, !s.awaited.has_room()) {
                Ok(true) => s.send_full(self.connection, chunk, finished),
                Ok(false) => s.awaited.keep((chunk, s.sent, finished)),
                Err(e) => {
                    s.error = Some(e);
                    // The host may still read what it was told of before.
                    s.leave_full(self.connection, chunk, self.connection.ring.submit(&[]));
                }
            }
        }
        s.leave_chunk();
        match self.connection.streams.take(begun.len().checked_add(need)?) {
            Ok(mut chunk) => {
                s.window = chunk.window(0)?;
                s.chunk = Some(chunk);
                Some(s.window)
            }
            Err(e) => {
                s.error = Some(e);
                None
            }
        }
    }
}

/// Tells the host of the bytes from `from` to `to` of a chunk.
fn send_part(connection: &Connection, chunk: &Chunk, from: usize, to: usize) -> Result<Seqno, Error> {
    // Nothing but the next command depends on it, and an early look costs a thread that waits behind what it was shown more than it gains.
    let show = if connection.ring.parks() { Show::Later } else { Show::Now };
    let send = |bytes: &[u8]| match show {
        Show::Now => connection.ring.submit(bytes),
        Show::Later => connection.ring.post(bytes),
    };
    let sent = match to.checked_sub(from) {
        Some(0) | None => connection.ring.submit(&[]),
        Some(n) if n <= COPIED => chunk.with_bytes(from, n, send),
        Some(n) => connection.ring.submit_part(chunk, from, n, show),
    };
    connection.report(sent)
}

impl Stream {
    /// Writes commands with `encode`, unless an error came before. [`Self::is_due`] has to be asked afterwards; not here, so that this can
    /// be inlined where something else is done with the commands written: called, it would have the writer, and all that `encode` knows, in memory.
    #[inline(always)]
    pub fn append(&mut self, connection: &Connection, encode: impl FnOnce(&mut Writer)) {
        if self.error.is_some() {
            return;
        }
        let (window, used) = (self.window, self.used);
        window.fetch_ahead(used);
        let mut source = Source { stream: self, connection };
        let mut writer = Writer::resume(window, used, &connection.codec, &mut source);
        encode(&mut writer);
        match writer.finish() {
            Some(n) => self.used = n,
            None => self.error = Some(self.error.take().unwrap_or(Error::OutOfHostMemory)),
        }
    }

    /// Whether [`Self::send_some`] is to be called.
    #[inline]
    pub fn is_due(&self) -> bool {
        self.used >= self.unasked_up_to
    }

    /// Sends the commands recorded so far if they are many, or if the host waits for them; not if they are held.
    #[cold]
    pub fn send_some(&mut self, connection: &Connection) {
        self.recycle_full(connection);
        if self.is_held() {
            return;
        }
        match self.is_settled(connection, false) {
            Ok(true) => {}
            Ok(false) => return self.unasked_up_to = self.used + IDLE_EAGER,
            Err(e) => return self.fail(e),
        }
        let unsent = self.used - self.sent;
        let now = clock::now();
        let host_waits = || now.saturating_sub(self.sent_at) >= IDLE_TIME && connection.ring.is_idle();
        let eager = !connection.ring.parks();
        if eager && unsent > 0 && (unsent >= EAGER || host_waits()) {
            match self.send(connection) {
                Ok(_) => (self.sent, self.sent_at) = (self.used, now),
                Err(e) => self.error = Some(e),
            }
        }
        self.unasked_up_to = self.used + IDLE_EAGER;
    }

    /// Sends the rest; the stream is empty afterwards, and the chunk is used from its start again unless the host reads in it.
    ///
    /// # Errors
    /// The first error of the recording, or the one of sending its rest; the stream is as it was then.
    pub fn finish(&mut self, connection: &Connection) -> Result<(), Error> {
        self.recycle_full(connection);
        if let Some(e) = &self.error {
            return Err(e.clone());
        }
        self.is_settled(connection, true)?;
        if self.chunk.is_none() {
            return Ok(());
        }
        let sent = self.send(connection)?;
        if self.pointed_at {
            if let Some(chunk) = self.chunk.take() {
                connection.streams.recycle(chunk, Some(sent), &connection.ring);
            }
            self.leave_chunk();
        }
        self.forget();
        Ok(())
    }

    /// Drops the commands that the host hasn't been told of, and the error; whether the host has been told of others.
    pub fn discard(&mut self, connection: &Connection) -> bool {
        self.recycle_full(connection);
        // The host may still read what it was told of.
        let is_read = self.pointed_at || self.awaited.is_read();
        let read = if is_read { connection.ring.submit(&[]).ok() } else { None };
        self.awaited.forget_pipelines();
        let kept = self.awaited.take_parts().into_iter().map(|(chunk, ..)| chunk);
        for chunk in kept.chain(self.chunk.take()) {
            connection.streams.recycle(chunk, read, &connection.ring);
        }
        self.leave_chunk();
        self.error = None;
        std::mem::take(&mut self.begun_at_host)
    }

    /// Uses the chunk from its start again, where the host has no need of its commands or has copies of them.
    pub fn forget(&mut self) {
        (self.used, self.sent, self.unasked_up_to) = (0, 0, 0);
        self.held_up_to = NONE_HELD;
        self.begun_at_host = false;
    }

    /// Whether the host has been told of any recording since the last call.
    pub fn forget_sent(&mut self) -> bool {
        std::mem::take(&mut self.sent_any)
    }

    /// Whether a recording was begun and neither finished nor discarded.
    pub fn is_begun(&self) -> bool {
        self.used > 0 || self.begun_at_host || self.error.is_some()
    }

    /// Whether an error has ended the recording.
    pub fn has_failed(&self) -> bool {
        self.error.is_some()
    }

    /// Ends the recording with an error, unless there is an earlier one.
    pub fn fail(&mut self, error: Error) {
        self.error.get_or_insert(error);
    }

    /// Sends nothing more before this pipeline is there.
    pub fn await_pipeline(&mut self, pipeline: InDoubt) {
        self.awaited.add(pipeline);
    }

    /// Holds back the commands written so far, if `hold`, as long as nothing is written behind them.
    pub fn hold(&mut self, hold: bool) {
        self.held_up_to = if hold { self.used } else { NONE_HELD };
    }

    /// Holds back the commands written since [`Self::is_held`] was true as well, unless a new chunk was begun: the old one goes to the host.
    pub fn hold_more(&mut self) {
        if self.held_up_to != NONE_HELD {
            self.held_up_to = self.used;
        }
    }

    /// Whether all commands written so far are held back.
    #[inline]
    pub fn is_held(&self) -> bool {
        self.held_up_to == self.used
    }

    /// There is no chunk.
    fn leave_chunk(&mut self) {
        (self.used, self.sent, self.unasked_up_to, self.pointed_at) = (0, 0, 0, false);
        self.held_up_to = NONE_HELD;
        self.window = Window::default();
    }

    /// Sends the rest of a full chunk.
    fn send_full(&mut self, connection: &Connection, chunk: Chunk, finished: usize) {
        (self.begun_at_host, self.sent_any) = (true, true);
        let sent = send_part(connection, &chunk, self.sent, finished);
        if let Err(e) = &sent {
            self.error = Some(e.clone());
        }
        self.leave_full(connection, chunk, sent);
    }

    /// Keeps a full chunk until no command is begun any more. At most one command can be begun, so at most one chunk is kept.
    fn leave_full(&mut self, connection: &Connection, chunk: Chunk, sent: Result<Seqno, Error>) {
        if let Some((old, sent)) = self.full.replace((chunk, sent)) {
            connection.streams.recycle(old, sent.ok(), &connection.ring);
        }
    }

    /// Gives a full chunk back, once no command is begun any more.
    fn recycle_full(&mut self, connection: &Connection) {
        if let Some((old, sent)) = self.full.take() {
            connection.streams.recycle(old, sent.ok(), &connection.ring);
        }
    }

    /// Whether more may be sent, as all that the recording awaits is there, which is waited for if `wait`; what was kept until then has been sent.
    fn is_settled(&mut self, connection: &Connection, wait: bool) -> Result<bool, Error> {
        if self.awaited.is_empty() {
            return Ok(true);
        }
        if wait {
            self.awaited.settle()?;
        } else if !self.awaited.look()? {
            return Ok(false);
        }
        let mut all = Ok(true);
        for (chunk, from, to) in self.awaited.take_parts() {
            (self.begun_at_host, self.sent_any) = (true, true);
            // Behind an error nothing is sent: the recording has failed.
            let sent = all.and_then(|_| send_part(connection, &chunk, from, to));
            connection.streams.recycle(chunk, sent.as_ref().ok().copied(), &connection.ring);
            all = sent.map(|_| true);
        }
        all
    }

    /// Tells the host of all commands that it wasn't told of.
    fn send(&mut self, connection: &Connection) -> Result<Seqno, Error> {
        let Some(chunk) = &self.chunk else { return Err(Error::OutOfHostMemory) };
        (self.begun_at_host, self.sent_any) = (true, true);
        self.pointed_at |= self.used - self.sent > COPIED;
        send_part(connection, chunk, self.sent, self.used)
    }
}
