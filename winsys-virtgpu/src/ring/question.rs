//! A question to a host whose monitor is silent: does a command still get through?
//!
//! The question takes none of the ways whose silence is doubted. The context makes a second, tiny ring behind the ring's own
//! memory, is told a number, and the second ring waits for that number: its head moves only if the context and a thread of the
//! host are at work. Nobody here waits for the answer, and neither monitor nor the ring's own thread, which may be at work on
//! something long, has a part in it.

use std::sync::atomic::Ordering;

use super::memory::RingMemory;
use super::silence::MONITOR_US;
use crate::{Error, Winsys, trace, transport};

/// The second ring's number is the ring's own with this bit.
const QUESTION: u64 = 1 << 63;
/// How long the second ring's thread looks for work before it sleeps.
const IDLE_NS: u64 = 1_000_000;

/// The questions asked of one ring's host.
#[derive(Debug, Default)]
pub struct Question {
    /// Whether the host was told of the second ring.
    made: bool,
    /// How many commands were written there, and how many of the numbers that they wait for the host was told.
    written: u64,
    asked: u64,
    /// Bytes of commands in the second ring.
    tail: u64,
    /// Whether the last one hasn't been answered.
    open: bool,
}

impl Question {
    /// Asks, unless a question is open.
    ///
    /// # Errors
    /// [`Error::Lost`] when the host is gone. Others where the kernel has no room: the next call goes on with what is missing.
    pub fn ask(&mut self, ring: u64, memory: &RingMemory, winsys: &dyn Winsys) -> Result<(), Error> {
        if self.open {
            return Ok(());
        }
        let id = ring | QUESTION;
        let number = self.asked + 1;
        if self.written < number {
            trace::instant("ask a silent host", ring);
            let wait = transport::wait_virtqueue_seqno(number);
            memory.write_question(self.tail, &wait);
            self.tail += wait.len() as u64;
            // Release, after the command. The host runs the command only after the number, which is sent after this.
            memory.question_tail().store(self.tail as u32, Ordering::Release);
            self.written = number;
        }
        if !self.made {
            winsys.submit(&transport::create_ring(id, &memory.question_layout(IDLE_NS), MONITOR_US))?;
            self.made = true;
        }
        winsys.submit(&transport::submit_virtqueue_seqno(id, number))?;
        self.asked = number;
        self.open = true;
        Ok(())
    }

    /// Whether the open question has been answered; says so once.
    pub fn take_answer(&mut self, memory: &RingMemory) -> bool {
        // Acquire: the host has read the command, so its place may be written to again.
        let answered = self.open && memory.question_head().load(Ordering::Acquire) == self.tail as u32;
        self.open &= !answered;
        answered
    }

    /// Has the host let go of the second ring, if it was made.
    pub fn end(&mut self, ring: u64, winsys: &dyn Winsys) -> Result<(), Error> {
        if self.made { winsys.submit(&transport::destroy_ring(ring | QUESTION)) } else { Ok(()) }
    }
}
