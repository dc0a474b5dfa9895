//! What the planner knows at a point of the program: which objects there are, what is in flight, and what the program has seen end.

use std::collections::{BTreeMap, BTreeSet};

use super::access::{Access, At, Clock, conflict};
use super::slots::lane_of;
use super::state::{
    Binary, Buffer, Cb, CbState, EventState, FenceState, Flight, Memory, Object, Pipeline, Pool, Promise, Queries,
    Queue, Set, Timeline,
};
use crate::command::Id;
use crate::facts::Facts;
use crate::image::Shape;
use crate::step::{Patience, Step};

/// Everything.
pub struct World<'a> {
    pub facts: &'a Facts,
    pub discrete: bool,
    /// The half of all objects and queues that the planned thread may use; `None` while there is one thread.
    pub lane: Option<u32>,
    pub steps: Vec<Step>,
    pub memories: BTreeMap<Id, Memory>,
    pub buffers: BTreeMap<Id, Buffer>,
    pub pools: BTreeMap<Id, Pool>,
    pub cbs: BTreeMap<Id, Cb>,
    pub fences: BTreeMap<Id, FenceState>,
    pub events: BTreeMap<Id, EventState>,
    pub timelines: BTreeMap<Id, Timeline>,
    pub binaries: BTreeMap<Id, Binary>,
    pub queries: BTreeMap<Id, Queries>,
    pub images: BTreeMap<Id, Shape>,
    pub pipelines: BTreeMap<Id, Pipeline>,
    pub sets: BTreeMap<Id, Set>,
    pub queues: Vec<Queue>,
    pub flights: Vec<Flight>,
    /// What the program has seen end.
    pub host: Clock,
    /// The part of it that it has waited for on the same queue, so that fences and semaphores are known to be signalled too.
    pub direct: Clock,
    /// Whether nothing may be submitted that waits for the program, so that two threads can do what needs that.
    pub calm_only: bool,
}

impl<'a> World<'a> {
    pub fn new(facts: &'a Facts, discrete: bool) -> Self {
        Self {
            facts,
            discrete,
            lane: None,
            steps: Vec::new(),
            memories: BTreeMap::new(),
            buffers: BTreeMap::new(),
            pools: BTreeMap::new(),
            cbs: BTreeMap::new(),
            fences: BTreeMap::new(),
            events: BTreeMap::new(),
            timelines: BTreeMap::new(),
            binaries: BTreeMap::new(),
            queries: BTreeMap::new(),
            images: BTreeMap::new(),
            pipelines: BTreeMap::new(),
            sets: BTreeMap::new(),
            queues: vec![Queue::default(); facts.queues.len()],
            flights: Vec::new(),
            host: Clock::default(),
            direct: Clock::default(),
            calm_only: false,
        }
    }

    pub fn say(&mut self, step: Step) {
        self.steps.push(step);
    }

    /// A slot of `count`, an even number of them; one thread of two gets every second one.
    pub fn slot(&self, wish: u8, count: u32) -> Id {
        let i = u32::from(wish) % count;
        self.lane.map_or(i, |lane| (i & !1) | lane)
    }

    /// Whether an object of this slot is for the planned thread.
    pub fn own(&self, slot: Id) -> bool {
        self.lane.is_none_or(|lane| slot % 2 == lane)
    }

    /// Whether the planned thread may use all of these objects.
    pub fn mine(&self, objects: &BTreeSet<Object>) -> bool {
        let half = |o: &Object| match *o {
            Object::Cb(cb) => lane_of(cb),
            Object::Buffer(i)
            | Object::Event(i)
            | Object::Fence(i)
            | Object::Image(i)
            | Object::Pipeline(i)
            | Object::Queries(i)
            | Object::Semaphore(i)
            | Object::Set(i) => i % 2,
        };
        self.lane.is_none_or(|lane| objects.iter().all(|o| half(o) == lane))
    }

    /// A queue; a second thread has none where there is only one.
    pub fn queue(&self, wish: u8) -> Option<usize> {
        let mine = |q: &usize| self.lane.is_none_or(|lane| *q as u32 % 2 == lane);
        let queues: Vec<usize> = (0..self.queues.len()).filter(mine).collect();
        (!queues.is_empty()).then(|| queues[wish as usize % queues.len()])
    }

    pub fn family(&self, queue: usize) -> u32 {
        self.facts.queues[queue].0
    }

    /// Whether no submission waits for the program, nor can one of another thread. lavapipe holds a lock while it runs a submission, and
    /// takes the same one to make or destroy pipelines and views; it waits for the whole device where a program asks for query results.
    pub fn calm(&self) -> bool {
        (self.lane.is_none() || self.calm_only) && self.flights.iter().all(|f| f.blocked.is_empty())
    }

    /// Whether a submission that the program hasn't seen end uses an object.
    pub fn used(&self, object: Object) -> Option<&Flight> {
        self.flights.iter().find(|f| f.uses.contains(&object))
    }

    /// Waits until no submission uses an object; false where one waits for the program.
    pub fn release(&mut self, object: Object) -> bool {
        while let Some(at) = self.used(object).map(|f| f.at) {
            if !self.settle(at) {
                return false;
            }
        }
        true
    }

    /// Waits until accesses are ordered behind what is in flight but not before `before`; false where one waits for the program.
    pub fn order(&mut self, accesses: &[Access], before: &Clock) -> bool {
        let open =
            |w: &Self| w.flights.iter().find(|f| !before.covers(f.at) && conflict(&f.accesses, accesses)).map(|f| f.at);
        while let Some(at) = open(self) {
            if !self.settle(at) {
                return false;
            }
        }
        true
    }

    /// The host may touch this.
    pub fn order_host(&mut self, access: Access) -> bool {
        let host = self.host.clone();
        self.order(&[access], &host)
    }

    /// Whether a submission may have to wait for an event of the program's though it has nothing to do with it: several queues share
    /// one of the host's driver, which runs in order.
    pub fn held(&self, at: At) -> bool {
        let waits = |f: &Flight| f.at.queue != at.queue && f.blocked.iter().any(|p| matches!(p, Promise::Event(_)));
        self.flights.iter().any(waits)
    }

    /// Waits for a submission; false where it waits for the program.
    pub fn settle(&mut self, at: At) -> bool {
        let Some(flight) = self.flights.iter().find(|f| f.at == at) else { return true };
        if !flight.blocked.is_empty() || self.held(at) {
            return false;
        }
        let fence = flight.fence.filter(|f| self.fences.get(f) == Some(&FenceState::Pending(at)));
        match fence {
            Some(fence) if at.number.is_multiple_of(3) => self.say(Step::SpinFence { fence }),
            Some(fence) => {
                let patience = if at.number % 3 == 1 { Patience::Forever } else { Patience::Long };
                self.say(Step::WaitFences { fences: vec![fence], all: true, patience });
            }
            None => return self.idle(at.queue),
        }
        self.ended(at);
        true
    }

    /// Waits until a queue is idle; false where it waits for the program.
    pub fn idle(&mut self, queue: usize) -> bool {
        let number = self.queues[queue].number;
        let blocked = self.flights.iter().any(|f| f.at.queue == queue && !f.blocked.is_empty());
        if blocked || self.held(At { queue, number }) {
            return false;
        }
        self.say(Step::QueueIdle { queue });
        self.ended(At { queue, number });
        true
    }

    /// The program has waited for a submission itself.
    pub fn ended(&mut self, at: At) {
        // What isn't in flight any more was known to have ended, with everything before it.
        let done = self.flights.iter().find(|f| f.at == at).map(|f| f.done.clone()).unwrap_or_default();
        self.direct.include(at);
        self.learn(&done);
    }

    /// The program knows that something has ended.
    pub fn learn(&mut self, done: &Clock) {
        self.host.join(done);
        let host = &self.host;
        self.flights.retain(|f| !host.covers(f.at));
        for state in self.fences.values_mut() {
            if matches!(state, FenceState::Pending(at) if self.direct.covers(*at)) {
                *state = FenceState::Signalled;
            }
        }
    }

    /// The program has done what it owed.
    pub fn kept(&mut self, promise: Promise, then: &BTreeSet<Promise>) {
        for f in &mut self.flights {
            if f.blocked.remove(&promise) {
                f.blocked.extend(then);
            }
        }
    }

    /// Command buffers that use an object can't be submitted any more.
    pub fn invalidate(&mut self, object: Object) {
        let mut gone = vec![object];
        while let Some(object) = gone.pop() {
            for (id, cb) in &mut self.cbs {
                if cb.state == CbState::Recorded && cb.uses.contains(&object) {
                    cb.state = CbState::Invalid;
                    gone.push(Object::Cb(*id));
                }
            }
        }
    }
}
