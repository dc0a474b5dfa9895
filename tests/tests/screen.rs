//! Windows: what programs present is on an X server's screen as the host's own driver would have it there, and a server that dies is told of.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hesper_rig::{Driver, Host, Xvfb};
use hesper_tests::pictures::assert_as_native;
use hesper_tests::x_screen::XScreen;
use hesper_tests::{ends, good, root};
use x11rb::protocol::xproto::{ConfigureWindowAux, ConnectionExt as _};

const CLIENT: &str = env!("CARGO_BIN_EXE_hesper-client");
const SCREEN: [u32; 2] = [340, 300];
const SIZE: [u16; 2] = [200, 160];
/// The server does without memory that it shares with programs.
const NO_SHM: [&str; 2] = ["-extension", "MIT-SHM"];

/// vkcube with a window in the screen's corner.
fn vkcube(driver: Driver, host: Option<&Host>, server: &Xvfb, frames: u32, size: [u16; 2], more: &[&str]) -> Command {
    let mut command = root().client(driver, host, "/usr/bin/vkcube").unwrap();
    command.env("DISPLAY", server.display()).args(["--c", &frames.to_string(), "--suppress_popups"]);
    command.args(["--width", &size[0].to_string(), "--height", &size[1].to_string()]).args(more);
    command
}

/// What is on the screen after a program that draws so many frames.
fn screen_after(watcher: &XScreen, mut command: Command) -> Vec<u8> {
    watcher.clear();
    good("vkcube", &mut command);
    watcher.whole()
}

#[test]
fn vkcube_draws_what_it_draws_on_the_hosts_own_driver() {
    let host = Host::start(&root()).unwrap();
    let sharing = Xvfb::start(SCREEN, &[]).unwrap();
    let alone = Xvfb::start(SCREEN, &NO_SHM).unwrap();
    let watchers = [&sharing, &alone].map(|server| (server, XScreen::new(Some(&server.display()))));
    for (frames, more, switches) in [
        (1, &["--wsi", "xcb"][..], "vtest"),
        (2, &["--wsi", "xlib"], "vtest"),
        (3, &["--wsi", "xcb"], "vtest,copied-windows"),
        // FIFO is the default; these are IMMEDIATE and MAILBOX.
        (17, &["--wsi", "xcb", "--present_mode", "0"], "vtest"),
        (40, &["--wsi", "xlib", "--present_mode", "1"], "vtest"),
    ] {
        let draw = |driver, host, (server, watcher): &(&Xvfb, XScreen)| {
            let mut cube = vkcube(driver, host, server, frames, SIZE, more);
            cube.env("HESPER_DEBUG", switches);
            screen_after(watcher, cube)
        };
        for (i, watcher) in watchers.iter().enumerate() {
            let seen = draw(Driver::Hesper, Some(&host), watcher);
            let native = || draw(Driver::Native, None, &watchers[0]);
            assert_as_native(&format!("server {i}, frame {frames}, {more:?}"), &seen, native);
        }
    }
    assert!(!host.log().contains("fatal"), "the host complains:\n{}", host.log());
}

/// A window that changes its size while it is drawn into ends with the picture that it would have had from the start.
#[test]
fn a_window_may_change_its_size() {
    const FRAMES: u32 = 150;
    // Where vkcube puts its window.
    const PLACE: [i16; 2] = [100, 100];
    let host = Host::start(&root()).unwrap();
    let server = Xvfb::start(SCREEN, &[]).unwrap();
    let watcher = XScreen::new(Some(&server.display()));
    // FIFO, so that frames are left when the size has changed for the last time.
    let more = ["--wsi", "xcb", "--present_mode", "2"];
    let mut child = quiet(&mut vkcube(Driver::Hesper, Some(&host), &server, FRAMES, [90, 70], &more));
    let window = watcher.window();
    for size in [[130, 99], [230, 190], [61, 61], SIZE] {
        std::thread::sleep(Duration::from_millis(150));
        let size = ConfigureWindowAux::new().width(u32::from(size[0])).height(u32::from(size[1]));
        watcher.connection.configure_window(window, &size).unwrap().check().expect("vkcube has ended too soon");
    }
    assert!(ends(&mut child, Duration::from_secs(60)).expect("vkcube hangs").success());
    let seen = watcher.picture(PLACE, SIZE);
    assert_as_native("after four sizes", &seen, || {
        watcher.clear();
        good("vkcube", &mut vkcube(Driver::Native, None, &server, FRAMES, SIZE, &more));
        watcher.picture(PLACE, SIZE)
    });
}

/// Starts a program whose output nobody reads.
fn quiet(command: &mut Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Starts a part of the client and waits until it is ready.
fn ready(command: &mut Command) -> Child {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    child
}

/// Lets it go on, to a good end.
fn goes_on(mut child: Child) {
    child.stdin.take().unwrap().write_all(b"\n").unwrap();
    let status = ends(&mut child, Duration::from_secs(30)).expect("the client hangs");
    assert!(status.success(), "{status}");
}

/// A program that looks at every result hears of a server that has died, soon, and goes on without it.
#[test]
fn a_dead_server_is_told_of() {
    let host = Host::start(&root()).unwrap();
    for arguments in [&[][..], &NO_SHM] {
        let mut server = Xvfb::start(SCREEN, arguments).unwrap();
        let mut command = root().client(Driver::Hesper, Some(&host), CLIENT).unwrap();
        command.arg("dead-window").env("DISPLAY", server.display());
        let child = ready(&mut command);
        server.kill();
        goes_on(child);
    }
    assert!(!host.log().contains("fatal"), "the host complains:\n{}", host.log());
}

/// A program of others' ends with an error when the server dies.
#[test]
fn vkcube_ends_when_its_server_dies() {
    let host = Host::start(&root()).unwrap();
    for wsi in ["xcb", "xlib"] {
        let mut server = Xvfb::start(SCREEN, &[]).unwrap();
        let watcher = XScreen::new(Some(&server.display()));
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

/// Presenting on a host that has died is VK_ERROR_DEVICE_LOST, soon.
#[test]
fn a_dead_host_is_told_of() {
    let mut host = Host::start(&root()).unwrap();
    let child = ready(root().client(Driver::Hesper, Some(&host), CLIENT).unwrap().arg("lost-screen"));
    host.kill();
    goes_on(child);
}
