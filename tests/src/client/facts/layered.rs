//! The list of layered APIs of VK_KHR_maintenance7, whose structs ash doesn't have.

use std::ffi::{CStr, c_char, c_void};

use ash::vk;

use super::asked::{Asked, Facts};

/// VkPhysicalDeviceLayeredApiPropertiesListKHR.
#[repr(C)]
struct List {
    s_type: i32,
    p_next: *mut c_void,
    count: u32,
    apis: *mut Api,
}

/// VkPhysicalDeviceLayeredApiPropertiesKHR.
#[repr(C)]
struct Api {
    s_type: i32,
    p_next: *mut c_void,
    vendor_id: u32,
    device_id: u32,
    layered_api: i32,
    device_name: [c_char; vk::MAX_PHYSICAL_DEVICE_NAME_SIZE],
}

/// VkPhysicalDeviceLayeredApiVulkanPropertiesKHR.
#[repr(C)]
struct Vulkan {
    s_type: i32,
    p_next: *mut c_void,
    properties: vk::PhysicalDeviceProperties2<'static>,
}

const LIST: i32 = 1_000_562_002;
const API: i32 = 1_000_562_003;
const VULKAN: i32 = 1_000_562_004;
/// More than any driver lies on.
const ROOM: u32 = 4;

pub fn tell(asked: &Asked, facts: &mut Facts) {
    if !asked.has(c"VK_KHR_maintenance7") {
        return;
    }
    let mut drivers: Vec<_> = (0..ROOM).map(|_| vk::PhysicalDeviceDriverProperties::default()).collect();
    let mut vulkans: Vec<_> = drivers
        .iter_mut()
        .map(|d| {
            let properties = vk::PhysicalDeviceProperties2 { p_next: (&raw mut *d).cast(), ..Default::default() };
            Vulkan { s_type: VULKAN, p_next: std::ptr::null_mut(), properties }
        })
        .collect();
    let mut apis: Vec<_> = vulkans
        .iter_mut()
        .map(|v| Api {
            s_type: API,
            p_next: (&raw mut *v).cast(),
            vendor_id: 0,
            device_id: 0,
            layered_api: -1,
            device_name: [0; vk::MAX_PHYSICAL_DEVICE_NAME_SIZE],
        })
        .collect();
    let ask = |list: &mut List| {
        let mut two = vk::PhysicalDeviceProperties2 { p_next: (&raw mut *list).cast(), ..Default::default() };
        // SAFETY: a valid handle; a chain of structs made here, which live until the call is over.
        unsafe { asked.instance.get_physical_device_properties2(asked.physical, &mut two) };
        list.count
    };
    let list = |count, apis| List { s_type: LIST, p_next: std::ptr::null_mut(), count, apis };
    let there = ask(&mut list(0, std::ptr::null_mut()));
    facts.tell("Layered APIs/count".to_owned(), there.to_string());
    let n = ask(&mut list(ROOM, apis.as_mut_ptr()));
    // A driver that doesn't know the struct leaves its count as it was.
    if there == 0 || n > ROOM {
        return;
    }
    for (i, api) in apis.iter().take(n as usize).enumerate() {
        // SAFETY: a string in an array that was all zeros.
        let name = unsafe { CStr::from_ptr(api.device_name.as_ptr()) }.to_string_lossy();
        let value =
            format!("API {}, vendor {:#x}, device {:#x}, {name}", api.layered_api, api.vendor_id, api.device_id);
        facts.tell(format!("Layered APIs/{i}"), value);
    }
    drop(apis);
    for (i, v) in vulkans.iter().take(n as usize).enumerate() {
        let p = &v.properties.properties;
        let version = p.api_version;
        let name = p.device_name_as_c_str().unwrap_or_default().to_string_lossy();
        let value = format!(
            "{}.{}.{}, driver {:#x}, {:?}, {name}, cache {:02x?}, {} bytes of push constants",
            vk::api_version_major(version),
            vk::api_version_minor(version),
            vk::api_version_patch(version),
            p.driver_version,
            p.device_type,
            p.pipeline_cache_uuid,
            p.limits.max_push_constants_size
        );
        facts.tell(format!("Layered APIs/{i}/Vulkan"), value);
    }
    drop(vulkans);
    for (i, d) in drivers.iter().take(n as usize).enumerate() {
        let name = d.driver_name_as_c_str().unwrap_or_default().to_string_lossy();
        facts.tell(format!("Layered APIs/{i}/driver"), format!("{:?}, {name}", d.driver_id));
    }
}
