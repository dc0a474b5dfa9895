//! VkSemaphore: waiting for timelines, and what is known of binary ones that are shared as sync_files.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use ash::vk;
use hesper_encoder::generated::{reply, request};
use parking_lot::Mutex;

use crate::base::chain::find;
use crate::base::forwarding::result_of;
use crate::base::object::Part;
use crate::generated::forward;
use crate::sync::device::Device;
use crate::sync::payload::Payload;
use crate::sync::wait;

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

    /// What is known of one, from now on.
    fn with(&self, semaphore: vk::Semaphore, change: impl FnOnce(&mut Known)) {
        self.any.store(true, Ordering::Relaxed);
        change(self.known.lock().entry(semaphore).or_default());
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

pub unsafe fn create_semaphore(
    device: vk::Device,
    info: *const vk::SemaphoreCreateInfo,
    allocator: *const vk::AllocationCallbacks,
    to: *mut vk::Semaphore,
) -> vk::Result {
    // SAFETY: a valid info with its chain.
    let mut made = unsafe { *info };
    // SAFETY: the info's chain.
    let (exported, kind) = unsafe {
        let exported = find::<vk::ExportSemaphoreCreateInfo>(made.p_next).is_some_and(|e| !e.handle_types.is_empty());
        (exported, find::<vk::SemaphoreTypeCreateInfo>(made.p_next))
    };
    // The host has no part in exports.
    let kind = kind.map(|k| vk::SemaphoreTypeCreateInfo { p_next: std::ptr::null(), ..*k });
    made.p_next = kind.as_ref().map_or(std::ptr::null(), |k| std::ptr::from_ref(k).cast());
    // SAFETY: the entry point's parameters, and a copy of its info that outlives the call.
    let (result, semaphore) = unsafe { (forward::create_semaphore(device, &made, allocator, to), *to) };
    if exported && result == vk::Result::SUCCESS {
        // SAFETY: a valid device.
        unsafe { Device::of(device) }.semaphores.with(semaphore, |_| ());
    }
    result
}

pub unsafe fn destroy_semaphore(
    device: vk::Device,
    semaphore: vk::Semaphore,
    allocator: *const vk::AllocationCallbacks,
) {
    // SAFETY: a valid device.
    let semaphores = &unsafe { Device::of(device) }.semaphores;
    if semaphores.any() {
        semaphores.known.lock().remove(&semaphore);
    }
    // SAFETY: the entry point's parameters.
    unsafe { forward::destroy_semaphore(device, semaphore, allocator) };
}

pub unsafe fn import_semaphore_fd_khr(device: vk::Device, info: *const vk::ImportSemaphoreFdInfoKHR) -> vk::Result {
    // SAFETY: a valid info.
    let info = unsafe { &*info };
    if info.handle_type != vk::ExternalSemaphoreHandleTypeFlags::SYNC_FD {
        return vk::Result::ERROR_INVALID_EXTERNAL_HANDLE;
    }
    match Payload::import(info.fd) {
        Ok(payload) => {
            // SAFETY: a valid device.
            unsafe { Device::of(device) }.semaphores.with(info.semaphore, |k| k.imported = Some(payload));
            vk::Result::SUCCESS
        }
        Err(e) => e,
    }
}

pub unsafe fn wait_semaphores(device: vk::Device, info: *const vk::SemaphoreWaitInfo, timeout: u64) -> vk::Result {
    // SAFETY: a valid device.
    let d = unsafe { Device::of(device) };
    // SAFETY: encodes the command's own struct, which lives as long as the wait.
    let poll = |stay| unsafe {
        result_of(d.connection().call(
            reply::wait_semaphores_size(device, info, stay),
            |w| request::wait_semaphores(w, 1, device, info, stay),
            |r| reply::wait_semaphores(r, device, info, stay),
        ))
    };
    // SAFETY: as for `poll`.
    let block = |slice| unsafe {
        d.connection().aside(
            reply::wait_semaphores_size(device, info, slice),
            |w| request::wait_semaphores(w, 1, device, info, slice),
            |r| reply::wait_semaphores(r, device, info, slice),
        )
    };
    wait::wait(d.strategy, timeout, true, std::iter::empty(), poll, block)
}
