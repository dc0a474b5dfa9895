//! Windows of Wayland: what programs present a compositor gets as from the host's own driver, by the protocol's rules; a compositor that is silent, slow or
//! dead is no trap.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use hesper_rig::{Driver, Host, Renderer, Weston};
use hesper_tests::compositor::{Compositor, Format, Manners};
use hesper_tests::pictures::{colors, differing};
use hesper_tests::{ends, good, root};

const CLIENT: &str = env!("CARGO_BIN_EXE_hesper-client");

/// A program in front of the compositor with this socket.
fn program(driver: Driver, host: Option<&Host>, compositor: &Path, name: &str) -> Command {
    let mut command = root().client(driver, host, name).unwrap();
    command.env("WAYLAND_DISPLAY", compositor);
    command
}

/// vkcube, with so many frames in a mode.
fn vkcube(driver: Driver, host: Option<&Host>, compositor: &Path, frames: usize, mode: &str) -> Command {
    let mut cube = program(driver, host, compositor, "/usr/bin/vkcube");
    cube.args(["--wsi", "wayland", "--c", &frames.to_string(), "--present_mode", mode, "--suppress_popups"]);
    cube.args(["--width", "200", "--height", "160"]);
    cube
}

/// A part of the client in front of a compositor.
fn window(driver: Driver, host: Option<&Host>, compositor: &Compositor, part: &str) -> Command {
    let mut command = program(driver, host, compositor.display(), CLIENT);
    command.args(["wayland", part]);
    command
}

#[test]
fn vkcube_shows_what_it_shows_on_the_hosts_own_driver() {
    let host = Host::start(&root()).unwrap();
    let pictures = |driver, host, frames: usize, mode, switches| {
        let compositor = Compositor::start(Manners::default());
        let mut cube = vkcube(driver, host, compositor.display(), frames, mode);
        good("vkcube", cube.env("HESPER_DEBUG", switches));
        compositor.take()
    };
    // FIFO: not every driver has the other modes.
    let native = pictures(Driver::Native, None, 20, "2", "");
    // FIFO, IMMEDIATE and MAILBOX, drawn where the guest reads them; and copied.
    let (in_place, copied) = ("vtest", "vtest,copied-windows");
    for (frames, mode, switches) in [(20, "2", in_place), (7, "0", in_place), (12, "1", in_place), (20, "2", copied)] {
        let seen = pictures(Driver::Hesper, Some(&host), frames, mode, switches);
        assert_eq!((seen.len(), native.len()), (frames, 20), "mode {mode}");
        for (i, (a, b)) in seen.iter().zip(&native).enumerate() {
            assert!(
                colors(&a.bytes) > 20,
                "there is no cube in picture {i} of mode {mode}: {} colors",
                colors(&a.bytes)
            );
            assert_eq!((a.size, a.format), (b.size, b.format));
            assert_eq!(differing(&a.bytes, &b.bytes), 0, "pixels of picture {i} of mode {mode}");
        }
    }
    assert!(!host.log().contains("fatal"), "the host complains:\n{}", host.log());
}

/// Each picture comes once, with what the program had said of its surface before, and in FIFO not before the one in front of it was seen.
#[test]
fn every_picture_comes_with_what_was_said_of_it() {
    let host = Host::start(&root()).unwrap();
    let compositor = Compositor::start(Manners::default());
    let said = good("the client in a window", &mut window(Driver::Hesper, Some(&host), &compositor, "pictures"));
    let seen = compositor.take();
    let expected: Vec<(&str, i32, [u8; 4])> = said
        .lines()
        .filter_map(|line| line.strip_prefix("picture "))
        .map(|line| {
            let mut words = line.split(' ');
            let mode = words.next().unwrap();
            let scale = words.next().unwrap().parse().unwrap();
            let color: Vec<u8> = words.map(|w| w.parse().unwrap()).collect();
            (mode, scale, color.try_into().unwrap())
        })
        .collect();
    assert_eq!((seen.len(), expected.len()), (48, 48), "{said}");
    let mut before = None;
    for (i, (picture, (mode, scale, color))) in seen.iter().zip(expected).enumerate() {
        let opaque = color[3] == 255;
        let format = if opaque { Format::Xrgb8888 } else { Format::Argb8888 };
        assert_eq!((picture.size, picture.format, picture.scale), ([50, 40], format, scale), "picture {i}");
        let near = |a: &[u8]| a.iter().zip(&color).all(|(a, b)| a.abs_diff(*b) <= 1);
        assert!(picture.bytes.chunks(4).all(near), "picture {i}: {:?}, not {color:?}", &picture.bytes[..4]);
        // Those of one swapchain have one mode and format.
        let chain = (mode, opaque);
        let last = before.replace((chain, picture.refresh)).filter(|(c, _)| *c == chain);
        let in_time = last.is_none_or(|(_, refresh)| refresh < picture.refresh);
        assert!(mode != "FIFO" || in_time, "picture {i} comes too early");
    }
    assert!(!host.log().contains("fatal"), "the host complains:\n{}", host.log());
}

/// A swapchain of another size takes the window over.
#[test]
fn a_window_may_change_its_size() {
    let host = Host::start(&root()).unwrap();
    let compositor = Compositor::start(Manners::default());
    good("resized", &mut window(Driver::Hesper, Some(&host), &compositor, "resized"));
    let sizes: Vec<[i32; 2]> = compositor.take().iter().map(|p| p.size).collect();
    assert_eq!(sizes, [[50, 40], [80, 30], [20, 60], [50, 40]].map(|size| [size; 3]).concat());
    assert_eq!(compositor.left(), 0, "objects that nobody has ended");
}

/// What a full socket doesn't take at once reaches the compositor once there is room.
#[test]
fn a_full_socket_is_waited_for() {
    /// Pictures must come although the program itself asks for nothing more.
    const SOON: Duration = Duration::from_secs(10);
    let host = Host::start(&root()).unwrap();
    let compositor = Compositor::start(Manners::default());
    let mut command = window(Driver::Hesper, Some(&host), &compositor, "full");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut lines = BufReader::new(output).lines();
    // A swapchain is made, and a picture is shown.
    for _ in 0..2 {
        assert_eq!(lines.next().unwrap().unwrap(), "ready");
        compositor.stop();
        input.write_all(b"\n").unwrap();
        assert_eq!(lines.next().unwrap().unwrap(), "full");
        std::thread::sleep(Duration::from_millis(300));
        compositor.go_on();
    }
    assert_eq!(lines.next().unwrap().unwrap(), "shown");
    let start = Instant::now();
    while compositor.shown() == 0 && start.elapsed() < SOON {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(compositor.take().len(), 1, "pictures after {:?}", start.elapsed());
    input.write_all(b"\n").unwrap();
    let status = ends(&mut child, Duration::from_secs(30)).expect("the client hangs");
    assert!(status.success(), "{status}");
}

/// A program that can't open files for a while hears of that, and nothing is lost.
#[test]
fn few_files_are_no_lost_window() {
    let host = Host::start(&root()).unwrap();
    let compositor = Compositor::start(Manners::default());
    println!("{}", good("no-files", &mut window(Driver::Hesper, Some(&host), &compositor, "no-files")));
    assert_eq!(compositor.take().len(), 6);
}

#[test]
fn a_compositor_that_is_silent_or_keeps_everything_holds_nobody_up() {
    let host = Host::start(&root()).unwrap();
    for (part, manners) in [
        ("hidden", Manners { silent: true, ..Manners::default() }),
        ("kept", Manners { keeps: true, ..Manners::default() }),
        ("kept", Manners { silent: true, keeps: true, ..Manners::default() }),
    ] {
        let compositor = Compositor::start(manners);
        good(part, &mut window(Driver::Hesper, Some(&host), &compositor, part));
        assert!(compositor.take().len() >= 4, "{part}");
    }
    assert!(!host.log().contains("fatal"), "the host complains:\n{}", host.log());
}

#[test]
fn a_closed_connection_is_left_alone() {
    let host = Host::start(&root()).unwrap();
    for part in ["closed", "left"] {
        let compositor = Compositor::start(Manners::default());
        good(part, &mut window(Driver::Hesper, Some(&host), &compositor, part));
        assert_eq!(compositor.take().len(), 5, "{part}");
    }
}

#[test]
fn a_dead_compositor_is_told_of() {
    let host = Host::start(&root()).unwrap();
    for manners in [Manners::default(), Manners { silent: true, ..Manners::default() }] {
        let mut compositor = Compositor::start(manners);
        let mut command = window(Driver::Hesper, Some(&host), &compositor, "dead");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        compositor.kill();
        child.stdin.take().unwrap().write_all(b"\n").unwrap();
        let status = ends(&mut child, Duration::from_secs(30)).expect("the client hangs");
        assert!(status.success(), "{status}");
    }
    assert!(!host.log().contains("fatal"), "the host complains:\n{}", host.log());
}

/// A program of others' ends when the compositor dies.
#[test]
fn vkcube_ends_when_its_compositor_dies() {
    let host = Host::start(&root()).unwrap();
    let mut compositor = Compositor::start(Manners::default());
    let mut cube = vkcube(Driver::Hesper, Some(&host), compositor.display(), 1_000_000, "2");
    let mut child = cube.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let start = Instant::now();
    while compositor.shown() < 10 {
        assert!(start.elapsed() < Duration::from_secs(60), "vkcube shows nothing");
        assert!(child.try_wait().unwrap().is_none(), "vkcube has ended before");
        std::thread::sleep(Duration::from_millis(10));
    }
    compositor.kill();
    let status = ends(&mut child, Duration::from_secs(20)).expect("vkcube hangs");
    assert!(!status.success(), "vkcube has ended as if nothing had happened");
}

/// A compositor of others' gets every picture, and finds nothing wrong with the protocol's use.
#[test]
fn vkcube_shows_its_pictures_on_weston() {
    let host = Host::start(&root()).unwrap();
    let mut weston = Weston::start(Renderer::Pixman, [340, 300]).unwrap();
    // FIFO, IMMEDIATE and MAILBOX.
    for (frames, mode) in [(60, "2"), (30, "0"), (30, "1")] {
        let mut cube = vkcube(Driver::Hesper, Some(&host), weston.display(), frames, mode);
        // libwayland writes down what goes to and fro.
        let messages = good("vkcube", cube.env("WAYLAND_DEBUG", "client"));
        let attached = messages.lines().filter(|l| l.contains(".attach(wl_buffer")).count();
        assert_eq!(attached, frames, "mode {mode}");
        assert!(messages.contains(".release("), "mode {mode}: no buffer comes back");
        assert!(!messages.contains(".error("), "mode {mode}:\n{messages}");
    }
    let mut cube = vkcube(Driver::Hesper, Some(&host), weston.display(), 1_000_000, "2");
    let mut child = cube.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(Duration::from_secs(1));
    assert!(child.try_wait().unwrap().is_none(), "vkcube has ended before");
    weston.kill();
    let status = ends(&mut child, Duration::from_secs(20)).expect("vkcube hangs");
    assert!(!status.success(), "vkcube has ended as if nothing had happened");
    assert!(!host.log().contains("fatal"), "the host complains:\n{}", host.log());
}
