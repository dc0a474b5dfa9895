//! Commands that take the host long and that nobody waits for, on side rings of their own, each of which has a thread of the host's; [`backlog`](crate::base::backlog) has their
//! order.

use std::sync::atomic::Ordering;

use hesper_winsys::{Error, Ring, Seqno};

use crate::base::backlog::{Backlog, Ending, Request};
use crate::base::lanes::{Lanes, Question};
use crate::base::shared::{AtomicBool, AtomicUsize, Mutex};

type Commands = Backlog<Seqno, Result<Question, Error>>;

/// The background of a connection.
#[derive(Default)]
pub struct Background {
    lanes: Lanes,
    commands: Mutex<Commands>,
    /// How many there are; most of the time none, and nobody looks further. A thread that knows of a command, because it or a thread that it
    /// synchronises with began the command, sees a number that counts it.
    count: AtomicUsize,
    /// Whether somebody will wait for one of them: then as many as possible are to run at the same time, until none is left.
    spread: AtomicBool,
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
        if commands.len() == 0 {
            self.spread.store(false, Ordering::Relaxed);
        }
        result
    }

    /// Whether there is a side ring.
    pub fn has_lane(&self) -> bool {
        self.lanes.rings().next().is_some()
    }

    fn is_there(&self, question: &Result<Question, Error>) -> bool {
        question.as_ref().map_or(true, |question| self.lanes.is_there(question))
    }

    fn unanswered(&self) -> usize {
        self.with(|commands| commands.unanswered(|asked| self.is_there(asked)))
    }

    fn send_due(&self, commands: &mut Commands, main: &Ring) {
        let spread = self.spread.load(Ordering::Relaxed);
        commands.send_due(|after| main.done(after), |request| self.lanes.ask(request, spread));
    }

    /// Begins a command; `None` where there is no room, or no ring to be had, and it has to be waited for at once.
    ///
    /// # Errors
    /// [`Error::Lost`] when the host is known to be gone; that it has gone since shows in [`Self::finish`].
    pub fn begin(
        &self,
        main: &Ring,
        owner: u64,
        request: Request,
        new_ring: impl Fn() -> Result<Ring, Error>,
    ) -> Result<Option<Ticket>, Error> {
        main.check()?;
        let spread = self.spread.load(Ordering::Relaxed);
        let wanted = if spread { self.unanswered() + 1 } else { self.lanes.wanted() };
        match self.lanes.make(wanted, new_ring) {
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

    /// Has a command that will be waited for, and those before it, be sent to rings of their own as far as possible, as soon as it may be, which is waited for.
    ///
    /// # Errors
    /// [`Error::Lost`] when the host is gone.
    pub fn hasten(
        &self,
        main: &Ring,
        ticket: &Ticket,
        new_ring: impl Fn() -> Result<Ring, Error>,
    ) -> Result<(), Error> {
        if let Some(after) = self.with(|commands| commands.gate(ticket.0)) {
            main.wait(after)?;
            self.spread(main, new_ring)?;
        }
        Ok(())
    }

    /// Has commands that will be waited for be sent to rings of their own as far as possible, those that may be sent by now.
    ///
    /// # Errors
    /// [`Error::Lost`] when the host is gone.
    pub fn spread(&self, main: &Ring, new_ring: impl Fn() -> Result<Ring, Error>) -> Result<(), Error> {
        self.spread.store(true, Ordering::Relaxed);
        self.lanes.make(self.unanswered(), new_ring)?;
        self.with(|commands| self.send_due(commands, main));
        Ok(())
    }

    /// Waits until a command may be sent, and sends it, with nobody kept from the others meanwhile.
    fn send(&self, main: &Ring, number: u64) -> Result<(), Error> {
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
        let answered = self.send(main, number).and_then(|()| {
            let question = self.with(|commands| commands.take(number)).unwrap_or(Err(Error::OutOfHostMemory))?;
            self.lanes.answer(question, read)
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
                self.send(main, number)?;
                self.lanes.drain()?;
                // Under the lock, as in `finish`.
                self.with(|commands| main.submit(&commands.release(number + 1)))?;
                Ok(true)
            }
        }
    }
}
