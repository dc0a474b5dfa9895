//! VkInstance.

use std::ffi::c_char;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use ash::vk;
use hesper_encoder::generated::{reply, request};
use hesper_winsys::{Error, trace};

use crate::base::chain::slice;
use crate::base::connection::Connection;
use crate::base::detour;
use crate::base::forwarding::{result_of, result_of_error};
use crate::base::log::{error, info};
use crate::base::object::{Object, Whole, part};
use crate::base::settings;
use crate::base::slab::fresh_id;
use crate::physical::extensions::{self, API_VERSION, INSTANCE_EXTENSIONS};
use crate::physical::physical_device::PhysicalDevice;

/// What a VkInstance points at.
#[repr(C)]
pub struct Instance {
    object: Object,
    /// The version that the application asked for, at least 1.1, at most the host's.
    pub version: u32,
    pub devices: OnceLock<Vec<vk::PhysicalDevice>>,
}
part!(vk::Instance, Instance, object: Object);
// SAFETY: all that is behind a VkInstance.
unsafe impl Whole for Instance {}

pub unsafe fn enumerate_instance_version(p_api_version: *mut u32) -> vk::Result {
    // SAFETY: the output parameter.
    unsafe { p_api_version.write(API_VERSION) };
    vk::Result::SUCCESS
}

pub unsafe fn enumerate_instance_extension_properties(
    p_layer_name: *const c_char,
    p_property_count: *mut u32,
    p_properties: *mut vk::ExtensionProperties,
) -> vk::Result {
    if !p_layer_name.is_null() {
        return vk::Result::ERROR_LAYER_NOT_PRESENT;
    }
    // SAFETY: a count, and room for as many elements or null.
    unsafe { extensions::list(INSTANCE_EXTENSIONS.into_iter(), p_property_count, p_properties) }
}

pub unsafe fn enumerate_instance_layer_properties(
    p_property_count: *mut u32,
    _: *mut vk::LayerProperties,
) -> vk::Result {
    // SAFETY: the count, an output parameter.
    unsafe { p_property_count.write(0) };
    vk::Result::SUCCESS
}

pub unsafe fn create_instance(
    p_create_info: *const vk::InstanceCreateInfo,
    _: *const vk::AllocationCallbacks,
    p_instance: *mut vk::Instance,
) -> vk::Result {
    // SAFETY: handed on.
    unsafe { create(p_create_info, p_instance, Hearing::User) }
}

/// Who hears of what keeps an instance from being made, and of the loss of its host.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Hearing {
    /// The user reads of it on stderr.
    User,
    /// Nobody: the instance is the driver's own, and whoever makes it gets the result.
    Nobody,
}

/// vkCreateInstance.
///
/// # Safety
/// As that command has it.
pub unsafe fn create(
    p_create_info: *const vk::InstanceCreateInfo,
    p_instance: *mut vk::Instance,
    hearing: Hearing,
) -> vk::Result {
    // SAFETY: a valid create info.
    let info = unsafe { &*p_create_info };
    // SAFETY: its array of this length.
    for name in unsafe { slice(info.pp_enabled_extension_names, info.enabled_extension_count) } {
        // SAFETY: each element is a string.
        let name = unsafe { std::ffi::CStr::from_ptr(*name) };
        if !INSTANCE_EXTENSIONS.iter().any(|(n, _)| *n == name) {
            return vk::Result::ERROR_EXTENSION_NOT_PRESENT;
        }
    }
    if info.enabled_layer_count > 0 {
        return vk::Result::ERROR_LAYER_NOT_PRESENT;
    }
    if let Some(path) = &settings::get().trace {
        match trace::begin(path) {
            Ok(()) => detour::note_trace(),
            Err(e) => error!("HESPER_TRACE={}: {e}; no trace is written", path.display()),
        }
    }
    let connection = match Connection::open(settings::get()) {
        Ok(c) => c,
        Err(e) => {
            // Programs try again and again; one line is enough, and most machines without a device never heard of this driver.
            static SAID: AtomicBool = AtomicBool::new(false);
            let wanted = settings::get().chosen || !matches!(e, Error::NoDevice(_));
            if hearing == Hearing::User && wanted && !SAID.swap(true, Ordering::Relaxed) {
                error!("{e}");
            }
            return unusable(result_of_error(&e));
        }
    };
    if hearing == Hearing::Nobody {
        connection.lose_silently();
    }
    info!("connected: {}, Venus spec version {}", connection.winsys.name(), connection.capset().venus_version);

    let host_version = match host_version(&connection) {
        Ok(version) => version,
        Err(e) => return unusable(e),
    };
    if host_version < vk::API_VERSION_1_1 {
        if hearing == Hearing::User {
            error!("no Venus device: the host's Vulkan is older than 1.1");
        }
        return vk::Result::ERROR_INCOMPATIBLE_DRIVER;
    }
    // SAFETY: null or a valid struct.
    let mut application = unsafe { info.p_application_info.as_ref() }.copied().unwrap_or_default();
    let version = application.api_version.max(vk::API_VERSION_1_1).min(host_version);
    // Layers and instance extensions are the guest's affair.
    application.p_next = ptr::null();
    application.api_version = version;
    let sent = vk::InstanceCreateInfo { p_application_info: &application, ..Default::default() };

    let object = Object::new(fresh_id(), connection.clone());
    let instance = Box::new(Instance { object, version, devices: OnceLock::new() }).into_handle();
    let mut out = instance;
    let (p, none) = (&raw mut out, ptr::null());
    // SAFETY: structs and handles made above, which live until the call is over; strings of the application's own.
    let created = result_of(unsafe {
        connection.call(
            reply::create_instance_size(&sent, none, p),
            |w| request::create_instance(w, 1, &sent, none, p),
            |r| reply::create_instance(r, &sent, none, p),
        )
    });
    if created == vk::Result::SUCCESS {
        // SAFETY: the output parameter.
        unsafe { p_instance.write(instance) };
    } else {
        // SAFETY: made above, and nobody else has it.
        drop(unsafe { Instance::take(instance) });
        return unusable(created);
    }
    created
}

/// What vkCreateInstance and vkEnumeratePhysicalDevices return where the host can't be used: the loader leaves this driver out then, and
/// programs find the others. With ERROR_OUT_OF_HOST_MEMORY it gives up altogether, and neither command may return ERROR_DEVICE_LOST.
pub fn unusable(why: vk::Result) -> vk::Result {
    if why == vk::Result::ERROR_INCOMPATIBLE_DRIVER { why } else { vk::Result::ERROR_INITIALIZATION_FAILED }
}

/// The version of the host's Vulkan; 0 where it doesn't tell.
fn host_version(connection: &Connection) -> Result<u32, vk::Result> {
    let mut version = 0;
    let p = &raw mut version;
    // SAFETY: a local, which lives until the call is over.
    let asked = unsafe {
        connection.call(
            reply::enumerate_instance_version_size(p),
            |w| request::enumerate_instance_version(w, 1, p),
            |r| reply::enumerate_instance_version(r, p),
        )
    };
    match result_of(asked) {
        e @ (vk::Result::ERROR_DEVICE_LOST | vk::Result::ERROR_OUT_OF_HOST_MEMORY) => Err(e),
        _ => Ok(version),
    }
}

pub unsafe fn destroy_instance(instance: vk::Instance, _: *const vk::AllocationCallbacks) {
    // SAFETY: null, or an instance whose last use this is.
    let Some(object) = (unsafe { Instance::take(instance) }) else { return };
    let (connection, handle) = (object.connection(), object.handle());
    // SAFETY: the object is still behind its handle.
    let sent = connection.send(|w| unsafe { request::destroy_instance(w, 0, handle, ptr::null()) });
    // The rings are taken down after the host has destroyed what their commands made.
    let _ = sent.and_then(|s| connection.report(connection.ring.wait(s)));
    for d in object.devices.get().into_iter().flatten() {
        // SAFETY: made by `enumeration`; physical devices end with their instance.
        drop(unsafe { PhysicalDevice::take(*d) });
    }
}
