//! Reports of device memory (VK_EXT_device_memory_report): what the program allocates, imports and frees. What drivers take for themselves, here and at the
//! host, nobody tells of.

use std::ffi::c_void;

use ash::vk;
use ash::vk::Handle;

use crate::base::forwarding::with_room;
use crate::base::object::Part;
use crate::base::slab::fresh_id;
use crate::memory::allocation;
use crate::memory::device::Device;

/// A callback of the program's.
struct Receiver {
    callback: unsafe extern "system" fn(*const vk::DeviceMemoryReportCallbackDataEXT<'_>, *mut c_void),
    user_data: *mut c_void,
}

/// Who hears of a device's memory, in the order of the device's creation; usually nobody.
#[derive(Default)]
pub struct Reports(Vec<Receiver>);

// SAFETY: what a callback's pointer leads to is for the callback alone, which may be called from several threads at once (Vulkan specification,
// VkDeviceDeviceMemoryReportCreateInfoEXT).
unsafe impl Send for Reports {}
// SAFETY: as above.
unsafe impl Sync for Reports {}

/// Ids of what other processes may have as well: those of the host's resources, apart from handles.
const RESOURCE: u64 = 1 << 63;

impl Reports {
    /// The callbacks that a device is made with.
    ///
    /// # Safety
    /// Null or the valid chain of a VkDeviceCreateInfo.
    pub unsafe fn of(next: *const c_void) -> Self {
        let mut receivers = Vec::new();
        let mut next: *const vk::BaseInStructure<'_> = next.cast();
        while !next.is_null() {
            // SAFETY: a struct of the chain, which is what its sType tells of.
            unsafe {
                if (*next).s_type == vk::StructureType::DEVICE_DEVICE_MEMORY_REPORT_CREATE_INFO_EXT {
                    let info = &*next.cast::<vk::DeviceDeviceMemoryReportCreateInfoEXT>();
                    let user_data = info.p_user_data;
                    receivers.extend(info.pfn_user_callback.map(|callback| Receiver { callback, user_data }));
                }
                next = (*next).p_next;
            }
        }
        Self(receivers)
    }

    /// Whether nobody wants to hear.
    #[inline]
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Tells all of them. The caller holds no lock: what callbacks do is the program's affair.
    fn tell(&self, data: &vk::DeviceMemoryReportCallbackDataEXT<'_>) {
        for r in &self.0 {
            // SAFETY: the program's callback, with the pointer that it was registered with.
            unsafe { (r.callback)(data, r.user_data) };
        }
    }
}

/// What is told of memory that exists: which is the same for all who share it.
fn data(memory: vk::DeviceMemory) -> vk::DeviceMemoryReportCallbackDataEXT<'static> {
    let id = allocation::exportable(memory).map_or(memory.as_raw(), |resource| RESOURCE | u64::from(resource.id()));
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
    use vk::DeviceMemoryReportEventTypeEXT as Event;
    // Room is made here, since only the last answer is reported.
    // SAFETY: the entry point's parameters.
    let result = unsafe { with_room(device, || allocation::allocate_memory(device, info, allocator, to)) };
    // SAFETY: a valid device.
    let d = unsafe { Device::of(device) };
    if d.reports.is_empty() {
        return result;
    }
    // SAFETY: a valid info, and the output parameter, which was written.
    let (info, memory) = unsafe { (&*info, *to) };
    let (size, heap_index) = (info.allocation_size, d.physical().heap(info.memory_type_index).unwrap_or(0));
    let told = if result == vk::Result::SUCCESS {
        let imported = allocation::get(memory).is_some_and(|m| m.imported);
        let ty = if imported { Event::IMPORT } else { Event::ALLOCATE };
        vk::DeviceMemoryReportCallbackDataEXT { ty, size, heap_index, ..data(memory) }
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
    result
}

pub unsafe fn free_memory(device: vk::Device, memory: vk::DeviceMemory, allocator: *const vk::AllocationCallbacks) {
    use vk::DeviceMemoryReportEventTypeEXT as Event;
    // SAFETY: a valid device.
    let d = unsafe { Device::of(device) };
    if !d.reports.is_empty()
        && let Some(m) = allocation::get(memory).filter(|m| !m.is_freed())
    {
        let ty = if m.imported { Event::UNIMPORT } else { Event::FREE };
        d.reports.tell(&vk::DeviceMemoryReportCallbackDataEXT { ty, size: m.size, ..data(memory) });
    }
    // SAFETY: the entry point's parameters.
    unsafe { allocation::free_memory(device, memory, allocator) };
}

#[cfg(test)]
mod tests {
    use super::*;

    unsafe extern "system" fn note(data: *const vk::DeviceMemoryReportCallbackDataEXT<'_>, to: *mut c_void) {
        // SAFETY: the test's list, and the callback's data.
        unsafe { (*to.cast::<Vec<u64>>()).push((*data).memory_object_id) };
    }

    #[test]
    fn all_that_are_in_the_chain_are_told() {
        let mut lists = [Vec::<u64>::new(), Vec::new()];
        let [a, b] = lists.each_mut().map(|list| {
            let to = std::ptr::from_mut(list).cast();
            vk::DeviceDeviceMemoryReportCreateInfoEXT::default().pfn_user_callback(Some(note)).user_data(to)
        });
        let (mut a, mut b) = (a, b);
        let mut without = vk::DeviceDeviceMemoryReportCreateInfoEXT::default();
        let mut other = vk::PhysicalDeviceMultiviewFeatures::default();
        let info = vk::DeviceCreateInfo::default()
            .push_next(&mut a)
            .push_next(&mut other)
            .push_next(&mut without)
            .push_next(&mut b);
        // SAFETY: a valid chain.
        let reports = unsafe { Reports::of(info.p_next) };
        assert!(!reports.is_empty());
        for id in [7, 8] {
            reports.tell(&vk::DeviceMemoryReportCallbackDataEXT { memory_object_id: id, ..Default::default() });
        }
        assert_eq!(lists, [[7, 8], [7, 8]]);
        // SAFETY: an empty chain.
        assert!(unsafe { Reports::of(std::ptr::null()) }.is_empty());
    }
}
