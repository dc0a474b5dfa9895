//! `facts`: what a driver says of its device, past what vulkaninfo shows. A line of JSON each: `{"fact": …, "value": …}`.
//!
//! What a device can't do is no fact: a format without features, an image that can't be made, a handle type without a use.

mod external;
mod formats;
mod images;
mod layered;
mod queues;
mod shaders;
mod sparse;

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};

use anyhow::{Context, Result, ensure};
use ash::{Entry, Instance, vk};

/// Asks for everything and prints what came.
pub fn run() -> Result<()> {
    let asked = Asked::new()?;
    let mut facts = Facts::default();
    queues::tell(&asked, &mut facts);
    shaders::tell(&asked, &mut facts)?;
    layered::tell(&asked, &mut facts);
    formats::tell(&asked, &mut facts);
    images::tell(&asked, &mut facts);
    sparse::tell(&asked, &mut facts);
    external::tell(&asked, &mut facts);
    ensure!(!facts.0.is_empty(), "the device has no facts");
    let lines =
        facts.0.iter().map(|(fact, value)| format!("{}\n", serde_json::json!({ "fact": fact, "value": value })));
    print!("{}", lines.collect::<String>());
    Ok(())
}

/// The device that is asked: the loader's first.
pub struct Asked {
    pub entry: Entry,
    pub instance: Instance,
    pub physical: vk::PhysicalDevice,
    extensions: Vec<CString>,
}

impl Asked {
    fn new() -> Result<Self> {
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
            Ok(Self { entry, instance, physical, extensions })
        }
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
}

/// Formats of Vulkan 1.0 to 1.4 and of extensions, by number.
pub fn all_formats() -> impl Iterator<Item = vk::Format> {
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
