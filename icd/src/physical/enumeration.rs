//! Finding the host's physical devices, and asking for everything that is kept of each.

use std::ptr;
use std::sync::Arc;

use ash::vk;
use hesper_encoder::generated::{reply, request};
use hesper_winsys::Error;

use crate::base::chain::enumerate;
use crate::base::connection::Connection;
use crate::base::forwarding::{result_of, result_of_error};
use crate::base::log::error;
use crate::base::object::{Part, Whole};
use crate::generated::forward;
use crate::generated::queries::{FEATURES, PROPERTIES};
use crate::physical::answers::Answers;
use crate::physical::device_extensions;
use crate::physical::instance::{Instance, unusable};
use crate::physical::physical_device::PhysicalDevice;
use crate::physical::presentation::present;

/// The instance's devices, asked for the first time.
unsafe fn devices(instance: vk::Instance) -> Result<&'static [vk::PhysicalDevice], vk::Result> {
    // SAFETY: a valid instance; devices live as long as it does.
    let object = unsafe { Instance::of(instance) };
    if let Some(d) = object.devices.get() {
        return Ok(d);
    }
    // SAFETY: a valid instance of the caller's.
    let found = unsafe { ask_for_devices(instance, object.connection()) }?;
    Ok(object.devices.get_or_init(|| found))
}

unsafe fn ask_for_devices(
    instance: vk::Instance,
    connection: &Arc<Connection>,
) -> Result<Vec<vk::PhysicalDevice>, vk::Result> {
    let ask = |count: *mut u32, to: *mut vk::PhysicalDevice| {
        // SAFETY: both point at locals of the caller that are large enough.
        unsafe {
            result_of(connection.call(
                reply::enumerate_physical_devices_size(instance, count, to),
                |w| request::enumerate_physical_devices(w, 1, instance, count, to),
                |r| reply::enumerate_physical_devices(r, instance, count, to),
            ))
        }
    };
    let mut count = 0;
    match ask(&mut count, ptr::null_mut()) {
        vk::Result::SUCCESS => {}
        e => return Err(e),
    }
    let blank = || Box::new(PhysicalDevice::blank(connection.clone())).into_handle();
    let mut handles: Vec<vk::PhysicalDevice> = (0..count.min(32)).map(|_| blank()).collect();
    let mut n = handles.len() as u32;
    let result = ask(&mut n, handles.as_mut_ptr());
    let mut failed = (result.as_raw() < 0).then_some(result);
    let mut devices = Vec::new();
    for (i, handle) in handles.into_iter().enumerate() {
        // SAFETY: made above, and nobody else has it.
        if let Some(mut d) = unsafe { PhysicalDevice::take(handle) }
            && failed.is_none()
            && i < n as usize
        {
            let raw: *const PhysicalDevice = &*d;
            let name = <vk::PhysicalDevice as vk::Handle>::from_raw(raw as usize as u64);
            // SAFETY: the handle names the box for the length of the call.
            match unsafe { fill_in(&mut d, name) } {
                Ok(true) => devices.push(d.into_handle()),
                Ok(false) => {}
                Err(e) => failed = Some(result_of_error(&e)),
            }
        }
    }
    let Some(e) = failed else { return Ok(devices) };
    for d in devices {
        // SAFETY: made above, and nobody else has it.
        drop(unsafe { PhysicalDevice::take(d) });
    }
    Err(e)
}

/// Whether the host tells of memory types or heaps that can't be; programs index arrays by these numbers.
fn memory_problem(memory: &vk::PhysicalDeviceMemoryProperties) -> Option<String> {
    let (types, heaps) = (memory.memory_type_count as usize, memory.memory_heap_count as usize);
    if types > vk::MAX_MEMORY_TYPES || heaps > vk::MAX_MEMORY_HEAPS {
        return Some(format!("it tells of {types} memory types and {heaps} heaps"));
    }
    let mut types = memory.memory_types.iter().take(types).enumerate();
    let (i, t) = types.find(|(_, t)| t.heap_index as usize >= heaps)?;
    Some(format!("memory type {i} lies in heap {} of {heaps}", t.heap_index))
}

/// Asks for everything that is kept; false for a device that Venus can't use.
unsafe fn fill_in(d: &mut PhysicalDevice, handle: vk::PhysicalDevice) -> Result<bool, Error> {
    let connection = d.connection().clone();
    // SAFETY: the handle is valid and all pointers are to locals.
    unsafe {
        let mut host = vk::PhysicalDeviceProperties::default();
        forward::get_physical_device_properties(handle, &mut host);
        connection.check()?;
        if host.api_version < vk::API_VERSION_1_1 {
            return Ok(false);
        }
        let (mut answers, chain) = Answers::prepare(&PROPERTIES, &connection.codec);
        let mut p2 = vk::PhysicalDeviceProperties2 { p_next: chain.cast(), ..Default::default() };
        forward::get_physical_device_properties2(handle, &mut p2);
        d.properties = p2.properties;
        let (features, chain) = Answers::prepare(&FEATURES, &connection.codec);
        let mut f2 = vk::PhysicalDeviceFeatures2 { p_next: chain.cast(), ..Default::default() };
        forward::get_physical_device_features2(handle, &mut f2);
        d.features = f2.features;
        d.more_features = features;
        forward::get_physical_device_memory_properties(handle, &mut d.memory);
        if let Some(problem) = memory_problem(&d.memory) {
            let name = host.device_name_as_c_str().unwrap_or(c"without a name").to_string_lossy();
            if !connection.is_silent() {
                error!("the host's device {name} is left out: {problem}");
            }
            return Ok(false);
        }
        let mut n = 0;
        forward::get_physical_device_queue_family_properties(handle, &mut n, ptr::null_mut());
        d.families = vec![Default::default(); n.min(64) as usize];
        n = d.families.len() as u32;
        forward::get_physical_device_queue_family_properties(handle, &mut n, d.families.as_mut_ptr());
        d.families.truncate(n as usize);
        d.extensions = device_extensions::ask(handle)?;
        connection.check()?;
        present(d, &mut answers, &connection);
        d.more_properties = answers;
    }
    Ok(true)
}

pub unsafe fn enumerate_physical_devices(
    instance: vk::Instance,
    p_count: *mut u32,
    p_devices: *mut vk::PhysicalDevice,
) -> vk::Result {
    // SAFETY: a valid instance.
    let devices = match unsafe { devices(instance) } {
        Ok(devices) => devices,
        Err(e) => return unusable(e),
    };
    // SAFETY: an element of the output array.
    let put = |i: usize, p: *mut vk::PhysicalDevice| unsafe { p.write(devices.get(i).copied().unwrap_or_default()) };
    // SAFETY: a count, and room for as many elements or null.
    unsafe { enumerate(devices.len(), p_count, p_devices, put) }
}

pub unsafe fn enumerate_physical_device_groups(
    instance: vk::Instance,
    p_count: *mut u32,
    p_groups: *mut vk::PhysicalDeviceGroupProperties,
) -> vk::Result {
    // A group of several devices would need ids for each in every command; each device is a group of its own.
    // SAFETY: a valid instance.
    let devices = match unsafe { devices(instance) } {
        Ok(devices) => devices,
        Err(e) => return unusable(e),
    };
    let put = |i: usize, p: *mut vk::PhysicalDeviceGroupProperties| {
        // SAFETY: an element of the output array, whose head stays.
        let group = unsafe { &mut *p };
        group.physical_device_count = 1;
        group.physical_devices = [vk::PhysicalDevice::null(); vk::MAX_DEVICE_GROUP_SIZE];
        if let (Some(to), Some(from)) = (group.physical_devices.first_mut(), devices.get(i)) {
            *to = *from;
        }
        group.subset_allocation = vk::FALSE;
    };
    // SAFETY: a count, and room for as many elements or null.
    unsafe { enumerate(devices.len(), p_count, p_groups, put) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_cannot_be_is_found_out() {
        let mut m =
            vk::PhysicalDeviceMemoryProperties { memory_type_count: 32, memory_heap_count: 2, ..Default::default() };
        assert_eq!(memory_problem(&m), None);
        m.memory_types[31].heap_index = 2;
        assert_eq!(memory_problem(&m).as_deref(), Some("memory type 31 lies in heap 2 of 2"));
        // A type beyond the count is none.
        m.memory_type_count = 31;
        assert_eq!(memory_problem(&m), None);
        for (types, heaps) in [(33, 2), (u32::MAX, 2), (1, 17)] {
            (m.memory_type_count, m.memory_heap_count) = (types, heaps);
            assert!(memory_problem(&m).is_some(), "{types} types, {heaps} heaps");
        }
        (m.memory_type_count, m.memory_heap_count) = (1, 0);
        assert!(memory_problem(&m).is_some(), "a type without a heap");
    }
}
