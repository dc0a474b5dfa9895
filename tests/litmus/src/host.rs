//! The host: goes to sleep in each round, as virglrenderer's thread of a ring does (WIRE.md 5.6).

use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU32, Ordering, fence};
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::conversation;
use crate::guest::{IDLE, Kind};
use crate::meeting::{Aim, Meeting, OVER, Seen};

/// When to end.
#[derive(Clone, Copy)]
pub struct Limits {
    pub rounds: u32,
    pub lost: u32,
    pub seconds: u64,
}

/// The words of a ring, wherever they lie.
struct Words<'a> {
    head: &'a AtomicU32,
    tail: &'a AtomicU32,
    status: &'a AtomicU32,
}

/// Plays all rounds.
///
/// # Errors
/// When the guest goes away, or says what it shouldn't.
pub fn run(kind: Kind, meeting: &Meeting, socket: UnixStream, limits: Limits) -> Result<()> {
    let seen = if kind == Kind::Driver {
        let (ring, mut calls) = conversation::until_ring(socket)?;
        let [head, tail, status] = ring.words()?;
        rounds(meeting, &Words { head, tail, status }, limits, |_| calls.any())?
    } else {
        let words = Words { head: meeting.head(), tail: meeting.tail(), status: meeting.status() };
        rounds(meeting, &words, limits, Ok)?
    };
    meeting.note(seen);
    meeting.begin(OVER);
    Ok(())
}

/// Plays rounds; `called` says whether the guest has called, of which `meeting` may know.
fn rounds(
    meeting: &Meeting,
    words: &Words<'_>,
    limits: Limits,
    mut called: impl FnMut(bool) -> Result<bool>,
) -> Result<Seen> {
    let (start, limit) = (Instant::now(), Duration::from_secs(limits.seconds));
    let (mut seen, mut aim) = (Seen { rounds: 0, lost: 0, both: 0 }, Aim::new());
    let mut head = words.tail.load(Ordering::Acquire);
    while seen.rounds < limits.rounds && seen.lost < limits.lost {
        // Asking for the time takes longer than many rounds.
        if seen.rounds.is_multiple_of(256) && start.elapsed() > limit {
            break;
        }
        seen.rounds += 1;
        meeting.begin(seen.rounds);
        aim.wait();
        words.status.fetch_or(IDLE, Ordering::SeqCst);
        // The host's half of the two fences.
        fence(Ordering::SeqCst);
        let shown = words.tail.load(Ordering::Relaxed) != head;
        let called = called(meeting.has_sent(seen.rounds)?)?;
        seen.lost += u32::from(!shown && !called);
        seen.both += u32::from(shown && called);
        aim.learn(shown, called);
        words.status.fetch_and(!IDLE, Ordering::SeqCst);
        head = words.tail.load(Ordering::Acquire);
        // The guest finds room in its ring again.
        words.head.store(head, Ordering::Release);
    }
    Ok(seen)
}
