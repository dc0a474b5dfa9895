//! Who hears of device memory (VK_EXT_device_memory_report).

use std::ffi::c_void;

use ash::vk;

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
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Tells all of them. The caller holds no lock: what callbacks do is the program's affair.
    pub fn tell(&self, data: &vk::DeviceMemoryReportCallbackDataEXT<'_>) {
        for r in &self.0 {
            // SAFETY: the program's callback, with the pointer that it was registered with.
            unsafe { (r.callback)(data, r.user_data) };
        }
    }
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
