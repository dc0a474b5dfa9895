//! `HESPER_TEST_LAYER_QUEUES`: two queue families of two queues each on a device that has one queue, so that programs with several
//! queues can be tested on it.
//!
//! The first family is the real one's, the second can compute and copy. The queues are this layer's own (`handles`). Each keeps its
//! submissions in order, and the real queue gets one once nothing that it waits for has yet to be given to the real queue
//! (`scheduler`): work that waits for a later submission of another queue, or for the host, holds up nobody but its own queue.
//! The real queue runs in order, so work that it has begun must be able to end: a vkCmdWaitEvents for an event that the host or
//! another queue sets later would block all queues for ever. Programs must not do that here.
//!
//! Family indices are the real family's for the driver (`families`, `barriers`). Swapchains aren't shown: presenting is work of a queue, too.

pub mod barriers;
pub mod entries;
pub mod families;
mod handles;
mod private_data;
mod scheduler;
mod work;

use std::sync::{Arc, OnceLock};

use ash::vk;

use crate::chain::{Device, Table, key};
use scheduler::Scheduler;

static SCHEDULERS: Table<Scheduler> = Table::new();

/// Whether they were asked for.
pub fn on() -> bool {
    static ON: OnceLock<bool> = OnceLock::new();
    *ON.get_or_init(|| std::env::var_os("HESPER_TEST_LAYER_QUEUES").is_some())
}

/// Makes the queues of a new device.
pub unsafe fn add_device(device: Arc<Device>, asked: &families::Asked) {
    // SAFETY: the device was made a moment ago with the one queue that `asked` named.
    unsafe {
        let key = key(device.handle);
        SCHEDULERS.insert(key, Arc::new(Scheduler::new(device, key, asked)));
    }
}

/// Forgets the queues of a device that goes.
pub unsafe fn remove_device(device: vk::Device) {
    // SAFETY: the caller's device is still there.
    drop(SCHEDULERS.remove(unsafe { key(device) }));
}
