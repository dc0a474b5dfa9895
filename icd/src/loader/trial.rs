//! Shaders that the driver runs as a program of its own, on an instance and a device of its own: whatever the host's driver makes of
//! them, the program's objects live in another context (`physical::probe`).

use std::ffi::{CStr, c_void};
use std::ptr;
use std::time::Instant;

use ash::vk;
use hesper_encoder::generated::types;

use crate::base::log::debug;
use crate::base::object::Part;
use crate::device::logical_device::{self, Device};
use crate::loader::procs;
use crate::loader::trial_work::Work;
use crate::physical::enumeration;
use crate::physical::instance::{self, Hearing};
use crate::physical::physical_device::PhysicalDevice;
use crate::physical::probe::features::Features;
use crate::physical::probe::trial::{Bench, Shader};

const MATRICES: &CStr = ash::khr::cooperative_matrix::NAME;
const BFLOAT16: &CStr = c"VK_KHR_shader_bfloat16";

/// Serves a bench on the device with this deviceUUID at the host, which compiles the shaders `ahead` with those of the first batch, and ends what it has made for that, but for what still runs: its context
/// is left as it is, and ends with the process.
///
/// # Errors
/// What a command returned that isn't about a single shader.
pub fn serve(uuid: [u8; 16], ahead: Vec<Shader>, bench: &Bench) -> Result<(), vk::Result> {
    let start = Instant::now();
    let application = vk::ApplicationInfo::default().application_name(c"hesper").api_version(vk::API_VERSION_1_3);
    let info = vk::InstanceCreateInfo::default().application_info(&application);
    let mut handle = vk::Instance::null();
    // SAFETY: a valid create info, and a local.
    unsafe { instance::create(&info, &mut handle, Hearing::Nobody) }.result()?;
    let entry = |name: &CStr| procs::find(name).map_or(ptr::null(), |p| p.address());
    // SAFETY: the driver's own entry points, by their names.
    let program = unsafe { ash::Instance::load_with(entry, handle) };
    debug!("an instance to try out devices after {} ms", start.elapsed().as_millis());
    let served = on_instance(&program, uuid, ahead, bench, start);
    if served != Err(vk::Result::TIMEOUT) {
        // SAFETY: nothing of the instance is used any more.
        unsafe { program.destroy_instance(None) };
        debug!("the end of that instance after {} ms", start.elapsed().as_millis());
    }
    served
}

/// The same on this instance, which is there since `start`.
fn on_instance(
    program: &ash::Instance,
    uuid: [u8; 16],
    ahead: Vec<Shader>,
    bench: &Bench,
    start: Instant,
) -> Result<(), vk::Result> {
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
    let handle = unsafe { create_device(physical, d.trial_features(), family) }?;
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
    debug!("a device to try out after {} ms", start.elapsed().as_millis());
    let mut work = Work::new(&device, d, family, ahead);
    let served = bench.serve(|runs| {
        let told = work.run(runs);
        debug!("{} shaders tried out after {} ms: {:?}", runs.len(), start.elapsed().as_millis(), told.as_ref().err());
        told
    });
    if served != Err(vk::Result::TIMEOUT) {
        work.destroy();
        // SAFETY: nothing is at work on it; what an error left behind goes with it at the host.
        unsafe { device.destroy_device(None) };
    }
    served
}

/// A device with these features and their extensions.
///
/// # Safety
/// A valid physical device that has the features.
unsafe fn create_device(
    physical: vk::PhysicalDevice,
    features: Features,
    family: u32,
) -> Result<vk::Device, vk::Result> {
    let priority = [1.0];
    let queues = [vk::DeviceQueueCreateInfo::default().queue_family_index(family).queue_priorities(&priority)];
    let core = vk::PhysicalDeviceFeatures { shader_int16: features.shader_int16, ..Default::default() };
    let mut features11 = vk::PhysicalDeviceVulkan11Features {
        storage_buffer16_bit_access: features.storage_buffer16_bit_access,
        ..Default::default()
    };
    let mut features12 = vk::PhysicalDeviceVulkan12Features {
        storage_buffer8_bit_access: features.storage_buffer8_bit_access,
        shader_float16: features.shader_float16,
        shader_int8: features.shader_int8,
        buffer_device_address: features.buffer_device_address,
        vulkan_memory_model: features.vulkan_memory_model,
        vulkan_memory_model_device_scope: features.vulkan_memory_model_device_scope,
        ..Default::default()
    };
    // Work groups whose size is a specialization constant.
    let mut sizes = vk::PhysicalDeviceMaintenance4Features::default().maintenance4(true);
    let mut matrices = vk::PhysicalDeviceCooperativeMatrixFeaturesKHR::default().cooperative_matrix(true);
    let mut bfloat16 = types::PhysicalDeviceShaderBfloat16FeaturesKHR {
        shader_b_float16_type: features.bfloat16,
        shader_b_float16_dot_product: features.bfloat16_dot_product,
        shader_b_float16_cooperative_matrix: features.bfloat16_cooperative_matrix,
        ..Default::default()
    };
    let mut names = vec![MATRICES.as_ptr()];
    let mut info = vk::DeviceCreateInfo::default().queue_create_infos(&queues);
    if features.has_matrices() {
        info =
            info.push_next(&mut features11).push_next(&mut features12).push_next(&mut sizes).push_next(&mut matrices);
        if features.bfloat16 != vk::FALSE {
            names.push(BFLOAT16.as_ptr());
            bfloat16.p_next = info.p_next.cast_mut();
            info.p_next = (&raw const bfloat16).cast();
        }
        info = info.enabled_extension_names(&names).enabled_features(&core);
    }
    let mut handle = vk::Device::null();
    // SAFETY: a valid physical device, and a create info with its chain.
    unsafe { logical_device::create_device(physical, &info, ptr::null(), &mut handle) }.result_with_success(handle)
}
