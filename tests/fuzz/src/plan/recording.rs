//! Recordings: commands with the barriers between them that their accesses need.

use std::collections::BTreeSet;

use super::access::{Access, Resource, conflict};
use super::slots::{EACH, OWN_CB, OWN_POOL, PRIMARIES};
use super::state::{Cb, CbState, Change, Object, Pool};
use super::world::World;
use crate::command::{Command, Id};
use crate::program::Cmd;
use crate::step::Step;

/// A recording under way.
pub struct Recording {
    pub family: u32,
    pub secondary: bool,
    pub commands: Vec<Command>,
    accesses: Vec<Access>,
    since_barrier: Vec<Access>,
    pub uses: BTreeSet<Object>,
    pub changes: Vec<Change>,
}

impl Recording {
    pub fn new(family: u32, secondary: bool) -> Self {
        Self {
            family,
            secondary,
            commands: Vec::new(),
            accesses: Vec::new(),
            since_barrier: Vec::new(),
            uses: BTreeSet::new(),
            changes: Vec::new(),
        }
    }

    pub fn barrier(&mut self, style: u8) {
        self.commands.push(Command::Barrier { style });
        self.since_barrier.clear();
    }

    /// Records a command, behind a barrier where its accesses need one.
    pub fn push(&mut self, command: Command, accesses: &[Access]) {
        if conflict(&self.since_barrier, accesses) {
            self.barrier(self.commands.len() as u8);
        }
        self.since_barrier.extend(accesses);
        self.accesses.extend(accesses);
        self.commands.push(command);
    }

    /// Notes accesses of a command that was recorded as it is.
    pub fn note(&mut self, accesses: &[Access]) {
        self.since_barrier.extend(accesses);
        self.accesses.extend(accesses);
    }

    pub fn accesses(&self) -> &[Access] {
        &self.accesses
    }

    /// Several commands with one set of accesses, which a barrier may only come before.
    pub fn push_all(&mut self, commands: impl IntoIterator<Item = Command>, accesses: &[Access]) {
        let mut commands = commands.into_iter();
        if let Some(first) = commands.next() {
            self.push(first, accesses);
        }
        self.commands.extend(commands);
    }
}

/// How a recording is begun.
#[derive(Clone, Copy)]
pub struct Begin {
    pub once: bool,
    pub simultaneous: bool,
    pub ordered: bool,
}

impl World<'_> {
    /// How many pools: one for each family and thread.
    pub fn pool_count(&self) -> u32 {
        self.facts.family_count() * 2
    }

    /// A command buffer's slot: pools alternate between the threads.
    pub fn cb_slot(&self, wish: u8) -> Id {
        let pool = self.slot(wish / 8, self.pool_count());
        pool * EACH + u32::from(wish % 8) % EACH
    }

    /// A primary command buffer for a queue.
    pub fn primary_for(&self, queue: usize, wish: u8) -> Id {
        let lane = self.lane.unwrap_or(u32::from(wish >> 2 & 1));
        (self.family(queue) * 2 + lane) * EACH + u32::from(wish) % PRIMARIES
    }

    /// The pool of a command buffer, made if it isn't there.
    fn pool_of(&mut self, cb: Id) -> Id {
        let pool = cb / EACH;
        if !self.pools.contains_key(&pool) {
            let family = pool / 2;
            let all: Vec<Id> = (pool * EACH..(pool + 1) * EACH).collect();
            let (primaries, secondaries) = all.split_at(PRIMARIES as usize);
            // Those of the second thread are only reset as a whole.
            let resets = pool.is_multiple_of(2);
            self.create_pool(pool, family, resets, primaries.to_vec(), secondaries.to_vec());
        }
        pool
    }

    fn create_pool(&mut self, pool: Id, family: u32, resets: bool, primaries: Vec<Id>, secondaries: Vec<Id>) {
        let cbs: Vec<Id> = primaries.iter().chain(&secondaries).copied().collect();
        for cb in &cbs {
            let secondary = secondaries.contains(cb);
            self.cbs.insert(
                *cb,
                Cb {
                    secondary,
                    state: CbState::Initial,
                    once: false,
                    simultaneous: false,
                    ordered: true,
                    accesses: Vec::new(),
                    uses: BTreeSet::new(),
                    changes: Vec::new(),
                },
            );
        }
        self.say(Step::CreatePool { pool, family, resets, primaries, secondaries });
        self.pools.insert(pool, Pool { family, resets, cbs });
    }

    /// Makes a command buffer ready to be recorded; false where it is in use.
    pub fn recordable(&mut self, cb: Id) -> bool {
        let pool = self.pool_of(cb);
        if self.cbs[&cb].state == CbState::Initial {
            return true;
        }
        if !self.pools[&pool].resets {
            return self.reset_pool(pool, false);
        }
        // Recording it resets it.
        self.forget_recording(cb)
    }

    /// The queue family of a command buffer whose pool is there.
    pub fn family_of(&self, cb: Id) -> u32 {
        self.pools.get(&(cb / EACH)).map_or(0, |p| p.family)
    }

    fn forget_recording(&mut self, cb: Id) -> bool {
        if !self.release(Object::Cb(cb)) {
            return false;
        }
        self.invalidate(Object::Cb(cb));
        if let Some(cb) = self.cbs.get_mut(&cb) {
            cb.state = CbState::Initial;
        }
        true
    }

    pub fn reset_pool(&mut self, pool: Id, release: bool) -> bool {
        let Some(p) = self.pools.get(&pool) else { return false };
        let cbs = p.cbs.clone();
        if !cbs.iter().all(|cb| self.release(Object::Cb(*cb))) || !cbs.iter().all(|cb| self.forget_recording(*cb)) {
            return false;
        }
        self.say(Step::ResetPool { pool, release });
        true
    }

    pub fn wish_destroy_pool(&mut self, wish: u8) {
        let pool = self.slot(wish, self.pool_count());
        let Some(cbs) = self.pools.get(&pool).map(|p| p.cbs.clone()) else { return };
        if cbs.iter().all(|cb| self.release(Object::Cb(*cb))) && cbs.iter().all(|cb| self.forget_recording(*cb)) {
            self.say(Step::DestroyPool { pool });
            self.pools.remove(&pool);
            self.cbs.retain(|cb, _| !cbs.contains(cb));
        }
    }

    pub fn wish_trim_pool(&mut self, wish: u8) {
        let pool = self.slot(wish, self.pool_count());
        if self.pools.contains_key(&pool) {
            self.say(Step::TrimPool { pool });
        }
    }

    pub fn wish_reset_buffer(&mut self, wish: u8, release: bool) {
        let cb = self.cb_slot(wish);
        let pool = cb / EACH;
        if self.pools.get(&pool).is_some_and(|p| p.resets) && self.forget_recording(cb) {
            self.say(Step::ResetBuffer { cb, release });
        }
    }

    pub fn wish_record(&mut self, wish: u8, flags: u8, cmds: &[Cmd]) {
        let cb = self.cb_slot(wish);
        let begin = Begin { once: flags & 3 == 1, simultaneous: flags & 3 == 2, ordered: flags & 28 != 28 };
        self.record(cb, begin, cmds);
    }

    /// Records wishes into a command buffer; false where it is in use.
    pub fn record(&mut self, cb: Id, begin: Begin, cmds: &[Cmd]) -> bool {
        if !self.recordable(cb) {
            return false;
        }
        let family = self.pools[&(cb / EACH)].family;
        let mut recording = Recording::new(family, self.cbs[&cb].secondary);
        for cmd in cmds {
            self.command(&mut recording, cmd);
        }
        // What a command needed may have reset the pool.
        if !self.recordable(cb) {
            return false;
        }
        self.finish_recording(cb, begin, recording);
        true
    }

    /// The step of a recording.
    pub fn finish_recording(&mut self, cb: Id, begin: Begin, recording: Recording) {
        let Recording { commands: inner, accesses, uses, changes, secondary, .. } = recording;
        let mut commands = Vec::with_capacity(inner.len() + 2);
        if begin.ordered {
            commands.push(Command::Barrier { style: inner.len() as u8 });
        }
        commands.extend(inner);
        // So that the host sees what was written.
        commands.push(Command::Barrier { style: 0 });
        // A secondary one in several primaries is simultaneous.
        self.say(Step::Record { cb, secondary, once: begin.once, simultaneous: begin.simultaneous, commands });
        if let Some(cb) = self.cbs.get_mut(&cb) {
            let Begin { once, simultaneous, ordered } = begin;
            *cb = Cb { secondary, state: CbState::Recorded, once, simultaneous, ordered, accesses, uses, changes };
        }
    }

    /// A secondary command buffer becomes part of a recording.
    pub fn execute(&mut self, r: &mut Recording, wish: u8) {
        let id = self.slot(wish / 8, self.pool_count()) * EACH + PRIMARIES + u32::from(wish) % (EACH - PRIMARIES);
        let Some(cb) = self.cbs.get(&id) else { return };
        let same_family = self.pools.get(&(id / EACH)).is_some_and(|p| p.family == r.family);
        if r.secondary || cb.state != CbState::Recorded || !same_family || cb.once || !self.mine(&cb.uses) {
            return;
        }
        let elsewhere = |w: &Self| {
            w.cbs.values().any(|o| o.state == CbState::Recorded && o.uses.contains(&Object::Cb(id)))
                || r.uses.contains(&Object::Cb(id))
        };
        if !cb.simultaneous && (elsewhere(self) || self.used(Object::Cb(id)).is_some()) {
            return;
        }
        let (accesses, uses, changes) = (cb.accesses.clone(), cb.uses.clone(), cb.changes.clone());
        r.push(Command::Execute { cb: id }, &accesses);
        // A barrier of its own stands at its end, but not for what the recording did before if it has none at its begin.
        r.uses.extend(uses);
        r.uses.insert(Object::Cb(id));
        r.changes.extend(changes);
    }

    fn own_cb(&self) -> Option<(usize, Id)> {
        let queue = self.queue(0)?;
        Some((queue, OWN_CB + self.lane.unwrap_or(0)))
    }

    /// Whether a new object can be given its first content now: it takes a command buffer that isn't waited for in vain.
    pub fn can_initialise(&mut self) -> bool {
        self.own_cb().is_some_and(|(_, cb)| self.release(Object::Cb(cb)))
    }

    /// Runs commands of the planner's own.
    pub fn initialise(&mut self, commands: Vec<Command>, accesses: &[Access], uses: Vec<Object>) -> bool {
        let Some((queue, cb)) = self.own_cb().filter(|(_, cb)| self.release(Object::Cb(*cb))) else { return false };
        let family = self.family(queue);
        if !self.cbs.contains_key(&cb) {
            self.create_pool(OWN_POOL + cb - OWN_CB, family, true, vec![cb], Vec::new());
        }
        let mut recording = Recording::new(family, false);
        recording.push_all(commands, accesses);
        recording.uses.extend(uses);
        self.finish_recording(cb, Begin { once: true, simultaneous: false, ordered: true }, recording);
        self.submit_plain(queue, &[cb], None)
    }

    /// Memory of a buffer's part.
    pub fn part(&self, buffer: Id, at: u64, size: u64, write: bool) -> Access {
        let b = &self.buffers[&buffer];
        Access { on: Resource::Memory(b.memory), from: b.at + at, to: b.at + at + size, write }
    }
}
