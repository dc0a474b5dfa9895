//! VkPrivateDataSlot: values that an application attaches to handles; the host never sees them.

use std::collections::HashMap;

use ash::vk;
use ash::vk::Handle;
use parking_lot::Mutex;

use crate::base::slab::Slab;

/// Values by object.
type Slot = Mutex<HashMap<(vk::ObjectType, u64), u64>>;

static SLOTS: Slab<Slot> = Slab::new(3);

pub unsafe fn create_private_data_slot(
    _: vk::Device,
    _: *const vk::PrivateDataSlotCreateInfo,
    _: *const vk::AllocationCallbacks,
    to: *mut vk::PrivateDataSlot,
) -> vk::Result {
    let Some(id) = SLOTS.insert(Slot::default()) else { return vk::Result::ERROR_OUT_OF_HOST_MEMORY };
    // SAFETY: by valid usage.
    unsafe { *to = vk::PrivateDataSlot::from_raw(id) };
    vk::Result::SUCCESS
}

pub unsafe fn destroy_private_data_slot(_: vk::Device, slot: vk::PrivateDataSlot, _: *const vk::AllocationCallbacks) {
    SLOTS.remove(slot);
}

pub unsafe fn set_private_data(
    _: vk::Device,
    ty: vk::ObjectType,
    object: u64,
    slot: vk::PrivateDataSlot,
    data: u64,
) -> vk::Result {
    let Some(s) = SLOTS.get(slot) else { return vk::Result::ERROR_UNKNOWN };
    s.lock().insert((ty, object), data);
    vk::Result::SUCCESS
}

pub unsafe fn get_private_data(
    _: vk::Device,
    ty: vk::ObjectType,
    object: u64,
    slot: vk::PrivateDataSlot,
    to: *mut u64,
) {
    let data = SLOTS.get(slot).and_then(|s| s.lock().get(&(ty, object)).copied());
    // SAFETY: by valid usage. Nothing set reads as 0.
    unsafe { *to = data.unwrap_or(0) };
}
