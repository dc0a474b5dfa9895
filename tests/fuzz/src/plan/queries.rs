//! Queries: pools of each kind whose results are certain, and pools of timestamps.

use super::access::{Access, Resource};
use super::recording::{Begin, Recording};
use super::state::{Change, Object, Queries, Query};
use super::world::World;
use crate::command::{Asked, Command, Id};
use crate::step::{Counts, Step};

/// Two pools of each kind, the last two of which not every device has.
const KINDS: [Counts; 6] =
    [Counts::Invocations, Counts::Timestamps, Counts::Samples, Counts::Geometry, Counts::Primitives, Counts::Captured];
/// Queries of a pool.
pub const EACH: u32 = 8;

/// A part of a pool.
fn range(first: u8, count: u8) -> (u32, u32) {
    let first = u32::from(first) % EACH;
    (first, 1 + u32::from(count) % (EACH - first))
}

pub fn touch(pool: Id, first: u32, count: u32, write: bool) -> Access {
    Access { on: Resource::Queries(pool), from: u64::from(first), to: u64::from(first + count), write }
}

impl World<'_> {
    /// Whether the device has queries of a kind.
    fn has(&self, counts: Counts) -> bool {
        match counts {
            Counts::Primitives => self.facts.primitives,
            Counts::Captured => self.facts.captures,
            _ => true,
        }
    }

    pub fn queries(&mut self, wish: u8, counts: Counts) -> Id {
        let kind = KINDS.iter().position(|k| *k == counts).unwrap_or(0);
        let pool = 2 * kind as u32 + self.slot(wish, 2);
        self.make_queries(pool);
        pool
    }

    fn make_queries(&mut self, pool: Id) {
        if !self.queries.contains_key(&pool) {
            let counts = KINDS[pool as usize / 2];
            self.say(Step::CreateQueries { pool, counts });
            self.queries.insert(pool, Queries { counts, state: vec![Query::Unknown; EACH as usize], got: None });
            self.reset_at_once(pool, 0, EACH);
        }
    }

    /// A pool, half of the time one with results, which may be asked for again, reset and counted anew.
    fn any_queries(&mut self, wish: u8) -> Id {
        let with_results = |(id, q): (&Id, &Queries)| (self.own(*id) && q.state.contains(&Query::There)).then_some(*id);
        let there: Vec<Id> = self.queries.iter().filter_map(with_results).collect();
        if wish >= 128 && !there.is_empty() {
            return there[usize::from(wish) % there.len()];
        }
        let kinds: Vec<Counts> = KINDS.into_iter().filter(|k| self.has(*k)).collect();
        self.queries(wish, kinds[usize::from(wish / 2) % kinds.len()])
    }

    /// A part of a pool; half of the time the query whose result the program has got.
    fn range_in(&self, pool: Id, first: u8, count: u8) -> (u32, u32) {
        let got = self.queries.get(&pool).and_then(|q| q.got).filter(|_| count >= 128);
        got.map_or_else(|| range(first, count), |query| (query, 1))
    }

    /// From the program's side.
    fn reset_at_once(&mut self, pool: Id, first: u32, count: u32) {
        if self.order_host(touch(pool, first, count, true)) {
            self.say(Step::ResetQueries { pool, first, count });
            if let Some(q) = self.queries.get_mut(&pool) {
                q.state[first as usize..(first + count) as usize].fill(Query::Reset);
            }
        }
    }

    pub fn wish_reset_queries(&mut self, wish: u8, first: u8, count: u8) {
        let pool = self.any_queries(wish);
        let (first, count) = self.range_in(pool, first, count);
        self.reset_at_once(pool, first, count);
    }

    pub fn wish_results(&mut self, wish: u8, first: u8, count: u8, flags: u8) {
        let pool = self.any_queries(wish);
        self.results(pool, first, count, flags);
    }

    /// Asks for results of a pool that is there.
    pub fn results(&mut self, pool: Id, first: u8, count: u8, flags: u8) {
        let (mut first, mut count) = range(first, count);
        // A part of the wishes is for one that the program has asked for before, or whose result is there.
        let queries = &self.queries[&pool];
        let there = || queries.state.iter().position(|q| *q == Query::There).map(|q| q as Id);
        let one = match flags & 48 {
            32 => there(),
            48 => queries.got.or_else(there),
            _ => None,
        };
        if let Some(one) = one {
            (first, count) = (one, 1);
        }
        if !self.calm() || !self.order_host(touch(pool, first, count, false)) {
            return;
        }
        let queries = &self.queries[&pool];
        let state = &queries.state[first as usize..(first + count) as usize];
        if state.contains(&Query::Unknown) {
            return;
        }
        let there = state.iter().all(|q| *q == Query::There);
        let timestamps = queries.counts == Counts::Timestamps;
        // A timestamp may have no partial result (Vulkan, VUID-vkGetQueryPoolResults-queryType-09439), and that of a query which isn't
        // available is anything: lavapipe gives what its memory held.
        let asked = Asked {
            results: queries.counts.results(),
            wide: flags & 1 == 0,
            wait: flags & 2 != 0 && there,
            // Of statistics that aren't available lavapipe writes the availability behind the first value's place, not as the last one.
            availability: flags & 4 != 0 && (there || queries.counts != Counts::Geometry),
            partial: flags & 24 == 24 && !timestamps && there,
            gap: u32::from(flags >> 6),
        };
        self.say(Step::Results { pool, first, count, timestamps, asked });
        if let (1, true, Some(queries)) = (count, there, self.queries.get_mut(&pool)) {
            queries.got = Some(first);
        }
    }

    /// A query's result before and after commands reset it, which a driver must not take for the same.
    pub fn wish_recount(&mut self, queue: u8, [wish, query]: [u8; 2], pipeline: u8, to: u8, style: u8) {
        let Some(queue) = self.queue(queue) else { return };
        let (pool, query) = (self.queries(wish, Counts::Invocations), u32::from(query) % EACH);
        for round in 0..2 {
            let cb = self.primary_for(queue, wish);
            if !self.recordable(cb) {
                return;
            }
            let mut r = Recording::new(self.family_of(cb), false);
            let counted = if round == 0 || style & 1 == 1 {
                self.count(&mut r, wish, query as u8, true, pipeline, to.wrapping_add(round * 2))
            } else {
                self.record_reset(&mut r, pool, query, 1)
            };
            // What a command needed may have reset the pool of command buffers, or used this one.
            if counted.is_none() || !self.recordable(cb) {
                return;
            }
            self.finish_recording(cb, Begin { once: true, simultaneous: false, ordered: true }, r);
            self.submit_plain(queue, &[cb], None);
            self.results(pool, query as u8, 0, style & 4);
        }
    }

    pub fn wish_destroy_queries(&mut self, wish: u8) {
        let pool = self.slot(wish, 2 * KINDS.len() as u32);
        if self.queries.contains_key(&pool) && self.release(Object::Queries(pool)) {
            self.say(Step::DestroyQueries { pool });
            self.queries.remove(&pool);
            self.invalidate(Object::Queries(pool));
        }
    }

    pub fn reset_queries(&mut self, r: &mut Recording, wish: u8, first: u8, count: u8) -> Option<()> {
        let pool = self.any_queries(wish);
        let (first, count) = self.range_in(pool, first, count);
        self.record_reset(r, pool, first, count)
    }

    pub fn record_reset(&mut self, r: &mut Recording, pool: Id, first: u32, count: u32) -> Option<()> {
        self.computes(r).then_some(())?;
        r.uses.insert(Object::Queries(pool));
        r.changes.push(Change::ResetQueries { pool, first, count });
        r.push(Command::ResetQueries { pool, first, count }, &[touch(pool, first, count, true)]);
        Some(())
    }

    /// Counts the invocations of a dispatch.
    pub fn count(&mut self, r: &mut Recording, wish: u8, query: u8, reset: bool, pipeline: u8, to: u8) -> Option<()> {
        self.computes(r).then_some(())?;
        let pool = self.queries(wish, Counts::Invocations);
        let query = u32::from(query) % EACH;
        let (dispatch, [read, write]) = self.counted(r, pipeline, to)?;
        if reset {
            self.record_reset(r, pool, query, 1)?;
        }
        r.uses.insert(Object::Queries(pool));
        r.changes.push(Change::EndQuery { pool, query });
        let commands = [Command::BeginQuery { pool, query }, dispatch, Command::EndQuery { pool, query }];
        r.push_all(commands, &[touch(pool, query, 1, true), read, write]);
        Some(())
    }

    pub fn timestamp(&mut self, r: &mut Recording, wish: u8, query: u8, reset: bool, second_form: bool) -> Option<()> {
        let pool = self.queries(wish, Counts::Timestamps);
        let query = u32::from(query) % EACH;
        if reset {
            self.record_reset(r, pool, query, 1)?;
        }
        r.uses.insert(Object::Queries(pool));
        r.changes.push(Change::EndQuery { pool, query });
        r.push(Command::Timestamp { pool, query, second_form }, &[touch(pool, query, 1, true)]);
        Some(())
    }

    /// Copies results of queries. Times would differ from run to run, so what they say is filled afterwards.
    pub fn copy_results(
        &mut self,
        r: &mut Recording,
        wish: u8,
        part: [u8; 2],
        to: u8,
        at: u8,
        flags: u8,
    ) -> Option<()> {
        self.computes(r).then_some(())?;
        let pool = self.any_queries(wish);
        let counts = self.queries[&pool].counts;
        let to = self.buffer(to)?;
        let (first, count) = self.range_in(pool, part[0], part[1]);
        let asked = Asked {
            results: counts.results(),
            wide: flags & 1 == 0,
            wait: flags & 2 != 0,
            availability: flags & 4 != 0,
            // A timestamp may have no partial result.
            partial: flags & 24 == 24 && counts != Counts::Timestamps,
            gap: u32::from(flags >> 6),
        };
        let stride = asked.values() * asked.value_size();
        let (at, size) = (u64::from(at) * 8, u64::from(count) * stride);
        if at + size > self.buffers[&to].size {
            return None;
        }
        r.uses.extend([Object::Queries(pool), Object::Buffer(to)]);
        r.changes.push(Change::NeedQueries { pool, first, count, all: asked.wait || asked.partial });
        let mut commands = vec![Command::CopyResults { pool, first, count, to, at, stride, asked }];
        if counts == Counts::Timestamps {
            commands.push(Command::Barrier { style: flags });
            commands.extend((0..u64::from(count)).map(|i| {
                let value = 0x5ea1_0000 | i as u32;
                Command::Fill { to, at: at + i * stride, size: Some(asked.value_size()), value }
            }));
        }
        r.push_all(commands, &[touch(pool, first, count, false), self.part(to, at, size, true)]);
        Some(())
    }

    /// Whether a recording is for a queue that dispatches.
    pub fn computes(&self, r: &Recording) -> bool {
        self.facts.families.get(r.family as usize).is_some_and(|f| f.1)
    }

    /// Whether a recording is for a queue that draws.
    pub fn draws(&self, r: &Recording) -> bool {
        self.facts.families.get(r.family as usize).is_some_and(|f| f.0)
    }
}
