//! VK_KHR_display and VK_KHR_get_display_properties2: displays and their modes. A VkDisplayKHR is a connector of the card whose render node the host is
//! reached by. Where there is no such card, or it may not be opened, there are no displays.

use std::ffi::CString;
use std::sync::Arc;

use ash::vk;
use ash::vk::Handle as _;
use drm::control::{Mode, connector};
use hesper_winsys::virtgpu::numbers::Number;
use parking_lot::Mutex;

use crate::base::chain::enumerate;
use crate::base::log::info;
use crate::base::object::Part;
use crate::base::slab::{Kind, Slab};
use crate::physical::physical_device::PhysicalDevice;
use crate::wsi::display_card::{Layout, Output};
use crate::wsi::{display_master, display_mode};

/// What is behind a VkDisplayKHR; it lives as long as the process, as Vulkan has no way to destroy one.
pub struct Display {
    pub card: Number,
    pub connector: connector::Handle,
    name: CString,
    modes: Mutex<Vec<Known>>,
}

/// A mode that a display has or had.
#[derive(Clone, Copy)]
struct Known {
    mode: Mode,
    handle: vk::DisplayModeKHR,
    /// Whether the display has it still.
    is_there: bool,
}

/// What is behind a VkDisplayModeKHR; it lives as long as the process.
pub struct DisplayMode {
    pub display: Arc<Display>,
    pub mode: Mode,
    pub parameters: vk::DisplayModeParametersKHR,
}

static DISPLAYS: Slab<Arc<Display>> = Slab::new(Kind::Display);
static MODES: Slab<DisplayMode> = Slab::new(Kind::DisplayMode);
/// All displays that were seen since the process began.
static SEEN: Mutex<Vec<vk::DisplayKHR>> = Mutex::new(Vec::new());

/// Modes that are remembered of a display at most: a host that changes them without end gets no memory for that.
const MAX_KNOWN: usize = 4096;

/// The display with this handle.
pub fn get(display: vk::DisplayKHR) -> Option<Arc<Display>> {
    DISPLAYS.get(display).cloned()
}

/// The mode with this handle.
pub fn get_mode(mode: vk::DisplayModeKHR) -> Option<&'static DisplayMode> {
    MODES.get(mode)
}

impl Display {
    /// The modes that the display has now; those that it had before keep their handles.
    fn has(self: &Arc<Self>, modes: &[Mode]) {
        let mut known = self.modes.lock();
        known.iter_mut().for_each(|k| k.is_there = modes.contains(&k.mode));
        for mode in modes {
            if known.iter().any(|k| k.mode == *mode) || known.len() >= MAX_KNOWN {
                continue;
            }
            let Some(parameters) = display_mode::parameters(mode) else { continue };
            let Some(id) = MODES.insert(DisplayMode { display: self.clone(), mode: *mode, parameters }) else {
                continue;
            };
            known.push(Known { mode: *mode, handle: vk::DisplayModeKHR::from_raw(id), is_there: true });
        }
    }

    /// The modes that the display had when it was looked at last.
    fn modes(&self) -> Vec<vk::DisplayModePropertiesKHR> {
        let known = self.modes.lock();
        let there = known.iter().filter(|k| k.is_there);
        let told = |k: &Known| {
            let parameters = display_mode::parameters(&k.mode)?;
            Some(vk::DisplayModePropertiesKHR { display_mode: k.handle, parameters })
        };
        there.filter_map(told).collect()
    }
}

/// The display that is a connector of a card; a new one where none was seen there before. `None` where there are too many.
pub fn of_output(card: Number, output: &Output) -> Option<vk::DisplayKHR> {
    let mut seen = SEEN.lock();
    let is_it = |d: &Display| (d.card, d.connector) == (card, output.connector);
    let before = seen.iter().find(|handle| DISPLAYS.get(**handle).is_some_and(|d| is_it(d))).copied();
    let handle = match before {
        Some(handle) => handle,
        None => {
            let new = Display {
                card,
                connector: output.connector,
                name: CString::new(output.name.as_str()).unwrap_or_default(),
                modes: Mutex::default(),
            };
            let handle = vk::DisplayKHR::from_raw(DISPLAYS.insert(Arc::new(new))?);
            seen.push(handle);
            handle
        }
    };
    get(handle)?.has(&output.modes);
    Some(handle)
}

/// The number of the card that belongs to a device.
///
/// # Safety
/// A valid device.
pub unsafe fn card_of(device: vk::PhysicalDevice) -> Option<Number> {
    // SAFETY: by contract.
    unsafe { PhysicalDevice::of(device) }.connection().winsys.numbers().primary
}

/// A device's card as it is at the moment; `None` where it has none that can be looked at.
///
/// # Safety
/// A valid device.
pub unsafe fn layout(device: vk::PhysicalDevice) -> Option<(Number, Layout)> {
    // SAFETY: by contract.
    let number = unsafe { card_of(device) }?;
    match display_master::layout(number) {
        Ok(layout) => Some((number, layout)),
        Err(e) => {
            info!("no displays: {e}");
            None
        }
    }
}

/// The displays of a device.
///
/// # Safety
/// A valid device.
unsafe fn displays(device: vk::PhysicalDevice) -> Vec<vk::DisplayPropertiesKHR<'static>> {
    // SAFETY: by contract.
    let Some((card, layout)) = (unsafe { layout(device) }) else { return Vec::new() };
    let told = |output: &Output| {
        let handle = of_output(card, output)?;
        let size = display_mode::parameters(display_mode::preferred(&output.modes)?)?.visible_region;
        let (width, height) = output.millimeters;
        Some(vk::DisplayPropertiesKHR {
            display: handle,
            display_name: DISPLAYS.get(handle)?.name.as_ptr(),
            physical_dimensions: vk::Extent2D { width, height },
            physical_resolution: size,
            supported_transforms: vk::SurfaceTransformFlagsKHR::IDENTITY,
            plane_reorder_possible: vk::FALSE,
            persistent_content: vk::FALSE,
            ..Default::default()
        })
    };
    layout.outputs.iter().filter_map(told).collect()
}

/// Hands out a list; `put` writes an element.
///
/// # Safety
/// As [`enumerate`].
pub unsafe fn hand_out<T, P>(list: &[T], count: *mut u32, to: *mut P, put: impl Fn(*mut P, &T)) -> vk::Result {
    let put = |i: usize, p: *mut P| {
        if let Some(element) = list.get(i) {
            put(p, element);
        }
    };
    // SAFETY: by contract.
    unsafe { enumerate(list.len(), count, to, put) }
}

pub unsafe fn get_physical_device_display_properties_khr(
    device: vk::PhysicalDevice,
    count: *mut u32,
    to: *mut vk::DisplayPropertiesKHR,
) -> vk::Result {
    // SAFETY: the entry point's parameters, and an element of the output array.
    unsafe { hand_out(&displays(device), count, to, |p, d| p.write(*d)) }
}

pub unsafe fn get_physical_device_display_properties2_khr(
    device: vk::PhysicalDevice,
    count: *mut u32,
    to: *mut vk::DisplayProperties2KHR,
) -> vk::Result {
    // SAFETY: the entry point's parameters, and an element of the output array, whose head stays.
    unsafe { hand_out(&displays(device), count, to, |p, d| (*p).display_properties = *d) }
}

/// The modes of a display; none of one that isn't there.
fn modes(display: vk::DisplayKHR) -> Vec<vk::DisplayModePropertiesKHR> {
    get(display).map(|d| d.modes()).unwrap_or_default()
}

pub unsafe fn get_display_mode_properties_khr(
    _: vk::PhysicalDevice,
    display: vk::DisplayKHR,
    count: *mut u32,
    to: *mut vk::DisplayModePropertiesKHR,
) -> vk::Result {
    // SAFETY: the entry point's parameters, and an element of the output array.
    unsafe { hand_out(&modes(display), count, to, |p, m| p.write(*m)) }
}

pub unsafe fn get_display_mode_properties2_khr(
    _: vk::PhysicalDevice,
    display: vk::DisplayKHR,
    count: *mut u32,
    to: *mut vk::DisplayModeProperties2KHR,
) -> vk::Result {
    // SAFETY: the entry point's parameters, and an element of the output array, whose head stays.
    unsafe { hand_out(&modes(display), count, to, |p, m| (*p).display_mode_properties = *m) }
}

/// A mode with these parameters; displays have no others than those that the kernel tells of.
pub unsafe fn create_display_mode_khr(
    _: vk::PhysicalDevice,
    display: vk::DisplayKHR,
    info: *const vk::DisplayModeCreateInfoKHR,
    _: *const vk::AllocationCallbacks,
    to: *mut vk::DisplayModeKHR,
) -> vk::Result {
    // SAFETY: a valid struct and the output parameter.
    let wanted = unsafe {
        to.write(vk::DisplayModeKHR::null());
        (*info).parameters
    };
    let is_wanted = |m: &vk::DisplayModePropertiesKHR| {
        let has = m.parameters;
        (has.visible_region, has.refresh_rate) == (wanted.visible_region, wanted.refresh_rate)
    };
    let Some(found) = modes(display).into_iter().find(is_wanted) else {
        return vk::Result::ERROR_INITIALIZATION_FAILED;
    };
    // SAFETY: the output parameter.
    unsafe { to.write(found.display_mode) };
    vk::Result::SUCCESS
}

#[cfg(test)]
mod tests {
    use drm::control::from_u32;

    use super::*;

    #[test]
    fn a_connector_is_the_same_display_each_time() {
        let output = |connector: u32| Output {
            connector: from_u32(connector).unwrap(),
            name: format!("Virtual-{connector}"),
            millimeters: (0, 0),
            modes: Vec::new(),
            crtcs: Vec::new(),
            crtc: None,
        };
        let of = |card, connector| of_output((226, card), &output(connector)).unwrap();
        let all = [of(7, 1), of(7, 2), of(8, 1)];
        assert_eq!([of(7, 1), of(7, 2), of(8, 1)], all);
        assert!(all[0] != all[1] && all[1] != all[2] && all[0] != all[2]);
        let display = get(all[1]).unwrap();
        assert_eq!((display.card, display.name.as_c_str()), ((226, 7), c"Virtual-2"));
        // No mode has a size of nothing, or is made up.
        let info = vk::DisplayModeCreateInfoKHR::default();
        let mut mode = vk::DisplayModeKHR::from_raw(1);
        // SAFETY: locals; the device isn't looked at.
        let made =
            unsafe { create_display_mode_khr(vk::PhysicalDevice::null(), all[1], &info, std::ptr::null(), &mut mode) };
        assert_eq!((made, mode), (vk::Result::ERROR_INITIALIZATION_FAILED, vk::DisplayModeKHR::null()));
        assert!(get(vk::DisplayKHR::null()).is_none() && get_mode(vk::DisplayModeKHR::null()).is_none());
    }
}
