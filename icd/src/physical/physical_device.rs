//! VkPhysicalDevice: properties, features, memory and queue families are asked for once and kept.

use std::ffi::CStr;
use std::ptr;
use std::sync::{Arc, OnceLock};

use ash::vk;
use hesper_winsys::Numbers;

use crate::base::chain::{enumerate, find_tagged, slice};
use crate::base::connection::Connection;
use crate::base::object::{Object, Part, Whole, part};
use crate::base::slab::fresh_id;
use crate::generated::forward;
use crate::generated::queries::{FEATURES, PROPERTIES};
use crate::physical::answers::Answers;
use crate::physical::extensions::DeviceExtension;
use crate::physical::features;
use crate::physical::format_properties::Formats;
use crate::physical::layered::{HostDevice, List};
use crate::physical::probe::features::Features;
use crate::physical::probe::findings::{self, Findings};
use crate::physical::probe::probing;
use crate::physical::probe::subject::Subject;

/// What a VkPhysicalDevice points at.
#[repr(C)]
pub struct PhysicalDevice {
    object: Object,
    pub properties: vk::PhysicalDeviceProperties,
    pub more_properties: Answers,
    pub features: vk::PhysicalDeviceFeatures,
    pub more_features: Answers,
    pub memory: vk::PhysicalDeviceMemoryProperties,
    /// A bit for each memory type that the guest can map and the host caches.
    pub host_cached: u32,
    pub families: Vec<vk::QueueFamilyProperties>,
    pub extensions: Vec<(&'static DeviceExtension, u32)>,
    /// The host's driver.
    pub host_driver: vk::DriverId,
    /// Found out when it is asked for.
    findings: OnceLock<Findings>,
    /// The largest buffer; nothing is known of older hosts'.
    pub max_buffer_size: vk::DeviceSize,
    /// What it does with each format.
    pub formats: Formats,
    /// The host's device that it stands for.
    pub host_device: HostDevice,
}
part!(vk::PhysicalDevice, PhysicalDevice, object: Object);
// SAFETY: all that is behind a VkPhysicalDevice.
unsafe impl Whole for PhysicalDevice {}

// SAFETY: the pNext pointers inside the kept structs are never followed after the queries that filled them.
unsafe impl Send for PhysicalDevice {}
// SAFETY: shared are what the queries filled, which nobody changes afterwards, and cells that lock.
unsafe impl Sync for PhysicalDevice {}

impl PhysicalDevice {
    /// An object that is nothing but its id: what the queries need to name the device.
    pub fn blank(connection: Arc<Connection>) -> Self {
        Self {
            object: Object::new(fresh_id(), connection),
            properties: Default::default(),
            more_properties: Answers::default(),
            features: Default::default(),
            more_features: Answers::default(),
            memory: Default::default(),
            host_cached: 0,
            families: Vec::new(),
            extensions: Vec::new(),
            host_driver: vk::DriverId::default(),
            findings: OnceLock::new(),
            max_buffer_size: 0,
            formats: Formats::default(),
            host_device: HostDevice::default(),
        }
    }

    /// What the device has that the protocol can't tell, found out at the first question.
    pub fn findings(&self) -> &Findings {
        self.findings.get_or_init(|| {
            probing::findings(&Subject {
                uuid: self.host_device.uuid(),
                driver: self.host_driver,
                driver_version: self.host_device.driver_version(),
                limits: &self.properties.limits,
                features: self.trial_features(),
                capset: self.connection().capset(),
            })
        })
    }

    /// What a device enables that tries this one out.
    pub fn trial_features(&self) -> Features {
        let offers = |extension: &CStr| self.offers(extension);
        Features::of(&self.features, &self.more_features, self.properties.api_version, &offers)
    }

    /// Whether an extension is offered, but for those that are tried out.
    pub fn offers(&self, extension: &CStr) -> bool {
        self.extensions.iter().any(|(e, _)| e.name == extension)
    }

    /// Whether it is the host's processor, whose memory is the one that the guest maps.
    pub fn is_processor(&self) -> bool {
        self.properties.device_type == vk::PhysicalDeviceType::CPU
    }

    /// A memory type, if there is one with this index.
    fn memory_type(&self, index: u32) -> Option<&vk::MemoryType> {
        self.memory.memory_types.get(index as usize).filter(|_| index < self.memory.memory_type_count)
    }

    /// Whether the flags of a memory type let the guest map it; `None` where there is no such type.
    pub fn host_visible(&self, memory_type: u32) -> Option<bool> {
        let t = self.memory_type(memory_type)?;
        Some(t.property_flags.contains(vk::MemoryPropertyFlags::HOST_VISIBLE))
    }

    /// Whether the processor reads memory of this type through its cache: by the host's flags, which the program may see otherwise.
    pub fn reads_fast(&self, memory_type: u32) -> bool {
        self.host_cached.checked_shr(memory_type).is_some_and(|bits| bits & 1 != 0)
    }

    /// The heap that a memory type lies in; `None` where there is no such type.
    pub fn heap(&self, memory_type: u32) -> Option<u32> {
        self.memory_type(memory_type).map(|t| t.heap_index)
    }

    /// Bytes of the heap that a memory type lies in; `None` where there is no such type.
    pub fn heap_size(&self, memory_type: u32) -> Option<vk::DeviceSize> {
        let t = self.memory_type(memory_type)?;
        self.memory.memory_heaps.get(t.heap_index as usize).map(|h| h.size)
    }
}

pub unsafe fn enumerate_device_layer_properties(
    _: vk::PhysicalDevice,
    p_count: *mut u32,
    _: *mut vk::LayerProperties,
) -> vk::Result {
    // SAFETY: the count, an output parameter.
    unsafe { p_count.write(0) };
    vk::Result::SUCCESS
}

pub unsafe fn get_physical_device_features(device: vk::PhysicalDevice, to: *mut vk::PhysicalDeviceFeatures) {
    // SAFETY: a valid handle, and the output parameter.
    unsafe { to.write(PhysicalDevice::of(device).features) };
}

pub unsafe fn get_physical_device_features2(device: vk::PhysicalDevice, to: *mut vk::PhysicalDeviceFeatures2) {
    // SAFETY: a valid handle, and a valid output struct.
    let (d, to) = unsafe { (PhysicalDevice::of(device), &mut *to) };
    to.features = d.features;
    let other = |p: *mut vk::BaseOutStructure<'static>| {
        // SAFETY: a struct of the chain.
        let s_type = unsafe { (*p).s_type };
        if let Some(own) = features::of_driver(s_type) {
            // SAFETY: the struct that its sType tells of.
            unsafe { own.fill(p, d.offers(own.extension)) };
        }
        if findings::has_features(s_type) {
            // SAFETY: the struct that its sType tells of.
            unsafe { d.findings().fill_features(p) };
        }
    };
    // SAFETY: the struct's chain.
    unsafe { d.more_features.fill(to.p_next.cast(), &FEATURES, other) };
}

pub unsafe fn get_physical_device_properties(device: vk::PhysicalDevice, to: *mut vk::PhysicalDeviceProperties) {
    // SAFETY: a valid handle, and the output parameter.
    unsafe { to.write(PhysicalDevice::of(device).properties) };
}

pub unsafe fn get_physical_device_properties2(device: vk::PhysicalDevice, to: *mut vk::PhysicalDeviceProperties2) {
    // SAFETY: a valid handle, and a valid output struct.
    let (d, to) = unsafe { (PhysicalDevice::of(device), &mut *to) };
    to.properties = d.properties;
    let other = |p: *mut vk::BaseOutStructure<'static>| {
        // SAFETY: a struct of the chain.
        if findings::has_properties(unsafe { (*p).s_type }) {
            // SAFETY: the struct that its sType tells of.
            return unsafe { d.findings().fill_properties(p) };
        }
        // SAFETY: as above.
        if unsafe { (*p).s_type } == vk::StructureType::PHYSICAL_DEVICE_DRM_PROPERTIES_EXT {
            // SAFETY: the struct that its sType tells of.
            return tell_numbers(d.connection().winsys.numbers(), unsafe { &mut *p.cast() });
        }
        // SAFETY: as above.
        if unsafe { (*p).s_type } == vk::StructureType::PHYSICAL_DEVICE_MAP_MEMORY_PLACED_PROPERTIES_EXT {
            // SAFETY: the struct that its sType tells of.
            let p = unsafe { &mut *p.cast::<vk::PhysicalDeviceMapMemoryPlacedPropertiesEXT>() };
            // Blobs are mapped as a whole, and their sizes are multiples of this.
            p.min_placed_memory_map_alignment = d.connection().winsys.alignment();
            return;
        }
        // SAFETY: as above.
        if unsafe { (*p).s_type } == List::S_TYPE {
            // SAFETY: the struct that its sType tells of, with its array and their chains.
            return unsafe { d.host_device.fill(p.cast()) };
        }
        // A struct with arrays of the caller's, or one that nobody knows: ask for it alone.
        let mut alone = vk::PhysicalDeviceProperties2 { p_next: p.cast(), ..Default::default() };
        // SAFETY: a valid struct, out of its chain for the length of the call.
        unsafe {
            let next = std::mem::replace(&mut (*p).p_next, ptr::null_mut());
            forward::get_physical_device_properties2(device, &mut alone);
            (*p).p_next = next;
        }
    };
    // SAFETY: the struct's chain; each struct is handed to `other` before the next one is looked for in it.
    unsafe { d.more_properties.fill(to.p_next.cast(), &PROPERTIES, other) };
}

/// The numbers of the guest's nodes: the host's device has others.
fn tell_numbers(numbers: Numbers, to: &mut vk::PhysicalDeviceDrmPropertiesEXT<'_>) {
    (to.has_primary, to.has_render) = (numbers.primary.is_some().into(), numbers.render.is_some().into());
    let halves = |n: Option<(u64, u64)>| n.map_or((0, 0), |(major, minor)| (major as i64, minor as i64));
    (to.primary_major, to.primary_minor) = halves(numbers.primary);
    (to.render_major, to.render_minor) = halves(numbers.render);
}

pub unsafe fn get_physical_device_memory_properties(
    device: vk::PhysicalDevice,
    to: *mut vk::PhysicalDeviceMemoryProperties,
) {
    // SAFETY: a valid handle, and the output parameter.
    unsafe { to.write(PhysicalDevice::of(device).memory) };
}

pub unsafe fn get_physical_device_memory_properties2(
    device: vk::PhysicalDevice,
    to: *mut vk::PhysicalDeviceMemoryProperties2,
) {
    let budget = vk::StructureType::PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT;
    // SAFETY: a valid struct with its chain.
    if unsafe { find_tagged((*to).p_next, budget) }.is_some() {
        // Budgets change all the time.
        // SAFETY: the command's own parameters.
        unsafe { forward::get_physical_device_memory_properties2(device, to) };
    }
    // SAFETY: a valid handle, and a valid output struct.
    unsafe { (*to).memory_properties = PhysicalDevice::of(device).memory };
}

pub unsafe fn get_physical_device_queue_family_properties(
    device: vk::PhysicalDevice,
    p_count: *mut u32,
    to: *mut vk::QueueFamilyProperties,
) {
    // SAFETY: a valid handle.
    let families = &unsafe { PhysicalDevice::of(device) }.families;
    let put = |i: usize, p: *mut vk::QueueFamilyProperties| {
        // SAFETY: an element of the output array.
        unsafe { p.write(families.get(i).copied().unwrap_or_default()) };
    };
    // SAFETY: a count, and room for as many elements or null.
    let _ = unsafe { enumerate(families.len(), p_count, to, put) };
}

pub unsafe fn get_physical_device_queue_family_properties2(
    device: vk::PhysicalDevice,
    p_count: *mut u32,
    to: *mut vk::QueueFamilyProperties2,
) {
    // SAFETY: a count, and as many structs or null.
    if unsafe { slice(to, *p_count) }.iter().any(|f| !f.p_next.is_null()) {
        // SAFETY: the command's own parameters.
        return unsafe { forward::get_physical_device_queue_family_properties2(device, p_count, to) };
    }
    // SAFETY: a valid handle.
    let families = &unsafe { PhysicalDevice::of(device) }.families;
    let put = |i: usize, p: *mut vk::QueueFamilyProperties2| {
        // SAFETY: an element of the output array, whose head stays.
        unsafe { (*p).queue_family_properties = families.get(i).copied().unwrap_or_default() };
    };
    // SAFETY: a count, and room for as many elements or null.
    let _ = unsafe { enumerate(families.len(), p_count, to, put) };
}

pub unsafe fn get_physical_device_tool_properties(
    _: vk::PhysicalDevice,
    p_count: *mut u32,
    _: *mut vk::PhysicalDeviceToolProperties,
) -> vk::Result {
    // SAFETY: the count, an output parameter.
    unsafe { p_count.write(0) };
    vk::Result::SUCCESS
}
