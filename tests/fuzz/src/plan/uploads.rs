//! What programs do to put data into memory that they don't map, and to look at it.

use super::access::{Access, Resource};
use super::recording::{Begin, Recording};
use super::state::Object;
use super::world::World;
use crate::command::{Command, Id, Region};
use crate::program::Piece;
use crate::step::Step;

impl World<'_> {
    /// Writes to a source, records copies out of it, submits them alone and waits.
    pub fn wish_upload(&mut self, wish: u8, from: u8, to: u8, pieces: &[Piece], seed: u8, style: u8) {
        let Some(queue) = self.queue(wish) else { return };
        let (Some(from), Some(to)) = (self.buffer(from), self.buffer(to)) else { return };
        self.upload(queue, from, to, pieces, seed, style);
    }

    fn upload(&mut self, queue: usize, from: Id, to: Id, pieces: &[Piece], seed: u8, style: u8) {
        let source = self.buffers[&from];
        let mapped = self.memories.get(&source.memory).and_then(|m| m.mapped);
        if let Some((at, size)) = mapped
            && style & 1 == 0
            && at <= source.at
            && source.at + source.size <= at + size
            && self.order_host(Access::write(Resource::Memory(source.memory), source.at, source.at + source.size))
        {
            self.say(Step::Write { memory: source.memory, at: source.at, size: source.size, seed: u64::from(seed) });
        }
        let cb = self.primary_for(queue, seed);
        if !self.recordable(cb) {
            return;
        }
        let mut r = Recording::new(self.family_of(cb), false);
        // One copy, or two in one recording.
        let (first, second) = pieces.split_at(if style & 2 == 0 { pieces.len() } else { pieces.len() / 2 });
        self.copy(&mut r, from, to, first, style & 4 != 0);
        self.copy(&mut r, from, to, second, style & 4 != 0);
        let begin = Begin { once: style & 24 != 24, simultaneous: false, ordered: style & 96 != 96 };
        self.finish_recording(cb, begin, r);
        let fence = self.fence_to_submit(style >> 3);
        if !self.submit_plain(queue, &[cb], fence) {
            return;
        }
        // Few leave it at that.
        if style & 224 != 224 {
            let number = self.queues[queue].number;
            self.settle(super::access::At { queue, number });
        }
    }

    /// Several uploads in a row, each out of what the one before has written.
    pub fn wish_burst(&mut self, wish: u8, hops: &[u8], pieces: &[Piece], seed: u8, style: u8) {
        let Some(queue) = self.queue(wish) else { return };
        // What the buffers' memory needs comes first.
        let buffers: Vec<Id> = hops.iter().filter_map(|h| self.buffer(*h)).collect();
        let (Some(first), true) = (buffers.first(), self.settle_all()) else { return };
        for (i, hop) in buffers.iter().enumerate() {
            let to = buffers.get(i + 1).unwrap_or(first);
            let some = &pieces[i % pieces.len()..];
            let i = i as u8;
            self.upload(queue, *hop, *to, some, seed.wrapping_add(i), style.rotate_left(i.into()) & 0b1001_1111);
        }
    }

    /// Several uploads to one buffer in a row. Each covers what the one before has written, and writes something else, which a driver may have
    /// to refuse to put off: all or nothing of an upload must have happened then.
    pub fn wish_series(&mut self, wish: u8, from: u8, to: u8, pieces: &[Piece], seed: u8, style: u8) {
        let Some(queue) = self.queue(wish) else { return };
        let (Some(from), Some(to), true) = (self.buffer(from), self.buffer(to), self.settle_all()) else { return };
        let (Some(source), Some(target)) = (self.buffers.get(&from), self.buffers.get(&to)) else { return };
        let (source, target) = (source.memory, target.memory);
        if let Some(m) = self.memories.get(&source).filter(|m| m.visible && m.mapped.is_none()) {
            let size = m.size;
            self.map(source, 0, size);
        }
        if source != target && self.memories.get(&target).is_some_and(|m| m.mapped.is_some()) {
            self.unmap(target);
        }
        for (i, piece) in (0u8..2 + style % 3).zip(pieces.iter().cycle()) {
            let grown = u16::from(i);
            let to_place = u16::from(seed) * 4 + 128 - 32 * grown;
            let over = Piece { from: piece.from, to: to_place, size: 60 + 64 * grown, grain: 0 };
            let style = style.rotate_left(i.into()) & 0b0100_0111;
            self.upload(queue, from, to, &[over, piece.clone()], seed.wrapping_add(i), style);
        }
        if self.buffers.contains_key(&to) {
            self.read_back(queue, to);
        }
    }

    pub fn wish_read_back(&mut self, wish: u8, buffer: u8) {
        let (Some(queue), Some(buffer)) = (self.queue(wish), self.buffer(buffer)) else { return };
        self.read_back(queue, buffer);
    }

    /// Reports a buffer's content, by way of a copy.
    pub fn read_back(&mut self, queue: usize, buffer: Id) {
        let size = self.buffers[&buffer].size;
        let Some(to) = self.landing(size) else { return };
        if !self.buffers.contains_key(&buffer) || self.buffers[&buffer].memory == self.buffers[&to].memory {
            return;
        }
        let cb = self.primary_for(queue, 2);
        if !self.recordable(cb) {
            return;
        }
        let mut r = Recording::new(self.family_of(cb), false);
        let regions = vec![Region { from: 0, to: 0, size }];
        let accesses = [self.part(buffer, 0, size, false), self.part(to, 0, size, true)];
        r.uses.extend([Object::Buffer(buffer), Object::Buffer(to)]);
        r.push(Command::Copy { from: buffer, to, regions, second_form: false }, &accesses);
        self.finish_recording(cb, Begin { once: true, simultaneous: false, ordered: true }, r);
        self.submit_plain(queue, &[cb], None);
        let memory = self.buffers[&to].memory;
        if self.order_host(Access::read(Resource::Memory(memory), 0, size)) {
            self.say(Step::Read { memory, at: 0, size });
        }
    }

    /// One thread submits uploads, the other one maps their targets meanwhile.
    pub fn wish_map_race(&mut self, wish: u8, count: u8, seed: u8) {
        if self.lane.is_some() {
            return;
        }
        let Some(queue) = self.queue(wish) else { return };
        if !self.settle_all() {
            return;
        }
        // Targets that can be mapped and never were.
        let memories: Vec<u8> = if self.discrete { vec![2, 3] } else { vec![4, 5, 6, 7, 2, 3] };
        let memories = &memories[..memories.len().min(2 + count as usize % 5)];
        let Some(from) = self.buffer(0) else { return };
        let (mut submits, mut maps, mut read) = (Vec::new(), Vec::new(), Vec::new());
        for (i, target) in memories.iter().enumerate() {
            self.wish_renew(*target);
            let (Some(memory), true) = (self.memory(*target), self.settle_all()) else { return };
            if self.memories[&memory].mapped.is_some() {
                self.wish_unmap(*target);
            }
            let (size, to) = (256, Id::from(*target));
            let (Some(source), Some(b)) = (self.buffers.get(&from), self.buffers.get(&to)) else { return };
            if b.size < size || source.size < size {
                return;
            }
            let cb = self.primary_for(queue, (i % 3) as u8 | if i >= 3 { 4 } else { 0 });
            if !self.recordable(cb) {
                return;
            }
            let mut r = Recording::new(self.family_of(cb), false);
            let piece = Piece { from: 0, to: u16::from(seed), size: 60, grain: 0 };
            self.copy(&mut r, from, to, &[piece], false);
            self.finish_recording(cb, Begin { once: true, simultaneous: false, ordered: true }, r);
            let fence = self.fence_to_submit(i as u8);
            let start = self.steps.len();
            self.submit_plain(queue, &[cb], fence);
            let number = self.queues[queue].number;
            self.settle(super::access::At { queue, number });
            submits.extend(self.steps.drain(start..));
            let start = self.steps.len();
            self.wish_map(*target, 0, false);
            maps.extend(self.steps.drain(start..));
            read.push(memory);
        }
        self.say(Step::Parallel { left: submits, right: maps });
        for memory in read {
            self.read(memory);
            if seed & 1 == 0 {
                self.wish_unmap(u8::try_from(memory).unwrap_or(0));
            }
        }
    }
}
