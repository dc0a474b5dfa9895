//! Commands that take the host long and that nobody waits for, on side rings of their own, each of which has a thread of the host's; [`backlog`](crate::base::backlog) has their
//! order.

use std::sync::atomic::Ordering;

use hesper_winsys::ring::{Asked, Show};
use hesper_winsys::{Error, Ring, Seqno};

use crate::base::backlog::{Backlog, Ending, Request};
use crate::base::shared::{AtomicUsize, Mutex, OnceCell};

/// Side rings at most, so that as many commands run at the same time. The host's processors are what counts, whose number nobody knows.
const LANES: usize = 8;

/// A command that was sent: on which side ring, and the question there.
struct Question {
    lane: usize,
    asked: Asked,
}

type Commands = Backlog<Seqno, Result<Question, Error>>;

/// The background of a connection.
#[derive(Default)]
pub struct Background {
    /// Made one after the other, as commands come while those there are busy.
    lanes: [OnceCell<Ring>; LANES],
    commands: Mutex<Commands>,
    /// How many there are; most of the time none, and nobody looks further. A thread that knows of a command, because it or a thread that it
    /// synchronises with began the command, sees a number that counts it.
    count: AtomicUsize,
}

/// One command in the background, which has to be finished.
pub struct Ticket(u64);

impl Background {
    /// Whether any command isn't finished.
    #[inline]
    pub fn any(&self) -> bool {
        self.count.load(Ordering::Relaxed) != 0
    }

    fn with<R>(&self, f: impl FnOnce(&mut Commands) -> R) -> R {
        let mut commands = self.commands.lock();
        let result = f(&mut commands);
        self.count.store(commands.len(), Ordering::Relaxed);
        result
    }

    /// The side rings that there are.
    fn lanes(&self) -> impl Iterator<Item = &Ring> {
        self.lanes.iter().map_while(OnceCell::get)
    }

    /// Makes one more side ring, where all are busy and there is room for another.
    fn widen(&self, most: usize, new_ring: impl FnOnce() -> Result<Ring, Error>) -> Result<(), Error> {
        let there = self.lanes().count();
        let Some(next) = self.lanes.get(there).filter(|_| there < most) else { return Ok(()) };
        if there > 0 && self.with(|commands| commands.unanswered(|asked| self.is_there(asked))) < there {
            return Ok(());
        }
        match next.get_or_try_init(new_ring) {
            Err(e) if there == 0 || matches!(e, Error::Lost(_)) => Err(e),
            // Without memory or files for another ring those there have to do.
            _ => Ok(()),
        }
    }

    /// Whether the answer to a question is there.
    fn is_there(&self, question: &Result<Question, Error>) -> bool {
        let lane =
            |q: &Question| self.lanes.get(q.lane).and_then(OnceCell::get).is_none_or(|l| l.done(q.asked.seqno()));
        question.as_ref().map_or(true, lane)
    }

    /// Sends a command to a side ring that has nothing to do, or else to each in turn.
    fn ask(&self, number: u64, request: Request) -> Result<Question, Error> {
        let idle = self.lanes().position(|lane| lane.done(lane.position()));
        let there = self.lanes().count().max(1);
        let place = idle.unwrap_or(usize::try_from(number).unwrap_or_default() % there);
        let lane = self.lanes.get(place).and_then(OnceCell::get).ok_or(Error::OutOfHostMemory)?;
        Ok(Question { lane: place, asked: lane.ask(request.bytes, request.reply_size, Show::Now)? })
    }

    fn send_due(&self, commands: &mut Commands, main: &Ring) {
        commands.send_due(|after| main.done(after), |number, request| self.ask(number, request));
    }

    /// Begins a command, on one of `most` side rings; `None` where there is no room, or no ring to be had, and it has to be waited for at once.
    ///
    /// # Errors
    /// [`Error::Lost`] when the host is known to be gone; that it has gone since shows in [`Self::finish`].
    pub fn begin(
        &self,
        main: &Ring,
        owner: u64,
        request: Request,
        most: usize,
        new_ring: impl FnOnce() -> Result<Ring, Error>,
    ) -> Result<Option<Ticket>, Error> {
        main.check()?;
        match self.widen(most, new_ring) {
            Ok(()) => {}
            Err(e @ Error::Lost(_)) => return Err(e),
            // Without memory or files for a ring the command is waited for at once, elsewhere.
            Err(_) => return Ok(None),
        }
        // A command that is to run meanwhile waits for what a thread that sleeps behind what it was shown is shown late.
        if main.parks() {
            main.show()?;
        }
        Ok(self.with(|commands| {
            // Under the lock, so that positions ascend as numbers do.
            let begun = commands.begin(owner, main.position(), request).map(Ticket);
            self.send_due(commands, main);
            begun
        }))
    }

    /// Sends what the main ring has come to by now.
    pub fn go_on(&self, main: &Ring) {
        self.with(|commands| self.send_due(commands, main));
    }

    /// Whether the reply to a command is there, and nobody has read it or waits for it.
    pub fn is_answered(&self, main: &Ring, ticket: &Ticket) -> bool {
        self.with(|commands| {
            self.send_due(commands, main);
            commands.is_answered(ticket.0, |asked| self.is_there(asked))
        })
    }

    /// Waits until a command may be sent, and sends it and those before it, with nobody kept from the others meanwhile.
    ///
    /// # Errors
    /// [`Error::Lost`] when the host is gone.
    pub fn send(&self, main: &Ring, ticket: &Ticket) -> Result<(), Error> {
        self.send_numbered(main, ticket.0)
    }

    fn send_numbered(&self, main: &Ring, number: u64) -> Result<(), Error> {
        if let Some(after) = self.with(|commands| commands.gate(number)) {
            main.wait(after)?;
            self.go_on(main);
        }
        Ok(())
    }

    /// Waits until a command is over, and hands its reply to `read`.
    ///
    /// # Errors
    /// [`Error::Lost`] when the host is gone.
    pub fn finish<R>(&self, main: &Ring, ticket: &Ticket, read: impl FnOnce(&[u8]) -> R) -> Result<R, Error> {
        let number = ticket.0;
        let answered = self.send_numbered(main, number).and_then(|()| {
            let question = self.with(|commands| commands.take(number)).unwrap_or(Err(Error::OutOfHostMemory))?;
            let lane = self.lanes.get(question.lane).and_then(OnceCell::get).ok_or(Error::OutOfHostMemory)?;
            lane.answer(question.asked, read)
        });
        self.with(|commands| {
            let due = commands.over(number);
            // Under the lock: who finds a command gone afterwards finds sent what was kept with it.
            if due.is_empty() { Ok(()) } else { main.submit(&due).map(drop) }
        })?;
        answered
    }

    /// Whether a command that ends an object has to be sent now; if a background command may name the object, it is kept, as `encode`
    /// appends it.
    ///
    /// # Errors
    /// [`Error::Lost`] when the host is gone.
    pub fn end(&self, main: &Ring, owner: u64, encode: impl FnOnce(&mut Vec<u8>)) -> Result<bool, Error> {
        if !self.any() {
            return Ok(true);
        }
        match self.with(|commands| commands.end(owner, encode)) {
            Ending::Send => Ok(true),
            Ending::Kept => Ok(false),
            Ending::RunFirst(number) => {
                self.send_numbered(main, number)?;
                self.lanes().try_for_each(|lane| lane.wait(lane.submit(&[])?))?;
                let due = self.with(|commands| commands.release(number + 1));
                main.submit(&due)?;
                Ok(true)
            }
        }
    }
}
