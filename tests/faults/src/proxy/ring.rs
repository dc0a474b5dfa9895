//! A ring that the guest and the host believe to share: each has memory of its own, and the proxy carries what one writes to the other, or
//! something else.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::atomic::{Ordering, fence};
use std::time::Instant;

use hesper_tests::test_server::memory::Shared;

use super::transport::{Layout, Replies, ReplyPlace};
use crate::fault::{Counter, Fault, MOMENT, WHILE};
use crate::script::Script;

/// Bits of the status (WIRE.md 5.6).
const IDLE: u32 = 1;
const FATAL: u32 = 2;
const ALIVE: u32 = 4;

/// The files of memory that the guest and the host share, with their sizes.
pub type Blobs = HashMap<u32, (OwnedFd, usize)>;

/// What came of carrying.
#[derive(Debug, Default)]
pub struct Carried {
    pub moved: bool,
    /// The host's thread sleeps, and must be told of this tail.
    pub wake: Option<u32>,
    /// The connection is to be closed.
    pub close: bool,
}

/// A reply that is damaged when the host has written it, before the guest hears of that.
struct Damage {
    fault: Fault,
    memory: Shared,
    place: ReplyPlace,
    /// The bytes from before.
    before: Vec<u8>,
    /// Where the commands begin and end that ask for it.
    from: u32,
    to: u32,
}

impl Damage {
    fn inflict(&self) {
        match self.fault {
            Fault::ReplyMissing => self.memory.write(self.place.at, &self.before),
            // The command's number and its result stay.
            Fault::ReplyCut => self.memory.write(self.place.at + 8, self.before.get(8..).unwrap_or_default()),
            _ => {
                let mut seed = 0x9e37_79b9u32;
                let mut garbage = || {
                    seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    seed
                };
                let garbage: Vec<u8> = (0..self.before.len() / 4).flat_map(|_| garbage().to_le_bytes()).collect();
                self.memory.write(self.place.at, &garbage);
            }
        }
    }
}

/// Whether a head has come to a position; both count modulo 2^32, and are less than a ring apart.
fn is_at(head: u32, position: u32) -> bool {
    head.wrapping_sub(position).cast_signed() >= 0
}

/// A ring in two memories.
pub struct Mirror {
    pub id: u64,
    layout: Layout,
    guest: Shared,
    host: Shared,
    /// The tail that the host has been shown.
    tail: u32,
    /// The head that the guest has been shown.
    head: u32,
    replies: Replies,
    damage: Option<Damage>,
    /// Carries nothing until then.
    stuck: Option<Instant>,
    /// How far the head that the guest sees is off, and until when.
    off: Option<(i32, Instant)>,
    fatal: bool,
}

impl Mirror {
    pub fn new(id: u64, layout: Layout, guest: Shared, host: Shared) -> Self {
        Self {
            id,
            layout,
            guest,
            host,
            tail: 0,
            head: 0,
            replies: Replies::default(),
            damage: None,
            stuck: None,
            off: None,
            fatal: false,
        }
    }

    /// Carries what there is.
    pub fn carry(&mut self, script: &Script, blobs: &Blobs) -> Carried {
        let mut carried = Carried::default();
        if self.fatal {
            return carried;
        }
        self.carry_status();
        if self.stuck.is_some_and(|until| Instant::now() < until) {
            return carried;
        }
        self.stuck = None;
        self.carry_commands(script, blobs, &mut carried);
        if !carried.close && !self.fatal && self.stuck.is_none() {
            self.carry_head(&mut carried);
        }
        carried
    }

    fn carry_status(&self) {
        let (guest, host) = (self.guest.word(self.layout.status), self.host.word(self.layout.status));
        let status = host.load(Ordering::Acquire);
        if status & ALIVE != 0 {
            host.fetch_and(!ALIVE, Ordering::Relaxed);
            guest.fetch_or(ALIVE, Ordering::Relaxed);
        }
        let other = status & (IDLE | FATAL);
        if guest.load(Ordering::Relaxed) & (IDLE | FATAL) != other {
            guest.fetch_and(!(IDLE | FATAL) | other, Ordering::Relaxed);
            guest.fetch_or(other, Ordering::SeqCst);
        }
    }

    fn carry_commands(&mut self, script: &Script, blobs: &Blobs, carried: &mut Carried) {
        // The full fence of a guest that shows a tail and then reads the status pairs with this one.
        fence(Ordering::SeqCst);
        let tail = self.guest.word(self.layout.tail).load(Ordering::Acquire);
        let size = tail.wrapping_sub(self.tail) as usize;
        if size == 0 || size > self.layout.buffer_size || self.damage.is_some() {
            return;
        }
        let bytes = self.copy(size);
        for place in self.replies.find(&bytes, |r| blobs.contains_key(&r)) {
            if let Some(fault) = script.tick(Counter::Replies) {
                self.inject(fault, place, tail, script, blobs, carried);
            }
        }
        if carried.close || self.fatal || self.stuck.is_some() {
            // Nobody hears of these commands; a ring that was stuck finds them again.
            return;
        }
        self.tail = tail;
        carried.moved = true;
        self.host.word(self.layout.tail).store(tail, Ordering::Release);
        fence(Ordering::SeqCst);
        if self.host.word(self.layout.status).load(Ordering::Relaxed) & IDLE != 0 {
            carried.wake = Some(tail);
        }
    }

    /// Copies commands into the host's memory, and returns them.
    fn copy(&self, size: usize) -> Vec<u8> {
        let Layout { buffer, buffer_size, .. } = self.layout;
        let at = self.tail as usize & (buffer_size - 1);
        let first = size.min(buffer_size - at);
        let mut bytes = self.guest.read(buffer + at, first);
        self.host.write(buffer + at, &bytes);
        let second = self.guest.read(buffer, size - first);
        self.host.write(buffer, &second);
        bytes.extend(second);
        bytes
    }

    fn inject(
        &mut self,
        fault: Fault,
        place: ReplyPlace,
        tail: u32,
        script: &Script,
        blobs: &Blobs,
        carried: &mut Carried,
    ) {
        match fault {
            Fault::ClosedInReply => carried.close = true,
            Fault::Fatal => {
                self.fatal = true;
                self.guest.word(self.layout.status).fetch_or(FATAL, Ordering::SeqCst);
            }
            Fault::HeadStuck => self.stuck = Some(Instant::now() + WHILE),
            Fault::HeadBack => self.off = Some((-64, Instant::now() + MOMENT)),
            Fault::HeadAhead => {
                self.off = Some((64, Instant::now() + MOMENT));
                self.show(tail.wrapping_add(64));
            }
            Fault::ReplyMissing | Fault::ReplyCut | Fault::ReplyGarbage => {
                let blob = blobs.get(&place.resource);
                let Some(memory) = blob.and_then(|(file, size)| Shared::map(file, *size).ok()) else { return };
                let before = memory.read(place.at, place.size.min(64 << 10));
                self.damage = Some(Damage { fault, memory, place, before, from: self.tail, to: tail });
            }
            other => script.act(other),
        }
    }

    fn show(&self, head: u32) {
        self.guest.word(self.layout.head).store(head, Ordering::Release);
    }

    fn carry_head(&mut self, carried: &mut Carried) {
        let head = self.host.word(self.layout.head).load(Ordering::Acquire);
        let mut seen = head;
        if let Some(damage) = &self.damage {
            if is_at(head, damage.to) {
                damage.inflict();
                self.damage = None;
            } else if is_at(head, damage.from) {
                // Nobody hears of a reply before it is damaged.
                seen = damage.from;
            }
        }
        if let Some((off, until)) = self.off {
            // Ahead of the tail it stands already; it goes back once there is something to go back from.
            if Instant::now() < until {
                if off < 0 && head == self.tail {
                    self.show(head.wrapping_add_signed(off));
                }
                return;
            }
            self.off = None;
            self.head = seen.wrapping_add(1);
        }
        if seen != self.head {
            let extra = self.host.read(self.layout.extra, self.layout.extra_size);
            self.guest.write(self.layout.extra, &extra);
            self.show(seen);
            self.head = seen;
            carried.moved = true;
        }
    }
}
