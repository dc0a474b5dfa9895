//! What is known of binary semaphores that are shared as sync_files.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use ash::vk;
use parking_lot::Mutex;

use crate::sync::payload::Payload;

/// A device's semaphores that have anything to do with files.
#[derive(Default)]
pub struct Semaphores {
    /// Whether there are any. Relaxed: who has to know of one learns it from whoever made it.
    any: AtomicBool,
    known: Mutex<HashMap<vk::Semaphore, Known>>,
}

/// What is known of one.
#[derive(Default)]
struct Known {
    /// The queue that has signalled the host's semaphore, or will, where nothing waits for that yet.
    signaled_on: Option<vk::Queue>,
    /// What takes its place for the next wait.
    imported: Option<Payload>,
}

/// A payload that a submission waits for.
pub struct Taken {
    pub semaphore: vk::Semaphore,
    pub payload: Payload,
    /// Whether the host's semaphore is signalled as well, and has to be so again after the wait: imports are temporary.
    pub stays_signaled: bool,
}

impl Semaphores {
    /// Whether there are any.
    #[inline]
    pub fn any(&self) -> bool {
        self.any.load(Ordering::Relaxed)
    }

    /// It may be exported.
    pub fn add(&self, semaphore: vk::Semaphore) {
        self.any.store(true, Ordering::Relaxed);
        self.known.lock().entry(semaphore).or_default();
    }

    /// The next wait for it takes this payload.
    pub fn import(&self, semaphore: vk::Semaphore, payload: Payload) {
        self.any.store(true, Ordering::Relaxed);
        self.known.lock().entry(semaphore).or_default().imported = Some(payload);
    }

    /// It is destroyed.
    pub fn remove(&self, semaphore: vk::Semaphore) {
        if self.any() {
            self.known.lock().remove(&semaphore);
        }
    }

    /// The payloads from outside that a submission with these waits takes.
    pub fn take(&self, waits: impl Iterator<Item = vk::Semaphore>) -> Vec<Taken> {
        let mut known = self.known.lock();
        let taken = waits.filter_map(|semaphore| {
            let k = known.get_mut(&semaphore)?;
            let payload = k.imported.take()?;
            Some(Taken { semaphore, payload, stays_signaled: k.signaled_on.is_some() })
        });
        taken.collect()
    }

    /// The payload from outside that an export takes.
    pub fn imported(&self, semaphore: vk::Semaphore) -> Option<Payload> {
        self.known.lock().get(&semaphore)?.imported.clone()
    }

    /// It has been exported.
    pub fn forget_imported(&self, semaphore: vk::Semaphore) {
        if let Some(k) = self.known.lock().get_mut(&semaphore) {
            k.imported = None;
        }
    }

    /// The queue whose signal nothing waits for yet.
    pub fn signaled_on(&self, semaphore: vk::Semaphore) -> Option<vk::Queue> {
        self.known.lock().get(&semaphore)?.signaled_on
    }

    /// A submission to a queue was sent that waits for some semaphores and signals others.
    pub fn submitted(
        &self,
        queue: vk::Queue,
        waits: impl Iterator<Item = vk::Semaphore>,
        signals: impl Iterator<Item = vk::Semaphore>,
    ) {
        let mut known = self.known.lock();
        for (semaphore, on) in waits.map(|s| (s, None)).chain(signals.map(|s| (s, Some(queue)))) {
            if let Some(k) = known.get_mut(&semaphore) {
                k.signaled_on = on;
            }
        }
    }
}
