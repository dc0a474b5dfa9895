//! Where an allocation lies in this process.

use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use ash::vk;
use hesper_winsys::{Error, Mapping};
use parking_lot::Mutex;

use crate::base::log::error;

/// The mappings of an allocation.
///
/// The driver's own is made for the first vkMapMemory, where the kernel wants it, and stays until the memory is freed: it costs calls to the host. A
/// program may have one more beside it, at an address that it has picked (VK_EXT_map_memory_placed), until it unmaps that.
#[derive(Default)]
#[repr(C)]
pub struct Addresses {
    /// The first byte of the driver's own mapping; null where there is none. Relaxed: what it points at no thread has made, but the kernel, for all of
    /// them.
    own: AtomicPtr<u8>,
    /// Whether the program has placed a mapping. Relaxed: only calls look that the program keeps apart (vkMapMemory2, vkUnmapMemory2, vkFreeMemory).
    placed: AtomicBool,
    mappings: Mutex<Mappings>,
}

#[derive(Default)]
struct Mappings {
    own: Option<Mapping>,
    placed: Option<Mapping>,
}

impl Addresses {
    /// The first byte of the driver's own mapping, if there is one.
    #[inline]
    pub fn own(&self) -> Option<*mut u8> {
        Some(self.own.load(Ordering::Relaxed)).filter(|p| !p.is_null())
    }

    /// The same, where need be of a mapping that `make` makes. Of two threads one makes it, and the other waits.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn own_or<E>(&self, make: impl FnOnce() -> Result<Mapping, E>) -> Result<*mut u8, E> {
        let mut mappings = self.mappings.lock();
        let own = match mappings.own.take() {
            Some(own) => own,
            None => make()?,
        };
        let base = mappings.own.insert(own).base();
        self.own.store(base, Ordering::Relaxed);
        Ok(base)
    }

    /// Whether the program has placed a mapping.
    #[inline]
    pub fn are_placed(&self) -> bool {
        self.placed.load(Ordering::Relaxed)
    }

    /// Keeps the mapping that the program has placed.
    pub fn place(&self, mapping: Mapping) {
        self.mappings.lock().placed = Some(mapping);
        self.placed.store(true, Ordering::Relaxed);
    }

    /// Unmaps what the program has placed, if it has.
    #[inline]
    pub fn unplace(&self) {
        if self.are_placed() {
            self.unplace_now();
        }
    }

    /// Apart, so that the way of those who have placed nothing is short.
    #[cold]
    #[inline(never)]
    fn unplace_now(&self) {
        self.placed.store(false, Ordering::Relaxed);
        self.mappings.lock().placed = None;
    }

    /// Unmaps what the program has placed, and leaves its range reserved (VK_MEMORY_UNMAP_RESERVE_BIT_EXT).
    ///
    /// # Errors
    /// [`vk::Result::ERROR_MEMORY_MAP_FAILED`]; the mapping stays then.
    pub fn reserve_placed(&self) -> Result<(), vk::Result> {
        let mut mappings = self.mappings.lock();
        reserve(&mut mappings.placed)?;
        self.placed.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Unmaps the driver's own mapping, which nobody uses any more, and leaves its range to the program, reserved.
    ///
    /// # Errors
    /// [`vk::Result::ERROR_MEMORY_MAP_FAILED`]; the mapping stays then.
    pub fn reserve_own(&self) -> Result<(), vk::Result> {
        let mut mappings = self.mappings.lock();
        let base = self.own.swap(ptr::null_mut(), Ordering::Relaxed);
        reserve(&mut mappings.own).inspect_err(|_| self.own.store(base, Ordering::Relaxed))
    }
}

/// Ends a mapping and leaves its range reserved.
fn reserve(from: &mut Option<Mapping>) -> Result<(), vk::Result> {
    let failed = vk::Result::ERROR_MEMORY_MAP_FAILED;
    from.take().ok_or(failed)?.reserve().map_err(|(mapping, e): (Mapping, Error)| {
        *from = Some(mapping);
        error!("memory stays mapped: {e}");
        failed
    })
}
