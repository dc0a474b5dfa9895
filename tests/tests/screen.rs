//! Windows: what programs present is on an X server's screen as the host's own driver would have it there, and a server that dies is told of.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hesper_rig::{Driver, Host, Xvfb};
use hesper_tests::{good, root};
use x11rb::connection::Connection as _;
use x11rb::protocol::xproto::{
    ChangeGCAux, ChangeWindowAttributesAux, ConfigureWindowAux, ConnectionExt as _, CreateGCAux, ImageFormat,
    Rectangle, Window,
};
use x11rb::rust_connection::RustConnection;

const CLIENT: &str = env!("CARGO_BIN_EXE_hesper-client");
const SCREEN: [u32; 2] = [320, 240];
const SIZE: [u16; 2] = [200, 160];
/// The server does without memory that it shares with programs.
const NO_SHM: [&str; 2] = ["-extension", "MIT-SHM"];

/// Looks at a server's screen.
struct Watcher {
    connection: RustConnection,
    root: Window,
    gc: u32,
}

impl Watcher {
    fn new(server: &Xvfb) -> Self {
        let (connection, screen) = RustConnection::connect(Some(&server.display())).unwrap();
        let root = connection.setup().roots[screen].root;
        // A window that goes leaves its last picture on the screen then.
        let none = ChangeWindowAttributesAux::new().background_pixmap(x11rb::NONE);
        connection.change_window_attributes(root, &none).unwrap().check().unwrap();
        let gc = connection.generate_id().unwrap();
        connection.create_gc(gc, root, &CreateGCAux::new()).unwrap().check().unwrap();
        Self { connection, root, gc }
    }

    /// Paints the screen in one color.
    fn paint(&self, color: u32) {
        let all = Rectangle { x: 0, y: 0, width: SCREEN[0] as u16, height: SCREEN[1] as u16 };
        self.connection.change_gc(self.gc, &ChangeGCAux::new().foreground(color)).unwrap();
        self.connection.poly_fill_rectangle(self.root, self.gc, &[all]).unwrap().check().unwrap();
    }

    /// The screen's upper left corner: four bytes a pixel, the last of which says nothing.
    fn picture(&self, size: [u16; 2]) -> Vec<u8> {
        let image = self.connection.get_image(ImageFormat::Z_PIXMAP, self.root, 0, 0, size[0], size[1], !0).unwrap();
        let mut data = image.reply().unwrap().data;
        data.chunks_mut(4).for_each(|pixel| pixel[3] = 0);
        data
    }

    /// The windows of programs.
    fn windows(&self) -> Vec<Window> {
        self.connection.query_tree(self.root).unwrap().reply().unwrap().children
    }

    /// The first window of a program, within some seconds.
    fn window(&self) -> Window {
        let start = Instant::now();
        loop {
            if let Some(w) = self.windows().first() {
                return *w;
            }
            assert!(start.elapsed() < Duration::from_secs(20), "no program has a window");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// vkcube with a window in the screen's corner.
fn vkcube(driver: Driver, host: Option<&Host>, server: &Xvfb, frames: u32, size: [u16; 2], more: &[&str]) -> Command {
    let mut command = root().client(driver, host, "/usr/bin/vkcube").unwrap();
    command.env("DISPLAY", server.display()).args(["--c", &frames.to_string(), "--suppress_popups"]);
    command.args(["--width", &size[0].to_string(), "--height", &size[1].to_string()]).args(more);
    command
}

/// How many colors a picture has: a cube has many, an empty window one.
fn colors(picture: &[u8]) -> usize {
    let mut colors: Vec<&[u8]> = picture.chunks(4).collect();
    colors.sort_unstable();
    colors.dedup();
    colors.len()
}

/// The last picture of a program that draws so many frames.
fn last_picture(watcher: &Watcher, size: [u16; 2], mut command: Command) -> Vec<u8> {
    watcher.paint(0x12_3456);
    good("vkcube", &mut command);
    let picture = watcher.picture(size);
    assert!(colors(&picture) > 100, "vkcube has drawn no cube: {} colors", colors(&picture));
    picture
}

/// Where two pictures differ.
fn assert_equal(what: &str, seen: &[u8], expected: &[u8]) {
    let differing = seen.chunks(4).zip(expected.chunks(4)).filter(|(a, b)| a != b).count();
    assert!(
        seen.len() == expected.len() && differing == 0,
        "{what}: {differing} pixels differ from the host's own driver"
    );
}

#[test]
fn vkcube_draws_what_it_draws_on_the_hosts_own_driver() {
    let host = Host::start(&root()).unwrap();
    for arguments in [&[][..], &NO_SHM] {
        let server = Xvfb::start(SCREEN, arguments).unwrap();
        let watcher = Watcher::new(&server);
        for (frames, more) in [
            (1, &["--wsi", "xcb"][..]),
            (2, &["--wsi", "xlib"]),
            // FIFO is the default; these are IMMEDIATE and MAILBOX.
            (17, &["--wsi", "xcb", "--present_mode", "0"]),
            (40, &["--wsi", "xlib", "--present_mode", "1"]),
        ] {
            let draw = |driver, host| last_picture(&watcher, SIZE, vkcube(driver, host, &server, frames, SIZE, more));
            let expected = draw(Driver::Native, None);
            let seen = draw(Driver::Hesper, Some(&host));
            assert_equal(&format!("{arguments:?}, frame {frames}, {more:?}"), &seen, &expected);
        }
    }
    assert!(!host.log().contains("fatal"), "the host complains:\n{}", host.log());
}

/// A window that changes its size while it is drawn into ends with the picture that it would have had from the start.
#[test]
fn a_window_may_change_its_size() {
    const FRAMES: u32 = 150;
    let host = Host::start(&root()).unwrap();
    let server = Xvfb::start(SCREEN, &[]).unwrap();
    let watcher = Watcher::new(&server);
    let expected = last_picture(&watcher, SIZE, vkcube(Driver::Native, None, &server, FRAMES, SIZE, &[]));
    watcher.paint(0x65_4321);
    // FIFO, so that frames are left when the size has changed for the last time.
    let more = ["--wsi", "xcb", "--present_mode", "2"];
    let mut child = quiet(&mut vkcube(Driver::Hesper, Some(&host), &server, FRAMES, [90, 70], &more));
    let window = watcher.window();
    for size in [[130, 99], [230, 220], [61, 61], SIZE] {
        std::thread::sleep(Duration::from_millis(150));
        let size = ConfigureWindowAux::new().width(u32::from(size[0])).height(u32::from(size[1]));
        watcher.connection.configure_window(window, &size).unwrap().check().expect("vkcube has ended too soon");
    }
    assert!(ends(&mut child, Duration::from_secs(60)).expect("vkcube hangs").success());
    assert_equal("after four sizes", &watcher.picture(SIZE), &expected);
}

/// Starts a program whose output nobody reads.
fn quiet(command: &mut Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// How a program ends, if it does in time; it is killed if it doesn't.
fn ends(child: &mut Child, within: Duration) -> Option<std::process::ExitStatus> {
    let start = Instant::now();
    while start.elapsed() < within {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    None
}

/// A program that looks at every result hears of a server that has died, soon, and goes on without it.
#[test]
fn a_dead_server_is_told_of() {
    let host = Host::start(&root()).unwrap();
    for arguments in [&[][..], &NO_SHM] {
        let mut server = Xvfb::start(SCREEN, arguments).unwrap();
        let mut command = root().client(Driver::Hesper, Some(&host), CLIENT).unwrap();
        command.arg("dead-window").env("DISPLAY", server.display());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        server.kill();
        child.stdin.take().unwrap().write_all(b"\n").unwrap();
        let status = ends(&mut child, Duration::from_secs(30)).expect("the client hangs");
        assert!(status.success(), "{status}");
    }
    assert!(!host.log().contains("fatal"), "the host complains:\n{}", host.log());
}

/// A program of others' ends with an error when the server dies.
#[test]
fn vkcube_ends_when_its_server_dies() {
    let host = Host::start(&root()).unwrap();
    for wsi in ["xcb", "xlib"] {
        let mut server = Xvfb::start(SCREEN, &[]).unwrap();
        let watcher = Watcher::new(&server);
        let mut child = quiet(&mut vkcube(Driver::Hesper, Some(&host), &server, 1_000_000, SIZE, &["--wsi", wsi]));
        watcher.window();
        std::thread::sleep(Duration::from_millis(500));
        assert!(child.try_wait().unwrap().is_none(), "{wsi}: vkcube has ended before");
        drop(watcher);
        server.kill();
        let status = ends(&mut child, Duration::from_secs(20)).unwrap_or_else(|| panic!("{wsi}: vkcube hangs"));
        assert!(!status.success(), "{wsi}: vkcube has ended as if nothing had happened");
    }
}

/// The client's own window, with memory that the server shares and without.
#[test]
fn what_is_presented_is_in_the_window() {
    let host = Host::start(&root()).unwrap();
    for arguments in [&[][..], &NO_SHM] {
        let server = Xvfb::start(SCREEN, arguments).unwrap();
        let mut command = root().client(Driver::Hesper, Some(&host), CLIENT).unwrap();
        good("the client in a window", command.arg("window").env("DISPLAY", server.display()));
    }
    assert!(!host.log().contains("fatal"), "the host complains:\n{}", host.log());
}

/// Swapchains that are retired, stale, or can't be.
#[test]
fn swapchains_are_judged_strictly() {
    let host = Host::start(&root()).unwrap();
    let mut command = root().client(Driver::Hesper, Some(&host), CLIENT).unwrap();
    good("the client's strict part", command.arg("strict-screen"));
    assert!(!host.log().contains("fatal"), "the host complains:\n{}", host.log());
}
