//! The instance's extensions, what chained structs tell of queue families, and how devices are grouped.

use ash::vk;

use super::asked::{Asked, Facts};

pub fn tell(asked: &Asked, facts: &mut Facts) {
    // SAFETY: the loader's library is loaded.
    let extensions = unsafe { asked.entry.enumerate_instance_extension_properties(None) }.unwrap_or_default();
    for e in extensions {
        let name = e.extension_name_as_c_str().unwrap_or_default().to_string_lossy();
        facts.tell(format!("Instance extensions/{name}"), e.spec_version.to_string());
    }
    if asked.has(ash::khr::global_priority::NAME) {
        priorities(asked, facts);
    }
    // SAFETY: a valid instance; structs made here.
    let groups = unsafe {
        let n = asked.instance.enumerate_physical_device_groups_len().unwrap_or_default();
        let mut groups = vec![vk::PhysicalDeviceGroupProperties::default(); n];
        asked.instance.enumerate_physical_device_groups(&mut groups).map(|()| groups).unwrap_or_default()
    };
    for (i, g) in groups.iter().enumerate() {
        let value = format!("{} devices, subset allocation {}", g.physical_device_count, g.subset_allocation);
        facts.tell(format!("Device groups/{i}"), value);
    }
}

fn priorities(asked: &Asked, facts: &mut Facts) {
    // SAFETY: a valid handle; as many structs as the length says, each with a chain of its own.
    let mut priorities = unsafe {
        let n = asked.instance.get_physical_device_queue_family_properties2_len(asked.physical);
        let mut priorities = vec![vk::QueueFamilyGlobalPriorityPropertiesKHR::default(); n];
        let mut families: Vec<_> =
            priorities.iter_mut().map(|p| vk::QueueFamilyProperties2::default().push_next(p)).collect();
        asked.instance.get_physical_device_queue_family_properties2(asked.physical, &mut families);
        priorities
    };
    for (i, p) in priorities.iter_mut().enumerate() {
        let known = p.priorities.iter().take(p.priority_count as usize);
        let list: Vec<String> = known.map(|p| format!("{p:?}")).collect();
        facts.tell(
            format!("Queue families/{i}/global priorities"),
            format!("{}: {}", p.priority_count, list.join(", ")),
        );
    }
}
