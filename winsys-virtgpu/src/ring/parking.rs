//! Parking: under contention the host's thread sleeps behind what it was shown, until it is shown more.
//!
//! A thread without commands looks for some and yields in between (WIRE.md 5.5), and each yield leaves the processor to others for a whole turn of theirs. So
//! whoever shows it commands puts a wait behind them (vkWaitVirtqueueSeqnoMESA), in which the thread sleeps, and whoever shows it the next ones then tells it the number
//! that it waits for (vkSubmitVirtqueueSeqnoMESA).
//!
//! The invariant, under the ring's lock: of all these waits only the last thing shown may be one whose number isn't due, and no seqno that the ring has given out
//! lies behind it. So whoever waits for a seqno waits for nobody else to show something.

use crate::shared::Mutex;
use crate::{Error, Winsys, transport};

/// A wait at the end of what the host was shown.
#[derive(Clone, Copy, Debug)]
pub struct Parked {
    /// What it waits for.
    pub number: u64,
    /// Where it begins.
    pub from: u64,
}

/// Bytes of the wait.
pub const WAIT: usize = 16;

impl Parked {
    /// Where it ends.
    pub fn to(&self) -> u64 {
        self.from + WAIT as u64
    }
}

/// The numbers that a ring's waits for its context have. The context notes the one that comes last: a lower one behind a higher one would have the
/// ring wait forever. So they are told under one lock, each higher than the one before.
pub struct VirtqueueSeqnos(Mutex<Numbers>);

struct Numbers {
    last: u64,
    /// What the ring is to be told, and what it was told.
    due: u64,
    told: u64,
}

impl VirtqueueSeqnos {
    pub fn new() -> Self {
        Self(Mutex::new(Numbers { last: 0, due: 0, told: 0 }))
    }

    /// A number for a wait whose end somebody will tell.
    pub fn next(&self) -> u64 {
        let mut numbers = self.0.lock();
        numbers.last += 1;
        numbers.last
    }

    /// Tells a ring a new number, behind all that the context was told before.
    ///
    /// # Errors
    /// What telling fails with.
    pub fn tell_next(&self, winsys: &dyn Winsys, ring: u64) -> Result<u64, Error> {
        let mut numbers = self.0.lock();
        numbers.last += 1;
        numbers.due = numbers.last;
        numbers.tell(winsys, ring)?;
        Ok(numbers.told)
    }

    /// Tells a ring the number of a wait, unless it has heard of a higher one.
    ///
    /// # Errors
    /// What telling fails with; [`Self::tell_due`] makes up for it.
    pub fn tell(&self, winsys: &dyn Winsys, ring: u64, number: u64) -> Result<(), Error> {
        let mut numbers = self.0.lock();
        numbers.due = numbers.due.max(number);
        numbers.tell(winsys, ring)
    }

    /// Tells a ring what couldn't be told, where there is such.
    ///
    /// # Errors
    /// As before.
    pub fn tell_due(&self, winsys: &dyn Winsys, ring: u64) -> Result<(), Error> {
        self.0.lock().tell(winsys, ring)
    }
}

impl Numbers {
    fn tell(&mut self, winsys: &dyn Winsys, ring: u64) -> Result<(), Error> {
        if self.told < self.due {
            winsys.submit(&transport::submit_virtqueue_seqno(ring, self.due))?;
            self.told = self.due;
        }
        Ok(())
    }
}
