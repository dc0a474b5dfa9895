//! The connection of a program to its compositor, as this driver uses it: with a queue of events of its own, so that the program's events stay in theirs.
//!
//! libwayland-client is opened when the first surface is made, so that programs without windows need none.

use std::ffi::c_void;
use std::mem::{ManuallyDrop, forget};
use std::os::fd::{AsRawFd as _, RawFd};
use std::time::{Duration, Instant};

use wayland_client::backend::{Backend, ObjectId, WaylandError};
use wayland_client::protocol::wl_display::WlDisplay;
use wayland_client::protocol::wl_surface::WlSurface;
use wayland_client::{Connection, EventQueue, Proxy};

use crate::base::log::error;
use crate::wsi::window::Gone;

/// A program's connection, and one surface of it.
pub struct Link {
    /// Not touched once the program has closed it.
    connection: ManuallyDrop<Connection>,
    pub surface: WlSurface,
    socket: Socket,
}

/// Whether libwayland-client is there.
pub fn is_possible() -> bool {
    wayland_sys::client::is_lib_available()
}

impl Link {
    /// The way to a `wl_surface` of a `wl_display`; `None`, with a line on stderr, where there is none.
    ///
    /// # Safety
    /// Both are null, or libwayland-client's, and outlive what this returns.
    pub unsafe fn new(display: *mut c_void, surface: *mut c_void) -> Option<Self> {
        if !is_possible() {
            error!("no surface for a Wayland window: libwayland-client.so.0 can't be loaded");
            return None;
        }
        if display.is_null() || surface.is_null() {
            error!("no surface for a Wayland window: the program names none");
            return None;
        }
        // SAFETY: valid by contract.
        let (backend, id) = unsafe {
            let backend = Backend::from_foreign_display(display.cast());
            (backend, ObjectId::from_ptr(WlSurface::interface(), surface.cast()))
        };
        let connection = Connection::from_backend(backend);
        let surface = id.and_then(|id| WlSurface::from_id(&connection, id));
        let socket = Socket::new(connection.backend().poll_fd().as_raw_fd());
        let (Ok(surface), Some(socket)) = (surface, socket) else {
            error!("no surface for a Wayland window: the program's connection or surface is none of Wayland's");
            return None;
        };
        Some(Self { connection: ManuallyDrop::new(connection), surface, socket })
    }

    /// Whether the connection may be used.
    ///
    /// # Errors
    /// When the program has closed it, or the compositor has.
    pub fn check(&self) -> Result<(), Gone> {
        // Looks at the socket alone: memory of a connection that the program has closed is gone.
        if self.socket.is_open() && !self.socket.has_hung_up() { Ok(()) } else { Err(Gone) }
    }

    /// The connection's first object, which the caller uses only once it has checked the connection.
    pub fn display(&self) -> WlDisplay {
        self.connection.display()
    }

    /// A queue of events on the connection.
    pub fn queue<S>(&self) -> EventQueue<S> {
        self.connection.new_event_queue()
    }

    /// Sends what was asked for, as far as the socket takes it now; whether that is all. The rest goes when the connection is flushed next, by whomever.
    ///
    /// # Errors
    /// When the connection has failed.
    pub fn flush(&self) -> Result<bool, Gone> {
        self.check()?;
        is_done(self.connection.flush())
    }

    /// Sends all that was asked for, and waits at most so long for the compositor to make room in the socket. The rest goes when the connection is flushed
    /// next.
    ///
    /// # Errors
    /// When the connection has failed.
    pub fn send(&self, within: Duration) -> Result<(), Gone> {
        let end = Instant::now() + within;
        while !self.flush()? {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            self.socket.poll(libc::POLLOUT, left);
        }
        Ok(())
    }

    /// Forgets an object that has no command to end it: its events are dropped from now on.
    pub fn forget(&self, object: &impl Proxy) {
        // Gone already is as good.
        let _ = self.connection.backend().destroy_object(&object.id());
    }

    /// Hears events of a queue until `done`, at most so long; whether it is done.
    ///
    /// # Errors
    /// When the connection has failed.
    pub fn hear<S>(
        &self,
        queue: &mut EventQueue<S>,
        state: &mut S,
        within: Duration,
        done: impl Fn(&S) -> bool,
    ) -> Result<bool, Gone> {
        let end = Instant::now() + within;
        loop {
            self.check()?;
            queue.dispatch_pending(state).map_err(|_| Gone)?;
            if done(state) {
                return Ok(true);
            }
            // The rest of what a full socket didn't take goes as soon as that has room: the compositor's answer may depend on it.
            let wanted = if self.flush()? { libc::POLLIN } else { libc::POLLIN | libc::POLLOUT };
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            // There is none where libwayland has events. Another thread may have put its events into this queue since it was looked at; from now on none can.
            let Some(reading) = queue.prepare_read() else { continue };
            if queue.dispatch_pending(state).map_err(|_| Gone)? > 0 {
                continue;
            }
            let ready = self.socket.poll(wanted, left);
            if !self.socket.is_open() {
                forget(reading);
                return Err(Gone);
            }
            // What isn't read is given up here, so that nobody waits for this thread to read.
            if ready & !libc::POLLOUT != 0 {
                is_done(reading.read())?;
            }
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if self.socket.is_open() {
            // SAFETY: the last use of it. All objects that it has made end with it.
            unsafe { ManuallyDrop::drop(&mut self.connection) };
        }
    }
}

/// Whether all was done: a socket that takes or gives no more at the moment is no failure.
fn is_done<T>(result: Result<T, WaylandError>) -> Result<bool, Gone> {
    match result {
        Ok(_) => Ok(true),
        Err(WaylandError::Io(e)) if e.kind() == std::io::ErrorKind::WouldBlock => Ok(false),
        Err(_) => Err(Gone),
    }
}

/// A descriptor of the program's, and which socket it was at first: a descriptor that has been closed may have become another file.
struct Socket {
    fd: RawFd,
    identity: (libc::dev_t, libc::ino_t),
}

impl Socket {
    fn new(fd: RawFd) -> Option<Self> {
        Some(Self { fd, identity: identity(fd)? })
    }

    /// Whether the descriptor is still this socket.
    fn is_open(&self) -> bool {
        identity(self.fd) == Some(self.identity)
    }

    /// Whether nobody listens at the other end.
    fn has_hung_up(&self) -> bool {
        self.poll(0, Duration::ZERO) != 0
    }

    /// Waits until the descriptor is ready for something, of `events` and the failures that can't be left out, at most so long; what that is.
    fn poll(&self, events: libc::c_short, within: Duration) -> libc::c_short {
        let mut fd = libc::pollfd { fd: self.fd, events, revents: 0 };
        let milliseconds = within.as_nanos().div_ceil(1_000_000).try_into().unwrap_or(libc::c_int::MAX);
        // SAFETY: one struct of the caller's own.
        let ready = unsafe { libc::poll(&mut fd, 1, milliseconds) };
        if ready > 0 { fd.revents } else { 0 }
    }
}

/// Which file a descriptor is.
fn identity(fd: RawFd) -> Option<(libc::dev_t, libc::ino_t)> {
    // SAFETY: a struct of integers, which the call fills where it succeeds.
    unsafe {
        let mut told: libc::stat = std::mem::zeroed();
        (libc::fstat(fd, &mut told) == 0).then_some((told.st_dev, told.st_ino))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    #[cfg_attr(miri, ignore = "Miri tells nothing of sockets")]
    fn a_socket_that_was_closed_is_told_from_others() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let socket = Socket::new(ours.as_raw_fd()).unwrap();
        let wait = |within| socket.poll(libc::POLLIN, Duration::from_millis(within));
        assert!(socket.is_open() && !socket.has_hung_up() && wait(1) == 0);
        theirs.write_all(b"x").unwrap();
        assert!(wait(1000) == libc::POLLIN && !socket.has_hung_up());
        drop(theirs);
        assert!(socket.is_open() && socket.has_hung_up());
        // SAFETY: the descriptors are this test's own.
        unsafe {
            let other = UnixStream::pair().unwrap().0;
            assert_eq!(libc::dup2(other.as_raw_fd(), ours.as_raw_fd()), ours.as_raw_fd());
        }
        assert!(!socket.is_open());
        assert!(Socket::new(-1).is_none());
    }
}
