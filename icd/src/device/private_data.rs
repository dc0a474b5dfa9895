//! VkPrivateDataSlot: values that a program attaches to objects; the host never sees them.
//!
//! The generated entry points that end objects (vkDestroy*, vkFree*, vkResetDescriptorPool) tell here of each before its handle becomes invalid.

use ash::vk;
use ash::vk::Handle;

use crate::base::chain::slice;
use crate::base::object::Part;
use crate::base::slab::fresh_id;
use crate::descriptors::set;
use crate::device::logical_device::Device;
use crate::recording::command_pool;

pub unsafe fn create_private_data_slot(
    device: vk::Device,
    _: *const vk::PrivateDataSlotCreateInfo,
    _: *const vk::AllocationCallbacks,
    to: *mut vk::PrivateDataSlot,
) -> vk::Result {
    let slot = vk::PrivateDataSlot::from_raw(fresh_id());
    // SAFETY: a valid device.
    unsafe { Device::of(device) }.private.add_slot(slot);
    // SAFETY: the output parameter.
    unsafe { to.write(slot) };
    vk::Result::SUCCESS
}

pub unsafe fn destroy_private_data_slot(
    device: vk::Device,
    slot: vk::PrivateDataSlot,
    _: *const vk::AllocationCallbacks,
) {
    // SAFETY: a valid device.
    unsafe { Device::of(device) }.private.remove_slot(slot);
}

pub unsafe fn set_private_data(
    device: vk::Device,
    ty: vk::ObjectType,
    object: u64,
    slot: vk::PrivateDataSlot,
    data: u64,
) -> vk::Result {
    // SAFETY: a valid device.
    let set = unsafe { Device::of(device) }.private.set((ty, object), slot, data);
    if set { vk::Result::SUCCESS } else { vk::Result::ERROR_UNKNOWN }
}

pub unsafe fn get_private_data(
    device: vk::Device,
    ty: vk::ObjectType,
    object: u64,
    slot: vk::PrivateDataSlot,
    to: *mut u64,
) {
    // SAFETY: a valid device.
    let data = unsafe { Device::of(device) }.private.get((ty, object), slot);
    // SAFETY: the output parameter.
    unsafe { to.write(data) };
}

/// Objects are about to end, and with pools all that was allocated from them: their values end first.
///
/// # Safety
/// A valid device, and `n` of its handles.
#[inline]
pub unsafe fn end<H: Handle + Copy>(device: vk::Device, handles: *const H, n: u32) {
    // SAFETY: valid by contract.
    let d = unsafe { Device::of(device) };
    if d.private.used() {
        // SAFETY: valid by contract.
        end_values(d, unsafe { slice(handles, n) });
    }
}

#[cold]
fn end_values<H: Handle + Copy>(d: &Device, handles: &[H]) {
    for h in handles {
        d.private.end(allocated_from(*h));
    }
    d.private.end(handles.iter().map(|h| (H::TYPE, h.as_raw())));
}

/// All that was allocated from a pool is about to end, and the pool stays.
///
/// # Safety
/// A valid device and its pool.
#[inline]
pub unsafe fn empty<H: Handle>(device: vk::Device, pool: H) {
    // SAFETY: valid by contract.
    let d = unsafe { Device::of(device) };
    if d.private.used() {
        d.private.end(allocated_from(pool));
    }
}

/// All that was allocated from a pool; nothing for other objects.
fn allocated_from<H: Handle>(pool: H) -> Vec<(vk::ObjectType, u64)> {
    match H::TYPE {
        vk::ObjectType::DESCRIPTOR_POOL => {
            let sets = set::allocated_from(vk::DescriptorPool::from_raw(pool.as_raw()));
            sets.into_iter().map(|s| (vk::ObjectType::DESCRIPTOR_SET, s.as_raw())).collect()
        }
        vk::ObjectType::COMMAND_POOL => {
            let buffers = command_pool::allocated_from(vk::CommandPool::from_raw(pool.as_raw()));
            buffers.into_iter().map(|b| (vk::ObjectType::COMMAND_BUFFER, b.as_raw())).collect()
        }
        _ => Vec::new(),
    }
}
