//! VkPhysicalDevice: enumerated once; properties, features, memory and queue families are asked for once and kept.

use std::collections::HashMap;
use std::ffi::{CStr, CString, c_char};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ptr;
use std::sync::{Arc, OnceLock};

use ash::vk;
use hesper_encoder::generated::{reply, request};
use hesper_winsys::Error;
use parking_lot::Mutex;

use crate::chain::{enumerate, find_tagged};
use crate::connection::Connection;
use crate::extensions::{self, DEVICE_EXTENSIONS, DeviceExtension, ExtensionSet, Origin, copy_name};
use crate::formats::{CORE, Format};
use crate::forwarding::{result_of, result_of_error};
use crate::generated::forward;
use crate::generated::queries::{FEATURES, PROPERTIES};
use crate::instance::API_VERSION;
use crate::object::{self, Object, dispatchable};
use crate::queries::Answers;
use crate::slab::fresh_id;
use crate::sm_builtins;

/// What a VkPhysicalDevice points at.
#[repr(C)]
pub struct PhysicalDevice {
    object: Object,
    pub properties: vk::PhysicalDeviceProperties,
    pub more_properties: Answers,
    pub features: vk::PhysicalDeviceFeatures,
    pub more_features: Answers,
    pub memory: vk::PhysicalDeviceMemoryProperties,
    pub families: Vec<vk::QueueFamilyProperties>,
    pub extensions: Vec<(&'static DeviceExtension, u32)>,
    /// The host's driver.
    pub host_driver: vk::DriverId,
    /// Found out when it is asked for.
    pub multiprocessors: sm_builtins::Probe,
    /// The largest buffer; nothing is known of older hosts'.
    pub max_buffer_size: vk::DeviceSize,
    pub core_formats: Box<[OnceLock<Format>]>,
    pub formats: Mutex<HashMap<vk::Format, Format>>,
}
dispatchable!(vk::PhysicalDevice, PhysicalDevice);

// SAFETY: the pNext pointers inside the kept structs are never followed after the queries that filled them.
unsafe impl Send for PhysicalDevice {}
// SAFETY: as above.
unsafe impl Sync for PhysicalDevice {}

impl PhysicalDevice {
    /// An object that is nothing but its id: what the queries need to name the device.
    fn blank(connection: Arc<Connection>) -> Self {
        Self {
            object: Object::new(fresh_id(), connection),
            properties: Default::default(),
            more_properties: Answers::default(),
            features: Default::default(),
            more_features: Answers::default(),
            memory: Default::default(),
            families: Vec::new(),
            extensions: Vec::new(),
            host_driver: vk::DriverId::default(),
            multiprocessors: sm_builtins::Probe::default(),
            max_buffer_size: 0,
            core_formats: (0..CORE).map(|_| OnceLock::new()).collect(),
            formats: Mutex::default(),
        }
    }

    /// The flags of a memory type; none where there is no such type.
    pub fn memory_flags(&self, memory_type: u32) -> vk::MemoryPropertyFlags {
        let found = self.memory.memory_types_as_slice().get(memory_type as usize);
        found.map_or_else(vk::MemoryPropertyFlags::empty, |t| t.property_flags)
    }

    /// Whether the flags of a memory type let the guest map it.
    pub fn host_visible(&self, memory_type: u32) -> Option<bool> {
        let t = self.memory.memory_types_as_slice().get(memory_type as usize)?;
        Some(t.property_flags.contains(vk::MemoryPropertyFlags::HOST_VISIBLE))
    }
}

/// The instance's devices, asked for the first time.
unsafe fn devices(instance: vk::Instance) -> Result<&'static [vk::PhysicalDevice], vk::Result> {
    // SAFETY: a valid instance; devices live as long as it does.
    let object = unsafe { object::get(instance) };
    if let Some(d) = object.devices.get() {
        return Ok(d);
    }
    // SAFETY: as above.
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
    let blank = || object::into_handle(Box::new(PhysicalDevice::blank(connection.clone())));
    let mut handles: Vec<vk::PhysicalDevice> = (0..count.min(32)).map(|_| blank()).collect();
    let mut n = handles.len() as u32;
    let result = ask(&mut n, handles.as_mut_ptr());
    let mut devices = Vec::new();
    for (i, handle) in handles.into_iter().enumerate() {
        // SAFETY: made above, and nobody else has it.
        if let Some(mut d) = unsafe { object::take(handle) }
            && result.as_raw() >= 0
            && i < n as usize
        {
            let raw: *const PhysicalDevice = &*d;
            let name = <vk::PhysicalDevice as vk::Handle>::from_raw(raw as usize as u64);
            // SAFETY: the handle names the box for the length of the call.
            match unsafe { fill_in(&mut d, name) } {
                Ok(true) => devices.push(object::into_handle(d)),
                Ok(false) => {}
                Err(e) => return Err(result_of_error(&e)),
            }
        }
    }
    if result.as_raw() < 0 { Err(result) } else { Ok(devices) }
}

/// Asks for everything that is kept; false for a device that Venus can't use.
unsafe fn fill_in(d: &mut PhysicalDevice, handle: vk::PhysicalDevice) -> Result<bool, Error> {
    let connection = d.connection().clone();
    // SAFETY: the handle is valid and all pointers are to locals.
    unsafe {
        let mut host = vk::PhysicalDeviceProperties::default();
        forward::get_physical_device_properties(handle, &mut host);
        connection.ring.check()?;
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
        let mut n = 0;
        forward::get_physical_device_queue_family_properties(handle, &mut n, ptr::null_mut());
        d.families = vec![Default::default(); n.min(64) as usize];
        n = d.families.len() as u32;
        forward::get_physical_device_queue_family_properties(handle, &mut n, d.families.as_mut_ptr());
        d.families.truncate(n as usize);
        d.extensions = ask_for_extensions(handle)?;
        connection.ring.check()?;
        present(d, &mut answers, &connection);
        d.more_properties = answers;
    }
    Ok(true)
}

/// Turns the host's properties into this driver's (WIRE.md 12.5).
fn present(d: &mut PhysicalDevice, answers: &mut Answers, connection: &Connection) {
    let capset = connection.capset();
    let host = d.properties;
    let p = &mut d.properties;
    let mut version = host.api_version.min(API_VERSION).min(capset.vk_xml_version);
    // Vulkan 1.4 brings host image copies, which this driver doesn't carry yet.
    if version >= vk::make_api_version(0, 1, 4, 0) {
        version = vk::make_api_version(0, 1, 3, extensions::HEADER_VERSION);
    }
    p.api_version = version;
    p.driver_version = vk::make_api_version(
        0,
        number(env!("CARGO_PKG_VERSION_MAJOR")),
        number(env!("CARGO_PKG_VERSION_MINOR")),
        number(env!("CARGO_PKG_VERSION_PATCH")),
    );
    let host_name = host.device_name_as_c_str().unwrap_or(c"unknown").to_string_lossy().into_owned();
    copy_name(&mut p.device_name, &c_string(&device_name(&host_name)));

    // Opaque data of host and guest are mixed, so both are in the hash.
    let salt = concat!("hesper ", env!("CARGO_PKG_VERSION"));
    p.pipeline_cache_uuid = uuid(&[salt.as_bytes(), b"cache", &host.pipeline_cache_uuid]);
    let own = |old: [u8; 16], what: &str| uuid(&[salt.as_bytes(), what.as_bytes(), &old]);
    if let Some(id) = answers.get_mut::<vk::PhysicalDeviceIDProperties>() {
        (id.device_uuid, id.driver_uuid) = (own(id.device_uuid, "device"), own(id.driver_uuid, "driver"));
        id.device_luid_valid = vk::FALSE;
    }
    if let Some(v) = answers.get_mut::<vk::PhysicalDeviceVulkan11Properties>() {
        (v.device_uuid, v.driver_uuid) = (own(v.device_uuid, "device"), own(v.driver_uuid, "driver"));
        v.device_luid_valid = vk::FALSE;
    }
    if let Some(v) = answers.get_mut::<vk::PhysicalDeviceMaintenance4Properties>() {
        d.max_buffer_size = v.max_buffer_size;
    }
    if let Some(v) = answers.get_mut::<vk::PhysicalDeviceVulkan13Properties>() {
        d.max_buffer_size = d.max_buffer_size.max(v.max_buffer_size);
    }
    let info = c_string(env!("CARGO_PKG_VERSION"));
    if let Some(v) = answers.get_mut::<vk::PhysicalDeviceDriverProperties>() {
        d.host_driver = v.driver_id;
        v.driver_id = vk::DriverId::MESA_VENUS;
        copy_name(&mut v.driver_name, c"hesper");
        copy_name(&mut v.driver_info, &info);
        v.conformance_version = vk::ConformanceVersion { major: 1, minor: 3, subminor: 0, patch: 0 };
    }
    if let Some(v) = answers.get_mut::<vk::PhysicalDeviceVulkan12Properties>() {
        v.driver_id = vk::DriverId::MESA_VENUS;
        copy_name(&mut v.driver_name, c"hesper");
        copy_name(&mut v.driver_info, &info);
        v.conformance_version = vk::ConformanceVersion { major: 1, minor: 3, subminor: 0, patch: 0 };
    }

    // Commands that read or write host memory in place of the device can't travel.
    if let Some(f) = d.more_features.get_mut::<vk::PhysicalDeviceAccelerationStructureFeaturesKHR>() {
        f.acceleration_structure_host_commands = vk::FALSE;
    }
    present_memory(&mut d.memory);
}

/// The guest can't flush, so only coherent memory is host-visible (WIRE.md 12.5).
fn present_memory(memory: &mut vk::PhysicalDeviceMemoryProperties) {
    use vk::MemoryPropertyFlags as F;
    let n = memory.memory_type_count as usize;
    let mut cached = false;
    for t in memory.memory_types.iter_mut().take(n) {
        if !t.property_flags.contains(F::HOST_COHERENT) {
            t.property_flags &= !(F::HOST_VISIBLE | F::HOST_CACHED);
        }
        cached |= t.property_flags.contains(F::HOST_COHERENT | F::HOST_CACHED);
    }
    // Some programs insist on a cached type.
    if !cached
        && let Some(t) = memory.memory_types.iter_mut().take(n).find(|t| t.property_flags.contains(F::HOST_COHERENT))
    {
        t.property_flags |= F::HOST_CACHED;
    }
}

fn number(text: &str) -> u32 {
    text.parse().unwrap_or(0)
}

fn c_string(text: &str) -> CString {
    CString::new(text.replace('\0', " ")).unwrap_or_default()
}

/// `Virtio-GPU Venus (<host device>)`, cut to fit VK_MAX_PHYSICAL_DEVICE_NAME_SIZE.
fn device_name(host: &str) -> String {
    let room = vk::MAX_PHYSICAL_DEVICE_NAME_SIZE - "Virtio-GPU Venus (...)".len() - 1;
    if host.len() <= room + 3 {
        return format!("Virtio-GPU Venus ({host})");
    }
    let cut = (0..=room).rev().find(|i| host.is_char_boundary(*i)).unwrap_or(0);
    format!("Virtio-GPU Venus ({}...)", host.get(..cut).unwrap_or_default())
}

fn uuid(parts: &[&[u8]]) -> [u8; 16] {
    let half = |seed: u64| {
        let mut h = DefaultHasher::new();
        seed.hash(&mut h);
        parts.hash(&mut h);
        h.finish()
    };
    (u128::from(half(1)) << 64 | u128::from(half(2))).to_le_bytes()
}

unsafe fn ask_for_extensions(device: vk::PhysicalDevice) -> Result<Vec<(&'static DeviceExtension, u32)>, Error> {
    // SAFETY: a valid handle and pointers to locals.
    unsafe {
        let mut n = 0;
        let _ = forward::enumerate_device_extension_properties(device, ptr::null(), &mut n, ptr::null_mut());
        let mut host = vec![vk::ExtensionProperties::default(); n.min(4096) as usize];
        n = host.len() as u32;
        let _ = forward::enumerate_device_extension_properties(device, ptr::null(), &mut n, host.as_mut_ptr());
        host.truncate(n as usize);
        let codec = object::get(device).connection().codec;
        let mut list = Vec::new();
        for e in &DEVICE_EXTENSIONS {
            let theirs = host.iter().find(|h| h.extension_name_as_c_str() == Ok(e.name));
            match theirs {
                _ if e.origin == Origin::Driver => list.push((e, e.spec_version)),
                _ if e.origin == Origin::Probe => {}
                Some(h) if codec.has(e.number) => list.push((e, e.spec_version.min(h.spec_version))),
                _ => {}
            }
        }
        // Deferred operations only serve ray tracing.
        if !list.iter().any(|(e, _)| e.name == c"VK_KHR_acceleration_structure") {
            list.retain(|(e, _)| e.name != c"VK_KHR_deferred_host_operations");
        }
        Ok(list)
    }
}

pub unsafe fn enumerate_physical_devices(
    instance: vk::Instance,
    p_count: *mut u32,
    p_devices: *mut vk::PhysicalDevice,
) -> vk::Result {
    // SAFETY: by valid usage.
    unsafe {
        match devices(instance) {
            Ok(d) => {
                let mut all = d.iter();
                enumerate(d.len(), p_count, p_devices, |_, p| p.write(all.next().copied().unwrap_or_default()))
            }
            Err(e) => e,
        }
    }
}

pub unsafe fn enumerate_physical_device_groups(
    instance: vk::Instance,
    p_count: *mut u32,
    p_groups: *mut vk::PhysicalDeviceGroupProperties,
) -> vk::Result {
    // A group of several devices would need ids for each in every command; each device is a group of its own.
    // SAFETY: by valid usage.
    unsafe {
        match devices(instance) {
            Ok(d) => enumerate(d.len(), p_count, p_groups, |i, p| {
                (*p).physical_device_count = 1;
                (*p).physical_devices = [vk::PhysicalDevice::null(); vk::MAX_DEVICE_GROUP_SIZE];
                if let (Some(to), Some(from)) = ((*p).physical_devices.first_mut(), d.get(i)) {
                    *to = *from;
                }
                (*p).subset_allocation = vk::FALSE;
            }),
            Err(e) => e,
        }
    }
}

pub unsafe fn enumerate_device_extension_properties(
    device: vk::PhysicalDevice,
    p_layer_name: *const c_char,
    p_count: *mut u32,
    p_properties: *mut vk::ExtensionProperties,
) -> vk::Result {
    // SAFETY: by valid usage.
    unsafe {
        if !p_layer_name.is_null() && !CStr::from_ptr(p_layer_name).is_empty() {
            return vk::Result::ERROR_LAYER_NOT_PRESENT;
        }
        let list: Vec<_> = offered(device).map(|(e, v)| (e.name, v)).collect();
        extensions::list(list.into_iter(), p_count, p_properties)
    }
}

pub unsafe fn enumerate_device_layer_properties(
    _: vk::PhysicalDevice,
    p_count: *mut u32,
    _: *mut vk::LayerProperties,
) -> vk::Result {
    // SAFETY: by valid usage.
    unsafe { *p_count = 0 };
    vk::Result::SUCCESS
}

pub unsafe fn get_physical_device_features(device: vk::PhysicalDevice, to: *mut vk::PhysicalDeviceFeatures) {
    // SAFETY: by valid usage.
    unsafe { *to = object::get(device).features };
}

pub unsafe fn get_physical_device_features2(device: vk::PhysicalDevice, to: *mut vk::PhysicalDeviceFeatures2) {
    // SAFETY: by valid usage.
    unsafe {
        let d = object::get(device);
        (*to).features = d.features;
        d.more_features.fill((*to).p_next.cast(), &FEATURES, |p| {
            if (*p).s_type == vk::StructureType::PHYSICAL_DEVICE_SHADER_SM_BUILTINS_FEATURES_NV {
                let p: *mut vk::PhysicalDeviceShaderSMBuiltinsFeaturesNV = p.cast();
                (*p).shader_sm_builtins = sm_builtins::of(device).is_some().into();
            }
        });
    }
}

pub unsafe fn get_physical_device_properties(device: vk::PhysicalDevice, to: *mut vk::PhysicalDeviceProperties) {
    // SAFETY: by valid usage.
    unsafe { *to = object::get(device).properties };
}

pub unsafe fn get_physical_device_properties2(device: vk::PhysicalDevice, to: *mut vk::PhysicalDeviceProperties2) {
    // SAFETY: by valid usage.
    unsafe {
        let d = object::get(device);
        (*to).properties = d.properties;
        d.more_properties.fill((*to).p_next.cast(), &PROPERTIES, |p| {
            if (*p).s_type == vk::StructureType::PHYSICAL_DEVICE_SHADER_SM_BUILTINS_PROPERTIES_NV {
                let p: *mut vk::PhysicalDeviceShaderSMBuiltinsPropertiesNV = p.cast();
                if let Some(m) = sm_builtins::of(device) {
                    ((*p).shader_sm_count, (*p).shader_warps_per_sm) = (m.count, m.warps);
                }
                return;
            }
            // A struct with arrays of the caller's, or one that nobody knows: ask for it alone.
            let next = std::mem::replace(&mut (*p).p_next, ptr::null_mut());
            let mut alone = vk::PhysicalDeviceProperties2 { p_next: p.cast(), ..Default::default() };
            forward::get_physical_device_properties2(device, &mut alone);
            (*p).p_next = next;
        });
    }
}

pub unsafe fn get_physical_device_memory_properties(
    device: vk::PhysicalDevice,
    to: *mut vk::PhysicalDeviceMemoryProperties,
) {
    // SAFETY: by valid usage.
    unsafe { *to = object::get(device).memory };
}

pub unsafe fn get_physical_device_memory_properties2(
    device: vk::PhysicalDevice,
    to: *mut vk::PhysicalDeviceMemoryProperties2,
) {
    // SAFETY: by valid usage.
    unsafe {
        // Budgets change all the time.
        if find_tagged((*to).p_next, vk::StructureType::PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT).is_some() {
            forward::get_physical_device_memory_properties2(device, to);
        }
        (*to).memory_properties = object::get(device).memory;
    }
}

pub unsafe fn get_physical_device_queue_family_properties(
    device: vk::PhysicalDevice,
    p_count: *mut u32,
    to: *mut vk::QueueFamilyProperties,
) {
    // SAFETY: by valid usage.
    unsafe {
        let mut families = object::get(device).families.iter();
        let _ = enumerate(families.len(), p_count, to, |_, p| p.write(families.next().copied().unwrap_or_default()));
    }
}

pub unsafe fn get_physical_device_queue_family_properties2(
    device: vk::PhysicalDevice,
    p_count: *mut u32,
    to: *mut vk::QueueFamilyProperties2,
) {
    // SAFETY: by valid usage.
    unsafe {
        if !to.is_null() && crate::chain::slice(to, *p_count).iter().any(|f| !f.p_next.is_null()) {
            return forward::get_physical_device_queue_family_properties2(device, p_count, to);
        }
        let mut families = object::get(device).families.iter();
        let _ = enumerate(families.len(), p_count, to, |_, p| {
            (*p).queue_family_properties = families.next().copied().unwrap_or_default()
        });
    }
}

pub unsafe fn get_physical_device_tool_properties(
    _: vk::PhysicalDevice,
    p_count: *mut u32,
    _: *mut vk::PhysicalDeviceToolProperties,
) -> vk::Result {
    // SAFETY: by valid usage.
    unsafe { *p_count = 0 };
    vk::Result::SUCCESS
}

/// The extensions that a device has, with their versions.
unsafe fn offered(device: vk::PhysicalDevice) -> impl Iterator<Item = (&'static DeviceExtension, u32)> {
    // SAFETY: a valid handle; devices live as long as their instance.
    let (d, multiprocessors) = unsafe { (object::get(device), sm_builtins::of(device)) };
    let probed = DEVICE_EXTENSIONS.iter().filter(move |e| e.origin == Origin::Probe && multiprocessors.is_some());
    d.extensions.iter().copied().chain(probed.map(|e| (e, e.spec_version)))
}

/// What a device may enable: the extensions named, by number.
pub unsafe fn enabled(device: vk::PhysicalDevice, names: &[*const c_char]) -> Result<ExtensionSet, vk::Result> {
    let mut set = ExtensionSet::default();
    // Probing makes a device without extensions, so it mustn't be asked for then.
    let offered: Vec<_> = if names.is_empty() {
        Vec::new()
    } else {
        // SAFETY: a valid handle.
        unsafe { offered(device) }.collect()
    };
    for name in names {
        // SAFETY: by valid usage of vkCreateDevice.
        let name = unsafe { CStr::from_ptr(*name) };
        match offered.iter().find(|(e, _)| e.name == name) {
            Some((e, _)) => set.insert(e.number),
            None => return Err(vk::Result::ERROR_EXTENSION_NOT_PRESENT),
        }
    }
    Ok(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit() {
        assert_eq!(device_name("llvmpipe"), "Virtio-GPU Venus (llvmpipe)");
        let long = device_name(&"é".repeat(300));
        assert!(long.len() < vk::MAX_PHYSICAL_DEVICE_NAME_SIZE && long.ends_with("...)"));
    }

    #[test]
    fn only_coherent_memory_is_mapped() {
        use vk::MemoryPropertyFlags as F;
        let mut m = vk::PhysicalDeviceMemoryProperties { memory_type_count: 2, ..Default::default() };
        m.memory_types[0].property_flags = F::HOST_VISIBLE | F::HOST_CACHED;
        m.memory_types[1].property_flags = F::HOST_VISIBLE | F::HOST_COHERENT;
        present_memory(&mut m);
        assert!(m.memory_types[0].property_flags == (F::empty()));
        assert!(m.memory_types[1].property_flags == (F::HOST_VISIBLE | F::HOST_COHERENT | F::HOST_CACHED));
    }
}
