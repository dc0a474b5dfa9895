//! The connection of one instance with its host: a context, its main ring, and side rings for calls that take long.

use std::any::Any;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use hesper_encoder::{Codec, Reader, Texels, Writer};
use hesper_winsys::contention::Contention;
use hesper_winsys::ring::{Asked, Reply, ReplyKind, Show};
use hesper_winsys::waiting::Patience;
use hesper_winsys::{Capset, Error, Health, Ring, Seqno, StreamPool, Winsys};

use crate::base::background::{Background, Ticket};
use crate::base::backlog::Request;
use crate::base::decoding::{decoded, whole};
use crate::base::detour;
use crate::base::log::error;
use crate::base::outcomes::{self, Due, Outcomes};
use crate::base::rings;
use crate::base::room::Room;
use crate::base::scratch::with_encoded;
use crate::base::settings;
use crate::base::settings::Settings;
use crate::base::side_rings::SideRings;
use crate::base::texel_stream::TexelStream;
use crate::base::timelines::Timelines;

/// A command's flag that has the host reply (WIRE.md 2.1).
const GENERATE_REPLY: u32 = 1;

/// One context at the host.
pub struct Connection {
    pub winsys: Arc<dyn Winsys>,
    pub streams: Arc<StreamPool>,
    pub ring: Ring,
    health: Arc<Health>,
    pub codec: Codec,
    side: SideRings,
    background: Background,
    outcomes: Outcomes,
    /// What brings texels to the host.
    pub texels: TexelStream,
    /// Timelines of the context that queues use.
    pub timelines: Timelines,
    contention: Arc<Contention>,
    sync: bool,
    asks_for_outcomes: bool,
    reported: AtomicBool,
    /// What the driver keeps at the host for later use.
    pub room: Room,
    /// The displays that were handed over to the instance (`wsi`'s); with it ends the right to show pictures there.
    pub displays: OnceLock<Arc<dyn Any + Send + Sync>>,
    /// The process that has opened it.
    generation: u32,
}

impl Connection {
    /// Connects to the host.
    ///
    /// # Errors
    /// [`Error::NoDevice`] with the reason.
    pub fn open(settings: &Settings) -> Result<Arc<Self>, Error> {
        detour::watch_forks();
        hesper_winsys::notice::speak_by(|text| error!("{text}"));
        let winsys = hesper_winsys::open(&settings.winsys)?;
        let streams = Arc::new(StreamPool::new(winsys.clone()));
        let health = Arc::new(Health::default());
        let options = rings::options(settings, &*winsys);
        let ring = Ring::create(winsys.clone(), health.clone(), 1, streams.clone(), options.clone())?;
        let contention = options.contention.clone();
        let side = SideRings::new(winsys.clone(), health.clone(), streams.clone(), options);
        let codec = winsys.capset().codec;
        Ok(Arc::new(Self {
            winsys,
            streams,
            ring,
            health,
            codec,
            side,
            background: Background::default(),
            outcomes: Outcomes::default(),
            texels: TexelStream::new(settings),
            timelines: Timelines::default(),
            contention,
            sync: settings.sync,
            asks_for_outcomes: settings.outcomes,
            reported: AtomicBool::new(false),
            room: Room::default(),
            displays: OnceLock::new(),
            generation: detour::generation(),
        }))
    }

    /// Whether it is the connection of a process that this one was forked from.
    pub fn is_inherited(&self) -> bool {
        self.generation != detour::generation()
    }

    /// Whether other programs want the processors.
    #[inline]
    pub fn contention(&self) -> &Contention {
        &self.contention
    }

    /// What the host's Venus can do.
    pub fn capset(&self) -> &Capset {
        self.winsys.capset()
    }

    /// Sends a command that nobody waits for.
    pub fn send(&self, encode: impl FnOnce(&mut Writer)) -> Result<Seqno, Error> {
        let sent = with_encoded(&self.codec, encode, |bytes| self.ring.submit(bytes));
        if self.sync
            && let Ok(seqno) = sent
        {
            self.report(self.ring.wait(seqno))?;
        }
        self.report(sent)
    }

    /// Sends a command that nobody waits for, but whose failure must not stay unknown ([`outcomes`]). `encode` is given the command's flags.
    ///
    /// # Errors
    /// A lost host; also where such a command has failed before.
    pub fn send_for_outcome(
        &self,
        command: &'static str,
        encode: impl FnOnce(&mut Writer, u32),
    ) -> Result<Seqno, Error> {
        self.for_outcome(command, outcomes::REPLY, Show::Now, encode)
    }

    /// As [`Self::send_for_outcome`], for a command that has no effect anybody could see before the next one is sent; the host may see it later. The
    /// reply takes `size` bytes, whatever the result.
    pub fn post_for_outcome(
        &self,
        command: &'static str,
        size: usize,
        encode: impl FnOnce(&mut Writer, u32),
    ) -> Result<Seqno, Error> {
        self.for_outcome(command, size, Show::Later, encode)
    }

    fn for_outcome(
        &self,
        command: &'static str,
        size: usize,
        show: Show,
        encode: impl FnOnce(&mut Writer, u32),
    ) -> Result<Seqno, Error> {
        let Some(reply) = self.room_for_outcome(size, show)? else {
            return if show == Show::Now { self.send(|w| encode(w, 0)) } else { self.post(|w| encode(w, 0)) };
        };
        let ask = |bytes: &[u8]| {
            let number = Reader::new(bytes).u32();
            let asked = self.ring.ask_for(reply, bytes, size, show)?.up_to(outcomes::REPLY);
            Ok(Due { command, number, reply: asked })
        };
        let due = self.report(with_encoded(&self.codec, |w| encode(w, GENERATE_REPLY), ask))?;
        let seqno = due.reply.seqno();
        self.outcomes.expect(due);
        if self.sync {
            self.report(self.ring.wait(seqno))?;
            self.look_at_outcomes()?;
        }
        Ok(seqno)
    }

    /// Room for a reply that is looked at later; `None` where nobody asks for any, or there is no room, which the command doesn't need.
    fn room_for_outcome(&self, size: usize, show: Show) -> Result<Option<Reply>, Error> {
        if !self.asks_for_outcomes {
            return Ok(None);
        }
        // A look takes the memory that the host writes to from the host's processor: posting is about not doing that.
        if show == Show::Now || self.outcomes.many() {
            self.look_at_outcomes()?;
        }
        // One that is alone goes to memory that there is anyway; the next one begins a run.
        let kind = if self.outcomes.any() { ReplyKind::Exact } else { ReplyKind::Ordinary };
        match self.ring.room_for_reply(kind, size) {
            Err(e) if !matches!(e, Error::Lost(_)) => Ok(None),
            reply => self.report(reply.map(Some)),
        }
    }

    /// Looks at what came of commands that nobody waited for.
    #[inline]
    fn look_at_outcomes(&self) -> Result<(), Error> {
        if self.outcomes.any() {
            self.report(self.outcomes.look(&self.ring))?;
        }
        self.report(self.texels.look(&self.ring))
    }

    /// Sends a command that has no effect anybody could see before the next one is sent; the host may see it later.
    pub fn post(&self, encode: impl FnOnce(&mut Writer)) -> Result<Seqno, Error> {
        if self.sync {
            return self.send(encode);
        }
        self.report(with_encoded(&self.codec, encode, |bytes| self.ring.post(bytes)))
    }

    /// Sends a command and decodes its reply, at most `size` bytes.
    pub fn call<R>(
        &self,
        size: usize,
        encode: impl FnOnce(&mut Writer),
        decode: impl FnOnce(&mut Reader) -> R,
    ) -> Result<R, Error> {
        let called =
            with_encoded(&self.codec, encode, |bytes| self.ring.call(bytes, size, |reply| decoded(reply, decode))?);
        self.come_back(called)
    }

    /// Sends a command whose reply of at most `size` bytes [`Self::answer`] reads, and doesn't wait. Several may be under way.
    pub fn ask(&self, kind: ReplyKind, size: usize, encode: impl FnOnce(&mut Writer)) -> Result<Asked, Error> {
        let reply = self.report(self.ring.room_for_reply(kind, size))?;
        self.report(with_encoded(&self.codec, encode, |bytes| self.ring.ask_for(reply, bytes, size, Show::Now)))
    }

    /// Waits for the reply to a command that was asked, and decodes it.
    pub fn answer<R>(&self, asked: Asked, decode: impl FnOnce(&mut Reader) -> R) -> Result<R, Error> {
        let answered = self.ring.answer(asked, |reply| decoded(reply, decode));
        self.come_back(answered.and_then(|r| r))
    }

    /// The same for a reply whose texels go to rows of the program's memory, straight from where the host has written them.
    ///
    /// # Safety
    /// Each row must be valid for writes.
    pub unsafe fn answer_texels<R>(
        &self,
        asked: Asked,
        texels: Texels,
        decode: impl FnOnce(&mut Reader) -> R,
    ) -> Result<R, Error> {
        let answered = self.ring.answer_in_place(asked, |at, len| {
            // SAFETY: the reply's own bytes, which stay there until this returns; the rows are valid by contract.
            whole(unsafe { Reader::over(at, len).into_rows(texels) }.decode(decode))
        });
        self.come_back(answered.and_then(|r| r))
    }

    /// What is due when the main ring has answered.
    fn come_back<R>(&self, called: Result<R, Error>) -> Result<R, Error> {
        if self.background.any() {
            // The main ring has just come to where something may wait for it.
            self.background.go_on(&self.ring);
        }
        self.look_at_outcomes()?;
        self.report(called)
    }

    /// Begins a command of the device `owner` in the background ([`backlog`](crate::base::backlog)), whose reply of at most `size` bytes
    /// [`Self::finish`] reads; `None` where it has to be waited for.
    pub fn begin(&self, owner: u64, size: usize, encode: impl FnOnce(&mut Writer)) -> Result<Option<Ticket>, Error> {
        let begun = with_encoded(&self.codec, encode, |bytes| {
            self.background.begin(&self.ring, owner, Request { bytes, reply_size: size }, || self.one_more_side_ring())
        });
        self.report(begun)
    }

    /// Waits until a command in the background is over and decodes its reply.
    pub fn finish<R>(&self, ticket: &Ticket, decode: impl FnOnce(&mut Reader) -> R) -> Result<R, Error> {
        let finished = self.background.finish(&self.ring, ticket, |reply| decoded(reply, decode));
        self.report(finished.and_then(|r| r))
    }

    /// Whether the reply to a command in the background is there, and nobody has read it or waits for it.
    pub fn is_answered(&self, ticket: &Ticket) -> bool {
        self.background.is_answered(&self.ring, ticket)
    }

    /// Has the host begin a command in the background, and those before it, once the main ring has run what was sent before, which is waited for.
    ///
    /// # Errors
    /// A lost host.
    pub fn hasten(&self, ticket: &Ticket) -> Result<(), Error> {
        self.background.hasten(&self.ring, ticket, || self.one_more_side_ring())
    }

    /// Has the host begin the commands in the background that it may begin by now.
    ///
    /// # Errors
    /// A lost host.
    pub fn spread(&self) -> Result<(), Error> {
        self.background.spread(&self.ring, || self.one_more_side_ring())
    }

    /// A side ring for the background, which has to do with one where the host compiles one pipeline after the other.
    fn one_more_side_ring(&self) -> Result<Ring, Error> {
        if settings::get().one_compiler && self.background.has_lane() {
            return Err(Error::OutOfHostMemory);
        }
        self.side.create()
    }

    /// Posts a command that ends an object of the device `owner`, after the commands in the background that may name the object.
    pub fn post_end(&self, owner: u64, encode: impl Fn(&mut Writer)) -> Result<(), Error> {
        let append = |to: &mut Vec<u8>| {
            // Without memory for some bytes the object stays until its device goes.
            let _ = with_encoded(&self.codec, &encode, |bytes| {
                to.extend_from_slice(bytes);
                Ok(())
            });
        };
        let now = self.background.end(&self.ring, owner, append);
        if self.report(now)? { self.post(encode).map(drop) } else { Ok(()) }
    }

    /// Like [`Self::call`], on a ring of its own, for what takes long. Everything sent before has been run by then.
    pub fn side_call<R>(
        &self,
        size: usize,
        encode: impl FnOnce(&mut Writer),
        decode: impl FnOnce(&mut Reader) -> R,
    ) -> Result<R, Error> {
        // An empty submission tells how far the main ring has been filled.
        let drained = self.ring.submit(&[]).and_then(|s| self.ring.wait(s));
        self.report(drained)?;
        self.look_at_outcomes()?;
        self.aside(self.patience(), size, encode, decode)
    }

    /// Like [`Self::side_call`], for what depends on nothing that the main ring might not have run yet; the guest waits with this patience.
    ///
    /// # Errors
    /// A lost host, or no memory for another ring. The call doesn't go to the main ring then: what another thread sends there may be what the caller waits for.
    pub fn aside<R>(
        &self,
        patience: Patience,
        size: usize,
        encode: impl FnOnce(&mut Writer),
        decode: impl FnOnce(&mut Reader) -> R,
    ) -> Result<R, Error> {
        let called = self.side.with(|ring| {
            with_encoded(&self.codec, encode, |bytes| {
                let asked = ring.ask(bytes, size, Show::Now)?;
                ring.answer_with(patience, asked, |reply| decoded(reply, decode))?
            })
        });
        // Whoever waits for a submission that another thread has sent meanwhile hears that it was refused.
        self.look_at_outcomes()?;
        self.report(called)
    }

    /// How calls wait for the host.
    pub fn patience(&self) -> Patience {
        self.side.patience()
    }

    /// Where the host is lost, whoever found out, by whatever: loses it for everybody, and says once, on stderr, why.
    #[inline]
    pub fn report<R>(&self, result: Result<R, Error>) -> Result<R, Error> {
        result.map_err(|e| self.lose(e))
    }

    /// The error that every call returns once the host is lost, which whoever finds out says on stderr.
    ///
    /// # Errors
    /// [`Error::Lost`].
    #[inline]
    pub fn check(&self) -> Result<(), Error> {
        self.report(self.ring.check())
    }

    /// Of its loss nobody reads on stderr: it is the driver's own affair.
    pub fn lose_silently(&self) {
        self.reported.store(true, Ordering::Relaxed);
    }

    /// Whether nobody reads of it any more.
    pub fn is_silent(&self) -> bool {
        self.reported.load(Ordering::Relaxed)
    }

    #[cold]
    #[inline(never)]
    fn lose(&self, found: Error) -> Error {
        let e = self.health.lose(found.clone());
        if let Error::Lost(_) = &e
            && !self.reported.swap(true, Ordering::Relaxed)
        {
            // A ring stops over an object that the host was asked to make and hasn't made: what came of that is the reason, which may have been found just now.
            let refused = self.outcomes.look(&self.ring).and_then(|()| self.texels.look(&self.ring));
            let refused = refused.err().unwrap_or(found).reason();
            let refused = if refused == e.reason() { String::new() } else { format!(" ({refused})") };
            error!(
                "{e}{refused}; Vulkan calls fail from now on, with VK_ERROR_DEVICE_LOST where they may; restart the program once the host is back"
            );
        }
        e
    }
}
