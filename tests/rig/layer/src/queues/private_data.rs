//! Private data of queues, which are no objects of the driver's.

use std::collections::HashMap;

use ash::vk;
use parking_lot::Mutex;

use crate::chain;

type Data = HashMap<(vk::PrivateDataSlot, u64), u64>;
static DATA: Mutex<Option<Data>> = Mutex::new(None);

pub unsafe extern "system" fn set_private_data(
    device: vk::Device,
    kind: vk::ObjectType,
    handle: u64,
    slot: vk::PrivateDataSlot,
    data: u64,
) -> vk::Result {
    if kind == vk::ObjectType::QUEUE {
        DATA.lock().get_or_insert_default().insert((slot, handle), data);
        return vk::Result::SUCCESS;
    }
    // SAFETY: the program's arguments are valid, and the object is the driver's.
    unsafe {
        let Some(d) = chain::device(device) else { return vk::Result::ERROR_INITIALIZATION_FAILED };
        (d.v1_3.set_private_data)(device, kind, handle, slot, data)
    }
}

pub unsafe extern "system" fn get_private_data(
    device: vk::Device,
    kind: vk::ObjectType,
    handle: u64,
    slot: vk::PrivateDataSlot,
    to: *mut u64,
) {
    // SAFETY: the program's arguments are valid; the driver sees no queue of this layer's.
    unsafe {
        if kind == vk::ObjectType::QUEUE {
            *to = DATA.lock().get_or_insert_default().get(&(slot, handle)).copied().unwrap_or(0);
        } else if let Some(d) = chain::device(device) {
            (d.v1_3.get_private_data)(device, kind, handle, slot, to);
        }
    }
}

pub unsafe extern "system" fn destroy_private_data_slot(
    device: vk::Device,
    slot: vk::PrivateDataSlot,
    allocator: *const vk::AllocationCallbacks,
) {
    DATA.lock().get_or_insert_default().retain(|(s, _), _| *s != slot);
    // SAFETY: the program's arguments are valid.
    unsafe {
        if let Some(d) = chain::device(device) {
            (d.v1_3.destroy_private_data_slot)(device, slot, allocator);
        }
    }
}
