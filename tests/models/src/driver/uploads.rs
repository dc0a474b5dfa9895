//! Uploads that are put off, and a thread that maps the memory meanwhile (`submission::order`, `memory::pending`).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use ash::vk;
use ash::vk::Handle;
use loom::thread;

use crate::base::asymmetric_fence;
use crate::base::progress::Progress;
use crate::base::shared::AtomicBool;
use crate::memory::pending::{Observer, Pending};
use crate::submission::order::{Order, Uploads, Waiting};
use crate::submission::updates::{Staged, Updates};

/// A device with one queue, and a memory.
struct World {
    order: Order,
    mapped: AtomicBool,
}

impl World {
    fn new() -> Arc<Self> {
        let order = Order::default();
        order.lock().add_queue(Arc::new(Progress::default()));
        Arc::new(Self { order, mapped: AtomicBool::new(false) })
    }

    /// A submission that does nothing but upload, as `submission::upload` puts it off; false where it is sent and waited for.
    fn put_off(&self) -> bool {
        let mut locked = self.order.lock();
        if !locked.has_all_ended() || self.mapped.load(Ordering::Relaxed) {
            return false;
        }
        let mut waiting = match std::mem::take(locked.uploads()) {
            Uploads::Waiting(waiting) => waiting,
            _ => Waiting { queue: vk::Queue::null(), updates: Updates::default() },
        };
        let put_off = locked.announce_uploads() && !self.mapped.load(Ordering::Relaxed);
        if put_off {
            let (buffer, memory) = (vk::Buffer::null(), vk::DeviceMemory::null());
            waiting.updates.add(Staged { buffer, memory, offset: 0, place: 0, data: &[1; 4] });
        }
        let none = waiting.updates.list().is_empty();
        locked.set_uploads(if none { Uploads::None } else { Uploads::Waiting(waiting) });
        put_off
    }

    /// vkMapMemory, as `memory::mapped` has it.
    fn map(&self) {
        let observer = Observer { any: self.order.any_uploads().clone(), told: &Told };
        self.mapped.store(true, Ordering::Relaxed);
        if !observer.is_quiet_for_mapping() {
            let device = vk::Device::from_raw(std::ptr::from_ref(self).expose_provenance() as u64);
            // SAFETY: the device is this world, which lives.
            unsafe { observer.before_mapping(device, vk::DeviceMemory::null()) };
        }
    }
}

/// Carries uploads out, as `submission::upload` does.
struct Told;

impl Pending for Told {
    unsafe fn before_mapping(&self, device: vk::Device, _: vk::DeviceMemory) {
        // SAFETY: the address of the world.
        let world: &World = unsafe { &*std::ptr::with_exposed_provenance(device.as_raw() as usize) };
        let mut locked = world.order.lock();
        if locked.withdraw_uploads() {
            return;
        }
        if matches!(locked.uploads(), Uploads::Waiting(_)) {
            let (submission, ()) = locked.number(0, |_| Ok(())).unwrap();
            locked.uploads_sent(vk::Queue::null(), submission, None);
        }
        let sent = match locked.uploads() {
            Uploads::Sent(sent) => Some(sent.submission.clone()),
            _ => None,
        };
        drop(locked);
        // Waited for.
        sent.iter().for_each(|submission| submission.end());
    }

    unsafe fn after_unmapping(&self, _: vk::Device) {}

    unsafe fn before_freeing(&self, _: vk::Device, _: vk::DeviceMemory) {}

    unsafe fn before_destroying(&self, _: vk::Device, _: vk::Buffer) {}

    unsafe fn before_host_copy(&self, _: vk::Device) {}
}

/// Two threads upload, and one maps: behind the mapping no upload waits that the program was told of.
fn two_upload_and_one_maps(failures: u32) {
    asymmetric_fence::fail(failures);
    let world = World::new();
    let uploading = [world.clone(), world.clone()].map(|world| thread::spawn(move || world.put_off()));
    world.map();
    uploading.into_iter().for_each(|u| assert!(u.join().is_ok()));
    let mut locked = world.order.lock();
    assert!(!matches!(locked.uploads(), Uploads::Waiting(_)), "an upload waits behind the mapping");
}

pub fn check() {
    two_upload_and_one_maps(0);
}

pub fn a_fence_fails() {
    two_upload_and_one_maps(1);
}
