//! State behind non-dispatchable handles.
//!
//! A handle is the object's id on the wire: `kind << 56 | generation << 32 | slot`. Slots never move and are never given
//! back to the system, so a stale or foreign handle finds a slot of another generation instead of freed memory.

use std::cell::UnsafeCell;
use std::sync::atomic::Ordering;

use ash::vk;
use ash::vk::Handle;

use crate::base::shared::{AtomicU32, Mutex, OnceLock};

/// Slots in the first block; each further block is twice as large.
const FIRST: usize = 64;
const BLOCKS: usize = 20;
const GENERATIONS: u32 = 1 << 24;

struct Slot<T> {
    /// Stored with release, by the one who has the slot to itself, when the value is in place; loaded with acquire by those who look for the value.
    generation: AtomicU32,
    value: UnsafeCell<Option<T>>,
}

/// What is behind the handles of a slab: the highest byte of their ids, which no two kinds share. 0 stands for objects without state here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    Fence = 1,
    DeviceMemory = 2,
    Semaphore = 3,
    CommandPool = 4,
    DescriptorSetLayout = 5,
    DescriptorSet = 6,
    DescriptorPool = 7,
    DescriptorUpdateTemplate = 8,
    Buffer = 9,
    Image = 10,
    QueryPool = 11,
    PipelineLayout = 12,
    RenderPass = 13,
    Surface = 14,
    Swapchain = 15,
    Display = 16,
    DisplayMode = 17,
    Sampler = 18,
}

/// Objects of one type.
pub struct Slab<T: 'static> {
    kind: Kind,
    blocks: [OnceLock<Box<[Slot<T>]>>; BLOCKS],
    free: Mutex<Free>,
}

struct Free {
    slots: Vec<u32>,
    next: u32,
}

// SAFETY: values are handed out as shared references only, and moved in and out under Vulkan's rule that creation and
// destruction of an object are externally synchronised with every use of it.
unsafe impl<T: Send + Sync> Sync for Slab<T> {}

/// An id for an object without state here, different from all others of the process.
pub fn fresh_id() -> u64 {
    fresh_ids(1)
}

/// The first of `n` such ids that follow each other.
pub fn fresh_ids(n: u32) -> u64 {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    // Relaxed: ids have to differ, and nothing else.
    NEXT.fetch_add(u64::from(n), Ordering::Relaxed)
}

impl<T> Slab<T> {
    /// An empty slab, the only one of its kind.
    pub const fn new(kind: Kind) -> Self {
        Self {
            kind,
            blocks: [const { OnceLock::new() }; BLOCKS],
            free: Mutex::new(Free { slots: Vec::new(), next: 0 }),
        }
    }

    fn slot(&self, index: u32) -> Option<&Slot<T>> {
        let at = index as usize + FIRST;
        let block = at.ilog2() - FIRST.ilog2();
        let first = FIRST << block;
        self.blocks.get(block as usize)?.get()?.get(at - first)
    }

    fn grown_slot(&self, index: u32) -> Option<&Slot<T>> {
        let block = (index as usize + FIRST).ilog2() - FIRST.ilog2();
        self.blocks.get(block as usize)?.get_or_init(|| {
            let slot = || Slot { generation: AtomicU32::new(0), value: UnsafeCell::new(None) };
            (0..FIRST << block).map(|_| slot()).collect()
        });
        self.slot(index)
    }

    /// Keeps `value` and returns its id, or `None` when there are too many.
    pub fn insert(&self, value: T) -> Option<u64> {
        let index = {
            let mut free = self.free.lock();
            match free.slots.pop() {
                Some(i) => i,
                None => {
                    let i = free.next;
                    self.grown_slot(i)?;
                    free.next += 1;
                    i
                }
            }
        };
        let slot = self.slot(index)?;
        // Relaxed: whoever had the slot last has given it back under the lock of what is free.
        let generation = slot.generation.load(Ordering::Relaxed) + 1;
        // SAFETY: the slot was free, so no reference into it exists and no other thread has its index.
        unsafe { *slot.value.get() = Some(value) };
        slot.generation.store(generation, Ordering::Release);
        Some((self.kind as u64) << 56 | u64::from(generation) << 32 | u64::from(index))
    }

    /// Makes the object behind a new handle: `value` is kept under the handle, the handle written to `to`, and `tell` has the host make its
    /// side of the object. Where that fails, nothing is kept and `to` is null.
    ///
    /// # Errors
    /// What `tell` returns; ERROR_OUT_OF_HOST_MEMORY when there are too many objects.
    ///
    /// # Safety
    /// `to` is valid for writes, as the output parameter of the creating command.
    pub unsafe fn create<H: Handle + Copy>(
        &self,
        value: T,
        to: *mut H,
        tell: impl FnOnce() -> vk::Result,
    ) -> vk::Result {
        let id = self.insert(value);
        let handle = H::from_raw(id.unwrap_or(0));
        // SAFETY: valid by contract.
        unsafe { to.write(handle) };
        if id.is_none() {
            return vk::Result::ERROR_OUT_OF_HOST_MEMORY;
        }
        let result = tell();
        let made = if result == vk::Result::SUCCESS {
            handle
        } else {
            self.remove(handle);
            H::from_raw(0)
        };
        // A reply may have written something else meanwhile.
        // SAFETY: valid by contract.
        unsafe { to.write(made) };
        result
    }

    /// As [`Self::create`], for a type of object of which mostly nothing is known: `None` takes no slot.
    ///
    /// # Errors
    /// As [`Self::create`].
    ///
    /// # Safety
    /// As [`Self::create`].
    pub unsafe fn create_if<H: Handle + Copy>(
        &self,
        known: Option<T>,
        to: *mut H,
        tell: impl FnOnce() -> vk::Result,
    ) -> vk::Result {
        if let Some(value) = known {
            // SAFETY: by contract.
            return unsafe { self.create(value, to, tell) };
        }
        // SAFETY: valid by contract.
        unsafe { to.write(H::from_raw(fresh_id())) };
        let result = tell();
        if result != vk::Result::SUCCESS {
            // SAFETY: valid by contract.
            unsafe { to.write(H::from_raw(0)) };
        }
        result
    }

    fn find(&self, id: u64) -> Option<(u32, &Slot<T>)> {
        let generation = (id >> 32) as u32 & (GENERATIONS - 1);
        let slot = self.slot(id as u32)?;
        let here = (id >> 56) as u8 == self.kind as u8 && slot.generation.load(Ordering::Acquire) == generation;
        here.then_some((id as u32, slot))
    }

    /// The object with this handle, if it is alive.
    #[inline]
    pub fn get<H: Handle>(&self, handle: H) -> Option<&T> {
        let (_, slot) = self.find(handle.as_raw())?;
        // SAFETY: the generation says that the object is alive; Vulkan forbids destroying it while it is in use.
        unsafe { (*slot.value.get()).as_ref() }
    }

    /// Takes the object out; its handle is stale from now on.
    pub fn remove<H: Handle>(&self, handle: H) -> Option<T> {
        let (index, slot) = self.find(handle.as_raw())?;
        // Relaxed: `find` has loaded it, and destruction has the slot to itself.
        let generation = slot.generation.load(Ordering::Relaxed);
        // An odd step in between: no handle has generation + 1 until the slot is used again.
        slot.generation.store(generation + 1, Ordering::Release);
        // SAFETY: Vulkan makes destruction externally synchronised, so nobody else looks at the value.
        let value = unsafe { (*slot.value.get()).take() };
        // A slot whose generations are used up is retired: ids must be unique in the whole context.
        if generation + 3 < GENERATIONS {
            self.free.lock().slots.push(index);
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static SLAB: Slab<String> = Slab::new(Kind::Fence);

    #[test]
    fn stale_and_foreign_handles_find_nothing() {
        let a = vk::Fence::from_raw(SLAB.insert("a".into()).unwrap());
        assert_eq!(SLAB.get(a).unwrap(), "a");
        assert_eq!(SLAB.remove(a).unwrap(), "a");
        assert!(SLAB.get(a).is_none() && SLAB.remove(a).is_none());
        let b = vk::Fence::from_raw(SLAB.insert("b".into()).unwrap());
        assert_ne!(a, b);
        assert!(SLAB.get(a).is_none());
        assert!(SLAB.get(vk::Fence::from_raw(b.as_raw() ^ 1 << 56)).is_none());
        assert!(SLAB.get(vk::Fence::null()).is_none());
        assert!(SLAB.get(vk::Fence::from_raw(u64::MAX)).is_none());
    }

    #[test]
    fn what_the_host_refuses_is_not_kept() {
        static SOME: Slab<u32> = Slab::new(Kind::Semaphore);
        let mut handle = vk::Fence::null();
        let out = &raw mut handle;
        // SAFETY: a local.
        unsafe {
            let mut during = vk::Fence::null();
            let refused = SOME.create(5, out, || {
                during = out.read();
                vk::Result::ERROR_OUT_OF_DEVICE_MEMORY
            });
            assert_eq!(refused, vk::Result::ERROR_OUT_OF_DEVICE_MEMORY);
            assert!(during != vk::Fence::null() && SOME.get(during).is_none() && out.read() == vk::Fence::null());
            // A reply that names another object changes nothing.
            let made = SOME.create(6, out, || {
                out.write(vk::Fence::from_raw(77));
                vk::Result::SUCCESS
            });
            assert_eq!((made, SOME.get(out.read())), (vk::Result::SUCCESS, Some(&6)));
        }
    }

    #[test]
    fn many() {
        static MANY: Slab<usize> = Slab::new(Kind::DeviceMemory);
        let ids: Vec<_> = (0..1000).map(|i| vk::Fence::from_raw(MANY.insert(i).unwrap())).collect();
        for (i, id) in ids.iter().enumerate() {
            assert_eq!(MANY.get(*id), Some(&i));
        }
    }
}
