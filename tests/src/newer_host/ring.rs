//! A ring, and the thread that reads it (WIRE.md 5).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use hesper_decoder::{Decoded, Schema};

use super::context::Context;
use super::interpreter::Interpreter;
use crate::test_server::memory::Shared;

/// Bits of the status (WIRE.md 5.6).
const FATAL: u32 = 2;
const ALIVE: u32 = 4;

/// How long the thread rests where there is nothing to read.
const REST: Duration = Duration::from_micros(50);

/// Where things lie in a ring's memory, in bytes.
struct Layout {
    memory: Arc<Shared>,
    head: usize,
    tail: usize,
    status: usize,
    buffer: usize,
    size: usize,
}

impl Layout {
    fn of(context: &Context, command: &Decoded) -> Result<Self, String> {
        let told = |member: &str| command.get(&format!("pCreateInfo.{member}")) as usize;
        let place = |member: &str| told("offset") + told(member);
        Ok(Self {
            memory: context.memory(told("resourceId") as u32)?,
            head: place("headOffset"),
            tail: place("tailOffset"),
            status: place("statusOffset"),
            buffer: place("bufferOffset"),
            size: told("bufferSize"),
        })
    }

    fn head(&self) -> u32 {
        self.memory.word(self.head).load(Ordering::Acquire)
    }

    /// What was written from one position to another.
    fn read(&self, from: u32, to: u32) -> Vec<u8> {
        let (size, at) = (to.wrapping_sub(from) as usize, from as usize & (self.size - 1));
        let first = size.min(self.size - at);
        let mut bytes = self.memory.read(self.buffer + at, first);
        bytes.extend(self.memory.read(self.buffer, size - first));
        bytes
    }
}

/// A ring; its thread ends when it is dropped.
pub struct Ring {
    layout: Arc<Layout>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Ring {
    /// Makes the ring that a vkCreateRingMESA describes.
    ///
    /// # Errors
    /// When its memory isn't there, or its size is none for a ring.
    pub fn start(context: &Arc<Context>, number: u64, command: &Decoded) -> Result<Self, String> {
        let (layout, over) = (Arc::new(Layout::of(context, command)?), Arc::new(AtomicBool::new(false)));
        if !layout.size.is_power_of_two() {
            return Err(format!("a ring of {} bytes", layout.size));
        }
        let (ring, context, stop) = (layout.clone(), context.clone(), over.clone());
        let thread = std::thread::spawn(move || {
            if let Err(why) = work(&ring, number, &context, &stop) {
                context.complain(why);
                ring.memory.word(ring.status).fetch_or(FATAL, Ordering::SeqCst);
            }
        });
        Ok(Self { layout, over, thread: Some(thread) })
    }

    /// Waits until the thread has come to a position.
    pub fn wait(&self, position: u32) {
        while self.layout.head().wrapping_sub(position).cast_signed() < 0 && !self.thread_is_over() {
            std::thread::sleep(REST);
        }
    }

    fn thread_is_over(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Reads the ring until it is over.
fn work(ring: &Layout, number: u64, context: &Arc<Context>, over: &AtomicBool) -> Result<(), String> {
    let mut interpreter = Interpreter::new(context.clone());
    let mut position = 0;
    while !over.load(Ordering::SeqCst) {
        ring.memory.word(ring.status).fetch_or(ALIVE, Ordering::Relaxed);
        let tail = ring.memory.word(ring.tail).load(Ordering::Acquire);
        if tail == position {
            std::thread::sleep(REST);
            continue;
        }
        let bytes = ring.read(position, tail);
        let mut own = |command: &Decoded| {
            if command.name != "vkWaitVirtqueueSeqnoMESA" {
                return Ok(false);
            }
            while !context.has_come_to(number, command.get("seqno")) && !over.load(Ordering::SeqCst) {
                std::thread::sleep(REST);
            }
            Ok(true)
        };
        // The head moves with each command, as at hosts: the last may wait for what the guest sends once it has seen the others' replies.
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let (command, others) = rest.split_at(Schema::load().next(rest)?.size);
            interpreter.run(command, &mut own)?;
            position = position.wrapping_add(command.len() as u32);
            ring.memory.word(ring.head).store(position, Ordering::Release);
            rest = others;
        }
    }
    Ok(())
}
