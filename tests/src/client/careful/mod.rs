//! A program that looks at every result, ends at the first error, destroys what it has made, and reports what it saw: how a driver's
//! faults look from the outside. It knows nothing of what is done to its host meanwhile.

mod data;
mod journal;
mod objects;
mod pipeline;
mod work;

use std::time::Duration;

use anyhow::{Context, Result};
use ash::{Entry, Instance, vk};

use journal::{Failed, Held, Journal};
use work::Rounds;

/// A device with the driver's own name, or with any, is taken; a program of the loader's that finds others goes on with them.
pub fn run(driver: &str, rounds: u32, pause: Duration) -> Result<()> {
    let mut journal = Journal::default();
    // The loader keeps what it has opened; its own files aren't the driver's.
    let before = Held::now()?;
    {
        // SAFETY: loads the system's Vulkan loader.
        let entry = unsafe { Entry::load() }.context("loading libvulkan.so.1")?;
        journal.phase("instance")?;
        // An error is noted in the journal, and the end of the run.
        let _ = with_instance(&entry, &mut journal, driver, Rounds { count: rounds, pause })?;
    }
    let held = Held::now()?.since(before);
    journal.end(held)
}

/// Makes an instance, uses it, ends it.
fn with_instance(entry: &Entry, journal: &mut Journal, driver: &str, rounds: Rounds) -> Result<Result<(), Failed>> {
    let application = vk::ApplicationInfo::default().application_name(c"careful").api_version(vk::API_VERSION_1_3);
    let info = vk::InstanceCreateInfo::default().application_info(&application);
    // SAFETY: valid arguments.
    let made = journal.call("vkCreateInstance", || unsafe { entry.create_instance(&info, None) });
    let Ok(instance) = made else { return Ok(Err(Failed)) };
    let done = match choose(&instance, journal, driver)? {
        Ok(physical) => work::run(&instance, physical, journal, rounds)?,
        Err(failed) => Err(failed),
    };
    // SAFETY: everything made from it has been destroyed.
    journal.plain("vkDestroyInstance", || unsafe { instance.destroy_instance(None) });
    Ok(done)
}

/// The device of the driver that is meant. Where the loader finds only other drivers' devices, that is said, and is an error of
/// vkEnumeratePhysicalDevices.
fn choose(instance: &Instance, journal: &mut Journal, driver: &str) -> Result<Result<vk::PhysicalDevice, Failed>> {
    // SAFETY: a valid instance, and devices of it.
    unsafe {
        let all = journal.call("vkEnumeratePhysicalDevices", || instance.enumerate_physical_devices());
        let Ok(all) = all else { return Ok(Err(Failed)) };
        let mut others = 0;
        let mut found = None;
        for physical in all {
            let mut about = vk::PhysicalDeviceDriverProperties::default();
            let mut properties = vk::PhysicalDeviceProperties2::default().push_next(&mut about);
            journal.plain("vkGetPhysicalDeviceProperties2", || {
                instance.get_physical_device_properties2(physical, &mut properties);
            });
            let name = about.driver_name_as_c_str().unwrap_or_default().to_string_lossy().into_owned();
            if name.contains(driver) {
                found.get_or_insert(physical);
            } else {
                others += 1;
            }
        }
        println!("{}", serde_json::json!({ "others": others }));
        let missing = vk::Result::ERROR_INITIALIZATION_FAILED;
        Ok(found.ok_or_else(|| journal.fail("vkEnumeratePhysicalDevices", missing)))
    }
}
