//! vkAllocateMemory and vkFreeMemory, reported to whoever wants to hear of them: what the program allocates, imports and frees. What drivers take for themselves, here and at
//! the host, nobody tells of.

use ash::vk;
use ash::vk::Handle;
use vk::DeviceMemoryReportEventTypeEXT as Event;

use crate::base::forwarding::with_room;
use crate::base::object::Part;
use crate::base::slab::fresh_id;
use crate::memory::allocation;
use crate::memory::device::Device;

/// Ids of what other processes may have as well, apart from handles.
const RESOURCE: u64 = 1 << 63;

/// Which memory it is: the same number for all who share it, wherever in this system, so that nobody counts it twice. The kernel numbers the host's
/// resources for each of its devices.
fn id(d: &Device, memory: vk::DeviceMemory) -> u64 {
    let Some(resource) = allocation::exportable(memory) else { return memory.as_raw() };
    let minor = d.connection().winsys.numbers().render.map_or(0, |(_, minor)| minor);
    RESOURCE | minor << 32 | u64::from(resource.id())
}

/// What is told of memory that exists.
fn data(d: &Device, memory: vk::DeviceMemory) -> vk::DeviceMemoryReportCallbackDataEXT<'static> {
    let id = id(d, memory);
    vk::DeviceMemoryReportCallbackDataEXT {
        memory_object_id: id,
        object_type: vk::ObjectType::DEVICE_MEMORY,
        object_handle: memory.as_raw(),
        ..Default::default()
    }
}

pub unsafe fn allocate_memory(
    device: vk::Device,
    info: *const vk::MemoryAllocateInfo,
    allocator: *const vk::AllocationCallbacks,
    to: *mut vk::DeviceMemory,
) -> vk::Result {
    // SAFETY: a valid device and create info.
    let (d, asked) = unsafe { (Device::of(device), &*info) };
    let result = if let Some(memory) = allocation::reuse(d, asked) {
        // SAFETY: the output parameter.
        unsafe { to.write(memory) };
        vk::Result::SUCCESS
    } else {
        // Room is made here, since only the last answer is reported.
        // SAFETY: the entry point's parameters.
        unsafe { with_room(device, || allocation::allocate_anew(device, info, allocator, to)) }
    };
    if !d.reports.is_empty() {
        // SAFETY: the output parameter, which was written.
        tell(d, asked, unsafe { *to }, result);
    }
    result
}

/// Reports an allocation; apart, so that the way of those who want no reports is short.
#[cold]
fn tell(d: &Device, info: &vk::MemoryAllocateInfo<'_>, memory: vk::DeviceMemory, result: vk::Result) {
    let (size, heap_index) = (info.allocation_size, d.physical().heap(info.memory_type_index).unwrap_or(0));
    let told = if result == vk::Result::SUCCESS {
        let imported = allocation::get(memory).is_some_and(|m| m.imported);
        let ty = if imported { Event::IMPORT } else { Event::ALLOCATE };
        vk::DeviceMemoryReportCallbackDataEXT { ty, size, heap_index, ..data(d, memory) }
    } else {
        vk::DeviceMemoryReportCallbackDataEXT {
            ty: Event::ALLOCATION_FAILED,
            size,
            heap_index,
            memory_object_id: fresh_id(),
            object_type: vk::ObjectType::DEVICE_MEMORY,
            ..Default::default()
        }
    };
    d.reports.tell(&told);
}

pub unsafe fn free_memory(device: vk::Device, memory: vk::DeviceMemory, allocator: *const vk::AllocationCallbacks) {
    // SAFETY: a valid device.
    let d = unsafe { Device::of(device) };
    if !d.reports.is_empty()
        && let Some(m) = allocation::get(memory).filter(|m| !m.is_freed())
    {
        let ty = if m.imported { Event::UNIMPORT } else { Event::FREE };
        d.reports.tell(&vk::DeviceMemoryReportCallbackDataEXT { ty, size: m.size, ..data(d, memory) });
    }
    // SAFETY: the entry point's parameters.
    unsafe { allocation::free_memory(device, memory, allocator) };
}
