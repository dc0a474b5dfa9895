//! VK_EXT_direct_mode_display and VK_EXT_acquire_drm_display: displays that a program hands over, with an open card on which it may set their modes.

use std::os::fd::BorrowedFd;
use std::sync::Arc;

use ash::vk;

use crate::base::log::error;
use crate::wsi::display::{self, Display};
use crate::wsi::display_card::Card;
use crate::wsi::display_master::Master;

/// A card by a file of the program's, which stays the program's. `None` where it isn't the device's card.
///
/// # Safety
/// A valid device, and a file of the program's that is open.
unsafe fn card(device: vk::PhysicalDevice, fd: i32) -> Option<Card> {
    if fd < 0 {
        return None;
    }
    // SAFETY: by contract.
    let (file, number) = unsafe { (BorrowedFd::borrow_raw(fd), display::card_of(device)?) };
    // Closed at exec, whatever the program's own descriptor is.
    let card = Card::of_another(file.try_clone_to_owned().ok()?);
    card.number().is_ok_and(|n| n == number).then_some(card)
}

pub unsafe fn get_drm_display_ext(
    device: vk::PhysicalDevice,
    fd: i32,
    connector: u32,
    to: *mut vk::DisplayKHR,
) -> vk::Result {
    // SAFETY: a valid device and an open file.
    let card = unsafe { card(device, fd) };
    let found = card.and_then(|card| {
        let (number, layout) = (card.number().ok()?, card.layout(false).ok()?);
        let output = layout.outputs.iter().find(|o| u32::from(o.connector) == connector)?;
        display::of_output(number, output)
    });
    // SAFETY: the output parameter.
    unsafe { to.write(found.unwrap_or_default()) };
    if found.is_some() { vk::Result::SUCCESS } else { vk::Result::ERROR_UNKNOWN }
}

/// Takes over a display with a card that may set its modes.
///
/// # Errors
/// Why the card doesn't do.
pub fn acquire(display: &Display, card: Card) -> Result<(), String> {
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
    display.lend(Some(Arc::new(Master::new(card))));
    Ok(())
}

pub unsafe fn acquire_drm_display_ext(device: vk::PhysicalDevice, fd: i32, display: vk::DisplayKHR) -> vk::Result {
    // SAFETY: a valid device and an open file.
    let card = unsafe { card(device, fd) };
    let acquired = match (display::get(display), card) {
        (Some(display), Some(card)) => acquire(&display, card),
        (None, _) => Err("there is no such VkDisplayKHR".into()),
        (_, None) => Err("the file is not the card of this device".into()),
    };
    acquired.map_or_else(failed, |()| vk::Result::SUCCESS)
}

/// Says why a display isn't taken over; what the commands that would return then.
pub fn failed(why: impl std::fmt::Display) -> vk::Result {
    error!("a display isn't acquired: {why}");
    vk::Result::ERROR_INITIALIZATION_FAILED
}

/// Gives a display back; swapchains on it go on until they end.
pub unsafe fn release_display_ext(_: vk::PhysicalDevice, display: vk::DisplayKHR) -> vk::Result {
    if let Some(display) = display::get(display) {
        display.lend(None);
    }
    vk::Result::SUCCESS
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use drm::control::from_u32;

    use super::*;
    use crate::wsi::display_card::Output;

    #[test]
    #[cfg_attr(miri, ignore = "Miri knows no devices")]
    fn files_that_may_not_set_modes_are_refused() {
        let output = Output {
            connector: from_u32(7).unwrap(),
            name: "Virtual-1".into(),
            millimeters: (0, 0),
            modes: Vec::new(),
            crtcs: Vec::new(),
            crtc: None,
        };
        let open = || Card::of_another(File::open("/dev/null").unwrap().into());
        // The number of /dev/null.
        let null = display::get(display::of_output((1, 3), &output).unwrap()).unwrap();
        assert!(acquire(&null, open()).unwrap_err().contains("neither DRM master nor a lease"));
        let other = display::get(display::of_output((226, 9), &output).unwrap()).unwrap();
        assert!(acquire(&other, open()).unwrap_err().contains("on another card"));
        assert_eq!(failed("reason"), vk::Result::ERROR_INITIALIZATION_FAILED);
    }
}
