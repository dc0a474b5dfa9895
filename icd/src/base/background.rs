//! Commands that take the host long and that nobody waits for, on a side ring of their own; [`backlog`](crate::base::backlog) has their order.

use std::sync::atomic::Ordering;

use hesper_winsys::ring::{Asked, Show};
use hesper_winsys::{Error, Ring, Seqno};

use crate::base::backlog::{Backlog, Ending, Request};
use crate::base::shared::{AtomicUsize, Mutex, OnceCell};

type Commands = Backlog<Seqno, Result<Asked, Error>>;

/// The background of a connection.
#[derive(Default)]
pub struct Background {
    /// Made for the first command.
    side: OnceCell<Ring>,
    commands: Mutex<Commands>,
    /// How many there are; most of the time none, and nobody looks further. A thread that knows of a command, because it or a thread that it
    /// synchronises with began the command, sees a number that counts it.
    count: AtomicUsize,
}

/// One command in the background, which has to be finished.
pub struct Ticket(u64);

impl Ticket {
    /// The command's place in the order of all.
    pub fn number(&self) -> u64 {
        self.0
    }
}

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

    fn send_due(&self, commands: &mut Commands, main: &Ring) {
        let Some(side) = self.side.get() else { return };
        commands.send_due(|after| main.done(after), |request| side.ask(request.bytes, request.reply_size, Show::Now));
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
        new_ring: impl FnOnce() -> Result<Ring, Error>,
    ) -> Result<Option<Ticket>, Error> {
        main.check()?;
        match self.side.get_or_try_init(new_ring) {
            Ok(_) => {}
            Err(e @ Error::Lost(_)) => return Err(e),
            // Without memory or files for another ring the command is waited for at once, elsewhere.
            Err(_) => return Ok(None),
        }
        // A command that is to run meanwhile waits for what a thread that sleeps behind what it was shown is shown late.
        if main.parks() {
            main.show()?;
        }
        let after = main.position();
        Ok(self.with(|commands| {
            let begun = commands.begin(owner, after, request).map(Ticket);
            self.send_due(commands, main);
            begun
        }))
    }

    /// Sends what the main ring has come to by now.
    pub fn go_on(&self, main: &Ring) {
        self.with(|commands| self.send_due(commands, main));
    }

    /// The last command whose reply is there.
    pub fn last_answered(&self, main: &Ring) -> Option<u64> {
        let side = self.side.get()?;
        self.with(|commands| {
            self.send_due(commands, main);
            commands.last_answered(|asked| asked.as_ref().map_or(true, |asked| side.done(asked.seqno())))
        })
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
            let asked = self.with(|commands| commands.take(number)).unwrap_or(Err(Error::OutOfHostMemory))?;
            self.side.get().ok_or(Error::OutOfHostMemory)?.answer(asked, read)
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
                if let Some(side) = self.side.get() {
                    side.wait(side.submit(&[])?)?;
                }
                let due = self.with(|commands| commands.release(number));
                main.submit(&due)?;
                Ok(true)
            }
        }
    }
}
