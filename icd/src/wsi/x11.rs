//! Windows of X11, told of by the program's connection, whichever library opened that: libxcb itself, or Xlib on top of it.
//!
//! libxcb is opened when the first surface is made, so that programs without windows need none. Requests are sent so that their errors come back to whoever
//! sent them: the program's loop of events sees none of this file's.

use std::ffi::{c_int, c_void};
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ash::vk;
use libloading::Library;
use x11rb::connection::Connection as _;
use x11rb::protocol::xproto::{ConnectionExt as _, ImageOrder, Setup, VisualClass, Visualtype, Window as WindowId};
use x11rb::xcb_ffi::{XCBConnection, load_libxcb};

use crate::base::log::error;
use crate::wsi::window::{Canvas, Gone, Look, Window};
use crate::wsi::x11_canvas::X11Canvas;
use crate::wsi::x11_own_connection;

/// X11 tells of no picture's arrival without its Present extension; pictures follow each other as on a screen of 60 Hz.
const REFRESH: Duration = Duration::from_nanos(1_000_000_000 / 60);

/// A window.
pub struct X11Window {
    /// The program's.
    connection: Arc<XCBConnection>,
    /// The one by which pictures are shown: the driver's own, or the program's where there can't be such.
    shows: OnceLock<Arc<XCBConnection>>,
    window: WindowId,
}

/// Whether there are descriptors for a connection: a socket, and a file that its opening reads meanwhile.
fn has_descriptors(program: &XCBConnection) -> bool {
    let another = || program.as_fd().try_clone_to_owned();
    another().and_then(|_first| another()).is_ok()
}

impl X11Window {
    /// The window with this number.
    pub fn new(connection: XCBConnection, window: WindowId) -> Self {
        Self { connection: Arc::new(connection), shows: OnceLock::new(), window }
    }

    /// The connection by which pictures are shown.
    fn shows(&self) -> Arc<XCBConnection> {
        if let Some(known) = self.shows.get() {
            return known.clone();
        }
        let own = x11_own_connection::open(&self.connection).map(Arc::new);
        // A lack of descriptors passes: this swapchain makes do with the program's, and the next one needn't.
        if own.is_none() && !has_descriptors(&self.connection) {
            return self.connection.clone();
        }
        self.shows.get_or_init(|| own.unwrap_or_else(|| self.connection.clone())).clone()
    }

    /// Its size and depth.
    fn geometry(&self) -> Result<(vk::Extent2D, u8), Gone> {
        let told = self.connection.get_geometry(self.window).map_err(|_| Gone)?.reply().map_err(|_| Gone)?;
        Ok((vk::Extent2D { width: told.width.into(), height: told.height.into() }, told.depth))
    }
}

impl Window for X11Window {
    fn look(&self) -> Result<Look, Gone> {
        let attributes = self.connection.get_window_attributes(self.window).map_err(|_| Gone)?;
        let (extent, depth) = self.geometry()?;
        let visual = attributes.reply().map_err(|_| Gone)?.visual;
        let formats = formats(self.connection.setup(), visual);
        use vk::CompositeAlphaFlagsKHR as A;
        // The bits beside red, green and blue are an alpha channel where the window has as many bits as its pixels.
        let alpha = if depth == 32 { A::INHERIT | A::PRE_MULTIPLIED } else { A::INHERIT | A::OPAQUE };
        Ok(Look { extent: Some(extent), alpha, formats })
    }

    fn canvas(&self, extent: vk::Extent2D, _: vk::CompositeAlphaFlagsKHR) -> Result<Box<dyn Canvas>, vk::Result> {
        // The answer tells as well that the server has made the window, which another connection asks for next.
        let (_, depth) = self.geometry()?;
        Ok(Box::new(X11Canvas::new(self.shows(), self.window, depth, extent)?))
    }

    fn refresh(&self) -> Option<Duration> {
        Some(REFRESH)
    }

    fn check(&self) -> Result<(), Gone> {
        // There is one as soon as there is a swapchain. The program's own may be closed where the program breaks off.
        self.shows.get().map_or(Ok(()), |c| if has_hung_up(c.as_fd()) { Err(Gone) } else { Ok(()) })
    }
}

/// Whether nobody listens at the other end of a socket.
fn has_hung_up(socket: BorrowedFd<'_>) -> bool {
    let mut fd = libc::pollfd { fd: socket.as_raw_fd(), events: 0, revents: 0 };
    // SAFETY: one struct of this function's own, and no wait.
    unsafe { libc::poll(&mut fd, 1, 0) > 0 }
}

/// The formats that a window's pixels have; none where this driver has no format for them.
pub fn formats(setup: &Setup, visual: u32) -> &'static [vk::Format] {
    let depths = setup.roots.iter().flat_map(|r| &r.allowed_depths);
    let mut visuals = depths.flat_map(|d| d.visuals.iter().map(move |v| (d.depth, v)));
    let found = visuals.find(|(_, v)| v.visual_id == visual);
    let suits = found.is_some_and(|(depth, v)| is_bgr(v) && has_four_bytes(setup, depth));
    if suits { &[vk::Format::B8G8R8A8_SRGB, vk::Format::B8G8R8A8_UNORM] } else { &[] }
}

/// Whether pixels are blue, green and red from the lowest byte up.
fn is_bgr(visual: &Visualtype) -> bool {
    matches!(visual.class, VisualClass::TRUE_COLOR | VisualClass::DIRECT_COLOR)
        && (visual.red_mask, visual.green_mask, visual.blue_mask) == (0xff_0000, 0xff00, 0xff)
}

/// Whether pixels of a depth travel in four bytes, the lowest first.
fn has_four_bytes(setup: &Setup, depth: u8) -> bool {
    setup.image_byte_order == ImageOrder::LSB_FIRST
        && setup.pixmap_formats.iter().any(|f| f.depth == depth && f.bits_per_pixel == 32)
}

/// The connection behind a program's `xcb_connection_t`; `None`, with a line on stderr, where it can't be used.
///
/// # Safety
/// Null, or a connection of libxcb's that outlives what this returns.
pub unsafe fn connection(raw: *mut c_void) -> Option<XCBConnection> {
    if let Err(e) = load_libxcb() {
        error!("no surface for an X11 window: {e}");
        return None;
    }
    // SAFETY: not null, and valid by contract; a connection that has failed tells nothing of its server.
    if raw.is_null() || unsafe { has_failed(raw) } {
        error!("no surface for an X11 window: the program's connection to the X server is broken");
        return None;
    }
    // SAFETY: valid by contract, and left to the program to close.
    match unsafe { XCBConnection::from_raw_xcb_connection(raw, false) } {
        Ok(connection) => Some(connection),
        Err(e) => {
            error!("no surface for an X11 window: {e}");
            None
        }
    }
}

/// Whether a connection has failed.
///
/// # Safety
/// A valid connection.
unsafe fn has_failed(raw: *mut c_void) -> bool {
    type HasError = unsafe extern "C" fn(*mut c_void) -> c_int;
    static FUNCTION: OnceLock<Option<HasError>> = OnceLock::new();
    // SAFETY: the library is loaded already, and the function has this type (xcb.h).
    let function = FUNCTION.get_or_init(|| unsafe { function(c"libxcb.so.1", c"xcb_connection_has_error") });
    // SAFETY: valid by contract.
    function.is_none_or(|f| unsafe { f(raw) } != 0)
}

/// A function of a library, which stays loaded; `None` where there is no such library or function.
///
/// # Safety
/// The function has the type `F`, a function pointer, and the library may be loaded at any time.
pub unsafe fn function<F: Copy>(library: &std::ffi::CStr, name: &std::ffi::CStr) -> Option<F> {
    // SAFETY: by contract.
    unsafe {
        let library = Library::new(library.to_str().ok()?).ok()?;
        let found = *library.get::<F>(name.to_bytes_with_nul()).ok()?;
        std::mem::forget(library);
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use x11rb::protocol::xproto::{Depth, Format, Screen};

    use super::*;

    fn setup() -> Setup {
        let visual = |visual_id, class, red_mask, blue_mask| Visualtype {
            visual_id,
            class,
            red_mask,
            green_mask: 0xff00,
            blue_mask,
            ..Default::default()
        };
        let depth = |depth, visuals| Depth { depth, visuals };
        let format = |depth, bits_per_pixel| Format { depth, bits_per_pixel, scanline_pad: 32 };
        let (bgr, rgb) = ((0xff_0000, 0xff), (0xff, 0xff_0000));
        let screen = Screen {
            allowed_depths: vec![
                depth(
                    24,
                    vec![
                        visual(1, VisualClass::TRUE_COLOR, bgr.0, bgr.1),
                        visual(2, VisualClass::PSEUDO_COLOR, bgr.0, bgr.1),
                        visual(3, VisualClass::TRUE_COLOR, rgb.0, rgb.1),
                    ],
                ),
                depth(16, vec![visual(4, VisualClass::TRUE_COLOR, bgr.0, bgr.1)]),
                depth(32, vec![visual(5, VisualClass::DIRECT_COLOR, bgr.0, bgr.1)]),
            ],
            ..Default::default()
        };
        let pixmap_formats = vec![format(24, 32), format(16, 16), format(32, 32)];
        Setup { image_byte_order: ImageOrder::LSB_FIRST, pixmap_formats, roots: vec![screen], ..Default::default() }
    }

    #[test]
    fn windows_whose_pixels_have_no_format_are_told_apart() {
        let mut setup = setup();
        let suits = |setup: &Setup| [1, 2, 3, 4, 5, 6].map(|v| !formats(setup, v).is_empty());
        assert_eq!(suits(&setup), [true, false, false, false, true, false]);
        setup.image_byte_order = ImageOrder::MSB_FIRST;
        assert_eq!(suits(&setup), [false; 6]);
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri tells nothing of sockets")]
    fn a_socket_tells_that_its_other_end_is_gone() {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        assert!(!has_hung_up(ours.as_fd()));
        drop(theirs);
        assert!(has_hung_up(ours.as_fd()));
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri opens no libraries")]
    fn what_is_not_there_is_not_found() {
        // SAFETY: neither function is called.
        unsafe {
            assert!(function::<unsafe extern "C" fn()>(c"libnosuchlibrary.so.7", c"f").is_none());
            assert!(function::<unsafe extern "C" fn()>(c"libc.so.6", c"no_such_function").is_none());
        }
    }
}
