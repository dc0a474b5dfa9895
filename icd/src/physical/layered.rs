//! The list of layered APIs (VK_KHR_maintenance7): beneath this driver lies one, the host's Vulkan. The protocol doesn't carry the list.

use std::ffi::{c_char, c_void};

use ash::vk;

use crate::base::chain::{enumerate, find_tagged};
use crate::physical::answers::Answers;

/// VkPhysicalDeviceLayeredApiPropertiesListKHR, which ash doesn't have.
#[repr(C)]
pub struct List {
    s_type: vk::StructureType,
    p_next: *mut c_void,
    count: u32,
    apis: *mut Api,
}

impl List {
    /// Of the list.
    pub const S_TYPE: vk::StructureType = vk::StructureType::from_raw(1_000_562_002);
}

/// VkPhysicalDeviceLayeredApiPropertiesKHR.
#[repr(C)]
struct Api {
    s_type: vk::StructureType,
    p_next: *mut c_void,
    vendor_id: u32,
    device_id: u32,
    layered_api: i32,
    device_name: [c_char; vk::MAX_PHYSICAL_DEVICE_NAME_SIZE],
}

/// VK_PHYSICAL_DEVICE_LAYERED_API_VULKAN_KHR.
const VULKAN_API: i32 = 0;

/// VkPhysicalDeviceLayeredApiVulkanPropertiesKHR.
#[repr(C)]
struct Vulkan {
    s_type: vk::StructureType,
    p_next: *mut c_void,
    properties: vk::PhysicalDeviceProperties2<'static>,
}

const VULKAN_S_TYPE: vk::StructureType = vk::StructureType::from_raw(1_000_562_004);

/// The host's device as the host's driver shows it.
#[derive(Default)]
pub struct HostDevice {
    properties: vk::PhysicalDeviceProperties,
    driver: vk::PhysicalDeviceDriverProperties<'static>,
    id: vk::PhysicalDeviceIDProperties<'static>,
}

impl HostDevice {
    /// Keeps what the host answered, before it is changed for programs. Limits of a layered implementation are zeros (VUID of the list's struct).
    pub fn keep(properties: &vk::PhysicalDeviceProperties, answers: &mut Answers) -> Self {
        let (limits, sparse_properties) = (vk::PhysicalDeviceLimits::default(), Default::default());
        let mut host = Self {
            properties: vk::PhysicalDeviceProperties { limits, sparse_properties, ..*properties },
            ..Default::default()
        };
        if let Some(driver) = answers.get_mut::<vk::PhysicalDeviceDriverProperties>() {
            host.driver = vk::PhysicalDeviceDriverProperties { p_next: std::ptr::null_mut(), ..*driver };
        }
        if let Some(id) = answers.get_mut::<vk::PhysicalDeviceIDProperties>() {
            host.id = vk::PhysicalDeviceIDProperties { p_next: std::ptr::null_mut(), ..*id };
        }
        host
    }

    /// Its deviceUUID; zeros where the host didn't tell.
    pub fn uuid(&self) -> [u8; 16] {
        self.id.device_uuid
    }

    /// The version of the host's driver, in that driver's own form.
    pub fn driver_version(&self) -> u32 {
        self.properties.driver_version
    }

    /// Fills the list, its elements, and what is chained to them.
    ///
    /// # Safety
    /// A valid struct with its array, and valid chains in it.
    pub unsafe fn fill(&self, list: *mut List) {
        let put = |_, api: *mut Api| {
            // SAFETY: an element of the output array, whose head stays.
            unsafe {
                (*api).vendor_id = self.properties.vendor_id;
                (*api).device_id = self.properties.device_id;
                (*api).layered_api = VULKAN_API;
                (*api).device_name = self.properties.device_name;
            }
            // SAFETY: the element's chain, by contract.
            if let Some(vulkan) = unsafe { find_tagged((*api).p_next, VULKAN_S_TYPE) } {
                // SAFETY: the struct that its sType tells of.
                unsafe { self.fill_vulkan(&mut (*vulkan.cast::<Vulkan>()).properties) };
            }
        };
        // SAFETY: a count, and room for as many elements or null.
        let _ = unsafe { enumerate(1, &raw mut (*list).count, (*list).apis, put) };
    }

    /// # Safety
    /// A struct with a valid chain.
    unsafe fn fill_vulkan(&self, to: &mut vk::PhysicalDeviceProperties2<'static>) {
        to.properties = self.properties;
        // SAFETY: the struct's chain; each found is what its sType tells of. Heads stay.
        unsafe {
            if let Some(p) = find_tagged(to.p_next, vk::StructureType::PHYSICAL_DEVICE_DRIVER_PROPERTIES) {
                let driver = p.cast::<vk::PhysicalDeviceDriverProperties>();
                driver.write(vk::PhysicalDeviceDriverProperties { p_next: (*driver).p_next, ..self.driver });
            }
            if let Some(p) = find_tagged(to.p_next, vk::StructureType::PHYSICAL_DEVICE_ID_PROPERTIES) {
                let id = p.cast::<vk::PhysicalDeviceIDProperties>();
                id.write(vk::PhysicalDeviceIDProperties { p_next: (*id).p_next, ..self.id });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_device_is_in_the_list() {
        let mut host = HostDevice::default();
        (host.properties.vendor_id, host.properties.device_id) = (7, 8);
        host.driver.driver_id = vk::DriverId::MESA_LLVMPIPE;
        host.id.driver_uuid = [9; 16];
        let mut list =
            List { s_type: List::S_TYPE, p_next: std::ptr::null_mut(), count: 0, apis: std::ptr::null_mut() };
        // SAFETY: a struct without an array.
        unsafe { host.fill(&mut list) };
        assert_eq!(list.count, 1);

        let mut id = vk::PhysicalDeviceIDProperties::default();
        let mut driver = vk::PhysicalDeviceDriverProperties { p_next: (&raw mut id).cast(), ..Default::default() };
        let next = (&raw mut driver).cast();
        let mut properties = vk::PhysicalDeviceProperties2 { p_next: next, ..Default::default() };
        properties.properties.limits.max_image_dimension1_d = 1;
        let mut vulkan = Vulkan { s_type: VULKAN_S_TYPE, p_next: std::ptr::null_mut(), properties };
        let api_type = vk::StructureType::from_raw(1_000_562_003);
        let device_name = [0; vk::MAX_PHYSICAL_DEVICE_NAME_SIZE];
        let mut api = Api {
            s_type: api_type,
            p_next: (&raw mut vulkan).cast(),
            vendor_id: 0,
            device_id: 0,
            layered_api: -1,
            device_name,
        };
        (list.count, list.apis) = (1, &mut api);
        // SAFETY: structs made here, which live until the call is over.
        unsafe { host.fill(&mut list) };
        assert_eq!((list.count, api.vendor_id, api.device_id, api.layered_api), (1, 7, 8, VULKAN_API));
        assert!(api.s_type == api_type && api.p_next == (&raw mut vulkan).cast(), "heads stay");
        let shown = &vulkan.properties;
        assert!(
            shown.properties.vendor_id == 7
                && shown.properties.limits.max_image_dimension1_d == 0
                && shown.p_next == next
        );
        assert!(driver.driver_id == vk::DriverId::MESA_LLVMPIPE && driver.p_next == (&raw mut id).cast());
        assert_eq!(id.driver_uuid, [9; 16]);

        list.count = 0;
        // SAFETY: as above; there is no room for an element.
        unsafe { host.fill(&mut list) };
        assert_eq!(list.count, 0);
    }
}
