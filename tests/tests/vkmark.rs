//! vkmark's scenes: what each shows in a window is what it shows there by the host's own driver.

use std::process::Stdio;
use std::sync::LazyLock;

use hesper_rig::vkmark::{SCENES, SIZE};
use hesper_rig::{Driver, Host, Nodes, Renderer, Weston, WindowSystem, Xvfb};
use hesper_tests::compositor::{Dmabuf, Manners, Picture};
use hesper_tests::pictures::{colors, differing};
use hesper_tests::scenes::{Told, UNTIL_STILL, all_frames, all_natively, frames, is_still};
use hesper_tests::stills::{Running, on_weston};
use hesper_tests::x_screen::XScreen;
use hesper_tests::{quick, root};

/// A compositor that takes memory of devices.
const TAKES: Manners = Manners { silent: false, keeps: false, late: 0, dmabuf: Dmabuf::Takes };

static NATIVE: LazyLock<Vec<Picture>> = LazyLock::new(|| {
    let all = all_natively(SIZE);
    assert_eq!(all.len(), SCENES.iter().map(|s| frames(s)).sum::<usize>());
    all
});

/// The frames of the scene with this number by the host's own driver.
fn native(scene: usize) -> &'static [Picture] {
    let before: usize = SCENES[..scene].iter().map(|s| frames(s)).sum();
    &NATIVE[before..before + frames(SCENES[scene])]
}

/// The last one of them.
fn last(scene: usize) -> &'static [u8] {
    &native(scene).last().unwrap().bytes
}

/// Whether all frames are those of the host's own driver.
fn are_as_native(what: &str, seen: &[Picture]) {
    let mut seen = seen.iter();
    for (number, scene) in SCENES.iter().enumerate() {
        for (i, native) in native(number).iter().enumerate() {
            let picture = seen.next().unwrap_or_else(|| panic!("{what}: frame {i} of {scene} is missing"));
            assert_eq!((picture.size, picture.format), (native.size, native.format), "{what}: frame {i} of {scene}");
            assert_eq!(differing(&picture.bytes, &native.bytes), 0, "{what}: pixels of frame {i} of {scene}");
        }
    }
    assert_eq!(seen.count(), 0, "{what}: frames behind the last one");
}

/// Otherwise pictures that are alike would prove nothing.
#[test]
fn scenes_go_on_by_the_clock() {
    for (number, scene) in SCENES.iter().enumerate() {
        let goes_on = native(number).windows(2).skip(1).all(|two| two[0].bytes != two[1].bytes);
        assert_eq!(goes_on, !is_still(scene), "{scene}");
        let enough = match *scene {
            "clear" => 1,
            "shading:shading=cel" => 4,
            _ => 20,
        };
        assert!(colors(last(number)) >= enough, "{scene}: {} colors", colors(last(number)));
    }
}

#[test]
fn every_frame_is_the_hosts_own_drivers() {
    let host = Host::start(&root()).unwrap();
    for (what, switches) in [("drawn in place", "vtest"), ("copied", "vtest,copied-windows")] {
        let seen = all_frames(Manners::default(), SIZE, |program| {
            let mut command = root().client(Driver::Hesper, Some(&host), program).unwrap();
            command.env("HESPER_DEBUG", switches);
            command
        });
        are_as_native(what, &seen);
    }
    let nodes = Nodes::over(&host, "rings 1\n").unwrap();
    let shared = all_frames(TAKES, SIZE, |program| root().client_on(&nodes, program).unwrap());
    assert!(shared.iter().all(|p| p.from_device));
    are_as_native("shared", &shared);
    assert!(!host.log().contains("fatal"), "the host complains:\n{}", host.log());
}

/// Mesa's driver shows the last frames, too. In those before it shows uniforms of later ones: vkmark writes them once it has an image, and doesn't wait until
/// that is free.
#[test]
fn scenes_look_the_same_on_xvfb() {
    if quick() {
        return;
    }
    let host = Host::start(&root()).unwrap();
    let server = Xvfb::start([SIZE[0] + 20, SIZE[1] + 20], &[]).unwrap();
    let watcher = XScreen::new(Some(&server.display()));
    for (number, scene) in SCENES.iter().enumerate() {
        for driver in [Driver::Hesper, Driver::Mesa] {
            watcher.clear();
            let on = |program: &str| root().client(driver, Some(&host), program).unwrap();
            let mut command = Told::still(WindowSystem::X11, SIZE, scene).command(on);
            // Mesa's asks for DRI3 by itself, which this server hasn't.
            command.env("DISPLAY", server.display()).env("MESA_VK_WSI_DEBUG", "sw");
            command.stdout(Stdio::null()).stderr(Stdio::null());
            let seen = || watcher.picture([0, 0], SIZE.map(|n| n as u16));
            let is_last = || differing(&seen(), last(number)) == 0;
            Running::start(&mut command).until(&format!("the last frame of {scene} on {driver}"), is_last);
        }
    }
    assert!(!host.log().contains("fatal"), "the host complains:\n{}", host.log());
}

/// By a copy on a Weston that draws by itself, and without on one that draws with OpenGL, which maps the memory.
#[test]
fn scenes_look_the_same_on_weston() {
    if quick() {
        return;
    }
    let host = Host::start(&root()).unwrap();
    let nodes = Nodes::over(&host, "rings 1\n").unwrap();
    for renderer in [Renderer::Pixman, Renderer::Gl] {
        let weston = Weston::start(renderer, SIZE).unwrap();
        for (number, scene) in SCENES.iter().enumerate() {
            let on = |program: &str| root().client_on(&nodes, program).unwrap();
            let mut command = Told::still(WindowSystem::Wayland, SIZE, scene).command(on);
            let (png, said) = on_weston(&weston, UNTIL_STILL, &mut command);
            let what = format!("{scene} with {renderer:?}");
            assert_eq!(png.size, SIZE.map(|n| n as usize), "{what}");
            assert_eq!(differing(&png.pixels, last(number)), 0, "pixels of {what}");
            // Each buffer that was taken comes with an event.
            assert_eq!(said.contains(".created("), renderer == Renderer::Gl, "{what}: memory of the device is taken");
        }
    }
    assert!(!host.log().contains("fatal"), "the host complains:\n{}", host.log());
}
