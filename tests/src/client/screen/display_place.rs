//! The first display of a device, and surfaces on it.

use anyhow::{Context, Result, ensure};
use ash::{Entry, Instance, khr, vk};

use super::stage::Stage;

/// The first display, in its smallest mode.
#[derive(Clone, Copy)]
pub struct Place {
    pub display: vk::DisplayKHR,
    mode: vk::DisplayModeKHR,
    pub parameters: vk::DisplayModeParametersKHR,
    plane: u32,
}

impl Place {
    /// Looks at everything that there is to ask of the first display.
    fn find(entry: &Entry, instance: &Instance) -> Result<Self> {
        let displays = khr::display::Instance::new(entry, instance);
        // SAFETY: valid handles.
        unsafe {
            let physical = *instance.enumerate_physical_devices()?.first().context("there is no device")?;
            let all = displays.get_physical_device_display_properties(physical)?;
            let first = all.first().context("there is no display")?;
            let name = std::ffi::CStr::from_ptr(first.display_name).to_str()?;
            ensure!(name.contains('-') && first.physical_resolution.width > 0, "{first:?} is called {name}");
            let display = first.display;
            let modes = displays.get_display_mode_properties(physical, display)?;
            let area = |m: &&vk::DisplayModePropertiesKHR| {
                let size = m.parameters.visible_region;
                size.width * size.height
            };
            let smallest = modes.iter().min_by_key(area).context("the display has no mode")?;
            let (mode, parameters) = (smallest.display_mode, smallest.parameters);
            ensure!((1_000..1_000_000).contains(&parameters.refresh_rate), "{parameters:?}");
            ensure!(
                modes.iter().any(|m| m.parameters.visible_region == first.physical_resolution),
                "{first:?}, {modes:?}"
            );
            let again = modes_by_structs(entry, instance, physical, display)?;
            // Some of Vulkan's structs can't be compared.
            ensure!(format!("{again:?}") == format!("{modes:?}"), "first {modes:?}, then {again:?}");
            let info = vk::DisplayModeCreateInfoKHR::default().parameters(parameters);
            ensure!(displays.create_display_mode(physical, display, &info, None)? == mode, "a second mode of its kind");
            let other = vk::DisplayModeParametersKHR { refresh_rate: parameters.refresh_rate + 1, ..parameters };
            let made = displays.create_display_mode(physical, display, &info.parameters(other), None);
            ensure!(made == Err(vk::Result::ERROR_INITIALIZATION_FAILED), "a mode that isn't there: {made:?}");
            let planes = displays.get_physical_device_display_plane_properties(physical)?.len() as u32;
            let serves = |p: &u32| {
                displays.get_display_plane_supported_displays(physical, *p).is_ok_and(|all| all.contains(&display))
            };
            let plane = (0..planes).find(serves).context("no plane serves the display")?;
            let can = displays.get_display_plane_capabilities(physical, mode, plane)?;
            ensure!(can.max_src_extent == parameters.visible_region, "{can:?}");
            let by_structs = capabilities_by_structs(entry, instance, physical, (mode, plane))?;
            ensure!(format!("{by_structs:?}") == format!("{can:?}"), "{by_structs:?} by structs, else {can:?}");
            Ok(Self { display, mode, parameters, plane })
        }
    }

    /// A surface that shows pictures there.
    pub fn surface(&self, entry: &Entry, instance: &Instance) -> Result<vk::SurfaceKHR> {
        let info = vk::DisplaySurfaceCreateInfoKHR::default()
            .display_mode(self.mode)
            .plane_index(self.plane)
            .transform(vk::SurfaceTransformFlagsKHR::IDENTITY)
            .alpha_mode(vk::DisplayPlaneAlphaFlagsKHR::OPAQUE)
            .image_extent(self.parameters.visible_region);
        let displays = khr::display::Instance::new(entry, instance);
        // SAFETY: a valid mode.
        unsafe { displays.create_display_plane_surface(&info, None) }.context("vkCreateDisplayPlaneSurfaceKHR")
    }

    /// The mode's size.
    pub fn size(&self) -> [u32; 2] {
        let size = self.parameters.visible_region;
        [size.width, size.height]
    }

    /// A device, and where it shows pictures.
    pub fn stage() -> Result<(Stage, Self)> {
        let mut found = None;
        let stage = Stage::on(khr::display::NAME, |entry, instance| {
            found.insert(Self::find(entry, instance)?).surface(entry, instance)
        })?;
        Ok((stage.context("the device has no VK_KHR_swapchain")?, found.context("no display was looked for")?))
    }
}

/// The modes of a display, by the command that fills structs with chains.
unsafe fn modes_by_structs(
    entry: &Entry,
    instance: &Instance,
    physical: vk::PhysicalDevice,
    display: vk::DisplayKHR,
) -> Result<Vec<vk::DisplayModePropertiesKHR>> {
    let ask = khr::get_display_properties2::Instance::new(entry, instance).fp().get_display_mode_properties2_khr;
    let mut count = 0;
    // SAFETY: valid handles by contract, a count, and as many structs.
    unsafe {
        ask(physical, display, &mut count, std::ptr::null_mut()).result()?;
        let mut modes = vec![vk::DisplayModeProperties2KHR::default(); count as usize];
        ask(physical, display, &mut count, modes.as_mut_ptr()).result().context("vkGetDisplayModeProperties2KHR")?;
        Ok(modes.iter().map(|m| m.display_mode_properties).collect())
    }
}

/// What a plane can show in a mode, by the command that fills a struct with a chain.
unsafe fn capabilities_by_structs(
    entry: &Entry,
    instance: &Instance,
    physical: vk::PhysicalDevice,
    (mode, plane): (vk::DisplayModeKHR, u32),
) -> Result<vk::DisplayPlaneCapabilitiesKHR> {
    let ask = khr::get_display_properties2::Instance::new(entry, instance).fp().get_display_plane_capabilities2_khr;
    let info = vk::DisplayPlaneInfo2KHR::default().mode(mode).plane_index(plane);
    let mut can = vk::DisplayPlaneCapabilities2KHR::default();
    // SAFETY: valid handles by contract, and structs.
    unsafe { ask(physical, &info, &mut can) }.result().context("vkGetDisplayPlaneCapabilities2KHR")?;
    Ok(can.capabilities)
}
