//! The planner: from a program's wishes to steps that are valid on every driver, decided by what is planned alone.

pub mod access;
#[cfg(test)]
mod check;
mod commands;
mod copies;
mod draws;
mod host_copies;
pub mod images;
mod memory;
mod passes;
mod pipelines;
mod private;
pub mod queries;
#[cfg(test)]
mod reading;
mod recording;
mod slots;
mod state;
mod submitting;
mod sync;
mod uploads;
mod world;

use crate::facts::Facts;
use crate::program::{Op, Program};
use crate::step::{Semaphore, Step};
use state::{EventState, Promise};
use world::World;

/// The steps of a program.
pub fn plan(program: &Program, facts: &Facts) -> Vec<Step> {
    let mut world = World::new(facts, program.machine.discrete);
    for op in &program.ops {
        world.wish(op);
    }
    world.end();
    world.steps
}

impl World<'_> {
    fn wish(&mut self, op: &Op) {
        match op {
            Op::Allocate { memory, size } => self.wish_allocate(*memory, *size),
            Op::Free { memory } => self.wish_free(*memory),
            Op::Renew { memory } => self.wish_renew(*memory),
            Op::CreateBuffer { buffer, at, size } => self.wish_create_buffer(*buffer, *at, *size),
            Op::DestroyBuffer { buffer } => self.wish_destroy_buffer(*buffer),
            Op::Map { memory, at, part } => self.wish_map(*memory, *at, *part),
            Op::Unmap { memory } => self.wish_unmap(*memory),
            Op::HostWrite { memory, at, size, seed } => self.wish_host_write(*memory, *at, *size, *seed),
            Op::HostRead { memory } => self.wish_host_read(*memory),
            Op::Upload { queue, from, to, pieces, seed, style } => {
                self.wish_upload(*queue, *from, *to, pieces, *seed, *style);
            }
            Op::Burst { queue, hops, pieces, seed, style } => self.wish_burst(*queue, hops, pieces, *seed, *style),
            Op::Series { queue, from, to, pieces, seed, style } => {
                self.wish_series(*queue, *from, *to, pieces, *seed, *style);
            }
            Op::ReadBack { queue, buffer } => self.wish_read_back(*queue, *buffer),
            Op::Record { cb, flags, commands } => self.wish_record(*cb, *flags, commands),
            Op::ResetBuffer { cb, release } => self.wish_reset_buffer(*cb, *release),
            Op::ResetPool { pool, release } => {
                let pool = self.slot(*pool, self.pool_count());
                self.reset_pool(pool, *release);
            }
            Op::TrimPool { pool } => self.wish_trim_pool(*pool),
            Op::DestroyPool { pool } => self.wish_destroy_pool(*pool),
            Op::Submit { queue, cbs, fence, wait, signal, style } => {
                self.wish_submit(*queue, cbs, *fence, *wait, *signal, *style);
            }
            Op::SubmitBlocked { queue, on, fence, commands, style } => {
                self.wish_submit_blocked(*queue, *on, *fence, commands, *style);
            }
            Op::WaitFences { fence, others, style } => self.wish_wait_fences(*fence, *others, *style),
            Op::FenceStatus { fence } => self.wish_fence_status(*fence),
            Op::ResetFence { fence } => self.wish_reset_fence(*fence),
            Op::DestroyFence { fence } => self.wish_destroy_fence(*fence),
            Op::QueueIdle { queue } => {
                if let Some(queue) = self.queue(*queue) {
                    self.idle(queue);
                }
            }
            Op::DeviceIdle {} => self.wish_device_idle(),
            Op::SetEvent { event } => self.wish_set_event(*event),
            Op::ResetEvent { event } => self.wish_reset_event(*event),
            Op::EventStatus { event } => self.wish_event_status(*event),
            Op::DestroyEvent { event } => self.wish_destroy_event(*event),
            Op::HostSignal { timeline, by } => self.wish_host_signal(*timeline, *by),
            Op::HostWait { timeline } => self.wish_host_wait(*timeline),
            Op::Counter { timeline } => self.wish_counter(*timeline),
            Op::DestroySemaphore { timeline } => self.wish_destroy_semaphore(*timeline),
            Op::MakePipelines { pipeline, count, flavour, style } => {
                self.wish_make_pipelines(*pipeline, *count, *flavour, *style);
            }
            Op::DestroyPipeline { pipeline } => self.wish_destroy_pipeline(*pipeline),
            Op::WriteSet { set, from, to, at, style } => self.wish_write_set(*set, *from, *to, *at, *style),
            Op::FreeSets { pool, which, at_once } => self.wish_free_sets(*pool, *which, *at_once),
            Op::ResetSets { pool } => self.wish_reset_sets(*pool),
            Op::ResetQueries { pool, first, count } => self.wish_reset_queries(*pool, *first, *count),
            Op::Results { pool, first, count, flags } => self.wish_results(*pool, *first, *count, *flags),
            Op::Recount { queue, pool, query, pipeline, to, style } => {
                self.wish_recount(*queue, [*pool, *query], *pipeline, *to, *style);
            }
            Op::DestroyQueries { pool } => self.wish_destroy_queries(*pool),
            Op::CreateImage { image, texels, form, style } => self.wish_create_image(*image, *texels, *form, *style),
            Op::DestroyImage { image } => self.wish_destroy_image(*image),
            Op::ReadImage { queue, image } => self.wish_read_image(*queue, *image),
            Op::ReadRows { image, spot } => self.wish_read_rows(*image, spot),
            Op::CopyToImage { image, spot, seed } => self.wish_copy_to_image(*image, spot, *seed),
            Op::CopyFromImage { image, spot } => self.wish_copy_from_image(*image, spot),
            Op::CopyImages { from, to, spot, other } => self.wish_copy_images(*from, *to, spot, other),
            Op::CarryImage { from, mip, aspect } => self.wish_carry_image(*from, *mip, *aspect),
            Op::TransitionImage { image } => self.wish_transition_image(*image),
            Op::SetPrivate { object, value } => self.wish_set_private(*object, *value),
            Op::GetPrivate { object } => self.wish_get_private(*object),
            Op::Parallel { left, right } => self.wish_parallel(left, right),
            Op::MapRace { queue, count, seed } => self.wish_map_race(*queue, *count, *seed),
        }
    }

    /// Two threads, each with its half of everything. What is in flight has ended before, so that neither waits for the other's work.
    fn wish_parallel(&mut self, left: &[Op], right: &[Op]) {
        if self.lane.is_some() || !self.settle_all() {
            return;
        }
        self.calm_only = (left.len() + right.len()).is_multiple_of(2);
        let before = self.steps.len();
        let mut sides = [left, right].into_iter().zip([0, 1]).map(|(ops, lane)| {
            self.lane = Some(lane);
            for op in ops {
                self.wish(op);
            }
            self.lane = None;
            self.steps.drain(before..).collect::<Vec<_>>()
        });
        let (left, right) = (sides.next().unwrap_or_default(), sides.next().unwrap_or_default());
        drop(sides);
        self.say(Step::Parallel { left, right });
    }

    /// Does what is owed and waits for everything; false where that is impossible, as for one thread of two.
    pub fn settle_all(&mut self) -> bool {
        if self.lane.is_some() {
            return false;
        }
        self.keep_promises();
        for queue in 0..self.queues.len() {
            if self.flights.iter().any(|f| f.at.queue == queue) {
                self.idle(queue);
            }
        }
        self.flights.is_empty()
    }

    /// Does everything that the program owes to its submissions.
    fn keep_promises(&mut self) {
        loop {
            let owed: Vec<Promise> = self.flights.iter().flat_map(|f| f.blocked.iter().copied()).collect();
            let promised =
                self.timelines.iter().find_map(|(slot, t)| Some(Semaphore { slot: *slot, value: t.promised? }));
            let event = owed.iter().find_map(|p| match p {
                Promise::Event(e) => Some(*e),
                Promise::Timeline(..) => None,
            });
            if let Some(event) = event {
                self.set_event(event);
                continue;
            }
            let before = self.timelines.values().filter(|t| t.promised.is_some()).count();
            let slots: Vec<_> = self.timelines.iter().filter_map(|(s, t)| Some((*s, t.promised?))).collect();
            for (slot, value) in slots {
                self.host_signal(Semaphore { slot, value });
            }
            let after = self.timelines.values().filter(|t| t.promised.is_some()).count();
            if promised.is_none() || after == before {
                return;
            }
        }
    }

    /// Waits for everything and looks at everything.
    fn end(&mut self) {
        self.settle_all();
        let fences: Vec<_> = self.fences.keys().copied().collect();
        for fence in fences {
            self.wish_fence_status(u8::try_from(fence).unwrap_or(0));
        }
        let events: Vec<_> = self.events.iter().filter(|(_, s)| **s != EventState::Unset).map(|(e, _)| *e).collect();
        for event in events {
            self.say(Step::EventStatus { event });
        }
        let timelines: Vec<_> = self.timelines.keys().copied().collect();
        for semaphore in timelines {
            self.settle_timeline(semaphore);
            self.say(Step::Counter { semaphore });
        }
        // The memory that others are read through is looked at first.
        if self.memories.contains_key(&0) {
            self.wish_map(0, 0, false);
        }
        let mapped: Vec<_> = self.memories.iter().filter(|(_, m)| m.mapped.is_some()).map(|(id, _)| *id).collect();
        for memory in mapped {
            self.read(memory);
        }
        let pools: Vec<_> = self.queries.keys().copied().collect();
        for pool in pools {
            self.results(pool, 0, 7, 4);
        }
        let images: Vec<_> = self.images.keys().copied().collect();
        for image in images {
            self.read_image(0, image);
        }
        let memories: Vec<_> = self.memories.keys().copied().collect();
        for memory in memories {
            let unmapped = self.memories.get(&memory).is_some_and(|m| m.mapped.is_none());
            let wish = u8::try_from(memory).unwrap_or(0);
            // The buffer of the memory's slot may cover only a part.
            let whole =
                self.buffers.get(&memory).is_some_and(|b| self.memories.get(&memory).is_some_and(|m| m.size == b.size));
            if unmapped && !whole {
                self.wish_create_buffer_whole(wish);
            }
            if unmapped && self.buffers.contains_key(&memory) {
                self.read_back(0, memory);
            }
        }
    }
}
