//! The device that is asked, and what it says.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};

use anyhow::{Context, Result};
use ash::{Entry, Instance, vk};

/// The device that is asked: the loader's first.
pub struct Asked {
    pub entry: Entry,
    pub instance: Instance,
    pub physical: vk::PhysicalDevice,
    extensions: Vec<CString>,
    few_formats: bool,
}

impl Asked {
    /// Asks of every eighth format alone if `few_formats`.
    pub fn new(few_formats: bool) -> Result<Self> {
        // SAFETY: the loader's library stays loaded as long as `entry`; structs made here.
        unsafe {
            let entry = Entry::load().context("loading the Vulkan loader")?;
            let application = vk::ApplicationInfo::default().api_version(vk::make_api_version(0, 1, 4, 0));
            let info = vk::InstanceCreateInfo::default().application_info(&application);
            let instance = entry.create_instance(&info, None).context("vkCreateInstance")?;
            let devices = instance.enumerate_physical_devices().context("vkEnumeratePhysicalDevices")?;
            let physical = *devices.first().context("no device")?;
            let list = instance.enumerate_device_extension_properties(physical)?;
            let extensions = list.iter().filter_map(|e| e.extension_name_as_c_str().ok().map(CStr::to_owned)).collect();
            Ok(Self { entry, instance, physical, extensions, few_formats })
        }
    }

    /// The formats that are asked of.
    pub fn formats(&self) -> impl Iterator<Item = vk::Format> {
        all_formats().step_by(if self.few_formats { 8 } else { 1 })
    }

    /// Whether it has an extension: only then its structs and commands may be used.
    pub fn has(&self, extension: &CStr) -> bool {
        self.extensions.iter().any(|e| e.as_c_str() == extension)
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        // SAFETY: the last use of the instance, which has no devices.
        unsafe { self.instance.destroy_instance(None) };
    }
}

/// What came: names, whose parts are separated by `/`, and values.
#[derive(Default)]
pub struct Facts(BTreeMap<String, String>);

impl Facts {
    pub fn tell(&mut self, name: String, value: String) {
        self.0.insert(name, value);
    }

    /// A line of JSON for each.
    pub fn lines(&self) -> String {
        self.0
            .iter()
            .map(|(fact, value)| format!("{}\n", serde_json::json!({ "fact": fact, "value": value })))
            .collect()
    }
}

/// Formats of Vulkan 1.0 to 1.4 and of extensions, by number.
fn all_formats() -> impl Iterator<Item = vk::Format> {
    let ranges = [
        1..=184,
        // PVRTC, ASTC HDR, planes, two planes of 4:4:4, 4444, those of maintenance5.
        1_000_054_000..=1_000_054_007,
        1_000_066_000..=1_000_066_013,
        1_000_156_000..=1_000_156_033,
        1_000_330_000..=1_000_330_003,
        1_000_340_000..=1_000_340_001,
        1_000_470_000..=1_000_470_001,
    ];
    ranges.into_iter().flatten().map(vk::Format::from_raw)
}

/// The names of flags without spaces; `-` for none.
pub fn flags(flags: impl std::fmt::Debug) -> String {
    let names = format!("{flags:?}").replace(' ', "");
    if names.is_empty() { "-".to_owned() } else { names }
}
