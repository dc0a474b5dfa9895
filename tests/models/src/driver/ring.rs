//! A ring, as the background uses it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::Error;
use crate::base::shared::{AtomicU64, Mutex};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub struct Seqno(u64);

pub struct Asked(Seqno);

impl Asked {
    pub fn seqno(&self) -> Seqno {
        self.0
    }
}

pub enum Show {
    Now,
}

/// Commands, one after the other.
#[derive(Clone, Default)]
pub struct Ring(Arc<Shared>);

#[derive(Default)]
struct Shared {
    sent: Mutex<Vec<Vec<u8>>>,
    head: AtomicU64,
}

impl Ring {
    pub fn submit(&self, commands: &[u8]) -> Result<Seqno, Error> {
        let mut sent = self.0.sent.lock();
        sent.push(commands.to_vec());
        Ok(Seqno(sent.len() as u64))
    }

    pub fn ask(&self, command: &[u8], _: usize, _: Show) -> Result<Asked, Error> {
        self.submit(command).map(Asked)
    }

    /// The host's thread is always awake.
    pub fn parks(&self) -> bool {
        false
    }

    /// All that was sent has been shown.
    pub fn show(&self) -> Result<(), Error> {
        Ok(())
    }

    pub fn answer<R>(&self, asked: Asked, read: impl FnOnce(&[u8]) -> R) -> Result<R, Error> {
        self.wait(asked.0)?;
        Ok(read(&[]))
    }

    /// No model's host is lost.
    pub fn check(&self) -> Result<(), Error> {
        Ok(())
    }

    pub fn position(&self) -> Seqno {
        Seqno(self.0.sent.lock().len() as u64)
    }

    pub fn done(&self, seqno: Seqno) -> bool {
        self.0.head.load(Ordering::Acquire) >= seqno.0
    }

    pub fn wait(&self, seqno: Seqno) -> Result<(), Error> {
        while !self.done(seqno) {
            loom::thread::yield_now();
        }
        Ok(())
    }

    /// The host runs what was sent by now and hasn't run; whether there was any.
    pub fn run(&self, run: impl Fn(&[u8])) -> bool {
        let head = self.0.head.load(Ordering::Relaxed);
        let next = self.0.sent.lock().get(head as usize).cloned();
        if let Some(commands) = &next {
            run(commands);
            self.0.head.store(head + 1, Ordering::Release);
        }
        next.is_some()
    }
}
