//! The guest: sends a command in each round, and calls a host that it finds asleep.

use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering, fence};

use anyhow::{Context, Result};
use clap::ValueEnum;
use hesper_winsys::ring::{Ring, RingOptions};
use hesper_winsys::{Config, StreamPool, vtest};

use crate::meeting::{Meeting, OVER};

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// The driver's ring.
    Driver,
    /// A store, a full fence, a load.
    Fence,
    /// A store and a load.
    NoFence,
}

/// Bit of the status word (WIRE.md 5.6).
pub const IDLE: u32 = 1;
/// Bytes of a command; what it says is nobody's concern here.
pub const COMMAND: u32 = 8;

/// Sends commands until all rounds are over.
///
/// # Errors
/// When the host goes away.
pub fn run(kind: Kind, meeting: &Meeting, socket: UnixStream) -> Result<()> {
    match kind {
        Kind::Driver => {
            let winsys = vtest::over(socket, &Config::default()).context("connecting to the host")?;
            let streams = Arc::new(StreamPool::new(winsys.clone()));
            let ring = Ring::create(winsys, Arc::default(), 1, streams, RingOptions::default());
            let ring = ring.context("making a ring")?;
            // Whether the host was called, it finds out at its end of the socket.
            rounds(meeting, || ring.submit(&[0; COMMAND as usize]).map(|_| false).context("sending a command"))
        }
        Kind::Fence => rounds(meeting, || Ok(send(meeting.tail(), meeting.status(), || fence(Ordering::SeqCst)))),
        Kind::NoFence => rounds(meeting, || Ok(send(meeting.tail(), meeting.status(), || {}))),
    }
}

fn rounds(meeting: &Meeting, mut send: impl FnMut() -> Result<bool>) -> Result<()> {
    let mut round = 0;
    loop {
        round = meeting.next(round)?;
        if round == OVER {
            return Ok(());
        }
        let called = send()?;
        meeting.sent(round, called);
    }
}

/// Shows a command; whether the host is to be called.
#[inline(never)]
fn send(tail: &AtomicU32, status: &AtomicU32, between: impl Fn()) -> bool {
    // Only this side writes the tail.
    let next = tail.load(Ordering::Relaxed).wrapping_add(COMMAND);
    // As the driver does: what is under test is what stands between this store and the load after it.
    tail.store(next, Ordering::Release);
    between();
    status.load(Ordering::Relaxed) & IDLE != 0
}
