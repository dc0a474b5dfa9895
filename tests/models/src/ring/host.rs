//! The host: a thread that runs a ring's commands, and the way by which it is woken (WIRE.md 5).

use std::sync::Arc;
use std::sync::Mutex as Plain;
use std::sync::atomic::{AtomicUsize, Ordering};

use loom::cell::UnsafeCell;
use loom::sync::{Condvar, Mutex};

use crate::shmem::{Shmem, Winsys};
use crate::{Error, transport};

const HEAD: usize = 0;
const TAIL: usize = 64;
const STATUS: usize = 128;
const BUFFER: usize = 192;
const IDLE: u32 = 1;
/// Commands that a model sends at most.
const COMMANDS: usize = 8;

/// What a sleeping thread hears.
#[derive(Default)]
struct Calls {
    called: bool,
    over: bool,
    /// The last number that the ring was told.
    told: u64,
}

pub struct Host {
    calls: Mutex<Calls>,
    bell: Condvar,
    ring: Plain<Option<Shmem>>,
    /// What each command has done, in their order, and how many have run.
    ran: [UnsafeCell<bool>; COMMANDS],
    count: AtomicUsize,
}

// SAFETY: loom runs one thread at a time, and finds out whether two of them touch a cell unordered.
unsafe impl Sync for Host {}
// SAFETY: as above.
unsafe impl Send for Host {}

impl Winsys for Host {
    fn create_shmem(&self, size: u64) -> Result<Shmem, Error> {
        let shmem = Shmem::new(size as usize);
        *self.ring.lock().unwrap() = Some(shmem.clone());
        Ok(shmem)
    }

    fn submit(&self, commands: &[u8]) -> Result<(), Error> {
        if commands[..4] == transport::notify_ring(1, 0)[..4] {
            self.calls.lock().unwrap().called = true;
            self.bell.notify_all();
        }
        if commands[..4] == transport::submit_virtqueue_seqno(1, 0)[..4] {
            self.calls.lock().unwrap().told = u64::from_le_bytes(commands[16..24].try_into().unwrap());
            self.bell.notify_all();
        }
        Ok(())
    }

    fn check(&self) -> Result<(), Error> {
        Ok(())
    }
}

impl Host {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            calls: Mutex::default(),
            bell: Condvar::new(),
            ring: Plain::default(),
            count: AtomicUsize::new(0),
            ran: std::array::from_fn(|_| UnsafeCell::new(false)),
        })
    }

    /// Nobody sends anything any more.
    pub fn end(&self) {
        self.calls.lock().unwrap().over = true;
        self.bell.notify_all();
    }

    /// Sleeps until called; false when all is over and no call has come.
    fn sleep(&self) -> bool {
        let mut calls = self.calls.lock().unwrap();
        while !calls.called && !calls.over {
            calls = self.bell.wait(calls).unwrap();
        }
        std::mem::take(&mut calls.called)
    }

    /// Waits for a number; false when all is over and the ring wasn't told it.
    fn wait_for(&self, number: u64) -> bool {
        let mut calls = self.calls.lock().unwrap();
        while calls.told < number && !calls.over {
            calls = self.bell.wait(calls).unwrap();
        }
        calls.told >= number
    }

    /// Runs what it is shown, all of this size but for waits; where that ends, as an error where it waits to the end for what nobody shows any more.
    pub fn run_what_is_shown(&self, mut head: u32, size: u32) -> Result<u32, u32> {
        let shmem = self.ring.lock().unwrap().clone().unwrap();
        let memory = shmem.mapping();
        let word = |at| memory.word(at).unwrap();
        let tail = word(TAIL).load(Ordering::Acquire);
        while head != tail {
            let command = memory.command(BUFFER + head as usize % 4096);
            if command[..4] == transport::wait_virtqueue_seqno(0)[..4] {
                if !self.wait_for(u64::from_le_bytes(command[8..16].try_into().unwrap())) {
                    assert_eq!(
                        head + command.len() as u32,
                        word(TAIL).load(Ordering::Acquire),
                        "it waits in front of commands"
                    );
                    return Err(head);
                }
                head += command.len() as u32;
                word(HEAD).store(head, Ordering::Release);
                continue;
            }
            assert_eq!(command.len(), size as usize, "a command that isn't there yet");
            // SAFETY: the checker finds out whether another thread looks meanwhile.
            self.ran[self.count.fetch_add(1, Ordering::Relaxed) % COMMANDS].with_mut(|ran| unsafe { *ran = true });
            head += size;
            word(HEAD).store(head, Ordering::Release);
        }
        Ok(head)
    }

    /// Runs the ring, whose commands all have this size.
    pub fn run(&self, size: u32) {
        let shmem = self.ring.lock().unwrap().clone().unwrap();
        let memory = shmem.mapping();
        let word = |at| memory.word(at).unwrap();
        let mut head = 0;
        loop {
            let Ok(end) = self.run_what_is_shown(head, size) else { return };
            head = end;
            word(STATUS).fetch_or(IDLE, Ordering::Relaxed);
            loom::sync::atomic::fence(Ordering::SeqCst);
            if word(TAIL).load(Ordering::Relaxed) == head && !self.sleep() {
                assert_eq!(word(TAIL).load(Ordering::Relaxed), head, "it sleeps over commands");
                return;
            }
            word(STATUS).fetch_and(!IDLE, Ordering::Relaxed);
        }
    }

    /// Whether a command has run, for somebody who has been told so.
    pub fn has_run(&self, command: usize) -> bool {
        // SAFETY: as above.
        self.ran[command].with(|ran| unsafe { *ran })
    }
}
