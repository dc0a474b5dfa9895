//! Fences, events and semaphores, as the program sees them.

use super::access::{Access, Resource};
use super::commands::EVENTS;
use super::recording::{Begin, Recording};
use super::state::{Binary, Change, EventState, FenceState, Object, Promise, Timeline};
use super::world::World;
use crate::command::{Command, Id};
use crate::program::Cmd;
use crate::step::{Patience, Semaphore, Step};

const FENCES: u32 = 6;
const TIMELINES: u32 = 4;
const BINARIES: u32 = 4;

impl World<'_> {
    pub fn fence(&mut self, wish: u8) -> Id {
        let fence = self.slot(wish, FENCES);
        if !self.fences.contains_key(&fence) {
            let signalled = wish >= 224;
            self.say(Step::CreateFence { fence, signalled });
            self.fences.insert(fence, if signalled { FenceState::Signalled } else { FenceState::Unsignalled });
        }
        fence
    }

    /// Waits until a fence's state is known; false where that depends on the program.
    fn settle_fence(&mut self, fence: Id) -> bool {
        let Some(FenceState::Pending(at)) = self.fences.get(&fence).copied() else { return true };
        if self.held(at) {
            return false;
        }
        if !self.flights.iter().any(|f| f.at == at) {
            // Its submission is known to have ended, but not by waiting for its queue.
            self.say(Step::WaitFences { fences: vec![fence], all: true, patience: Patience::Forever });
            self.ended(at);
            return true;
        }
        self.settle(at)
    }

    /// A fence that a submission can signal; `None` where that of the slot is in use by work that waits for the program.
    pub fn fence_to_submit(&mut self, wish: u8) -> Option<Id> {
        let fence = self.fence(wish);
        if !self.settle_fence(fence) {
            return None;
        }
        self.reset_fences(vec![fence]);
        Some(fence)
    }

    fn reset_fences(&mut self, fences: Vec<Id>) {
        let signalled = fences.iter().any(|f| self.fences.get(f) == Some(&FenceState::Signalled));
        if signalled {
            for f in &fences {
                self.fences.insert(*f, FenceState::Unsignalled);
            }
            self.say(Step::ResetFences { fences });
        }
    }

    pub fn wish_reset_fence(&mut self, wish: u8) {
        let fence = self.fence(wish);
        if self.settle_fence(fence) {
            self.reset_fences(vec![fence]);
        }
    }

    pub fn wish_destroy_fence(&mut self, wish: u8) {
        let fence = self.slot(wish, FENCES);
        if self.fences.contains_key(&fence) && self.settle_fence(fence) {
            self.say(Step::DestroyFence { fence });
            self.fences.remove(&fence);
        }
    }

    /// Asks for a fence where the answer is known, or asks until it is signalled.
    pub fn wish_fence_status(&mut self, wish: u8) {
        let fence = self.fence(wish);
        let Some(FenceState::Pending(at)) = self.fences.get(&fence).copied() else {
            return self.say(Step::FenceStatus { fence });
        };
        match self.flights.iter().find(|f| f.at == at) {
            Some(f) if !f.blocked.is_empty() => self.say(Step::FenceStatus { fence }),
            _ if self.held(at) => {}
            _ => {
                self.say(Step::SpinFence { fence });
                self.ended(at);
            }
        }
    }

    /// Waits for several fences: for all that will come, or for any where all but one never will.
    pub fn wish_wait_fences(&mut self, wish: u8, others: u8, style: u8) {
        let first = self.fence(wish);
        let second = self.fence(others);
        let comes = |w: &Self, fence: Id| match w.fences.get(&fence) {
            Some(FenceState::Pending(at)) => {
                w.flights.iter().find(|f| f.at == *at).is_none_or(|f| f.blocked.is_empty())
            }
            Some(FenceState::Signalled) => true,
            _ => false,
        };
        let held = |w: &Self, fence: Id| matches!(w.fences.get(&fence), Some(FenceState::Pending(at)) if w.held(*at));
        if held(self, first) || held(self, second) {
            return;
        }
        let (a, b) = (comes(self, first), comes(self, second));
        let mut fences = vec![first];
        if second != first {
            fences.push(second);
        }
        let all = style & 1 == 0;
        if !(if all { a && b } else { a || b }) {
            return self.say(Step::WaitFences { fences, all, patience: Patience::Short });
        }
        let patience = if style & 2 == 0 { Patience::Forever } else { Patience::Long };
        self.say(Step::WaitFences { fences: fences.clone(), all, patience });
        let signalled: Vec<_> = match (all, a, b) {
            (true, ..) => fences.clone(),
            (_, true, false) => vec![first],
            (_, false, true) => vec![second],
            // Which one it was isn't known.
            _ => Vec::new(),
        };
        for fence in &signalled {
            if let Some(FenceState::Pending(at)) = self.fences.get(fence).copied() {
                self.ended(at);
            }
        }
        if style & 12 == 12 {
            self.reset_fences(signalled);
        }
    }

    pub fn wish_device_idle(&mut self) {
        if self.lane.is_none() && self.flights.iter().all(|f| f.blocked.is_empty()) {
            self.say(Step::DeviceIdle);
            for queue in 0..self.queues.len() {
                let number = self.queues[queue].number;
                self.ended(super::access::At { queue, number });
            }
        }
    }

    pub fn make_event(&mut self, event: Id) {
        if !self.events.contains_key(&event) {
            self.say(Step::CreateEvent { event, host: event < EVENTS / 2 });
            self.events.insert(event, EventState::Unset);
        }
    }

    /// An event that the program sets: the first half of the slots.
    pub fn host_event(&mut self, wish: u8) -> Id {
        let event = self.slot(wish, EVENTS / 2);
        self.make_event(event);
        event
    }

    pub fn wish_set_event(&mut self, wish: u8) {
        let event = self.host_event(wish);
        if self.events.get(&event) == Some(&EventState::Unset) {
            self.set_event(event);
        }
    }

    pub fn set_event(&mut self, event: Id) {
        self.say(Step::SetEvent { event });
        self.events.insert(event, EventState::SetByHost);
        self.kept(Promise::Event(event), &std::collections::BTreeSet::new());
    }

    /// Resets an event that nothing uses; false where something does that waits for the program.
    pub fn reset_event(&mut self, event: Id) -> bool {
        if !self.release(Object::Event(event)) {
            return false;
        }
        self.say(Step::ResetEvent { event });
        self.events.insert(event, EventState::Unset);
        true
    }

    pub fn wish_reset_event(&mut self, wish: u8) {
        let event = self.slot(wish, EVENTS);
        self.make_event(event);
        self.reset_event(event);
    }

    pub fn wish_event_status(&mut self, wish: u8) {
        let event = self.slot(wish, EVENTS);
        self.make_event(event);
        if self.order_host(Access::read(Resource::Event(event), 0, 1)) {
            self.say(Step::EventStatus { event });
        }
    }

    pub fn wish_destroy_event(&mut self, wish: u8) {
        let event = self.slot(wish, EVENTS);
        if self.events.contains_key(&event) && self.release(Object::Event(event)) {
            self.say(Step::DestroyEvent { event });
            self.events.remove(&event);
            self.invalidate(Object::Event(event));
        }
    }

    /// Records commands, behind the wait for an event of the program's if there is one.
    pub fn record_behind(&mut self, cb: Id, begin: Begin, event: Option<Id>, cmds: &[Cmd]) -> bool {
        if !self.recordable(cb) {
            return false;
        }
        let family = self.family_of(cb);
        let mut r = Recording::new(family, false);
        if let Some(event) = event {
            r.uses.insert(Object::Event(event));
            r.changes.push(Change::WaitHostEvent(event));
            let access = Access::read(Resource::Event(event), 0, 1);
            r.push(Command::WaitEvent { event, host: true }, &[access]);
        }
        for cmd in cmds {
            self.command(&mut r, cmd);
        }
        self.finish_recording(cb, begin, r);
        true
    }

    fn timeline(&mut self, wish: u8) -> Id {
        let slot = self.slot(wish, TIMELINES);
        if !self.timelines.contains_key(&slot) {
            self.say(Step::CreateSemaphore { semaphore: slot, timeline: true });
            self.timelines.insert(slot, Timeline { value: 0, signals: Vec::new(), promised: None });
        }
        slot
    }

    /// A value of a timeline that the program, or another queue, will signal.
    pub fn promise(&mut self, wish: u8) -> Option<Semaphore> {
        let slot = self.timeline(wish);
        let t = self.timelines.get_mut(&slot)?;
        let value = t.promised.unwrap_or(t.value + 1 + u64::from(wish % 3));
        t.promised = Some(value);
        Some(Semaphore { slot, value })
    }

    /// Semaphores for a submission to wait for: a quarter of the wishes each for binary ones, timelines, and none.
    pub fn wait_for(&mut self, wish: u8) -> Vec<Semaphore> {
        match wish & 3 {
            1 => {
                let slot = TIMELINES + self.slot(wish >> 2, BINARIES);
                let other = self.binaries.get(&slot).and_then(|b| b.signal.as_ref()).is_some();
                if other { vec![Semaphore { slot, value: 0 }] } else { Vec::new() }
            }
            2 => {
                let slot = self.slot(wish >> 2, TIMELINES);
                let Some(t) = self.timelines.get(&slot) else { return Vec::new() };
                let value = t.value;
                if value == 0 { Vec::new() } else { vec![Semaphore { slot, value }] }
            }
            _ => Vec::new(),
        }
    }

    /// Semaphores for a submission to signal.
    pub fn signal_for(&mut self, wish: u8, queue: usize, waits: &[Semaphore]) -> Vec<Semaphore> {
        match wish & 3 {
            1 => {
                let slot = TIMELINES + self.slot(wish >> 2, BINARIES);
                if !self.binaries.contains_key(&slot) {
                    self.say(Step::CreateSemaphore { semaphore: slot, timeline: false });
                    self.binaries.insert(slot, Binary::default());
                }
                // Its last wait must have been submitted; waiting for and signalling the same in one submission is fine.
                let waited = waits.iter().any(|w| w.slot == slot);
                let free = self.binaries.get(&slot).is_some_and(|b| b.signal.is_none()) || waited;
                if free { vec![Semaphore { slot, value: 0 }] } else { Vec::new() }
            }
            2 => {
                let slot = self.timeline(wish >> 2);
                let t = &self.timelines[&slot];
                if let Some(value) = t.promised {
                    // In place of the program, where it doesn't wait for that itself.
                    let promise = Promise::Timeline(slot, value);
                    let waits_too = self.flights.iter().any(|f| f.at.queue == queue && f.blocked.contains(&promise));
                    let free = waits.is_empty() && !waits_too && t.signals.is_empty();
                    return if free { vec![Semaphore { slot, value }] } else { Vec::new() };
                }
                // Signals of one timeline on several queues would have no order of their own.
                let ordered = t.signals.is_empty() || waits.iter().any(|w| w.slot == slot && w.value == t.value);
                let value = t.value + 1 + u64::from(wish >> 6);
                if ordered { vec![Semaphore { slot, value }] } else { Vec::new() }
            }
            _ => Vec::new(),
        }
    }

    /// The program signals a timeline: what it promised, or the next value where nobody else is about to.
    pub fn wish_host_signal(&mut self, wish: u8, by: u8) {
        let slot = self.timeline(wish);
        let t = &self.timelines[&slot];
        let value = match t.promised {
            Some(value) => value,
            None => t.value + 1 + u64::from(by % 4),
        };
        self.host_signal(Semaphore { slot, value });
    }

    pub fn host_signal(&mut self, semaphore: Semaphore) {
        // Earlier values must have been reached.
        if !self.settle_timeline(semaphore.slot) {
            return;
        }
        self.say(Step::Signal { semaphore });
        if let Some(t) = self.timelines.get_mut(&semaphore.slot) {
            t.value = semaphore.value;
            if t.promised.take().is_some() {
                self.kept(Promise::Timeline(semaphore.slot, semaphore.value), &std::collections::BTreeSet::new());
            }
        }
    }

    /// Waits until a timeline has the value that was submitted last; false where that depends on the program. Fences don't tell: lavapipe
    /// signals a submission's fence a moment before its timelines.
    pub fn settle_timeline(&mut self, slot: Id) -> bool {
        let Some((value, at, done)) = self.timelines.get(&slot).and_then(|t| t.signals.last().cloned()) else {
            return true;
        };
        if self.flights.iter().any(|f| f.at == at && !f.blocked.is_empty()) || self.held(at) {
            return false;
        }
        self.say(Step::WaitSemaphore { semaphore: Semaphore { slot, value } });
        // What the signal is behind has ended.
        self.learn(&done);
        if let Some(t) = self.timelines.get_mut(&slot) {
            t.signals.clear();
        }
        true
    }

    /// Waits for the highest value that was submitted.
    pub fn wish_host_wait(&mut self, wish: u8) {
        let slot = self.timeline(wish);
        let value = self.timelines[&slot].value;
        if self.timelines[&slot].signals.is_empty() {
            return self.say(Step::WaitSemaphore { semaphore: Semaphore { slot, value } });
        }
        self.settle_timeline(slot);
    }

    /// The counter, where nobody is about to change it.
    pub fn wish_counter(&mut self, wish: u8) {
        let slot = self.timeline(wish);
        if self.settle_timeline(slot) {
            self.say(Step::Counter { semaphore: slot });
        }
    }

    pub fn wish_destroy_semaphore(&mut self, wish: u8) {
        let slot = self.slot(wish, TIMELINES + BINARIES);
        let promised = self.timelines.get(&slot).is_some_and(|t| t.promised.is_some());
        let signalled = self.binaries.get(&slot).is_some_and(|b| b.signal.is_some());
        let there = self.timelines.contains_key(&slot) || self.binaries.contains_key(&slot);
        if there && !promised && !signalled && self.release(Object::Semaphore(slot)) && self.settle_timeline(slot) {
            self.say(Step::DestroySemaphore { semaphore: slot });
            self.timelines.remove(&slot);
            self.binaries.remove(&slot);
        }
    }
}
