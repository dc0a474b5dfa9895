//! Test equipment, no part of the driver: a Vulkan layer that gives a host without DRM dma-buf export.
//!
//! virglrenderer's test server hands device memory to its client as dma-bufs. A machine without a DRM node can't make
//! those, so this layer, loaded into the render server, backs every host-visible allocation with a memfd that the real
//! driver imports through VK_EXT_external_memory_host, and hands out the memfd instead.
//!
//! Where the library is preloaded as well, it hands out the device file's own memory where a driver maps one (`device_file`), and
//! nothing has to be imported or hidden.
//!
//! `HESPER_TEST_LAYER_TRACE=<file>` writes down how long the driver's calls take (`host_trace`), to be read beside the guest's own trace
//! (`%p` is the process's number); with `HESPER_TEST_LAYER_TRACE_ONLY` the layer does nothing else, so that a program's own calls of the driver are seen as they are;
//! `HESPER_TEST_LAYER_REFUSE=<entry point>` has it fail to compile (`refusal`), `HESPER_TEST_LAYER_SLOW_COMPILER=<milliseconds>` has it
//! take long for that (`slow`); `HESPER_TEST_LAYER_DISCRETE` gives it memory that can't be mapped (`second_type`);
//! `HESPER_TEST_LAYER_ALLOCATIONS=<n>` gives it room for few allocations (`scarce`); `HESPER_TEST_LAYER_FAIL=<command>:<code>:<n>` has a
//! command fail (`failing`).
//!
//! `HESPER_TEST_LAYER_APPLE=moltenvk|moltenvk-bare|kosmickrisp` makes the device one of Apple's (`apple`), `HESPER_TEST_LAYER_VENDOR=<number>` another
//! vendor's by its number alone (`vendor`).
//!
//! `HESPER_TEST_LAYER_QUEUES` shows two queue families of two queues each (`queues`); `HESPER_TEST_LAYER_STATES` watches command buffers
//! (`states`).
//!
//! `creation` is the loader's protocol for layers, `chain` who comes next, `memory` the allocations, `memory_types` the types that are shown, `resources` what memory they are for,
//! `physical` what the device is said to be able to.

/// Returns the entry point of a name, if it is among those listed.
macro_rules! intercept {
    ($name:expr, $($entry:literal => $f:path),* $(,)?) => {
        match $name {
            $($entry => {
                // SAFETY: a function pointer of this name's type, erased as Vulkan has it.
                return Some(unsafe { std::mem::transmute::<*const (), unsafe extern "system" fn()>($f as *const ()) });
            })*
            _ => {}
        }
    };
}

mod apple;
mod chain;
mod creation;
pub mod device_file;
mod failing;
mod host_trace;
mod memory;
mod memory_types;
mod physical;
mod queues;
mod refusal;
mod resources;
mod scarce;
mod second_type;
mod slow;
mod states;
mod vendor;

use std::ffi::{CStr, c_char, c_void};

use ash::vk;

/// `vkNegotiateLoaderLayerInterfaceVersion`'s argument (vk_layer.h).
#[repr(C)]
pub struct Negotiate {
    s_type: u32,
    p_next: *mut c_void,
    version: u32,
    get_instance_proc_addr: Option<unsafe extern "system" fn(vk::Instance, *const c_char) -> vk::PFN_vkVoidFunction>,
    get_device_proc_addr: Option<unsafe extern "system" fn(vk::Device, *const c_char) -> vk::PFN_vkVoidFunction>,
    get_physical_device_proc_addr: *const c_void,
}

/// Settles the interface's version: 2.
///
/// # Safety
/// Called by the Vulkan loader.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn vkNegotiateLoaderLayerInterfaceVersion(n: *mut Negotiate) -> vk::Result {
    // SAFETY: the loader passes a valid struct.
    let n = unsafe { &mut *n };
    if n.version < 2 {
        return vk::Result::ERROR_INITIALIZATION_FAILED;
    }
    n.version = 2;
    n.get_instance_proc_addr = Some(get_instance_proc_addr);
    n.get_device_proc_addr = Some(get_device_proc_addr);
    n.get_physical_device_proc_addr = std::ptr::null();
    vk::Result::SUCCESS
}

unsafe extern "system" fn get_instance_proc_addr(
    instance: vk::Instance,
    name: *const c_char,
) -> vk::PFN_vkVoidFunction {
    // SAFETY: the loader passes a string.
    let text = unsafe { CStr::from_ptr(name) }.to_bytes();
    if host_trace::only() {
        intercept!(text,
            b"vkGetInstanceProcAddr" => get_instance_proc_addr,
            b"vkCreateInstance" => creation::create_instance,
            b"vkDestroyInstance" => creation::destroy_instance,
            b"vkCreateDevice" => creation::create_device,
        );
        // SAFETY: handed on to the next one in the chain.
        let next = unsafe { chain::next_instance_proc(instance, name) };
        return get_device_entry(text, next).or(next);
    }
    let of_apple = apple::instance_entry(text);
    if of_apple.is_some() {
        return of_apple;
    }
    intercept!(text,
        b"vkGetInstanceProcAddr" => get_instance_proc_addr,
        b"vkCreateInstance" => creation::create_instance,
        b"vkDestroyInstance" => creation::destroy_instance,
        b"vkCreateDevice" => creation::create_device,
        b"vkEnumerateDeviceExtensionProperties" => physical::enumerate_device_extension_properties,
        b"vkGetPhysicalDeviceMemoryProperties" => physical::get_memory_properties,
        b"vkGetPhysicalDeviceMemoryProperties2" => physical::get_memory_properties2,
        b"vkGetPhysicalDeviceMemoryProperties2KHR" => physical::get_memory_properties2,
        b"vkGetPhysicalDeviceExternalBufferProperties" => physical::get_external_buffer_properties,
        b"vkGetPhysicalDeviceExternalBufferPropertiesKHR" => physical::get_external_buffer_properties,
        b"vkGetPhysicalDeviceImageFormatProperties2" => physical::get_image_format_properties2,
    );
    if vendor::on() {
        intercept!(text,
            b"vkGetPhysicalDeviceProperties" => vendor::get_properties,
            b"vkGetPhysicalDeviceProperties2" => vendor::get_properties2,
            b"vkGetPhysicalDeviceProperties2KHR" => vendor::get_properties2,
        );
    }
    if queues::on() {
        intercept!(text,
            b"vkGetPhysicalDeviceQueueFamilyProperties" => queues::families::get_queue_family_properties,
            b"vkGetPhysicalDeviceQueueFamilyProperties2" => queues::families::get_queue_family_properties2,
            b"vkGetPhysicalDeviceQueueFamilyProperties2KHR" => queues::families::get_queue_family_properties2,
        );
    }
    // SAFETY: handed on to the next one in the chain.
    let next = unsafe { chain::next_instance_proc(instance, name) };
    get_device_entry(text, next).or(next)
}

unsafe extern "system" fn get_device_proc_addr(device: vk::Device, name: *const c_char) -> vk::PFN_vkVoidFunction {
    // SAFETY: the loader passes a string; the rest is handed on.
    let (text, next) = unsafe { (CStr::from_ptr(name).to_bytes(), chain::next_device_proc(device, name)) };
    get_device_entry(text, next).or(next)
}

/// An entry point of this layer's; `next` is the next one's, which decides whether there is such a thing.
fn get_device_entry(text: &[u8], next: vk::PFN_vkVoidFunction) -> vk::PFN_vkVoidFunction {
    if host_trace::only() {
        intercept!(text,
            b"vkGetDeviceProcAddr" => get_device_proc_addr,
            b"vkDestroyDevice" => creation::destroy_device,
            b"vkAllocateMemory" => memory::allocate_memory,
        );
        return host_trace::device_entry(text);
    }
    let failing = failing::entry(text);
    if failing.is_some() {
        return failing;
    }
    if queues::on() && next.is_some() {
        let own = queues::entries::of(text);
        if own.is_some() {
            return own;
        }
    }
    let of_apple = apple::device_entry(text);
    if of_apple.is_some() {
        return of_apple;
    }
    if slow::on() {
        intercept!(text,
            b"vkCreateComputePipelines" => slow::create_compute_pipelines,
            b"vkDestroyShaderModule" => slow::destroy_shader_module,
            b"vkDestroyPipelineLayout" => slow::destroy_pipeline_layout,
            b"vkDestroyPipelineCache" => slow::destroy_pipeline_cache,
        );
    }
    if refusal::on() {
        intercept!(text, b"vkCreateComputePipelines" => refusal::create_compute_pipelines);
    }
    if states::on() {
        intercept!(text,
            b"vkCreateCommandPool" => states::create_command_pool,
            b"vkAllocateCommandBuffers" => states::allocate_command_buffers,
            b"vkBeginCommandBuffer" => states::begin_command_buffer,
            b"vkEndCommandBuffer" => states::end_command_buffer,
            b"vkResetCommandBuffer" => states::reset_command_buffer,
            b"vkResetCommandPool" => states::reset_command_pool,
        );
    }
    let traced = host_trace::device_entry(text);
    if traced.is_some() {
        return traced;
    }
    if next.is_some() {
        // By the names that they have in Vulkan, or had as extensions of the Khronos group.
        intercept!(text.strip_suffix(b"KHR").unwrap_or(text),
            b"vkGetBufferMemoryRequirements2" => resources::get_buffer_memory_requirements2,
            b"vkGetImageMemoryRequirements2" => resources::get_image_memory_requirements2,
            b"vkGetDeviceBufferMemoryRequirements" => resources::get_device_buffer_memory_requirements,
            b"vkGetDeviceImageMemoryRequirements" => resources::get_device_image_memory_requirements,
        );
    }
    if scarce::on() {
        intercept!(text,
            b"vkAllocateMemory" => scarce::allocate_memory,
            b"vkFreeMemory" => scarce::free_memory,
            b"vkCreateQueryPool" => scarce::create_query_pool,
        );
    }
    intercept!(text,
        b"vkGetDeviceProcAddr" => get_device_proc_addr,
        b"vkDestroyDevice" => creation::destroy_device,
        b"vkCreateBuffer" => resources::create_buffer,
        b"vkDestroyBuffer" => resources::destroy_buffer,
        b"vkCreateImage" => resources::create_image,
        b"vkDestroyImage" => resources::destroy_image,
        b"vkGetBufferMemoryRequirements" => resources::get_buffer_memory_requirements,
        b"vkGetImageMemoryRequirements" => resources::get_image_memory_requirements,
        b"vkAllocateMemory" => memory::allocate_memory,
        b"vkFreeMemory" => memory::free_memory,
        b"vkGetMemoryFdKHR" => memory::get_memory_fd,
        b"vkGetMemoryFdPropertiesKHR" => memory::get_memory_fd_properties,
    );
    None
}
