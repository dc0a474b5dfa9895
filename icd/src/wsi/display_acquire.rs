//! VK_EXT_direct_mode_display and VK_EXT_acquire_drm_display: displays that a program hands over, with an open card on which it may set their modes.

use std::os::fd::BorrowedFd;
use std::sync::Arc;

use ash::vk;
use hesper_winsys::virtgpu::numbers::Number;

use crate::base::log::error;
use crate::base::object::Part;
use crate::physical::physical_device::PhysicalDevice;
use crate::wsi::display::{self, Display};
use crate::wsi::display_card::{Card, Layout};
use crate::wsi::display_lent::Lent;
use crate::wsi::display_master::Master;

/// A device's card by a file of the program's, which stays the program's, and the card's number. `None` where it isn't the device's card.
///
/// # Safety
/// A valid device, and a file of the program's that is open.
unsafe fn card(device: vk::PhysicalDevice, fd: i32) -> Option<(Card, Number)> {
    if fd < 0 {
        return None;
    }
    // SAFETY: by contract.
    let (file, number) = unsafe { (BorrowedFd::borrow_raw(fd), display::card_of(device)?) };
    // Closed at exec, whatever the program's own descriptor is.
    let card = Card::of_another(file.try_clone_to_owned().ok()?);
    card.number().is_ok_and(|n| n == number).then_some((card, number))
}

/// The display that is a connector; null for one without a screen.
///
/// # Errors
/// What vkGetDrmDisplayEXT returns: ERROR_UNKNOWN where the card's file has no such connector, ERROR_INITIALIZATION_FAILED where there are too many displays.
fn find(number: Number, layout: &Layout, connector: u32) -> Result<vk::DisplayKHR, vk::Result> {
    if !layout.connectors.iter().any(|c| u32::from(*c) == connector) {
        return Err(vk::Result::ERROR_UNKNOWN);
    }
    let Some(output) = layout.outputs.iter().find(|o| u32::from(o.connector) == connector) else {
        return Ok(vk::DisplayKHR::null());
    };
    display::of_output(number, output).ok_or(vk::Result::ERROR_INITIALIZATION_FAILED)
}

pub unsafe fn get_drm_display_ext(
    device: vk::PhysicalDevice,
    fd: i32,
    connector: u32,
    to: *mut vk::DisplayKHR,
) -> vk::Result {
    // SAFETY: a valid device and an open file.
    let card = unsafe { card(device, fd) };
    let found = card.ok_or(vk::Result::ERROR_UNKNOWN).and_then(|(card, number)| {
        let layout = card.layout(false).map_err(|e| {
            error!("no display by a connector's number: looking at the card failed: {e}");
            vk::Result::ERROR_INITIALIZATION_FAILED
        })?;
        find(number, &layout, connector)
    });
    // SAFETY: the output parameter.
    unsafe { to.write(found.unwrap_or_default()) };
    found.err().unwrap_or(vk::Result::SUCCESS)
}

/// Takes over a display with a card that may set its modes.
///
/// # Errors
/// Why the card doesn't do.
pub fn acquire(lent: &Lent, display: &Arc<Display>, card: Card) -> Result<(), String> {
    if !card.number().is_ok_and(|n| n == display.card) {
        return Err("the display is on another card".into());
    }
    if !card.is_master() {
        return Err("the file may not set modes: it is neither DRM master nor a lease".into());
    }
    let layout = card.layout(false).map_err(|e| format!("looking at the card failed: {e}"))?;
    if !layout.outputs.iter().any(|o| o.connector == display.connector) {
        return Err("the file has no such display".into());
    }
    lent.take(display, Master::lent(card, display.card));
    Ok(())
}

pub unsafe fn acquire_drm_display_ext(device: vk::PhysicalDevice, fd: i32, display: vk::DisplayKHR) -> vk::Result {
    // SAFETY: a valid device and an open file.
    let (card, lent) = unsafe { (card(device, fd), Lent::of(PhysicalDevice::of(device).connection())) };
    let Some((card, _)) = card else {
        error!("a display isn't acquired: the file is not the card of this device");
        return vk::Result::ERROR_UNKNOWN;
    };
    let Some(display) = display::get(display) else { return failed("there is no such VkDisplayKHR") };
    acquire(&lent, &display, card).map_or_else(failed, |()| vk::Result::SUCCESS)
}

/// Says why a display isn't taken over; what the commands that would return then.
pub fn failed(why: impl std::fmt::Display) -> vk::Result {
    error!("a display isn't acquired: {why}");
    vk::Result::ERROR_INITIALIZATION_FAILED
}

/// Gives a display back; swapchains on it go on until they end.
pub unsafe fn release_display_ext(device: vk::PhysicalDevice, display: vk::DisplayKHR) -> vk::Result {
    if let Some(display) = display::get(display) {
        // SAFETY: a valid device.
        Lent::of(unsafe { PhysicalDevice::of(device) }.connection()).give_back(&display);
    }
    vk::Result::SUCCESS
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use drm::control::from_u32;

    use super::*;
    use crate::wsi::display_card::Output;

    fn output(connector: u32) -> Output {
        let (connector, name) = (from_u32(connector).unwrap(), "Virtual-1".into());
        Output { connector, name, millimeters: (0, 0), modes: Vec::new(), crtcs: Vec::new(), crtc: None }
    }

    #[test]
    fn a_connector_without_a_screen_is_no_display() {
        let connectors = [7, 8].into_iter().filter_map(from_u32).collect();
        let layout = Layout { crtcs: Vec::new(), connectors, outputs: vec![output(7)] };
        let of = |connector| find((226, 5), &layout, connector);
        assert_eq!(of(7).ok(), display::of_output((226, 5), &output(7)));
        assert_eq!(of(8), Ok(vk::DisplayKHR::null()));
        assert_eq!([of(9), of(0)], [Err(vk::Result::ERROR_UNKNOWN); 2]);
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri knows no devices")]
    fn files_that_may_not_set_modes_are_refused() {
        let (lent, output) = (Lent::default(), output(7));
        let open = || Card::of_another(File::open("/dev/null").unwrap().into());
        // The number of /dev/null.
        let null = display::get(display::of_output((1, 3), &output).unwrap()).unwrap();
        assert!(acquire(&lent, &null, open()).unwrap_err().contains("neither DRM master nor a lease"));
        let other = display::get(display::of_output((226, 9), &output).unwrap()).unwrap();
        assert!(acquire(&lent, &other, open()).unwrap_err().contains("on another card"));
        assert_eq!(failed("reason"), vk::Result::ERROR_INITIALIZATION_FAILED);
    }
}
