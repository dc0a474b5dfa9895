//! Vulkan as programs use it: through the loader, on this driver's device, to a result that is looked at.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use ash::{Entry, vk};

use super::gpu::{self, Gpu};
use super::{capabilities, open, pace, told, work};

/// How far to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Open the libraries, and make no instance: for hosts that hang.
    Libraries,
    /// Work that is looked at, and a short look at the speed.
    Work,
    /// A longer look at the speed.
    Bench,
}

impl Part {
    const ALL: [Self; 3] = [Self::Libraries, Self::Work, Self::Bench];

    /// Its name among arguments.
    pub fn name(self) -> &'static str {
        match self {
            Self::Libraries => "libraries",
            Self::Work => "work",
            Self::Bench => "bench",
        }
    }

    /// The one of this name.
    ///
    /// # Errors
    /// When there is none.
    pub fn by_name(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|p| p.name() == name).ok_or_else(|| format!("no part is called {name}"))
    }
}

/// How long the speed is looked at by `hesper doctor`.
const SHORT: Duration = Duration::from_millis(60);
/// How long each kind of work is measured by `hesper bench`.
const LONG: Duration = Duration::from_millis(1500);

/// Goes through all stages; the first that fails ends it, but for the loader, in place of which the driver is used alone.
///
/// # Errors
/// What has been told.
pub fn go(driver: Option<&Path>, part: Part) -> Result<()> {
    let mut entry: Option<Entry> = None;
    let loader = told::stage("loader", || keep(&mut entry, open::loader()));
    if let Some(driver) = driver {
        let mut alone = None;
        let opened = told::stage("library", || keep(&mut alone, open::driver(driver)));
        if loader.is_err() && opened.is_ok() {
            entry = alone;
        }
    }
    let entry = entry.context("neither loader nor driver can be opened")?;
    if part == Part::Libraries {
        return Ok(());
    }
    let mut instance = None;
    told::stage("instance", || {
        instance = Some(gpu::instance(&entry)?);
        Ok(())
    })?;
    let instance = instance.context("vkCreateInstance")?;
    let shown = told::stage("devices", || capabilities::devices(&instance))?;
    let at = shown.iter().position(|d| d.is_ours()).ok_or_else(|| anyhow!("none of this driver's"))?;
    let mut physical = vk::PhysicalDevice::null();
    told::stage("capabilities", || {
        physical = gpu::physical_device(&instance, at)?;
        Ok(capabilities::of(&instance, physical))
    })?;
    let mut gpu = None;
    told::stage("device", || {
        gpu = Some(Gpu::new(&instance, physical)?);
        Ok(())
    })?;
    let gpu = gpu.context("vkCreateDevice")?;
    told::stage("memory", || work::memory(&gpu))?;
    told::stage("dispatch", || work::dispatch(&gpu))?;
    told::stage("pace", || match part {
        Part::Bench => pace::long(&gpu, LONG),
        _ => pace::short(&gpu, SHORT),
    })?;
    gpu.destroy();
    // SAFETY: all that was made of the instance has ended.
    unsafe { instance.destroy_instance(None) };
    Ok(())
}

/// Keeps the entry points, and hands on what is told of them.
fn keep(to: &mut Option<Entry>, opened: Result<(Entry, open::Opened)>) -> Result<open::Opened> {
    let (entry, opened) = opened?;
    *to = Some(entry);
    Ok(opened)
}
