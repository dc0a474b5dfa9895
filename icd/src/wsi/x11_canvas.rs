//! Pictures in an X11 window: through memory that the server shares (MIT-SHM), or in requests where it can't, as on another machine.

use std::os::fd::{AsFd as _, AsRawFd as _};
use std::sync::Arc;

use ash::vk;
use x11rb::connection::{Connection as _, RequestConnection as _};
use x11rb::cookie::VoidCookie;
use x11rb::errors::ReplyError;
use x11rb::protocol::shm::{self, ConnectionExt as _};
use x11rb::protocol::xproto::{ConnectionExt as _, CreateGCAux, Gcontext, ImageFormat, Window};
use x11rb::xcb_ffi::XCBConnection;

use crate::wsi::shared_memory::SharedMemory;
use crate::wsi::window::{Canvas, Gone, Picture};

/// The head of a PutImage request, with the longer length of BIG-REQUESTS, in bytes.
const PUT_IMAGE: usize = 28;

/// Shows pictures of one size in a window.
pub struct X11Canvas {
    connection: Arc<XCBConnection>,
    window: Window,
    gc: Gcontext,
    depth: u8,
    width: u16,
    height: u16,
    shared: Option<Shared>,
}

/// Memory that the server sees.
struct Shared {
    segment: shm::Seg,
    memory: SharedMemory,
}

impl Shared {
    /// Memory of this size; `None` where the server can't see it.
    fn new(connection: &XCBConnection, size: usize) -> Option<Self> {
        if !is_local(connection) {
            return None;
        }
        connection.extension_information(shm::X11_EXTENSION_NAME).ok()??;
        let version = connection.shm_query_version().ok()?.reply().ok()?;
        // The first version that takes a file of the client's.
        if (version.major_version, version.minor_version) < (1, 2) {
            return None;
        }
        let (segment, (memory, file)) = (connection.generate_id().ok()?, SharedMemory::new(size).ok()?);
        // The server only reads.
        connection.shm_attach_fd(segment, file, true).ok()?.check().ok()?;
        Some(Self { segment, memory })
    }
}

/// Whether the server is on this machine, by the kind of socket.
fn is_local(connection: &XCBConnection) -> bool {
    // SAFETY: a socket's name is written into room of the size that is given.
    unsafe {
        let (mut name, mut size) = (std::mem::zeroed::<libc::sockaddr_storage>(), size_of::<libc::sockaddr_storage>());
        let size = (&raw mut size).cast::<libc::socklen_t>();
        let told = libc::getsockname(connection.as_fd().as_raw_fd(), (&raw mut name).cast(), size);
        told == 0 && i32::from(name.ss_family) == libc::AF_UNIX
    }
}

impl X11Canvas {
    /// A canvas for pictures of this size.
    ///
    /// # Errors
    /// When the window is gone, or can't ever be as large.
    pub fn new(connection: Arc<XCBConnection>, window: Window, depth: u8, extent: vk::Extent2D) -> Result<Self, Gone> {
        let side = |n: u32| u16::try_from(n).map_err(|_| Gone);
        let (width, height) = (side(extent.width)?, side(extent.height)?);
        let gc = connection.generate_id().map_err(|_| Gone)?;
        let made = connection.create_gc(gc, window, &CreateGCAux::new().graphics_exposures(0)).map_err(|_| Gone)?;
        made.check().map_err(|_| Gone)?;
        let shared = Shared::new(&connection, usize::from(width) * usize::from(height) * 4);
        Ok(Self { connection, window, gc, depth, width, height, shared })
    }

    /// Puts a picture into the window through shared memory; whether that worked.
    fn put_shared(&mut self, picture: &Picture<'_>) -> Result<bool, ReplyError> {
        let Some(shared) = &mut self.shared else { return Ok(false) };
        // The server doesn't read now: what it was asked to show before is over.
        shared.memory.write_picture(0, picture);
        let (w, h) = (self.width, self.height);
        let format = ImageFormat::Z_PIXMAP.into();
        let (window, gc, depth, segment) = (self.window, self.gc, self.depth, shared.segment);
        let put =
            self.connection.shm_put_image(window, gc, w, h, 0, 0, w, h, 0, 0, depth, format, false, segment, 0)?;
        // Comes back when the server has read the memory.
        match put.check() {
            Ok(()) => Ok(true),
            // Not this way, then.
            Err(ReplyError::X11Error(_)) => {
                self.connection.shm_detach(segment)?.ignore_error();
                self.shared = None;
                Ok(false)
            }
            Err(e) => Err(e),
        }
    }

    /// Puts a picture into the window in requests, each with as many rows as fit.
    fn put(&self, bytes: &[u8]) -> Result<(), ReplyError> {
        let row = usize::from(self.width) * 4;
        let room = self.connection.maximum_request_bytes().saturating_sub(PUT_IMAGE);
        let rows = (room / row).clamp(1, self.height.into());
        let mut last: Option<VoidCookie<'_, _>> = None;
        for (i, band) in bytes.chunks(rows * row).enumerate() {
            let (w, h) = (self.width, (band.len() / row) as u16);
            let y = i16::try_from(i * rows).unwrap_or(i16::MAX);
            let (window, gc, format) = (self.window, self.gc, ImageFormat::Z_PIXMAP);
            let put = self.connection.put_image(format, window, gc, w, h, 0, y, 0, self.depth, band)?;
            // What fails one fails the last.
            if let Some(before) = last.replace(put) {
                before.ignore_error();
            }
        }
        last.map_or(Ok(()), |l| l.check())
    }
}

impl Canvas for X11Canvas {
    fn show(&mut self, picture: &Picture<'_>) -> Result<Option<vk::Extent2D>, Gone> {
        let connection = self.connection.clone();
        let size = connection.get_geometry(self.window).map_err(|_| Gone)?;
        if !self.put_shared(picture).map_err(|_| Gone)? {
            self.put(&picture.closely()).map_err(|_| Gone)?;
        }
        let size = size.reply().map_err(|_| Gone)?;
        Ok(Some(vk::Extent2D { width: size.width.into(), height: size.height.into() }))
    }
}

impl Drop for X11Canvas {
    fn drop(&mut self) {
        // A server that is gone has forgotten both.
        if let Some(shared) = &self.shared
            && let Ok(detached) = self.connection.shm_detach(shared.segment)
        {
            detached.ignore_error();
        }
        if let Ok(freed) = self.connection.free_gc(self.gc) {
            freed.ignore_error();
        }
        let _ = self.connection.flush();
    }
}
