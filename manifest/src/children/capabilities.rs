//! Which devices there are, and what this driver's has of what llama.cpp asks for.

use std::ffi::{CStr, c_char};

use anyhow::{Context, Result};
use ash::{Instance, vk};
use serde::{Deserialize, Serialize};

/// This driver's name (VkPhysicalDeviceDriverProperties).
const DRIVER: &str = "hesper";

/// A device that programs find.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// VkPhysicalDeviceProperties::deviceName.
    pub name: String,
    /// VkPhysicalDeviceDriverProperties::driverName; empty where there is none.
    pub driver: String,
    /// VkPhysicalDeviceDriverProperties::driverInfo.
    pub driver_info: String,
    /// `discrete`, `integrated`, `virtual`, `cpu` or `other`.
    pub kind: String,
    /// VkPhysicalDeviceProperties::vendorID.
    pub vendor: u32,
    /// VkPhysicalDeviceProperties::apiVersion, for people.
    pub api_version: String,
    /// Whether it is a virtio-gpu's, whoever's driver shows it.
    pub venus: bool,
}

impl Shown {
    /// Whether this driver shows it.
    pub fn is_ours(&self) -> bool {
        self.driver == DRIVER
    }

    /// Whether it is a processor that computes.
    pub fn is_processor(&self) -> bool {
        self.kind == "cpu"
    }
}

/// What llama.cpp asks of a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// Bytes of the largest heap of the device's own, and what is free of it as far as the device tells (VK_EXT_memory_budget).
    pub memory: u64,
    pub free_memory: Option<u64>,
    /// Bytes: the largest allocation and buffer.
    pub max_allocation: u64,
    pub subgroup_size: u32,
    pub shared_memory: u32,
    /// 16-bit floats in arithmetic and in storage.
    pub fp16: bool,
    /// Dot products of packed 8-bit integers, and whether the device is fast at them.
    pub int8_dot: bool,
    pub int8_dot_accelerated: bool,
    /// VK_KHR_cooperative_matrix, VK_NV_cooperative_matrix2 and VK_KHR_shader_bfloat16.
    pub cooperative_matrix: bool,
    pub cooperative_matrix2: bool,
    pub bfloat16: bool,
    /// What this driver has found out by trying: VK_NV_shader_sm_builtins, VK_NV_cooperative_matrix2.
    pub found_by_trying: Vec<String>,
    /// How many extensions there are.
    pub extensions: usize,
}

/// Extensions that the protocol doesn't carry, which the driver offers where it has seen them work.
const FOUND_BY_TRYING: [&str; 2] = ["VK_NV_shader_sm_builtins", "VK_NV_cooperative_matrix2"];

/// `1.4.309` (Vulkan specification, "Version Numbers").
pub fn version(v: u32) -> String {
    format!("{}.{}.{}", vk::api_version_major(v), vk::api_version_minor(v), vk::api_version_patch(v))
}

/// All devices in the order in which programs find them.
pub fn devices(instance: &Instance) -> Result<Vec<Shown>> {
    // SAFETY: a valid instance.
    let all = unsafe { instance.enumerate_physical_devices() }.context("vkEnumeratePhysicalDevices")?;
    Ok(all.into_iter().map(|d| shown(instance, d)).collect())
}

fn shown(instance: &Instance, device: vk::PhysicalDevice) -> Shown {
    // SAFETY: a device of this instance's.
    let first = unsafe { instance.get_physical_device_properties(device) };
    let extensions = extensions(instance, device);
    let mut driver = vk::PhysicalDeviceDriverProperties::default();
    if first.api_version >= vk::API_VERSION_1_2 || has(&extensions, "VK_KHR_driver_properties") {
        let mut all = vk::PhysicalDeviceProperties2::default().push_next(&mut driver);
        // SAFETY: the device knows the struct, by its version or the extension.
        unsafe { instance.get_physical_device_properties2(device, &mut all) };
    }
    let kind = match first.device_type {
        vk::PhysicalDeviceType::DISCRETE_GPU => "discrete",
        vk::PhysicalDeviceType::INTEGRATED_GPU => "integrated",
        vk::PhysicalDeviceType::VIRTUAL_GPU => "virtual",
        vk::PhysicalDeviceType::CPU => "cpu",
        _ => "other",
    };
    Shown {
        name: text(&first.device_name),
        driver: text(&driver.driver_name),
        driver_info: text(&driver.driver_info),
        kind: kind.to_owned(),
        vendor: first.vendor_id,
        api_version: version(first.api_version),
        venus: driver.driver_id == vk::DriverId::MESA_VENUS,
    }
}

/// What this driver's device has.
pub fn of(instance: &Instance, device: vk::PhysicalDevice) -> Capabilities {
    let extensions = extensions(instance, device);
    // SAFETY: a device of this instance's.
    let first = unsafe { instance.get_physical_device_properties(device) };
    let newer = |v: u32| first.api_version >= v;

    let mut subgroup = vk::PhysicalDeviceSubgroupProperties::default();
    let mut maintenance3 = vk::PhysicalDeviceMaintenance3Properties::default();
    let mut dot = vk::PhysicalDeviceShaderIntegerDotProductProperties::default();
    let mut properties = vk::PhysicalDeviceProperties2::default().push_next(&mut subgroup).push_next(&mut maintenance3);
    let knows_dot = newer(vk::API_VERSION_1_3) || has(&extensions, "VK_KHR_shader_integer_dot_product");
    if knows_dot {
        properties = properties.push_next(&mut dot);
    }
    // SAFETY: the device knows all structs: those of Vulkan 1.1, and others where it says so.
    unsafe { instance.get_physical_device_properties2(device, &mut properties) };

    let mut float16 = vk::PhysicalDeviceShaderFloat16Int8Features::default();
    let mut storage = vk::PhysicalDevice16BitStorageFeatures::default();
    let mut dot_feature = vk::PhysicalDeviceShaderIntegerDotProductFeatures::default();
    let mut matrix = vk::PhysicalDeviceCooperativeMatrixFeaturesKHR::default();
    let mut features = vk::PhysicalDeviceFeatures2::default().push_next(&mut storage);
    if newer(vk::API_VERSION_1_2) || has(&extensions, "VK_KHR_shader_float16_int8") {
        features = features.push_next(&mut float16);
    }
    if knows_dot {
        features = features.push_next(&mut dot_feature);
    }
    if has(&extensions, "VK_KHR_cooperative_matrix") {
        features = features.push_next(&mut matrix);
    }
    // SAFETY: as above.
    unsafe { instance.get_physical_device_features2(device, &mut features) };

    let (memory, free_memory) = memory(instance, device, has(&extensions, "VK_EXT_memory_budget"));
    let found = FOUND_BY_TRYING.into_iter().filter(|e| has(&extensions, e)).map(str::to_owned).collect();
    Capabilities {
        memory,
        free_memory,
        max_allocation: maintenance3.max_memory_allocation_size,
        subgroup_size: subgroup.subgroup_size,
        shared_memory: first.limits.max_compute_shared_memory_size,
        fp16: float16.shader_float16 != 0 && storage.storage_buffer16_bit_access != 0,
        int8_dot: dot_feature.shader_integer_dot_product != 0,
        int8_dot_accelerated: dot.integer_dot_product4x8_bit_packed_signed_accelerated != 0,
        cooperative_matrix: matrix.cooperative_matrix != 0,
        cooperative_matrix2: has(&extensions, "VK_NV_cooperative_matrix2"),
        bfloat16: has(&extensions, "VK_KHR_shader_bfloat16"),
        found_by_trying: found,
        extensions: extensions.len(),
    }
}

/// Bytes of the largest heap that is the device's own, and what is free of it.
fn memory(instance: &Instance, device: vk::PhysicalDevice, tells_budget: bool) -> (u64, Option<u64>) {
    let mut budget = vk::PhysicalDeviceMemoryBudgetPropertiesEXT::default();
    let mut all = vk::PhysicalDeviceMemoryProperties2::default();
    if tells_budget {
        all = all.push_next(&mut budget);
    }
    // SAFETY: the device knows the struct of the budget where it tells one.
    unsafe { instance.get_physical_device_memory_properties2(device, &mut all) };
    let heaps = all.memory_properties;
    let own = heaps.memory_heaps_as_slice().iter().enumerate();
    let own = own.filter(|(_, h)| h.flags.contains(vk::MemoryHeapFlags::DEVICE_LOCAL)).max_by_key(|(_, h)| h.size);
    let Some((at, heap)) = own else { return (0, None) };
    let free = |b: &u64| b.saturating_sub(budget.heap_usage.get(at).copied().unwrap_or(0));
    (heap.size, budget.heap_budget.get(at).filter(|_| tells_budget).map(free))
}

fn extensions(instance: &Instance, device: vk::PhysicalDevice) -> Vec<String> {
    // SAFETY: a device of this instance's.
    let all = unsafe { instance.enumerate_device_extension_properties(device) };
    all.unwrap_or_default().iter().map(|e| text(&e.extension_name)).collect()
}

fn has(extensions: &[String], name: &str) -> bool {
    extensions.iter().any(|e| e == name)
}

/// A string of Vulkan's, which ends with NUL.
fn text(bytes: &[c_char]) -> String {
    let bytes: Vec<u8> = bytes.iter().map(|b| b.to_ne_bytes()[0]).collect();
    CStr::from_bytes_until_nul(&bytes).map(|t| t.to_string_lossy().into_owned()).unwrap_or_default()
}
