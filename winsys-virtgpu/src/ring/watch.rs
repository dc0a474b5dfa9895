//! A wait for something that commands in a ring bring about, with an eye on the host's health.

use std::time::Instant;

use super::host_thread::HostThread;
use crate::Error;
use crate::contention::Contention;
use crate::waiting::{Patience, Pause, Wait};

/// A wait on a ring that ends with an error when the host is lost: a fatal ring, a closed connection, silence.
pub struct Watch<'a> {
    thread: &'a HostThread,
    wait: Wait<'a>,
}

impl<'a> Watch<'a> {
    pub(super) fn new(thread: &'a HostThread, patience: Patience, contention: &'a Contention) -> Self {
        Self { thread, wait: Wait::new(patience, contention) }
    }

    /// How often the wait has slept.
    pub fn sleeps(&self) -> u32 {
        self.wait.sleeps()
    }

    /// Pauses until the next look, at most until `deadline`.
    ///
    /// # Errors
    /// [`Error::Lost`] when the host is gone.
    pub fn pause(&mut self, deadline: Option<Instant>) -> Result<(), Error> {
        self.thread.check()?;
        if self.wait.pause(deadline) == Pause::Slept {
            self.thread.look(Instant::now())?;
        }
        Ok(())
    }
}
