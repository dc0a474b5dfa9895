//! Memory and the buffers in it. Buffer `n` covers memory `n` as a whole when that is allocated; the last four buffers are parts of others'
//! memory. Memory is filled as soon as it is there, so that nothing undefined is ever read.

use super::access::{Access, Resource};
use super::state::{Buffer, Memory, Object};
use super::world::World;
use crate::command::{Command, Id};
use crate::step::Step;

const MEMORIES: u32 = 8;
const BUFFERS: u32 = MEMORIES + 4;
const SIZES: [u64; 6] = [4096, 1024, 8192, 256, 20480, 4096];
/// Rarely: more than what uploads are put off for.
const LARGE: u64 = 196_608;

/// What a program does with memory of a slot when it is new.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Mapped,
    MappedOnce,
    Never,
}

fn role(memory: Id) -> Role {
    match memory / 2 {
        0 => Role::Mapped,
        1 => Role::MappedOnce,
        _ => Role::Never,
    }
}

impl World<'_> {
    /// Memory to use.
    pub fn memory(&mut self, wish: u8) -> Option<Id> {
        let memory = self.slot(wish, MEMORIES);
        if !self.memories.contains_key(&memory) && !self.allocate(memory, SIZES[0]) {
            return None;
        }
        Some(memory)
    }

    /// A buffer to use.
    pub fn buffer(&mut self, wish: u8) -> Option<Id> {
        let buffer = self.slot(wish, BUFFERS);
        if !self.buffers.contains_key(&buffer) {
            let memory = self.memory(u8::try_from(Self::place(buffer)).unwrap_or(0))?;
            // Memory comes with a buffer.
            if !self.buffers.contains_key(&buffer) {
                let half = (self.memories[&memory].size / 2) & !255;
                let (at, size) =
                    if buffer < MEMORIES || half == 0 { (0, self.memories[&memory].size) } else { (half, half) };
                self.place_buffer(buffer, memory, at, size);
            }
        }
        Some(buffer)
    }

    /// The memory that a buffer's slot is in.
    fn place(buffer: Id) -> Id {
        match buffer {
            0..MEMORIES => buffer,
            8 | 9 => buffer - 4,
            _ => buffer - 8,
        }
    }

    fn place_buffer(&mut self, buffer: Id, memory: Id, at: u64, size: u64) {
        self.say(Step::CreateBuffer { buffer, memory, at, size });
        self.buffers.insert(buffer, Buffer { memory, at, size });
    }

    fn allocate(&mut self, memory: Id, size: u64) -> bool {
        let role = role(memory);
        let visible = role != Role::Never || !self.discrete;
        if role == Role::Never && !self.can_initialise() {
            return false;
        }
        self.say(Step::Allocate { memory, size, visible });
        self.memories.insert(memory, Memory { size, visible, mapped: None });
        self.place_buffer(memory, memory, 0, size);
        if role == Role::Never {
            let fill = Command::Fill { to: memory, at: 0, size: None, value: 0x0101_0101 * (memory + 1) };
            let access = Access::write(Resource::Memory(memory), 0, size);
            return self.initialise(vec![fill], &[access], vec![Object::Buffer(memory)]);
        }
        self.map(memory, 0, size);
        self.say(Step::Write { memory, at: 0, size, seed: u64::from(memory) });
        if role == Role::MappedOnce {
            self.unmap(memory);
        }
        true
    }

    pub fn map(&mut self, memory: Id, at: u64, size: u64) {
        self.say(Step::Map { memory, at, size });
        if let Some(m) = self.memories.get_mut(&memory) {
            m.mapped = Some((at, size));
        }
    }

    pub fn unmap(&mut self, memory: Id) {
        self.say(Step::Unmap { memory });
        if let Some(m) = self.memories.get_mut(&memory) {
            m.mapped = None;
        }
    }

    /// `Allocate`: what the slot holds goes first.
    pub fn wish_allocate(&mut self, wish: u8, size: u8) {
        let memory = self.slot(wish, MEMORIES);
        if self.free(memory, size & 1 == 1) {
            let size = if size == 255 { LARGE } else { SIZES[size as usize % SIZES.len()] };
            self.allocate(memory, size);
        }
    }

    pub fn wish_free(&mut self, wish: u8) {
        let memory = self.slot(wish, MEMORIES);
        self.free(memory, wish & 64 != 0);
    }

    pub fn wish_renew(&mut self, wish: u8) {
        let memory = self.slot(wish, MEMORIES);
        let size = self.memories.get(&memory).map_or(SIZES[0], |m| m.size);
        if self.free(memory, wish & 64 != 0) {
            self.allocate(memory, size);
        }
    }

    /// Frees memory and its buffers, in either order; false where they are in use.
    fn free(&mut self, memory: Id, memory_first: bool) -> bool {
        if !self.memories.contains_key(&memory) {
            return true;
        }
        let inside: Vec<Id> = self.buffers.iter().filter(|(_, b)| b.memory == memory).map(|(id, _)| *id).collect();
        if !inside.iter().all(|b| self.release(Object::Buffer(*b))) {
            return false;
        }
        if memory_first {
            self.say(Step::Free { memory });
        }
        for buffer in inside {
            self.destroy_buffer(buffer);
        }
        if !memory_first {
            self.say(Step::Free { memory });
        }
        self.memories.remove(&memory);
        true
    }

    fn destroy_buffer(&mut self, buffer: Id) {
        self.say(Step::DestroyBuffer { buffer });
        self.buffers.remove(&buffer);
        self.invalidate(Object::Buffer(buffer));
        for set in self.sets.values_mut() {
            if set.views.is_some_and(|v| v.iter().any(|v| v.buffer == buffer)) {
                set.views = None;
            }
        }
    }

    pub fn wish_destroy_buffer(&mut self, wish: u8) {
        let buffer = self.slot(wish, BUFFERS);
        if self.buffers.contains_key(&buffer) && self.release(Object::Buffer(buffer)) {
            self.destroy_buffer(buffer);
        }
    }

    pub fn wish_create_buffer(&mut self, wish: u8, at: u8, size: u8) {
        let buffer = self.slot(wish, BUFFERS);
        if self.buffers.contains_key(&buffer) {
            if !self.release(Object::Buffer(buffer)) {
                return;
            }
            self.destroy_buffer(buffer);
        }
        let Some(memory) = self.memory(u8::try_from(Self::place(buffer)).unwrap_or(0)) else { return };
        if self.buffers.contains_key(&buffer) {
            return;
        }
        let pages = self.memories[&memory].size / 256;
        let at = u64::from(at) % pages;
        let size = 1 + u64::from(size) % (pages - at);
        self.place_buffer(buffer, memory, at * 256, size * 256);
    }

    /// A buffer over all of a memory, in its slot.
    pub fn wish_create_buffer_whole(&mut self, memory: u8) {
        let slot = Id::from(memory);
        self.wish_destroy_buffer(memory);
        if let (Some(m), false) = (self.memories.get(&slot), self.buffers.contains_key(&slot)) {
            let size = m.size;
            self.place_buffer(slot, slot, 0, size);
        }
    }

    pub fn wish_map(&mut self, wish: u8, at: u8, part: bool) {
        let Some(memory) = self.memory(wish) else { return };
        let m = &self.memories[&memory];
        if !m.visible || m.mapped.is_some() {
            return;
        }
        let at = if part { u64::from(at) * 256 % m.size } else { 0 };
        self.map(memory, at, m.size - at);
    }

    pub fn wish_unmap(&mut self, wish: u8) {
        let memory = self.slot(wish, MEMORIES);
        if self.memories.get(&memory).is_some_and(|m| m.mapped.is_some()) {
            self.unmap(memory);
        }
    }

    /// Writes through the mapping, where there is one.
    pub fn wish_host_write(&mut self, wish: u8, at: u16, size: u16, seed: u8) {
        let Some(memory) = self.memory(wish) else { return };
        let Some((start, mapped)) = self.memories[&memory].mapped else { return };
        let at = start + u64::from(at) % mapped;
        let size = (1 + u64::from(size)).min(start + mapped - at);
        if self.order_host(Access::write(Resource::Memory(memory), at, at + size)) {
            self.say(Step::Write { memory, at, size, seed: u64::from(seed) });
        }
    }

    pub fn wish_host_read(&mut self, wish: u8) {
        let Some(memory) = self.memory(wish) else { return };
        self.read(memory);
    }

    /// Reports what a mapping shows, where there is one.
    pub fn read(&mut self, memory: Id) {
        let Some((at, size)) = self.memories.get(&memory).and_then(|m| m.mapped) else { return };
        if self.order_host(Access::read(Resource::Memory(memory), at, at + size)) {
            self.say(Step::Read { memory, at, size });
        }
    }

    /// A buffer with at least `size` bytes, made if need be; what is there stays.
    pub fn source(&mut self, size: u64) -> Option<Id> {
        if let Some((buffer, _)) = self.buffers.iter().find(|(id, b)| self.own(**id) && b.size >= size) {
            return Some(*buffer);
        }
        let free = (0..MEMORIES).find(|m| self.own(*m) && !self.memories.contains_key(m))?;
        self.allocate(free, size.max(SIZES[0]).next_multiple_of(256)).then_some(free)
    }

    /// A mapped buffer of at least `size` bytes for reading back, grown if need be.
    pub fn landing(&mut self, size: u64) -> Option<Id> {
        let memory = self.slot(0, MEMORIES);
        let fits = |w: &Self| {
            let m = w.memories.get(&memory)?;
            let b = w.buffers.get(&memory)?;
            Some(b.at == 0 && b.size >= size && m.mapped == Some((0, m.size)))
        };
        if fits(self) != Some(true) {
            if !self.free(memory, false) {
                return None;
            }
            self.allocate(memory, size.max(SIZES[0]).next_multiple_of(256));
        }
        Some(memory)
    }
}
