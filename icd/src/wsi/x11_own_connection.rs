//! A connection of the driver's own to the server that a program is connected to.
//!
//! Whoever waits for a reply reads all that comes, and leaves events for later. A program that sleeps until its socket has something to read would sleep over
//! events that the thread of a swapchain had read meanwhile; so that thread has a connection to itself. Windows have the same numbers on both.

use std::collections::hash_map::RandomState;
use std::ffi::CString;
use std::hash::{BuildHasher as _, Hasher as _};
use std::os::fd::AsFd as _;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::UnixStream;

use x11rb::connection::Connection as _;
use x11rb::protocol::xproto::{ConnectionExt as _, Setup};
use x11rb::xcb_ffi::XCBConnection;

/// Where servers listen, in front of the display's number.
const SOCKETS: &[u8] = b"/tmp/.X11-unix/X";

/// Connects to the server of a program's connection; `None` where that can't be, or nothing proves that the server is the same one.
pub fn open(program: &XCBConnection) -> Option<XCBConnection> {
    // DISPLAY, where the socket doesn't tell, or its name leads nowhere.
    display(program).map(Some).into_iter().chain([None]).find_map(|name| {
        let (own, _) = XCBConnection::connect(name.as_deref()).ok()?;
        let same = is_alike(program.setup(), own.setup()) && sees(program, &own)?;
        same.then_some(own)
    })
}

/// The name of the display behind a connection, where its socket's address tells.
fn display(connection: &XCBConnection) -> Option<CString> {
    let socket = UnixStream::from(connection.as_fd().try_clone_to_owned().ok()?);
    let peer = socket.peer_addr().ok()?;
    let path = peer.as_pathname().map(|p| p.as_os_str().as_bytes());
    display_of(path.or_else(|| peer.as_abstract_name())?)
}

/// The name of the display whose server listens at this address.
fn display_of(path: &[u8]) -> Option<CString> {
    let number = path.strip_prefix(SOCKETS)?;
    let is_number = !number.is_empty() && number.iter().all(u8::is_ascii_digit);
    CString::new([b":".as_slice(), number].concat()).ok().filter(|_| is_number)
}

/// Whether what servers tell at first may come from one and the same.
fn is_alike(a: &Setup, b: &Setup) -> bool {
    let roots = |s: &Setup| s.roots.iter().map(|r| (r.root, r.root_visual)).collect::<Vec<_>>();
    (&a.vendor, a.release_number) == (&b.vendor, b.release_number)
        && roots(a) == roots(b)
        && a.resource_id_base != b.resource_id_base
}

/// Whether a program's connection sees what another one makes, and only as long as it is there; `None` where a connection fails.
fn sees(program: &XCBConnection, own: &XCBConnection) -> Option<bool> {
    let root = own.setup().roots.first()?.root;
    let pixmap = own.generate_id().ok()?;
    let seen = || program.get_geometry(pixmap).ok()?.reply().ok().map(|g| (g.root, g.depth, g.width, g.height));
    let before = seen();
    // A size that no other pixmap has but by chance.
    let chance = RandomState::new().build_hasher().finish();
    let (width, height) = ((chance % 0x1000) as u16 + 1, (chance >> 32) as u16 % 0x100 + 1);
    own.create_pixmap(1, pixmap, root, width, height).ok()?.check().ok()?;
    let meanwhile = seen();
    own.free_pixmap(pixmap).ok()?.check().ok()?;
    Some((before, meanwhile, seen()) == (None, Some((root, 1, width, height)), None))
}

#[cfg(test)]
mod tests {
    use x11rb::protocol::xproto::Screen;

    use super::*;

    #[test]
    fn the_address_of_a_socket_tells_the_display() {
        assert_eq!(display_of(b"/tmp/.X11-unix/X12").as_deref(), Some(c":12"));
        for other in [&b"/tmp/.X11-unix/X"[..], b"/tmp/.X11-unix/X1_", b"/run/x:0", b""] {
            assert_eq!(display_of(other), None);
        }
    }

    #[test]
    fn servers_that_tell_other_things_are_others() {
        let setup = |root, release_number, resource_id_base| Setup {
            release_number,
            resource_id_base,
            roots: vec![Screen { root, ..Default::default() }],
            ..Default::default()
        };
        let program = setup(7, 1, 0x20_0000);
        let alike = [(7, 1, 0x40_0000), (8, 1, 0x40_0000), (7, 2, 0x40_0000), (7, 1, 0x20_0000)]
            .map(|(root, release, base)| is_alike(&program, &setup(root, release, base)));
        assert_eq!(alike, [true, false, false, false]);
    }
}
