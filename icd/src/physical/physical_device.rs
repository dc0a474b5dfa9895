//! VkPhysicalDevice: properties, features, memory and queue families are asked for once and kept.

use std::ptr;
use std::sync::Arc;

use ash::vk;

use crate::base::chain::{enumerate, find_tagged, slice};
use crate::base::connection::Connection;
use crate::base::object::{Object, Part, Whole, part};
use crate::base::slab::fresh_id;
use crate::generated::forward;
use crate::generated::queries::{FEATURES, PROPERTIES};
use crate::physical::answers::Answers;
use crate::physical::extensions::DeviceExtension;
use crate::physical::format_properties::Formats;
use crate::physical::sm_builtins::{self, Multiprocessors};

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
    probe: sm_builtins::Probe,
    /// The largest buffer; nothing is known of older hosts'.
    pub max_buffer_size: vk::DeviceSize,
    /// What it does with each format.
    pub formats: Formats,
}
part!(vk::PhysicalDevice, PhysicalDevice, object: Object);
// SAFETY: all that is behind a VkPhysicalDevice.
unsafe impl Whole for PhysicalDevice {}

// SAFETY: the pNext pointers inside the kept structs are never followed after the queries that filled them.
unsafe impl Send for PhysicalDevice {}
// SAFETY: as above.
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
            probe: sm_builtins::Probe::default(),
            max_buffer_size: 0,
            formats: Formats::default(),
        }
    }

    /// The multiprocessors of the device with this handle, found out at the first question.
    ///
    /// # Safety
    /// The handle is this object's own.
    pub unsafe fn multiprocessors(&self, handle: vk::PhysicalDevice) -> Option<Multiprocessors> {
        // SAFETY: by contract.
        unsafe { self.probe.of(handle, self.host_driver, &self.properties.pipeline_cache_uuid) }
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
    // SAFETY: by valid usage.
    unsafe { *p_count = 0 };
    vk::Result::SUCCESS
}

pub unsafe fn get_physical_device_features(device: vk::PhysicalDevice, to: *mut vk::PhysicalDeviceFeatures) {
    // SAFETY: by valid usage.
    unsafe { *to = PhysicalDevice::of(device).features };
}

pub unsafe fn get_physical_device_features2(device: vk::PhysicalDevice, to: *mut vk::PhysicalDeviceFeatures2) {
    // SAFETY: by valid usage.
    unsafe {
        let d = PhysicalDevice::of(device);
        (*to).features = d.features;
        d.more_features.fill((*to).p_next.cast(), &FEATURES, |p| {
            if (*p).s_type == vk::StructureType::PHYSICAL_DEVICE_SHADER_SM_BUILTINS_FEATURES_NV {
                let p: *mut vk::PhysicalDeviceShaderSMBuiltinsFeaturesNV = p.cast();
                (*p).shader_sm_builtins = PhysicalDevice::of(device).multiprocessors(device).is_some().into();
            }
        });
    }
}

pub unsafe fn get_physical_device_properties(device: vk::PhysicalDevice, to: *mut vk::PhysicalDeviceProperties) {
    // SAFETY: by valid usage.
    unsafe { *to = PhysicalDevice::of(device).properties };
}

pub unsafe fn get_physical_device_properties2(device: vk::PhysicalDevice, to: *mut vk::PhysicalDeviceProperties2) {
    // SAFETY: by valid usage.
    unsafe {
        let d = PhysicalDevice::of(device);
        (*to).properties = d.properties;
        d.more_properties.fill((*to).p_next.cast(), &PROPERTIES, |p| {
            if (*p).s_type == vk::StructureType::PHYSICAL_DEVICE_SHADER_SM_BUILTINS_PROPERTIES_NV {
                let p: *mut vk::PhysicalDeviceShaderSMBuiltinsPropertiesNV = p.cast();
                if let Some(m) = PhysicalDevice::of(device).multiprocessors(device) {
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
    unsafe { *to = PhysicalDevice::of(device).memory };
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
        (*to).memory_properties = PhysicalDevice::of(device).memory;
    }
}

pub unsafe fn get_physical_device_queue_family_properties(
    device: vk::PhysicalDevice,
    p_count: *mut u32,
    to: *mut vk::QueueFamilyProperties,
) {
    // SAFETY: by valid usage.
    unsafe {
        let mut families = PhysicalDevice::of(device).families.iter();
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
        if !to.is_null() && slice(to, *p_count).iter().any(|f| !f.p_next.is_null()) {
            return forward::get_physical_device_queue_family_properties2(device, p_count, to);
        }
        let mut families = PhysicalDevice::of(device).families.iter();
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
