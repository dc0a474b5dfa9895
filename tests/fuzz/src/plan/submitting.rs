//! Submissions: what is in flight, and what has to have ended before.

use std::collections::{BTreeMap, BTreeSet};

use super::access::{Access, At, Clock, conflict};
use super::state::{Cb, CbState, Change, EventState, FenceState, Flight, Object, Promise, Queries, Query};
use super::world::World;
use crate::command::Id;
use crate::program::Cmd;
use crate::step::{Batch, Semaphore, Step};

/// What a submission does besides running command buffers.
#[derive(Clone, Debug, Default)]
pub struct Around {
    pub fence: Option<Id>,
    pub waits: Vec<Semaphore>,
    pub signals: Vec<Semaphore>,
    /// Command buffers in a batch of their own each.
    pub split: bool,
    pub second_form: bool,
}

/// The state that command buffers change, while a submission is looked at.
#[derive(Clone)]
struct States {
    events: BTreeMap<Id, EventState>,
    queries: BTreeMap<Id, Queries>,
}

impl States {
    /// Runs one change on a queue; `None` where it is invalid, else what the program owes for it.
    fn change(&mut self, change: Change, queue: usize) -> Option<Option<Promise>> {
        match change {
            Change::ResetQueries { pool, first, count } => {
                self.range(pool, first, count)?.fill(Query::Reset);
            }
            Change::EndQuery { pool, query } => {
                let q = self.range(pool, query, 1)?.first_mut()?;
                if *q != Query::Reset {
                    return None;
                }
                *q = Query::There;
            }
            Change::NeedQueries { pool, first, count, all } => {
                let good = |q: &Query| *q == Query::There || (!all && *q == Query::Reset);
                if !self.range(pool, first, count)?.iter().all(good) {
                    return None;
                }
            }
            Change::SetEvent(event) => *self.events.get_mut(&event)? = EventState::SetOn(queue),
            Change::ResetEvent(event) => *self.events.get_mut(&event)? = EventState::Unset,
            Change::WaitEvent(event) => {
                if self.events.get(&event)? != &EventState::SetOn(queue) {
                    return None;
                }
            }
            Change::WaitHostEvent(event) => match self.events.get(&event)? {
                EventState::SetByHost => {}
                EventState::Unset => return Some(Some(Promise::Event(event))),
                EventState::SetOn(_) => return None,
            },
        }
        Some(None)
    }

    fn range(&mut self, pool: Id, first: u32, count: u32) -> Option<&mut [Query]> {
        self.queries.get_mut(&pool)?.state.get_mut(first as usize..(first + count) as usize)
    }
}

impl World<'_> {
    /// Submits command buffers and nothing else.
    pub fn submit_plain(&mut self, queue: usize, cbs: &[Id], fence: Option<Id>) -> bool {
        self.submit(queue, cbs, &Around { fence, ..Around::default() })
    }

    /// Submits what of `cbs` can be; false where it can't be without something that the program would have to do first.
    pub fn submit(&mut self, queue: usize, cbs: &[Id], around: &Around) -> bool {
        let at = At { queue, number: self.queues[queue].number + 1 };
        if around.fence.is_some_and(|f| self.fences.get(&f) != Some(&FenceState::Unsignalled)) {
            return false;
        }
        let Some(mut wait) = self.waits(&around.waits) else { return false };
        let mut after = self.queues[queue].after.clone();
        after.join(&self.host);
        after.join(&wait.clock);
        let mut behind = after.clone();
        behind.join(&self.queues[queue].done);

        let mut states = States { events: self.events.clone(), queries: self.queries.clone() };
        let (mut taken, mut accesses, mut uses) = (Vec::<Id>::new(), Vec::<Access>::new(), BTreeSet::new());
        for id in cbs {
            let Some(cb) = self.submittable(*id, queue, &taken) else { continue };
            let bare = !cb.ordered;
            if bare && conflict(&accesses, &cb.accesses) {
                continue;
            }
            let mut then = states.clone();
            let changes: Option<Vec<_>> = cb.changes.iter().map(|c| then.change(*c, queue)).collect();
            let Some(owed) = changes else { continue };
            let owes = owed.iter().any(Option::is_some);
            if owes && !self.may_owe_event() {
                continue;
            }
            // Without the promises of its own: what can end must end first.
            if !self.order(&cb.accesses, if bare { &after } else { &behind }) {
                continue;
            }
            states = then;
            wait.blocked.extend(owed.into_iter().flatten());
            accesses.extend(&cb.accesses);
            uses.extend(cb.uses.iter().copied());
            uses.insert(Object::Cb(*id));
            taken.push(*id);
        }
        self.launch(at, around, wait, states, taken, accesses, uses);
        true
    }

    /// Whether work may be submitted that waits for an event which the program sets later: another thread would wait with it, and so would
    /// its pipelines.
    fn may_owe_event(&self) -> bool {
        self.lane.is_none() || (!self.calm_only && self.queues.len() == 1)
    }

    /// The submission is valid: says so, and notes all that it changes.
    #[allow(clippy::too_many_arguments)]
    fn launch(
        &mut self,
        at: At,
        around: &Around,
        wait: Waiting,
        states: States,
        taken: Vec<Id>,
        accesses: Vec<Access>,
        mut uses: BTreeSet<Object>,
    ) {
        let mut blocked = wait.blocked;
        // A queue's work ends in order.
        blocked.extend(self.flights.iter().filter(|f| f.at.queue == at.queue).flat_map(|f| f.blocked.iter().copied()));
        let queue = &mut self.queues[at.queue];
        queue.number = at.number;
        queue.after.join(&wait.clock);
        queue.after.join(&self.host);
        queue.done.join(&queue.after.clone());
        queue.done.include(at);
        let done = queue.done.clone();
        (self.events, self.queries) = (states.events, states.queries);
        for id in &taken {
            if let Some(cb) = self.cbs.get_mut(id).filter(|c| c.once) {
                cb.state = CbState::Invalid;
            }
        }
        uses.extend(around.waits.iter().chain(&around.signals).map(|s| Object::Semaphore(s.slot)));
        if let Some(f) = around.fence {
            uses.insert(Object::Fence(f));
            self.fences.insert(f, FenceState::Pending(at));
        }
        for s in &around.waits {
            if let Some(binary) = self.binaries.get_mut(&s.slot) {
                binary.signal = None;
            }
        }
        for s in &around.signals {
            if let Some(binary) = self.binaries.get_mut(&s.slot) {
                binary.signal = Some((at, done.clone()));
            }
            if let Some(t) = self.timelines.get_mut(&s.slot) {
                t.value = s.value;
                t.signals.push((s.value, at, done.clone()));
                if t.promised == Some(s.value) {
                    t.promised = None;
                    self.kept(Promise::Timeline(s.slot, s.value), &blocked);
                }
            }
        }
        let fence = around.fence;
        let batches = batches(&taken, around);
        self.say(Step::Submit { queue: at.queue, batches, fence, second_form: around.second_form });
        self.flights.push(Flight { at, done, accesses, uses, blocked, fence });
    }

    /// A command buffer that can be submitted to a queue now.
    fn submittable(&self, id: Id, queue: usize, taken: &[Id]) -> Option<Cb> {
        let cb = self.cbs.get(&id).filter(|cb| cb.state == CbState::Recorded && !cb.secondary)?;
        let family = self.pools.values().find(|p| p.cbs.contains(&id))?.family;
        let pending = |o: Object| self.used(o).is_some();
        let again = taken.contains(&id) || pending(Object::Cb(id));
        // So must be what is executed inside.
        let inside = |o: &Object| match o {
            Object::Cb(inner) => {
                let in_flight =
                    pending(*o) || taken.iter().any(|t| self.cbs.get(t).is_some_and(|t| t.uses.contains(o)));
                in_flight && !self.cbs.get(inner).is_some_and(|c| c.simultaneous)
            }
            _ => false,
        };
        let twice = (again && (cb.once || !cb.simultaneous)) || cb.uses.iter().any(inside);
        (family == self.family(queue) && !twice && self.mine(&cb.uses)).then(|| cb.clone())
    }

    /// What semaphores put before a submission; `None` where they can't be waited for.
    fn waits(&self, waits: &[Semaphore]) -> Option<Waiting> {
        let mut sum = Waiting::default();
        for s in waits {
            let signal = match (self.binaries.get(&s.slot), self.timelines.get(&s.slot)) {
                (Some(binary), _) => {
                    let signal = binary.signal.as_ref()?;
                    // Timelines that its signal depends on must have been submitted; lavapipe waits for events, too.
                    let blocked = self.flights.iter().any(|f| f.at == signal.0 && !f.blocked.is_empty());
                    if blocked || self.held(signal.0) {
                        return None;
                    }
                    Some((signal.0, signal.1.clone()))
                }
                (_, Some(t)) => {
                    if t.promised.is_some_and(|p| s.value >= p) {
                        sum.blocked.insert(Promise::Timeline(s.slot, t.promised.unwrap_or(0)));
                    }
                    let signal = t.signals.iter().filter(|(v, ..)| *v >= s.value).min_by_key(|(v, ..)| *v);
                    signal.map(|(_, at, clock)| (*at, clock.clone()))
                }
                _ => return None,
            };
            if let Some((at, clock)) = signal {
                sum.clock.join(&clock);
                let flight = self.flights.iter().find(|f| f.at == at);
                sum.blocked.extend(flight.iter().flat_map(|f| f.blocked.iter().copied()));
            }
        }
        Some(sum)
    }

    /// `Submit`.
    pub fn wish_submit(&mut self, wish: u8, cbs: &[u8], fence: u8, wait: u8, signal: u8, style: u8) {
        let Some(queue) = self.queue(wish) else { return };
        let cbs: Vec<Id> = cbs.iter().map(|c| self.primary_for(queue, *c)).collect();
        let fence = (fence & 1 == 1).then(|| self.fence_to_submit(fence >> 1)).flatten();
        let waits = self.wait_for(wait);
        let signals = self.signal_for(signal, queue, &waits);
        let around = Around { fence, waits, signals, split: style & 1 == 1, second_form: style & 2 == 2 };
        self.submit(queue, &cbs, &around);
    }

    /// `SubmitBlocked`: on an event that a command waits for, or on a timeline.
    pub fn wish_submit_blocked(&mut self, wish: u8, on: u8, fence: u8, commands: &[Cmd], style: u8) {
        let Some(queue) = self.queue(wish) else { return };
        if self.lane.is_some() && self.calm_only {
            return;
        }
        // Few at a time, so that something else can still happen.
        if self.flights.iter().filter(|f| !f.blocked.is_empty()).count() >= 3 {
            return;
        }
        let cb = self.primary_for(queue, style);
        let begin = super::recording::Begin { once: style & 1 == 1, simultaneous: false, ordered: true };
        let mut around = Around { second_form: style & 2 == 2, ..Around::default() };
        if on & 1 == 0 && !self.may_owe_event() {
            return;
        }
        let event = if on & 1 == 0 { Some(self.host_event(on >> 1)) } else { None };
        if let Some(event) = event
            && self.events.get(&event) != Some(&EventState::Unset)
            && !self.reset_event(event)
        {
            return;
        }
        if !self.record_behind(cb, begin, event, commands) {
            return;
        }
        if event.is_none() {
            let Some(wait) = self.promise(on >> 1) else { return };
            around.waits.push(wait);
        }
        around.fence = (fence & 1 == 1).then(|| self.fence_to_submit(fence >> 1)).flatten();
        self.submit(queue, &[cb], &around);
    }
}

/// What a submission waits for.
#[derive(Default)]
struct Waiting {
    clock: Clock,
    blocked: BTreeSet<Promise>,
}

fn batches(cbs: &[Id], around: &Around) -> Vec<Batch> {
    let (waits, signals) = (around.waits.clone(), around.signals.clone());
    if !around.split || cbs.len() < 2 {
        if cbs.is_empty() && waits.is_empty() && signals.is_empty() {
            return Vec::new();
        }
        return vec![Batch { cbs: cbs.to_vec(), waits, signals }];
    }
    let mut batches: Vec<Batch> =
        cbs.iter().map(|c| Batch { cbs: vec![*c], waits: Vec::new(), signals: Vec::new() }).collect();
    if let Some(first) = batches.first_mut() {
        first.waits = waits;
    }
    if let Some(last) = batches.last_mut() {
        last.signals = signals;
    }
    batches
}
