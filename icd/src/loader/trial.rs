//! Shaders that the driver runs as a program of its own, on an instance and a device of its own: whatever the host's driver makes of
//! them, the program's objects live in another context (`physical::probe`).

use std::ffi::{CStr, c_void};
use std::ptr;
use std::time::Instant;

use ash::vk;
use hesper_encoder::generated::types;

use crate::base::log::debug;
use crate::base::object::{self, Part};
use crate::device::logical_device::{self, Device};
use crate::loader::procs;
use crate::loader::trial_work;
use crate::physical::physical_device::PhysicalDevice;
use crate::physical::probe::trial::{Run, Told};
use crate::physical::{enumeration, instance};

const MATRICES: &CStr = ash::khr::cooperative_matrix::NAME;
const BFLOAT16: &CStr = c"VK_KHR_shader_bfloat16";

/// Runs the shaders on the device with this deviceUUID at the host.
///
/// # Errors
/// What a command returned that isn't about a single shader.
pub fn run(uuid: [u8; 16], runs: &[Run]) -> Result<Vec<Told>, vk::Result> {
    let start = Instant::now();
    let application = vk::ApplicationInfo::default().application_name(c"hesper").api_version(vk::API_VERSION_1_3);
    let info = vk::InstanceCreateInfo::default().application_info(&application);
    let mut handle = vk::Instance::null();
    // SAFETY: a valid create info, and a local.
    unsafe { instance::create_instance(&info, ptr::null(), &mut handle) }.result()?;
    // SAFETY: a new instance.
    unsafe { object::get(handle) }.connection().lose_silently();
    let entry = |name: &CStr| procs::find(name).map_or(ptr::null(), |p| p.address());
    // SAFETY: the driver's own entry points, by their names.
    let program = unsafe { ash::Instance::load_with(entry, handle) };
    let told = on_instance(&program, uuid, runs);
    debug!("{} shaders tried out in {} ms: {:?}", runs.len(), start.elapsed().as_millis(), told.as_ref().map(Vec::len));
    // What still runs holds the device: the context is left as it is, and ends with the process.
    if told != Err(vk::Result::TIMEOUT) {
        // SAFETY: nothing of the instance is used any more.
        unsafe { program.destroy_instance(None) };
    }
    told
}

/// The same on this instance.
fn on_instance(program: &ash::Instance, uuid: [u8; 16], runs: &[Run]) -> Result<Vec<Told>, vk::Result> {
    let (mut devices, mut n) = ([vk::PhysicalDevice::null(); 32], 32);
    // SAFETY: a valid instance, and room for as many devices.
    let found = unsafe { enumeration::enumerate_physical_devices(program.handle(), &mut n, devices.as_mut_ptr()) };
    if found.as_raw() < 0 {
        return Err(found);
    }
    // SAFETY: devices that were found.
    let is_it = |d: &vk::PhysicalDevice| unsafe { PhysicalDevice::of(*d) }.host_device.uuid() == uuid;
    let physical = devices.into_iter().take(n as usize).find(is_it).ok_or(vk::Result::ERROR_DEVICE_LOST)?;
    // SAFETY: a valid device, which lives as long as the instance.
    let d = unsafe { PhysicalDevice::of(physical) };
    let compute = |f: &vk::QueueFamilyProperties| f.queue_flags.contains(vk::QueueFlags::COMPUTE);
    let family = d.families.iter().position(compute).ok_or(vk::Result::ERROR_FEATURE_NOT_PRESENT)? as u32;
    // SAFETY: a valid device of this instance's.
    let handle = unsafe { create_device(program, physical, d, family) }?;
    // A compiler that refuses a shader is no error that anybody should read of.
    // SAFETY: a new device.
    unsafe { Device::of(handle) }.recorders.wait_always();
    let entry = |name: &CStr| {
        // SAFETY: a valid device, and a string.
        let found = unsafe { procs::get_device_proc_addr(handle, name.as_ptr()) };
        found.map_or(ptr::null(), |f| f as *const c_void)
    };
    // SAFETY: the driver's own entry points, by their names.
    let device = unsafe { ash::Device::load_with(entry, handle) };
    let told = trial_work::run(&device, d, family, runs);
    if told != Err(vk::Result::TIMEOUT) {
        // SAFETY: nothing is at work on it; what an error left behind goes with it at the host.
        unsafe { device.destroy_device(None) };
    }
    told
}

/// A device with what the shaders use beside what is tried out, as far as the host has it.
///
/// # Safety
/// A valid physical device of the instance's.
unsafe fn create_device(
    program: &ash::Instance,
    physical: vk::PhysicalDevice,
    d: &PhysicalDevice,
    family: u32,
) -> Result<vk::Device, vk::Result> {
    let priority = [1.0];
    let queues = [vk::DeviceQueueCreateInfo::default().queue_family_index(family).queue_priorities(&priority)];
    let mut info = vk::DeviceCreateInfo::default().queue_create_infos(&queues);
    let mut names = vec![MATRICES.as_ptr()];
    let mut bfloat16 = types::PhysicalDeviceShaderBfloat16FeaturesKHR::default();
    let mut matrices = vk::PhysicalDeviceCooperativeMatrixFeaturesKHR::default();
    let mut features11 = vk::PhysicalDeviceVulkan11Features::default();
    let mut features12 = vk::PhysicalDeviceVulkan12Features::default();
    let mut sizes = vk::PhysicalDeviceMaintenance4Features::default();
    let mut features = vk::PhysicalDeviceFeatures::default();
    if d.offers(MATRICES) && d.properties.api_version >= vk::API_VERSION_1_3 {
        let mut has11 = vk::PhysicalDeviceVulkan11Features::default();
        let mut has12 = vk::PhysicalDeviceVulkan12Features::default();
        let mut has = vk::PhysicalDeviceFeatures2::default().push_next(&mut has11).push_next(&mut has12);
        // SAFETY: a valid physical device, and a struct with its chain.
        unsafe { program.get_physical_device_features2(physical, &mut has) };
        features.shader_int16 = has.features.shader_int16;
        features11.storage_buffer16_bit_access = has11.storage_buffer16_bit_access;
        features12.storage_buffer8_bit_access = has12.storage_buffer8_bit_access;
        features12.shader_float16 = has12.shader_float16;
        features12.shader_int8 = has12.shader_int8;
        features12.buffer_device_address = has12.buffer_device_address;
        features12.vulkan_memory_model = has12.vulkan_memory_model;
        features12.vulkan_memory_model_device_scope = has12.vulkan_memory_model_device_scope;
        matrices.cooperative_matrix = vk::TRUE;
        if d.offers(BFLOAT16) {
            names.push(BFLOAT16.as_ptr());
        }
        info = info.enabled_extension_names(&names).enabled_features(&features);
        // Work groups whose size is a specialization constant.
        sizes.maintenance4 = vk::TRUE;
        info =
            info.push_next(&mut features11).push_next(&mut features12).push_next(&mut sizes).push_next(&mut matrices);
        if d.offers(BFLOAT16) {
            let mut has = vk::PhysicalDeviceFeatures2 { p_next: (&raw mut bfloat16).cast(), ..Default::default() };
            // SAFETY: as above.
            unsafe { program.get_physical_device_features2(physical, &mut has) };
            bfloat16.p_next = info.p_next.cast_mut();
            info.p_next = (&raw const bfloat16).cast();
        }
    }
    let mut handle = vk::Device::null();
    // SAFETY: a valid physical device, and a create info with its chain.
    unsafe { logical_device::create_device(physical, &info, ptr::null(), &mut handle) }.result_with_success(handle)
}
