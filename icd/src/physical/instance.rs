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
use crate::base::forwarding::{result_of, result_of_error};
use crate::base::log::{error, info};
use crate::base::object::{Object, Part, Whole, part};
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
    // SAFETY: by valid usage.
    unsafe { *p_api_version = API_VERSION };
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
    // SAFETY: by valid usage.
    unsafe { extensions::list(INSTANCE_EXTENSIONS.into_iter(), p_property_count, p_properties) }
}

pub unsafe fn enumerate_instance_layer_properties(
    p_property_count: *mut u32,
    _: *mut vk::LayerProperties,
) -> vk::Result {
    // SAFETY: by valid usage.
    unsafe { *p_property_count = 0 };
    vk::Result::SUCCESS
}

pub unsafe fn create_instance(
    p_create_info: *const vk::InstanceCreateInfo,
    _: *const vk::AllocationCallbacks,
    p_instance: *mut vk::Instance,
) -> vk::Result {
    // SAFETY: by valid usage.
    let info = unsafe { &*p_create_info };
    // SAFETY: by valid usage.
    for name in unsafe { slice(info.pp_enabled_extension_names, info.enabled_extension_count) } {
        // SAFETY: by valid usage.
        let name = unsafe { std::ffi::CStr::from_ptr(*name) };
        if !INSTANCE_EXTENSIONS.iter().any(|(n, _)| *n == name) {
            return vk::Result::ERROR_EXTENSION_NOT_PRESENT;
        }
    }
    if info.enabled_layer_count > 0 {
        return vk::Result::ERROR_LAYER_NOT_PRESENT;
    }
    if let Some(path) = &settings::get().trace
        && let Err(e) = trace::begin(path)
    {
        error!("HESPER_TRACE={}: {e}; no trace is written", path.display());
    }
    let connection = match Connection::open(settings::get()) {
        Ok(c) => c,
        Err(e) => {
            // Programs try again and again; one line is enough, and most machines without a device never heard of this driver.
            static SAID: AtomicBool = AtomicBool::new(false);
            let wanted = settings::get().chosen || !matches!(e, Error::NoDevice(_));
            if wanted && !SAID.swap(true, Ordering::Relaxed) {
                error!("{e}");
            }
            return result_of_error(&e);
        }
    };
    info!("connected: {}, Venus spec version {}", connection.winsys.name(), connection.capset().venus_version);

    // SAFETY: by valid usage; the structs made here live until the calls are over.
    unsafe {
        let application = info.p_application_info.as_ref();
        let mut host_version = 0;
        let p = &raw mut host_version;
        let asked = connection.call(
            reply::enumerate_instance_version_size(p),
            |w| request::enumerate_instance_version(w, 1, p),
            |r| reply::enumerate_instance_version(r, p),
        );
        if let r @ (vk::Result::ERROR_DEVICE_LOST | vk::Result::ERROR_OUT_OF_HOST_MEMORY) = result_of(asked) {
            return r;
        }
        if host_version < vk::API_VERSION_1_1 {
            error!("no Venus device: the host's Vulkan is older than 1.1");
            return vk::Result::ERROR_INCOMPATIBLE_DRIVER;
        }
        let wanted = application.map_or(0, |a| a.api_version);
        let version = wanted.max(vk::API_VERSION_1_1).min(host_version);
        // Layers and instance extensions are the guest's affair.
        let mut application = application.copied().unwrap_or_default();
        application.p_next = ptr::null();
        application.api_version = version;
        let sent = vk::InstanceCreateInfo { p_application_info: &application, ..Default::default() };

        let devices = OnceLock::new();
        let instance: vk::Instance = Whole::into_handle(Box::new(Instance {
            object: Object::new(fresh_id(), connection.clone()),
            version,
            devices,
        }));
        let mut out = instance;
        let p = &raw mut out;
        let none = ptr::null();
        let created = result_of(connection.call(
            reply::create_instance_size(&sent, none, p),
            |w| request::create_instance(w, 1, &sent, none, p),
            |r| reply::create_instance(r, &sent, none, p),
        ));
        if created != vk::Result::SUCCESS {
            Instance::take(instance);
            return created;
        }
        *p_instance = instance;
    }
    vk::Result::SUCCESS
}

pub unsafe fn destroy_instance(instance: vk::Instance, _: *const vk::AllocationCallbacks) {
    // SAFETY: by valid usage nothing uses the instance or its physical devices any more.
    unsafe {
        let Some(object) = (instance != vk::Instance::null()).then(|| Instance::of(instance)) else { return };
        let connection = object.connection();
        let sent = connection.send(|w| request::destroy_instance(w, 0, instance, ptr::null()));
        // The rings are taken down after the host has destroyed what their commands made.
        let _ = sent.and_then(|s| connection.report(connection.ring.wait(s)));
        if let Some(object) = Instance::take(instance) {
            for d in object.devices.get().into_iter().flatten() {
                drop::<Option<Box<PhysicalDevice>>>(PhysicalDevice::take(*d));
            }
        }
    }
}
