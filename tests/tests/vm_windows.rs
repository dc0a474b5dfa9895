//! Windows in a guest, with a stock kernel's virtio-gpu below: what vkcube and vkmark leave on the screens of Xvfb, Xorg and Weston there is what it leaves on the host, drawn by the host's
//! own driver.

use std::process::Command;
use std::time::Duration;

use hesper_rig::vm::GPU;
use hesper_rig::{
    Driver, GuestJob, GuestResult, Kernel, Machine, Renderer, Vm, Weston, WindowSystem, Xvfb, build_driver,
    guest_display,
};
use hesper_tests::compositor::{Compositor, Manners};
use hesper_tests::pictures::{assert_as_native, colors, differing};
use hesper_tests::png::Png;
use hesper_tests::scenes::{Told, UNTIL_STILL, still_natively};
use hesper_tests::stills::{self, ATTACHED};
use hesper_tests::{good, quick, root};

const CLIENT: &str = env!("CARGO_BIN_EXE_hesper-client");
const SCREEN: [u32; 2] = [340, 300];
/// The screen of the guest's card.
const CARD: [u32; 2] = [640, 480];
/// The window on X11, which doesn't fill the screen, and the pictures that it shows.
const ON_X11: [&str; 9] = ["--wsi", "xcb", "--c", "17", "--width", "200", "--height", "160", "--suppress_popups"];
/// Weston has the window fill the screen. It goes on until it is killed.
const ON_WAYLAND: [&str; 9] =
    ["--wsi", "wayland", "--c", "1000000", "--width", "340", "--height", "300", "--suppress_popups"];
/// Pictures that have been shown when the screen is looked at, at least, and for sure.
const SHOWN: usize = 10;
const AT_MOST: usize = 200;
/// How long a job may take, on a machine that has other work, and how long all servers may take to start: Xorg compiles its keyboard's map first.
const PATIENCE: Duration = Duration::from_secs(240);
const START: Duration = Duration::from_secs(600);

/// vkmark's scenes that are shown there.
const SCENES: [&str; 2] = ["desktop", "shading:shading=phong"];

/// What a driver needs to show windows there: Mesa's by itself asks for DRI3 or linux-dmabuf, which Xvfb and the Weston that draws by itself haven't.
fn settings(driver: Driver) -> &'static str {
    if driver == Driver::Mesa { "export MESA_VK_WSI_DEBUG=sw" } else { "" }
}

/// What vkcube leaves on an X server of the guest's; `display` names that.
fn on_x11(driver: Driver, server: &str, display: &str) -> GuestJob {
    let command = format!(
        "{}
         {}
         {CLIENT} screen-after picture vkcube {}",
        settings(driver),
        display,
        ON_X11.join(" "),
    );
    GuestJob { name: format!("vkcube on {server} on {driver}"), driver, command, timeout: PATIENCE }
}

/// What a Weston of the guest's shows of a program, which is stopped meanwhile: a picture that stays. Says how much memory of the device Weston has taken.
fn still(driver: Driver, renderer: Renderer, name: &str, command: &str, shown: usize) -> GuestJob {
    let command = format!(
        "{}
         {}
         WAYLAND_DEBUG=client {command} >/run/still.log 2>&1 &
         until [ $(grep -c '{ATTACHED}' /run/still.log) -ge {shown} ]; do
             kill -0 $! || {{ grep -v wl_ /run/still.log; exit 1; }}; sleep 0.1
         done
         kill -STOP $!
         sleep 1
         {}
         status=$?
         kill -KILL $!
         echo \"taken: $(grep -c '[.]created(' /run/still.log)\"
         exit $status",
        if renderer == Renderer::Pixman { settings(driver) } else { "" },
        guest_display::wayland_display(renderer),
        guest_display::weston_picture().unwrap(),
    );
    let name = format!("{name} on Wayland on {driver}, drawn with {renderer:?}");
    GuestJob { name, driver, command, timeout: PATIENCE }
}

/// vkcube on a Weston of the guest's.
fn vkcube_still(driver: Driver, renderer: Renderer) -> GuestJob {
    still(driver, renderer, "vkcube", &format!("vkcube {}", ON_WAYLAND.join(" ")), SHOWN)
}

/// A scene of vkmark's on a Weston of the guest's.
fn scene_still(driver: Driver, renderer: Renderer, scene: &str) -> GuestJob {
    let told = Told::still(WindowSystem::Wayland, SCREEN, scene);
    let [first, second] = told.environment.map(|(name, value)| format!("{name}='{value}'"));
    still(driver, renderer, scene, &format!("{first} {second} {}", told.words.join(" ")), UNTIL_STILL)
}

/// The picture that a job has left.
fn picture(result: &GuestResult) -> &[u8] {
    result.good().unwrap();
    let [(_, bytes)] = &result.files.iter().collect::<Vec<_>>()[..] else {
        panic!("{} left {} files:\n{}", result.name, result.files.len(), result.output)
    };
    bytes
}

/// The same as [`on_x11`] on a screen of the host's, by its own driver.
fn natively_on_x11(screen: [u32; 2]) -> Vec<u8> {
    let server = Xvfb::start(screen, &[]).unwrap();
    let file = std::env::temp_dir().join(format!("hesper-screen-{}", std::process::id()));
    let mut command = root().client(Driver::Native, None, CLIENT).unwrap();
    command.arg("screen-after").arg(&file).arg("vkcube").args(ON_X11).env("DISPLAY", server.display());
    good("vkcube", &mut command);
    let picture = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    picture
}

/// vkcube on a compositor of the host's, by its own driver.
fn vkcube() -> Command {
    let mut command = root().client(Driver::Native, None, "/usr/bin/vkcube").unwrap();
    command.args(ON_WAYLAND);
    command
}

/// The first pictures that vkcube shows, by the host's own driver.
fn natively_on_wayland() -> Vec<Vec<u8>> {
    let pictures = stills::first(AT_MOST, &Compositor::start(Manners::default()), &mut vkcube());
    pictures.into_iter().map(|p| p.bytes).collect()
}

/// A screenshot is one of the pictures that vkcube shows, which turns on by the same angle with each.
fn assert_is_one_of(what: &str, png: &Png, all: &[Vec<u8>]) {
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
    let servers = [
        // The first one, as others open the card, too, and who is first has it.
        guest_display::xorg().unwrap(),
        guest_display::xvfb(SCREEN).unwrap(),
        guest_display::weston(Renderer::Pixman, SCREEN).unwrap(),
        guest_display::weston(Renderer::Gl, SCREEN).unwrap(),
    ]
    .join("\n");
    let servers = GuestJob { name: "display servers".into(), driver: Driver::Native, command: servers, timeout: START };
    let x11 = |driver| on_x11(driver, "Xvfb", guest_display::X_DISPLAY);
    let copied = |driver| vkcube_still(driver, Renderer::Pixman);
    let xorg = on_x11(Driver::Hesper, "Xorg", guest_display::XORG_DISPLAY);
    let shared = vkcube_still(Driver::Hesper, Renderer::Gl);
    let scenes = SCENES.map(|scene| scene_still(Driver::Hesper, Renderer::Gl, scene)).into();
    let windows = vec![x11(Driver::Hesper), xorg, copied(Driver::Hesper), shared];
    let mesa = vec![x11(Driver::Mesa), copied(Driver::Mesa)];
    let [width, height] = CARD;
    let gpus = vec![format!("{GPU},xres={width},yres={height}")];
    let mut vm = Vm { gpus, ..Vm::new(Machine::amd64(Kernel::Trixie)) };
    // The host's driver by itself exports no memory.
    let build = build_driver().unwrap();
    vm.environment =
        build.layer_environment().map(|(name, value)| (name.into(), value.to_str().unwrap().into())).into();
    let jobs = [vec![servers], windows, scenes, mesa].concat();
    let run = vm.run(&root(), &jobs).unwrap();
    let [servers, xvfb, xorg, copied, shared, scenes @ ..] = &run.results[..] else {
        panic!("{} results", run.results.len())
    };
    let (scenes, mesa) = scenes.split_at(SCENES.len());
    servers.good().unwrap();
    assert_as_native("on the guest's Xvfb", picture(xvfb), || natively_on_x11(SCREEN));
    assert_as_native("on the guest's Xorg", picture(xorg), || natively_on_x11(CARD));
    let mut shown = natively_on_wayland();
    let weston = Weston::start(Renderer::Pixman, SCREEN).unwrap();
    let (natively, _) = stills::on_weston(&weston, SHOWN, &mut vkcube());
    assert_is_one_of("the host's own driver on the host's Weston", &natively, &shown);
    for (what, result) in [("copied", copied), ("shared", shared)] {
        assert_is_one_of(&format!("on the guest's Weston, {what}"), &Png::read(picture(result)).unwrap(), &shown);
    }
    assert!(copied.output.contains("taken: 0\n"), "{}", copied.output);
    for (scene, result) in SCENES.iter().zip(scenes) {
        let (png, expected) = (Png::read(picture(result)).unwrap(), still_natively(SCREEN, scene));
        assert_eq!(differing(&png.pixels, &expected), 0, "pixels of {scene}");
        shown.push(expected);
    }
    for result in [shared].into_iter().chain(scenes) {
        assert!(!result.output.contains("taken: 0\n"), "{}: {}", result.name, result.output);
    }
    for result in mesa {
        println!("{}: {}", result.name, seen(result, picture(xvfb), &shown));
    }
}
