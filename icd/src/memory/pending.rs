//! Writes that the driver hasn't carried out yet, although the program was told that they are over.
//!
//! A higher floor defers them (`submission::upload`). Memory and buffers can't know of it, so they tell it what is about to happen to them.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use ash::vk;

use crate::base::asymmetric_fence;
use crate::base::shared::AtomicBool;

/// Whoever defers writes to memory.
pub trait Pending: Send + Sync {
    /// The program is about to look at this memory: what is pending there must be in place afterwards.
    ///
    /// # Safety
    /// A valid device and its memory.
    unsafe fn before_mapping(&self, device: vk::Device, memory: vk::DeviceMemory);

    /// The program has unmapped memory, and its addresses are about to be something else's: nobody reads there afterwards who found the memory mapped.
    ///
    /// # Safety
    /// A valid device.
    unsafe fn after_unmapping(&self, device: vk::Device);

    /// The program frees this memory: nothing may write it afterwards.
    ///
    /// # Safety
    /// A valid device and its memory.
    unsafe fn before_freeing(&self, device: vk::Device, memory: vk::DeviceMemory);

    /// The program destroys a buffer: nothing that is pending may name it afterwards.
    ///
    /// # Safety
    /// A valid device and its buffer.
    unsafe fn before_destroying(&self, device: vk::Device, buffer: vk::Buffer);

    /// The program has the host's processor copy an image over which buffers may lie: what is pending anywhere must be in place afterwards.
    ///
    /// # Safety
    /// A valid device.
    unsafe fn before_host_copy(&self, device: vk::Device);
}

/// Whether writes may be pending on a device.
///
/// It is set before the program is told that its upload is over, so a program that frees or destroys what it has uploaded to finds it set
/// without taking a lock. A thread that maps memory may do so at the very time when another thread uploads to it: it marks the memory as
/// mapped, passes the light fence and looks here; whoever puts the first write off sets this, passes the heavy fence and looks at the mark.
/// One of them sees the other.
#[derive(Clone, Default)]
pub struct AnyPending(Arc<AtomicBool>);

impl AnyPending {
    /// Whether writes may be pending that the calling thread can know of.
    #[inline]
    pub fn get(&self) -> bool {
        // Acquire, paired with `withdraw`: whoever finds nothing pending comes after the writes that were sent instead.
        self.0.load(Ordering::Acquire)
    }

    /// Says that no writes are pending; for the one who holds the lock over them.
    pub fn withdraw(&self) {
        // Release, after what was pending was sent or forgotten.
        self.0.store(false, Ordering::Release);
    }

    /// Announces that a write is about to be put off, to threads that map memory meanwhile; false where that can't be done.
    #[must_use]
    pub fn announce(&self) -> bool {
        // Once announced, each thread that marks memory as mapped finds the announcement and waits for the lock. Relaxed: the heavy fence stands between
        // this store and the caller's look at the marks, and where it was stored before, it stood there then.
        let announced = self.0.swap(true, Ordering::Relaxed) || asymmetric_fence::heavy();
        if !announced {
            // The next one to announce must not take this for done.
            self.withdraw();
        }
        announced
    }
}

/// Who has to be told, as long as anything is pending.
pub struct Observer {
    pub any: AnyPending,
    pub told: &'static dyn Pending,
}

impl Observer {
    /// Whether nothing is pending, as a thread finds that has marked memory as mapped.
    #[inline]
    pub fn is_quiet_for_mapping(&self) -> bool {
        // Between the memory's mark, which the caller has set, and the look at what is put off.
        asymmetric_fence::light();
        !self.any.get()
    }

    /// Tells of memory that the caller has marked as mapped, as [`Pending::before_mapping`].
    ///
    /// # Safety
    /// A valid device and its memory.
    pub unsafe fn before_mapping(&self, device: vk::Device, memory: vk::DeviceMemory) {
        if !self.is_quiet_for_mapping() {
            // SAFETY: valid by contract.
            unsafe { self.told.before_mapping(device, memory) };
        }
    }

    /// As [`Pending::before_freeing`].
    ///
    /// # Safety
    /// A valid device and its memory.
    #[inline]
    pub unsafe fn before_freeing(&self, device: vk::Device, memory: vk::DeviceMemory) {
        if self.any.get() {
            // SAFETY: valid by contract.
            unsafe { self.told.before_freeing(device, memory) };
        }
    }

    /// As [`Pending::before_destroying`].
    ///
    /// # Safety
    /// A valid device and its buffer.
    #[inline]
    pub unsafe fn before_destroying(&self, device: vk::Device, buffer: vk::Buffer) {
        if self.any.get() {
            // SAFETY: valid by contract.
            unsafe { self.told.before_destroying(device, buffer) };
        }
    }

    /// As [`Pending::before_host_copy`].
    ///
    /// # Safety
    /// A valid device.
    pub unsafe fn before_host_copy(&self, device: vk::Device) {
        if self.any.get() {
            // SAFETY: valid by contract.
            unsafe { self.told.before_host_copy(device) };
        }
    }
}
