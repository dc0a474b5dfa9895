//! What uploads that the program was told are over do before their memory is looked at, or goes away (the table in `order`).

use ash::vk;

use crate::base::log::error;
use crate::base::object::Part;
use crate::memory::pending::{Observer, Pending};
use crate::submission::carrier;
use crate::submission::device::Device;
use crate::submission::order::{Locked, Uploads};
use crate::submission::updates::Updates;

/// A device's uploads, as memory and buffers know them.
struct OfUploads;

/// Observes the uploads of a device.
pub fn of(device: &Device) -> Observer {
    Observer { any: device.order.any_uploads().clone(), told: &OfUploads }
}

impl Pending for OfUploads {
    unsafe fn before_mapping(&self, device: vk::Device, memory: vk::DeviceMemory) {
        // SAFETY: a valid device.
        unsafe { carry_out(device, |updates| updates.write(memory)) };
    }

    unsafe fn after_unmapping(&self, device: vk::Device) {
        // Memory is read under the lock alone (`upload`): whoever has found it mapped has read it when the lock is free, and whoever comes later finds it
        // unmapped.
        // SAFETY: a valid device.
        drop(unsafe { Device::of(device) }.order.lock());
    }

    unsafe fn before_freeing(&self, device: vk::Device, memory: vk::DeviceMemory) {
        // SAFETY: a valid device.
        unsafe {
            let mut locked = Device::of(device).order.lock();
            if locked.withdraw_uploads() {
                return;
            }
            forget(&mut locked, |updates| updates.forget(memory));
            drop(locked);
            carry_out(device, |updates| updates.write(memory));
        }
    }

    unsafe fn before_destroying(&self, device: vk::Device, buffer: vk::Buffer) {
        // SAFETY: a valid device.
        unsafe { carry_out(device, |updates| updates.name(buffer)) };
    }

    unsafe fn before_host_copy(&self, device: vk::Device) {
        // SAFETY: a valid device.
        unsafe { carry_out(device, |_| true) };
    }
}

/// Forgets updates that wait.
fn forget(locked: &mut Locked<'_>, forget: impl FnOnce(&mut Updates)) {
    let Uploads::Waiting(waiting) = locked.uploads() else { return };
    forget(&mut waiting.updates);
    if waiting.updates.list().is_empty() {
        locked.set_uploads(Uploads::None);
    }
}

/// Has the uploads that `concerns` tells of carried out. A lost host keeps nobody.
unsafe fn carry_out(device: vk::Device, concerns: impl Fn(&Updates) -> bool) {
    // SAFETY: a valid device.
    let order = unsafe { &Device::of(device).order };
    let mut locked = order.lock();
    if locked.withdraw_uploads() {
        return;
    }
    // SAFETY: the lock of a valid device.
    let mark = unsafe {
        let send = matches!(locked.uploads(), Uploads::Waiting(waiting) if concerns(&waiting.updates));
        let sent = if send { carrier::send(&mut locked) } else { Ok(()) };
        match (sent, locked.uploads()) {
            (Ok(()), Uploads::Sent(sent)) if concerns(&sent.updates) => carrier::mark(&mut locked),
            (Ok(()), _) => Ok(None),
            (Err(e), _) => Err(e),
        }
    };
    drop(locked);
    match mark {
        Ok(Some(mark)) => drop(mark.wait()),
        Ok(None) => {}
        Err(e) => error!("an upload couldn't be sent: {e}"),
    }
}
