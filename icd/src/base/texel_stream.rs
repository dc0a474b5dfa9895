//! The commands that bring texels to the host, which nobody waits for.
//!
//! One thread at a time writes texels once, where the host reads them ([`Turns`]). What came of a command is looked at later, as with
//! [`outcomes`](super::outcomes); but since these commands are many, and run in the order in which they were written, each has its place for a
//! reply ready ([`ReplySlots`]).

use std::collections::VecDeque;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use ash::vk;
use hesper_encoder::generated::reply;
use hesper_encoder::{NoMore, Reader, Writer};
use hesper_winsys::reply_slots::ReplySlots;
use hesper_winsys::ring::Show;
use hesper_winsys::turns::{Parts, Turns};
use hesper_winsys::{Error, Ring, Seqno, StreamPool, Winsys};
use parking_lot::{Mutex, MutexGuard};

use crate::base::outcomes;
use crate::base::settings::Settings;

/// The command.
pub const COMMAND: &str = "vkCopyMemoryToImage";

/// Commands up to so many bytes have memory of their own: what large ones go through isn't in this processor's cache any more.
const SMALL: usize = 16 << 10;
const FOR_SMALL: Parts = Parts { size: 128 << 10, most: 8, populated: true };
const FOR_LARGE: Parts = Parts { size: 1 << 20, most: 4, populated: false };
/// Bytes of a command of which two fill a part. Twice the size gained nothing on NVIDIA's driver.
pub const LARGE: usize = FOR_LARGE.size / 2;

/// Replies that may be due at the same time, and so many are worth a look.
const SLOTS: usize = 1024;
const MANY: usize = 64;
/// Bytes of commands after which the host is shown them.
const SHOWN: usize = 16 << 10;

/// The stream of a context.
pub struct TexelStream {
    state: Mutex<State>,
    replies: Replies,
    /// Whether each command is to be waited for, and so sent in another way.
    is_off: bool,
}

struct State {
    small: Turns,
    large: Turns,
    /// The number of the next reply.
    next: u64,
    /// What ends the last command.
    last: Option<Seqno>,
    /// Bytes that the host may not have been shown.
    unshown: usize,
}

/// The right to write, which one thread has at a time.
pub struct Writing<'a> {
    state: MutexGuard<'a, State>,
    stream: &'a TexelStream,
}

impl TexelStream {
    /// A stream into which nothing has been written.
    pub fn new(settings: &Settings) -> Self {
        let state =
            State { small: Turns::new(FOR_SMALL), large: Turns::new(FOR_LARGE), next: 0, last: None, unshown: 0 };
        Self { state: Mutex::new(state), replies: Replies::new(settings.outcomes), is_off: settings.sync }
    }

    /// Waits until no other thread writes.
    pub fn lock(&self) -> Writing<'_> {
        Writing { state: self.state.lock(), stream: self }
    }

    /// Looks at the replies that are there.
    ///
    /// # Errors
    /// [`Error::Lost`] where a command has failed.
    #[inline]
    pub fn look(&self, ring: &Ring) -> Result<(), Error> {
        if self.replies.number() == 0 { Ok(()) } else { self.replies.look(ring) }
    }
}

impl Writing<'_> {
    /// Writes a command of at most `most` bytes and has the host run it, at the latest with what is sent next elsewhere. `encode` is given the
    /// command's flags. `None` where it has to be sent in another way, and told of with [`Self::note`]: there is no room for so much, or each
    /// command is to be waited for.
    ///
    /// # Errors
    /// [`Error::Lost`]; also where such a command has failed before.
    pub fn post(
        &mut self,
        winsys: &dyn Winsys,
        streams: &StreamPool,
        ring: &Ring,
        most: usize,
        encode: impl FnOnce(&mut Writer, u32),
    ) -> Result<Option<Seqno>, Error> {
        if self.stream.is_off {
            return Ok(None);
        }
        let (state, replies) = (&mut *self.state, &self.stream.replies);
        let slots = replies.have_room(winsys, ring)?;
        let turns = if most <= SMALL { &mut state.small } else { &mut state.large };
        let Some(window) = unless_lost(turns.window(most, streams, ring))? else { return Ok(None) };
        let mut nothing = NoMore;
        let mut writer = Writer::resume(window, 0, &winsys.capset().codec, &mut nothing);
        encode(&mut writer, slots.is_some().into());
        let Some(len) = writer.finish() else { return Ok(None) };
        state.unshown += len;
        // Whose thread waits behind what it is shown would have to be woken each time.
        let show = if state.unshown >= SHOWN && !ring.parks() { Show::Now } else { Show::Later };
        if show == Show::Now {
            state.unshown = 0;
        }
        let place = slots.map(|slots| slots.place(state.next));
        let sent = turns.send(len, |chunk, from| match &place {
            Some(place) => ring.ask_part(chunk, from, len, place, show),
            None => ring.submit_part(chunk, from, len, show),
        })?;
        if slots.is_some() {
            state.next += 1;
            replies.expect(sent);
        }
        state.last = Some(sent);
        Ok(Some(sent))
    }

    /// A command that was sent in another way, while this thread had the right to write.
    pub fn note(&mut self, sent: Seqno) {
        self.state.last = Some(sent);
    }

    /// What ends the last command.
    pub fn last(&self) -> Option<Seqno> {
        self.state.last
    }
}

/// What came of the commands.
struct Replies {
    /// Whether anybody asks.
    are_asked_for: bool,
    slots: OnceLock<ReplySlots>,
    due: Mutex<Due>,
    /// How many are due. Only the thread that writes commands makes it more, and finds the places of replies empty that it doesn't count any more.
    number: AtomicUsize,
}

#[derive(Default)]
struct Due {
    /// What ends the commands whose replies haven't been read, oldest first.
    ends: VecDeque<Seqno>,
    /// How many replies have been read.
    read: u64,
}

impl Replies {
    fn new(are_asked_for: bool) -> Self {
        Self { are_asked_for, slots: OnceLock::new(), due: Mutex::default(), number: AtomicUsize::new(0) }
    }

    fn number(&self) -> usize {
        // Acquire, paired with `look`, which empties places before it says so.
        self.number.load(Ordering::Acquire)
    }

    /// Places with room for the next reply, for the thread that writes commands; `None` where nobody asks, or where there is no memory, which
    /// commands don't need.
    fn have_room(&self, winsys: &dyn Winsys, ring: &Ring) -> Result<Option<&ReplySlots>, Error> {
        if !self.are_asked_for {
            return Ok(None);
        }
        let number = self.number();
        if number >= SLOTS {
            // Some at a time: each wait takes lines that the host writes from its processor.
            let some = self.due.lock().ends.get(MANY).copied();
            some.map_or(Ok(()), |end| ring.wait(end))?;
        }
        if number > 0 && number.is_multiple_of(MANY) {
            self.look(ring)?;
        }
        if self.slots.get().is_none()
            && let Some(made) = unless_lost(ReplySlots::new(winsys, SLOTS))?
        {
            // Nobody else makes any.
            let _ = self.slots.set(made);
        }
        Ok(self.slots.get())
    }

    /// A reply will be there when the ring has run the command that ends there.
    fn expect(&self, end: Seqno) {
        let mut due = self.due.lock();
        due.ends.push_back(end);
        self.number.store(due.ends.len(), Ordering::Release);
    }

    fn look(&self, ring: &Ring) -> Result<(), Error> {
        let Some(slots) = self.slots.get() else { return Ok(()) };
        let mut due = self.due.lock();
        let mut failed = Ok(());
        while due.ends.pop_front_if(|end| ring.done(*end)).is_some() {
            let result = result(&slots.take(due.read));
            due.read += 1;
            failed = failed.and(outcomes::outcome(COMMAND, result));
        }
        self.number.store(due.ends.len(), Ordering::Release);
        failed
    }
}

/// The result in a reply; `None` in one that was never written.
fn result(reply: &[u8]) -> Option<vk::Result> {
    // SAFETY: the decoder looks at none of the command's parameters: it has nothing to write.
    Reader::new(reply).decode(|r| unsafe { reply::copy_memory_to_image_mesa(r, vk::Device::null(), ptr::null()) })
}

/// What there is, unless the host is lost.
fn unless_lost<T>(made: Result<T, Error>) -> Result<Option<T>, Error> {
    match made {
        Err(e @ Error::Lost(_)) => Err(e),
        made => Ok(made.ok()),
    }
}
