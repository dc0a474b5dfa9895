//! What came of commands that nobody waits for, but whose failure must be known: submissions, signals of the program's own, and descriptor sets that
//! their pool has promised. Those that bring texels are looked at in the same way by [`texel_stream`](super::texel_stream).
//!
//! A host's driver may refuse a submission for lack of memory. Whoever then waits for its fence waits for something that never comes. Of sets that it
//! refuses the host knows nothing, and its ring stops over the next command that names one, for a reason that nobody would guess. So such a
//! command asks for a reply, which is read when it is there: before the next such command, and after every answer that the main ring gives,
//! since the ring has run by then what was sent before. A failure ends the context, since the program has been told of success.
//!
//! The switch `no-outcomes` turns this off.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};

use ash::vk;
use hesper_encoder::Reader;
use hesper_winsys::ring::Asked;
use hesper_winsys::{Error, Ring};
use parking_lot::Mutex;

/// Bytes of a reply that has nothing behind the command's number and its result.
pub use hesper_winsys::reply_slots::REPLY;

/// So many replies more than the last look left are worth another one: each takes lines that the host writes from its processor.
const MANY: usize = 64;

/// A reply that hasn't been read.
pub struct Due {
    /// The command's name and number.
    pub command: &'static str,
    pub number: u32,
    pub reply: Asked,
}

/// Replies that haven't been read.
#[derive(Default)]
pub struct Outcomes {
    /// In the order in which the ring runs the commands, but for those that two threads sent at the same time.
    due: Mutex<VecDeque<Due>>,
    /// How many there are. A thread that has been answered after a command sees that the command's reply is due, or has been read.
    number: AtomicUsize,
    /// How many the last look left.
    left: AtomicUsize,
}

impl Outcomes {
    /// Whether any replies haven't been read.
    #[inline]
    pub fn any(&self) -> bool {
        self.number.load(Ordering::Relaxed) > 0
    }

    /// Whether there are so many more than the last look left that another one is worth it.
    #[inline]
    pub fn many(&self) -> bool {
        self.number.load(Ordering::Relaxed) >= self.left.load(Ordering::Relaxed) + MANY
    }

    /// A reply will be there when the ring has run a command.
    pub fn expect(&self, reply: Due) {
        let mut due = self.due.lock();
        due.push_back(reply);
        self.number.store(due.len(), Ordering::Relaxed);
    }

    /// Reads the replies that are there.
    ///
    /// # Errors
    /// [`Error::Lost`] where a command has failed.
    pub fn look(&self, ring: &Ring) -> Result<(), Error> {
        let mut due = self.due.lock();
        let mut failed = Ok(());
        while let Some(Due { command, number, reply }) = due.pop_front_if(|due| ring.done(due.reply.seqno())) {
            let result = ring.answer(reply, |reply| read(number, reply))?;
            failed = failed.and(outcome(command, result));
        }
        self.number.store(due.len(), Ordering::Relaxed);
        self.left.store(due.len(), Ordering::Relaxed);
        failed
    }
}

/// The result in the reply of a command with this number; `None` in one that was never written, or is another's.
fn read(number: u32, reply: &[u8]) -> Option<vk::Result> {
    Reader::new(reply).decode(|r| {
        r.expect32(number);
        vk::Result::from_raw(r.u32() as i32)
    })
}

pub(super) fn outcome(command: &str, result: Option<vk::Result>) -> Result<(), Error> {
    match result {
        Some(result) if result.as_raw() >= 0 => Ok(()),
        Some(result) => Err(Error::Lost(format!("its driver has refused a {command}: {result:?}").into())),
        None => Err(Error::malformed("no result")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_told_apart() {
        let reply = |command: u32, result: i32| [command.to_le_bytes(), result.to_le_bytes()].concat();
        assert!(outcome("vkQueueSubmit", read(18, &reply(18, 0))).is_ok());
        let refused = (reply(18, -2), "vkQueueSubmit: ERROR_OUT_OF_DEVICE_MEMORY");
        for (reply, said) in [refused, (reply(0, 0), "no result"), (reply(19, 0), "no result")] {
            let e = outcome("vkQueueSubmit", read(18, &reply)).unwrap_err();
            assert!(matches!(&e, Error::Lost(_)) && e.to_string().contains(said), "{e}");
        }
    }
}
