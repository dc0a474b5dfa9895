//! VK_EXT_acquire_xlib_display: displays that an X server lends (RandR 1.6), as a file on which their modes can be set.

use std::io;

use ash::vk;
use x11rb::connection::{Connection as _, RequestConnection as _};
use x11rb::protocol::randr::{self, ConnectionExt as _, Crtc, Output};
use x11rb::protocol::xproto::{AtomEnum, ConnectionExt as _, Window};
use x11rb::xcb_ffi::XCBConnection;

use crate::base::object::Part;
use crate::physical::physical_device::PhysicalDevice;
use crate::wsi::display::{self, Display};
use crate::wsi::display_acquire::{acquire, failed};
use crate::wsi::display_card::Card;
use crate::wsi::display_lent::Lent;
use crate::wsi::{x11, xlib};

/// The property by which an X server tells the kernel's number of an output's connector.
const CONNECTOR_ID: &[u8] = b"CONNECTOR_ID";

/// The connection of a Display, if it can be used.
///
/// # Safety
/// A valid Display of Xlib's, which outlives what this returns.
unsafe fn connection(display: *mut vk::Display) -> Option<XCBConnection> {
    // SAFETY: by contract.
    unsafe { x11::connection(xlib::connection(display)) }
}

/// Whether a server can lend outputs.
fn lends(connection: &XCBConnection) -> bool {
    let version = || {
        connection.extension_information(randr::X11_EXTENSION_NAME).ok()??;
        connection.randr_query_version(1, 6).ok()?.reply().ok()
    };
    version().is_some_and(|v| (v.major_version, v.minor_version) >= (1, 6))
}

/// The kernel's number of an output's connector, where the server tells it.
fn connector(connection: &XCBConnection, output: Output) -> Option<u32> {
    let atom = connection.intern_atom(true, CONNECTOR_ID).ok()?.reply().ok()?.atom;
    if atom == x11rb::NONE {
        return None;
    }
    let asked = connection.randr_get_output_property(output, atom, AtomEnum::ANY, 0, 1, false, false);
    let told = asked.ok()?.reply().ok()?;
    // One number of 32 bits.
    let bytes = told.data.first_chunk::<4>().filter(|_| (told.format, told.num_items) == (32, 1))?;
    Some(u32::from_ne_bytes(*bytes))
}

pub unsafe fn get_rand_r_output_display_ext(
    device: vk::PhysicalDevice,
    program: *mut vk::Display,
    output: vk::RROutput,
    to: *mut vk::DisplayKHR,
) -> vk::Result {
    // Numbers of outputs have 32 bits in X11's protocol.
    // SAFETY: a valid Display, used no longer than this call takes.
    let connector = unsafe { connection(program) }.and_then(|c| connector(&c, output as u32));
    let found = connector.and_then(|connector| {
        // SAFETY: a valid device.
        let (card, layout) = unsafe { display::layout(device) }?;
        let output = layout.outputs.iter().find(|o| u32::from(o.connector) == connector)?;
        display::of_output(card, output)
    });
    // SAFETY: the output parameter. Null tells that none of this device's displays is the output.
    unsafe { to.write(found.unwrap_or_default()) };
    vk::Result::SUCCESS
}

/// The output that is a display, and the window whose screen has it.
fn output(connection: &XCBConnection, display: &Display) -> Option<(Window, Output)> {
    connection.setup().roots.iter().map(|screen| screen.root).find_map(|root| {
        let resources = connection.randr_get_screen_resources_current(root).ok()?.reply().ok()?;
        let is_it = |o: &Output| connector(connection, *o) == Some(u32::from(display.connector));
        resources.outputs.into_iter().find(is_it).map(|output| (root, output))
    })
}

/// A CRTC that can serve an output and serves none.
fn idle_crtc(connection: &XCBConnection, output: Output) -> Option<Crtc> {
    let told = connection.randr_get_output_info(output, x11rb::CURRENT_TIME).ok()?.reply().ok()?;
    let is_idle = |crtc: &Crtc| {
        let asked = connection.randr_get_crtc_info(*crtc, x11rb::CURRENT_TIME).ok();
        asked.and_then(|a| a.reply().ok()).is_some_and(|c| c.outputs.is_empty())
    };
    told.crtcs.into_iter().find(is_idle)
}

/// Has the server lend a display, until the file is closed.
fn lease(connection: &XCBConnection, display: &Display) -> Result<Card, String> {
    let (root, output) = output(connection, display).ok_or("none of the X server's outputs is the display")?;
    let crtc = idle_crtc(connection, output).ok_or("the X server has no CRTC to spare for the display")?;
    let refused = |e: &dyn std::fmt::Display| format!("the X server lends nothing: {e}");
    let id = connection.generate_id().map_err(|e| refused(&e))?;
    let asked = connection.randr_create_lease(root, id, &[crtc], &[output]).map_err(|e| refused(&e))?;
    let lent = asked.reply().map_err(|e| refused(&e))?;
    close_at_exec(&lent.master_fd).map_err(|e| refused(&e))?;
    Ok(Card::of_another(lent.master_fd))
}

/// Files that come by a connection stay open at exec, as libxcb leaves them.
fn close_at_exec(file: &impl std::os::fd::AsRawFd) -> io::Result<()> {
    // SAFETY: an open descriptor.
    let done = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

pub unsafe fn acquire_xlib_display_ext(
    device: vk::PhysicalDevice,
    program: *mut vk::Display,
    display: vk::DisplayKHR,
) -> vk::Result {
    let Some(display) = display::get(display) else { return failed("there is no such VkDisplayKHR") };
    // SAFETY: a valid Display, used no longer than this call takes.
    let Some(connection) = (unsafe { connection(program) }) else { return failed("there is no X server") };
    if !lends(&connection) {
        return failed("the X server lends no displays, which needs RandR 1.6");
    }
    // SAFETY: a valid device.
    let lent = Lent::of(unsafe { PhysicalDevice::of(device) }.connection());
    let acquired = lease(&connection, &display).and_then(|card| acquire(&lent, &display, card));
    acquired.map_or_else(failed, |()| vk::Result::SUCCESS)
}
