//! The handles of a program's objects, by kind and slot; two threads use them at the same time.

use std::sync::atomic::{AtomicU64, Ordering};

use ash::vk::Handle;

use crate::command::Id;

/// Handles of one kind.
pub struct Slots(Vec<AtomicU64>);

impl Slots {
    fn new(count: usize) -> Self {
        Self((0..count).map(|_| AtomicU64::new(0)).collect())
    }

    pub fn get<H: Handle>(&self, slot: Id) -> H {
        H::from_raw(self.0[slot as usize].load(Ordering::Relaxed))
    }

    pub fn set<H: Handle>(&self, slot: Id, handle: H) {
        self.0[slot as usize].store(handle.as_raw(), Ordering::Relaxed);
    }

    /// The handle, which nobody finds any more.
    pub fn take<H: Handle>(&self, slot: Id) -> H {
        H::from_raw(self.0[slot as usize].swap(0, Ordering::Relaxed))
    }

    /// All that are left.
    pub fn drain<H: Handle + Copy>(&self) -> Vec<H> {
        (0..self.0.len() as Id).map(|s| self.take::<H>(s)).filter(|h| !h.is_null()).collect()
    }

    /// An address or size.
    pub fn number(&self, slot: Id) -> u64 {
        self.0[slot as usize].load(Ordering::Relaxed)
    }

    pub fn set_number(&self, slot: Id, number: u64) {
        self.0[slot as usize].store(number, Ordering::Relaxed);
    }
}

/// All of them.
pub struct Handles {
    pub memories: Slots,
    /// Where memory's first byte is or would be mapped.
    pub maps: Slots,
    pub buffers: Slots,
    pub images: Slots,
    pub image_memories: Slots,
    pub pools: Slots,
    pub cbs: Slots,
    pub fences: Slots,
    pub events: Slots,
    pub semaphores: Slots,
    pub pipelines: Slots,
    pub set_pools: Slots,
    pub sets: Slots,
    pub queries: Slots,
}

impl Handles {
    pub fn new() -> Self {
        let few = || Slots::new(16);
        Self {
            memories: few(),
            maps: few(),
            buffers: few(),
            images: few(),
            image_memories: few(),
            pools: Slots::new(32),
            cbs: Slots::new(128),
            fences: few(),
            events: few(),
            semaphores: few(),
            pipelines: few(),
            set_pools: few(),
            sets: few(),
            queries: few(),
        }
    }
}
