//! Windows in a guest, with a stock kernel's virtio-gpu below: what vkcube leaves on the screens of Xvfb and Weston there is what it leaves on the host, drawn by the host's
//! own driver.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hesper_rig::{Driver, GuestJob, GuestResult, Kernel, Machine, Vm, Weston, Xvfb, guest_display};
use hesper_tests::compositor::{Compositor, Manners};
use hesper_tests::pictures::{assert_as_native, colors, differing};
use hesper_tests::png::Png;
use hesper_tests::{good, quick, root};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const CLIENT: &str = env!("CARGO_BIN_EXE_hesper-client");
const SCREEN: [u32; 2] = [340, 300];
/// The window on X11, which doesn't fill the screen, and the pictures that it shows.
const ON_X11: [&str; 9] = ["--wsi", "xcb", "--c", "17", "--width", "200", "--height", "160", "--suppress_popups"];
/// Weston has the window fill the screen. It goes on until it is killed.
const ON_WAYLAND: [&str; 9] =
    ["--wsi", "wayland", "--c", "1000000", "--width", "340", "--height", "300", "--suppress_popups"];
/// Pictures that have been shown when the screen is looked at, at least, and for sure.
const SHOWN: usize = 10;
const AT_MOST: usize = 200;
/// What libwayland writes down of each picture (WAYLAND_DEBUG).
const ATTACHED: &str = ".attach(wl_buffer";

/// How long a job may take, on a machine that has other work.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a driver needs to show windows there: Mesa's by itself asks for DRI3 or linux-dmabuf, which these servers haven't.
fn settings(driver: Driver) -> &'static str {
    if driver == Driver::Mesa { "export MESA_VK_WSI_DEBUG=sw" } else { "" }
}

/// What vkcube leaves on the guest's X server.
fn on_x11(driver: Driver) -> GuestJob {
    let command = format!(
        "{}
         {}
         {CLIENT} screen-after picture vkcube {}",
        settings(driver),
        guest_display::X_DISPLAY,
        ON_X11.join(" "),
    );
    GuestJob { name: format!("vkcube on X11 on {driver}"), driver, command, timeout: PATIENCE }
}

/// What the guest's Weston shows of vkcube, which is stopped meanwhile: a picture that stays.
fn on_wayland(driver: Driver) -> GuestJob {
    let command = format!(
        "{}
         {}
         WAYLAND_DEBUG=client vkcube {} >/run/vkcube.log 2>&1 &
         until [ $(grep -c '{ATTACHED}' /run/vkcube.log) -ge {SHOWN} ]; do
             kill -0 $! || {{ grep -v wl_ /run/vkcube.log; exit 1; }}; sleep 0.1
         done
         kill -STOP $!
         sleep 0.5
         {}
         status=$?
         kill -KILL $!
         exit $status",
        settings(driver),
        guest_display::WAYLAND_DISPLAY,
        ON_WAYLAND.join(" "),
        guest_display::weston_picture().unwrap(),
    );
    GuestJob { name: format!("vkcube on Wayland on {driver}"), driver, command, timeout: PATIENCE }
}

/// The picture that a job has left.
fn picture(result: &GuestResult) -> &[u8] {
    result.good().unwrap();
    let [(_, bytes)] = &result.files.iter().collect::<Vec<_>>()[..] else {
        panic!("{} left {} files:\n{}", result.name, result.files.len(), result.output)
    };
    bytes
}

/// The same as [`on_x11`] on the host, by its own driver.
fn natively_on_x11() -> Vec<u8> {
    let server = Xvfb::start(SCREEN, &[]).unwrap();
    let file = std::env::temp_dir().join(format!("hesper-screen-{}", std::process::id()));
    let mut command = root().client(Driver::Native, None, CLIENT).unwrap();
    command.arg("screen-after").arg(&file).arg("vkcube").args(ON_X11).env("DISPLAY", server.display());
    good("vkcube", &mut command);
    let picture = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    picture
}

/// vkcube on a compositor of the host's, by its own driver.
fn vkcube(compositor: &Path) -> Command {
    let mut command = root().client(Driver::Native, None, "/usr/bin/vkcube").unwrap();
    command.env("WAYLAND_DISPLAY", compositor).args(ON_WAYLAND);
    command
}

/// Stops a program once `shown` is true.
fn stop_when(child: &Child, shown: impl Fn() -> bool) {
    let start = Instant::now();
    while !shown() {
        assert!(start.elapsed() < PATIENCE, "vkcube shows nothing");
        std::thread::sleep(Duration::from_millis(5));
    }
    kill(Pid::from_raw(child.id() as i32), Signal::SIGSTOP).unwrap();
}

/// The first pictures that vkcube shows on a compositor, by the host's own driver.
fn natively_on_wayland() -> Vec<Vec<u8>> {
    let compositor = Compositor::start(Manners::default());
    let mut command = vkcube(compositor.display());
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    stop_when(&child, || compositor.shown() >= AT_MOST);
    child.kill().unwrap();
    child.wait().unwrap();
    compositor.take().into_iter().map(|p| p.bytes).collect()
}

/// The same as [`on_wayland`] on the host, by its own driver.
fn natively_on_weston() -> Vec<u8> {
    let weston = Weston::start(SCREEN).unwrap();
    let log = std::env::temp_dir().join(format!("hesper-vkcube-{}", std::process::id()));
    let file = std::fs::File::create(&log).unwrap();
    let mut command = vkcube(weston.display());
    command.env("WAYLAND_DEBUG", "client").stdout(Stdio::null()).stderr(file);
    let mut child = command.spawn().unwrap();
    stop_when(&child, || std::fs::read_to_string(&log).unwrap().matches(ATTACHED).count() >= SHOWN);
    std::thread::sleep(Duration::from_millis(500));
    let picture = weston.picture();
    child.kill().unwrap();
    child.wait().unwrap();
    std::fs::remove_file(&log).unwrap();
    picture.unwrap()
}

/// A screenshot is one of the pictures that vkcube shows, which turns on by the same angle with each.
fn assert_is_one_of(what: &str, png: &[u8], all: &[Vec<u8>]) {
    let png = Png::read(png).unwrap();
    assert_eq!(png.size, SCREEN.map(|n| n as usize), "{what}");
    assert!(colors(&png.pixels) > 20, "{what}: there is no cube: {} colors", colors(&png.pixels));
    let (i, fewest) = all.iter().map(|p| differing(&png.pixels, p)).enumerate().min_by_key(|(_, n)| *n).unwrap();
    assert_eq!(fewest, 0, "{what}: pixels that differ from picture {i}, the nearest of {}", all.len());
    println!("{what}: picture {i}");
}

/// What has become of a job that nothing is demanded of: on X11 the picture `x11` is expected, on Wayland one of `shown`.
fn seen(result: &GuestResult, x11: &[u8], shown: &[Vec<u8>]) -> String {
    let Some(bytes) = result.files.values().next().filter(|_| result.status == 0) else {
        return format!("ended with {}: {}", result.status, result.output.trim());
    };
    let as_native = match Png::read(bytes) {
        Ok(png) => shown.iter().any(|p| differing(&png.pixels, p) == 0),
        Err(_) => bytes == x11,
    };
    if as_native { "as natively" } else { "another picture" }.to_owned()
}

#[test]
fn windows_in_a_guest_show_what_they_show_on_the_host() {
    if quick() {
        return;
    }
    let servers = format!("{}\n{}", guest_display::xvfb(SCREEN).unwrap(), guest_display::weston(SCREEN).unwrap());
    let servers =
        GuestJob { name: "display servers".into(), driver: Driver::Native, command: servers, timeout: PATIENCE };
    let jobs =
        [servers, on_x11(Driver::Hesper), on_wayland(Driver::Hesper), on_x11(Driver::Mesa), on_wayland(Driver::Mesa)];
    let run = Vm::new(Machine::amd64(Kernel::Trixie)).run(&root(), &jobs).unwrap();
    let [servers, x11, wayland, mesa @ ..] = &run.results[..] else { panic!("{} results", run.results.len()) };
    servers.good().unwrap();
    assert_as_native("on the guest's X server", picture(x11), natively_on_x11);
    let shown = natively_on_wayland();
    assert_is_one_of("the host's own driver on the host's Weston", &natively_on_weston(), &shown);
    assert_is_one_of("on the guest's Weston", picture(wayland), &shown);
    for result in mesa {
        println!("{}: {}", result.name, seen(result, picture(x11), &shown));
    }
}
