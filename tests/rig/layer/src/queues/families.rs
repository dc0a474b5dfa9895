//! The two families, and what is asked of them when things are created.

use ash::vk;

use crate::chain;

/// How many there are, and how many queues each has.
pub const FAMILIES: u32 = 2;
pub const QUEUES: u32 = 2;

/// The driver's family behind one of the shown ones; what names no family of the device stays.
pub fn real(family: u32) -> u32 {
    if family < FAMILIES { 0 } else { family }
}

/// The queues that a program wants of a device.
pub struct Asked<'a> {
    /// For each family, how many.
    pub counts: [u32; FAMILIES as usize],
    first: Option<vk::DeviceQueueCreateInfo<'a>>,
}

impl<'a> Asked<'a> {
    pub unsafe fn of(info: &vk::DeviceCreateInfo<'a>) -> Self {
        // SAFETY: the caller's struct is valid, so the array has this length.
        let list = unsafe { list(info.p_queue_create_infos, info.queue_create_info_count) };
        let mut counts = [0; FAMILIES as usize];
        for q in list {
            if let Some(n) = counts.get_mut(q.queue_family_index as usize) {
                *n += q.queue_count.min(QUEUES);
            }
        }
        Self { counts, first: list.first().copied() }
    }

    /// The one queue that the driver is asked for: with the first priority and the first chain.
    pub fn real_queue(&self) -> vk::DeviceQueueCreateInfo<'a> {
        const PRIORITY: &f32 = &1.0;
        let mut one = self.first.unwrap_or_default();
        if one.queue_count == 0 {
            one.p_queue_priorities = PRIORITY;
        }
        (one.queue_family_index, one.queue_count) = (0, 1);
        one
    }
}

/// An array of Vulkan's; null only where it is empty.
pub unsafe fn list<'a, T>(p: *const T, n: u32) -> &'a [T] {
    // SAFETY: the caller vouches for an array of this length.
    if n == 0 || p.is_null() { &[] } else { unsafe { std::slice::from_raw_parts(p, n as usize) } }
}

/// What a family is said to be, made of the real one's.
fn show(family: u32, p: &mut vk::QueueFamilyProperties) {
    p.queue_count = QUEUES;
    if family > 0 {
        p.queue_flags = vk::QueueFlags::COMPUTE | vk::QueueFlags::TRANSFER;
    }
}

pub unsafe extern "system" fn get_queue_family_properties(
    device: vk::PhysicalDevice,
    count: *mut u32,
    to: *mut vk::QueueFamilyProperties,
) {
    // SAFETY: the caller's array has room for `count` structs; the driver is asked for the first family only.
    unsafe {
        let Some(i) = chain::instance_of(device) else { return };
        if to.is_null() {
            *count = FAMILIES;
            return;
        }
        *count = FAMILIES.min(*count);
        for f in 0..*count {
            let mut one = 1;
            let p = to.add(f as usize);
            (i.v1_0.get_physical_device_queue_family_properties)(device, &mut one, p);
            show(f, &mut *p);
        }
    }
}

pub unsafe extern "system" fn get_queue_family_properties2(
    device: vk::PhysicalDevice,
    count: *mut u32,
    to: *mut vk::QueueFamilyProperties2,
) {
    // SAFETY: the caller's array has room for `count` structs with chains; the driver is asked for the first family only.
    unsafe {
        let Some(i) = chain::instance_of(device) else { return };
        if to.is_null() {
            *count = FAMILIES;
            return;
        }
        *count = FAMILIES.min(*count);
        for f in 0..*count {
            let mut one = 1;
            let p = to.add(f as usize);
            (i.v1_1.get_physical_device_queue_family_properties2)(device, &mut one, p);
            show(f, &mut (*p).queue_family_properties);
        }
    }
}

pub unsafe extern "system" fn create_command_pool(
    device: vk::Device,
    info: *const vk::CommandPoolCreateInfo,
    allocator: *const vk::AllocationCallbacks,
    to: *mut vk::CommandPool,
) -> vk::Result {
    // SAFETY: the program's arguments are valid for the driver's entry point, too.
    unsafe {
        let Some(d) = chain::device(device) else { return vk::Result::ERROR_INITIALIZATION_FAILED };
        let mut own = *info;
        own.queue_family_index = real(own.queue_family_index);
        (d.v1_0.create_command_pool)(device, &own, allocator, to)
    }
}
