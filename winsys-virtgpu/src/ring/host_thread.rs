//! The host's thread that runs a ring, as the guest sees it: how far it has come, whether it sleeps, whether it lives.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::memory::{RingMemory, STATUS_ALIVE, STATUS_FATAL, STATUS_IDLE};
use super::parking::VirtqueueSeqnos;
use super::question::Question;
use super::silence::{Silence, Verdict};
use crate::seqno::{Seqno, widen};
use crate::shared::{AtomicU64, Mutex};
use crate::{Error, Health, Winsys};
use crate::{notice, transport};

/// How soon a thread that sleeps over unread commands is called again, and after how long at most: calls to a host that
/// has stopped for a while pile up, and the way to the host blocks once it is full of them.
const AGAIN: Duration = Duration::from_millis(10);
const AT_MOST: Duration = Duration::from_secs(1);
/// For how long whoever looks first leaves a thread alone that was called: it mostly takes less to come, and a second call costs both sides as much as the first.
const COMING: Duration = Duration::from_micros(500);

/// The other side of a ring.
pub struct HostThread {
    pub id: u64,
    /// A head that was read some time ago, at most a ring's size behind the tail: what a newer one is widened with. Stored under the ring's lock.
    known: AtomicU64,
    /// The tail for which the sleeping thread was called last. Under the ring's lock.
    called_for: AtomicU64,
    notify_always: bool,
    /// What the context tells the thread that it waits for.
    pub seqnos: VirtqueueSeqnos,
    looks: Mutex<Looks>,
    pub health: Arc<Health>,
    pub memory: RingMemory,
    pub winsys: Arc<dyn Winsys>,
}

/// What those who wait for the ring have found out together.
#[derive(Default)]
struct Looks {
    silence: Silence,
    question: Question,
    /// The head over which the thread slept, when it was called or seen there, and how long it has until it is called again.
    called: Option<(u32, Instant, Duration)>,
}

impl HostThread {
    pub fn new(id: u64, memory: RingMemory, health: Arc<Health>, winsys: Arc<dyn Winsys>, notify_always: bool) -> Self {
        Self {
            id,
            known: AtomicU64::new(0),
            called_for: AtomicU64::new(0),
            notify_always,
            seqnos: VirtqueueSeqnos::new(),
            looks: Mutex::default(),
            health,
            memory,
            winsys,
        }
    }

    /// Whether the thread has run everything up to `seqno`.
    ///
    /// A head that is read after another thread has noted a newer one may be taken for too old, never for too new.
    #[inline]
    pub fn reached(&self, seqno: Seqno) -> bool {
        // Acquire, paired with the store in `read_head`: the head that is read next is no older than this one. Both loads: what the host had written
        // before it moved the head, such as replies, is there for the caller.
        let known = self.known.load(Ordering::Acquire);
        seqno.position() <= known || seqno.position() <= widen(known, self.memory.head().load(Ordering::Acquire))
    }

    /// Whether the thread has run everything that it was shown.
    #[inline]
    pub fn is_idle(&self) -> bool {
        // The head with acquire, for what the host has written, as in `reached`. The tail relaxed: threads of this process store it, and one that
        // does so now might as well do so a moment later.
        self.memory.head().load(Ordering::Acquire) == self.memory.tail().load(Ordering::Relaxed)
    }

    /// A head that isn't newer than the true one, and no more than a ring's size behind the tail.
    #[inline]
    pub fn known_head(&self) -> u64 {
        // Relaxed: an older head will do, and whoever holds the ring's lock sees the newest.
        self.known.load(Ordering::Relaxed)
    }

    /// Reads the head, and notes it. For the one who holds the ring's lock, and has shown the host everything up to `shown`.
    ///
    /// # Errors
    /// [`Error::Lost`] for a head that can't be: beyond what the host was shown, or before where it has been.
    pub fn read_head(&self, shown: u64) -> Result<u64, Error> {
        // Acquire: the host has read the commands before the head, so their place may be written to again.
        let unread = (shown as u32).wrapping_sub(self.memory.head().load(Ordering::Acquire));
        let head = shown.checked_sub(unread.into()).filter(|h| *h >= self.known_head());
        let Some(head) = head.filter(|_| unread as usize <= self.memory.size()) else {
            return Err(self.lose(misplaced_head()));
        };
        // Release: a thread that finds this head in `reached` also finds what the host had written before it.
        self.known.store(head, Ordering::Release);
        Ok(head)
    }

    /// The error that every call returns once the host is lost.
    pub fn check(&self) -> Result<(), Error> {
        if self.has_ended() {
            return Err(self.lose(Error::Lost(
                "its ring has stopped: virglrenderer rejected a command or ran into a fatal error (see the host's log)"
                    .into(),
            )));
        }
        self.health.check()
    }

    #[inline]
    fn has_ended(&self) -> bool {
        // Relaxed: the bit stays once it is set, and nothing is read because of it.
        self.memory.status().load(Ordering::Relaxed) & STATUS_FATAL != 0
    }

    /// Whether the thread has run what it was called for last.
    fn has_come(&self) -> bool {
        // Relaxed: the ring's lock orders it; to whoever looks without the lock an older number means one call more.
        self.reached(Seqno::new(self.called_for.load(Ordering::Relaxed)))
    }

    /// Wakes the thread if it sleeps and hasn't been called already. For the one who holds the ring's lock, after the tail was stored and a full barrier has
    /// passed.
    ///
    /// One call is enough as long as the thread hasn't run what it was called for: it doesn't sleep before it has, and not before it has set IDLE again, passed a
    /// full barrier and looked at the tail. Either its barrier is behind the caller's, and it finds the new tail, or before, and the caller finds the newer head.
    #[inline]
    pub fn wake(&self, tail: u64) -> Result<(), Error> {
        // Relaxed: the caller's barrier keeps this load behind the tail's store, and nothing is read because of it.
        let status = self.memory.status().load(Ordering::Relaxed);
        if status & STATUS_FATAL != 0 {
            self.check()?;
        }
        if status & STATUS_IDLE != 0 && (self.notify_always || self.has_come()) {
            let _span = crate::trace::span("wake the host");
            // The commands can be seen already, so they count as sent, even where a full kernel has no room for the call: whoever sends the next
            // ones, or waits for these, calls again.
            match self.notify(tail as u32) {
                Ok(()) => self.called_for.store(tail, Ordering::Relaxed),
                Err(e @ Error::Lost(_)) => return Err(e),
                Err(_) => {}
            }
        }
        Ok(())
    }

    /// Ends the wait in which the thread was parked. For the one who holds the ring's lock, after the tail was stored.
    pub fn unpark(&self, number: u64) -> Result<(), Error> {
        let _span = crate::trace::span("unpark the host");
        match self.seqnos.tell(&*self.winsys, self.id, number) {
            Err(e @ Error::Lost(_)) => Err(self.lose(e)),
            // A full kernel: whoever shows the next commands, or waits for these, tells the number again.
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn notify(&self, seqno: u32) -> Result<(), Error> {
        self.winsys.submit(&transport::notify_ring(self.id, seqno)).map_err(|e| self.lose(e))
    }

    pub fn lose(&self, e: Error) -> Error {
        self.health.lose(e)
    }

    /// Looks after the host, for somebody who has waited for a while: whether the connection stands, whether the thread sleeps over
    /// commands, whether the host shows signs of life.
    ///
    /// # Errors
    /// [`Error::Lost`] when the host is gone.
    #[cold]
    pub fn look(&self, now: Instant) -> Result<(), Error> {
        self.check()?;
        self.winsys.check().map_err(|e| self.lose(e))?;
        if let Err(e @ Error::Lost(_)) = self.seqnos.tell_due(&*self.winsys, self.id) {
            return Err(self.lose(e));
        }
        // One looks for all who wait.
        let Some(mut looks) = self.looks.try_lock() else { return Ok(()) };
        let looks = &mut *looks;
        // The bit is cleared under the lock of those who remember it, in one step, so that a bit which the host sets meanwhile stays. Relaxed: the bits
        // tell of the host's life, not of what it has written.
        let status = self.memory.status().fetch_and(!STATUS_ALIVE, Ordering::Relaxed);
        // Acquire: in this order, as in `reached`.
        let known = self.known.load(Ordering::Acquire);
        let head = self.memory.head().load(Ordering::Acquire);
        let answered = looks.question.take_answer(&self.memory);
        match looks.silence.look(now, status & STATUS_ALIVE != 0 || answered, head) {
            Verdict::Wait => {}
            Verdict::Back => notice::silent(false),
            verdict @ (Verdict::Ask | Verdict::Say) => {
                if verdict == Verdict::Say {
                    notice::silent(true);
                }
                // A full kernel: the next look asks.
                if let Err(e @ Error::Lost(_)) = looks.question.ask(self.id, &self.memory, &*self.winsys) {
                    return Err(self.lose(e));
                }
            }
            Verdict::Lost => {
                let what = "the host has shown no sign of life for 5 minutes and answers nothing: its process hangs";
                return Err(self.lose(Error::Lost(what.into())));
            }
        }
        // Relaxed: behind the head's load, and so no older than the tail that the host had seen when it moved the head.
        let unread = self.memory.tail().load(Ordering::Relaxed).wrapping_sub(head);
        let moved = head.wrapping_sub(known as u32);
        // The ring may have gone on between the loads, but not where both ends of what was read are still the same. Relaxed: each word is compared with
        // itself, and its own values come in one order for everybody.
        let settled = self.known_head() == known && self.memory.head().load(Ordering::Relaxed) == head;
        if settled && ((unread as i32) < 0 || (moved as i32) < 0) {
            return Err(self.lose(misplaced_head()));
        }
        if status & STATUS_IDLE == 0 || unread == 0 {
            looks.called = None;
            return Ok(());
        }
        // A thread that sleeps over unread commands has missed its call; another one does no harm.
        let next = match looks.called {
            // Whoever showed the commands has called it.
            None if !self.has_come() => {
                looks.called = Some((head, now, COMING));
                return Ok(());
            }
            None => AGAIN,
            // The thread has come since, and sleeps anew: a call that was made then is on its way for as long as any, whatever came before.
            Some((over, ..)) if over != head => {
                looks.called = Some((head, now, AGAIN));
                return Ok(());
            }
            Some((_, at, pause)) if now.saturating_duration_since(at) > pause => (2 * pause).clamp(AGAIN, AT_MOST),
            Some(_) => return Ok(()),
        };
        looks.called = Some((head, now, next));
        crate::trace::instant("wake the host again", self.id);
        match self.notify(0) {
            Err(e @ Error::Lost(_)) => Err(e),
            // A full kernel: a later look calls.
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Has the host let go of the memory, before it is given back.
    pub fn end(&mut self) {
        // A lost host has no ring any more.
        if self.check().is_ok() {
            let _ = self.looks.get_mut().question.end(self.id, &*self.winsys);
            let _ = self.winsys.submit(&transport::destroy_ring(self.id));
        }
    }
}

/// For a head that is beyond what the host was shown, or before where the host has been.
fn misplaced_head() -> Error {
    Error::malformed("the head of a ring lies outside of what the ring holds")
}
