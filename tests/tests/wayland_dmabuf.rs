//! Windows of Wayland in memory of the device (linux-dmabuf): a compositor gets what it would get from the host's own driver, by the protocol's rules, without
//! another copy; where it takes no such memory it gets pictures the other way.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::time::Duration;

use hesper_rig::{Driver, GuestJob, Host, Kernel, Machine, Nodes, Vm, build_driver};
use hesper_tests::compositor::{Compositor, Dmabuf, Format, Manners, Picture};
use hesper_tests::{ends, good, quick, root};

const CLIENT: &str = env!("CARGO_BIN_EXE_hesper-client");
/// Arguments by which this program runs the test below that is for others to run.
const ON_A_NODE: [&str; 4] = ["--exact", "on_a_node", "--ignored", "--test-threads=1"];
/// A compositor that takes memory of devices.
const TAKES: Manners = Manners { silent: false, keeps: false, late: 0, dmabuf: Dmabuf::Takes };
/// What the client's `resized` shows.
const RESIZED: [[i32; 2]; 4] = [[50, 40], [80, 30], [20, 60], [50, 40]];

/// A host, and a node over it without the kernel's fences, which aren't imitated.
fn node(lines: &str) -> (Host, Nodes) {
    let host = Host::start(&root()).unwrap();
    let nodes = Nodes::over(&host, &format!("rings 1\n{lines}")).unwrap();
    (host, nodes)
}

/// A part of the client in front of a compositor.
fn window(nodes: &Nodes, compositor: &Compositor, part: &str) -> Command {
    let mut command = root().client_on(nodes, CLIENT).unwrap();
    command.env("WAYLAND_DISPLAY", compositor.display()).args(["wayland", part]);
    command
}

/// Twelve frames of vkcube in a mode, in a window whose rows have a length that no device wants.
fn vkcube(mut command: Command, mode: &str) -> Vec<Picture> {
    let compositor = Compositor::start(TAKES);
    command.env("WAYLAND_DISPLAY", compositor.display()).args(["--wsi", "wayland", "--c", "12", "--suppress_popups"]);
    good("vkcube", command.args(["--width", "200", "--height", "160", "--present_mode", mode]));
    compositor.take()
}

#[test]
fn vkcube_shows_without_a_copy_what_it_shows_on_the_hosts_own_driver() {
    let (host, nodes) = node("");
    let native = vkcube(root().client(Driver::Native, None, "/usr/bin/vkcube").unwrap(), "2");
    assert_eq!((native.len(), native.iter().any(|p| p.from_device)), (12, false));
    // FIFO, IMMEDIATE and MAILBOX.
    for mode in ["2", "0", "1"] {
        let seen = vkcube(root().client_on(&nodes, "/usr/bin/vkcube").unwrap(), mode);
        assert_eq!(seen.len(), 12, "mode {mode}");
        for (i, (a, b)) in seen.iter().zip(&native).enumerate() {
            assert!(a.from_device, "picture {i} of mode {mode} came by a copy");
            assert_eq!((a.size, a.format), (b.size, b.format));
            let differing = a.bytes.chunks(4).zip(b.bytes.chunks(4)).filter(|(a, b)| a[..3] != b[..3]).count();
            assert_eq!(differing, 0, "pixels of picture {i} of mode {mode}");
        }
    }
    assert!(!host.log().contains("fatal"), "the host complains:\n{}", host.log());
}

/// Whether pictures are those of which the client's `pictures` has told: each in its color, without a copy.
fn are_told_of(seen: &[Picture], said: &str) {
    let expected: Vec<[u8; 4]> = said
        .lines()
        .filter_map(|line| line.strip_prefix("picture "))
        .map(|line| line.split(' ').skip(2).map(|w| w.parse().unwrap()).collect::<Vec<u8>>().try_into().unwrap())
        .collect();
    assert_eq!((seen.len(), expected.len()), (48, 48), "{said}");
    for (i, (picture, color)) in seen.iter().zip(expected).enumerate() {
        let format = if color[3] == 255 { Format::Xrgb8888 } else { Format::Argb8888 };
        assert_eq!((picture.size, picture.format, picture.from_device), ([50, 40], format, true), "picture {i}");
        let near = |a: &[u8]| a.iter().zip(&color).all(|(a, b)| a.abs_diff(*b) <= 1);
        assert!(picture.bytes.chunks(4).all(near), "picture {i}: {:?}, not {color:?}", &picture.bytes[..4]);
    }
}

/// A buffer that is still read isn't written, however late it comes back: the compositor looks at what it has with every refresh.
#[test]
fn pictures_stay_until_they_are_given_back() {
    let (host, nodes) = node("");
    for late in [0, 6] {
        let compositor = Compositor::start(Manners { late, ..TAKES });
        let said = good("pictures", &mut window(&nodes, &compositor, "pictures"));
        are_told_of(&compositor.take(), &said);
    }
    assert!(!host.log().contains("fatal"), "the host complains:\n{}", host.log());
}

/// The new swapchain's pictures come while the compositor has the old one's, and show the old one's as they were.
#[test]
fn a_window_may_change_its_size_while_pictures_are_held() {
    let (_host, nodes) = node("");
    for late in [0, 6] {
        let compositor = Compositor::start(Manners { late, ..TAKES });
        good("resized", &mut window(&nodes, &compositor, "resized"));
        let seen: Vec<_> = compositor.take().iter().map(|p| (p.size, p.from_device)).collect();
        assert_eq!(seen, RESIZED.map(|size| [(size, true); 3]).concat());
        assert_eq!(compositor.left(), 0, "objects that nobody has ended");
    }
    let compositor = Compositor::start(TAKES);
    good("renewed", &mut window(&nodes, &compositor, "renewed"));
    let seen = compositor.take();
    assert!(seen.len() == 24 && seen.iter().all(|p| p.from_device), "{}", seen.len());
}

/// Whatever stands in the way, pictures come the other way.
#[test]
fn what_is_not_taken_is_copied() {
    let copied = |what: &str, nodes: &Nodes, dmabuf, switches: &str| {
        let compositor = Compositor::start(Manners { dmabuf, ..TAKES });
        good(what, window(nodes, &compositor, "resized").env("HESPER_DEBUG", switches));
        let seen: Vec<_> = compositor.take().iter().map(|p| (p.size, p.from_device)).collect();
        assert_eq!(seen, RESIZED.map(|size| [(size, false); 3]).concat(), "{what}");
        assert_eq!(compositor.left(), 0, "{what}: objects that nobody has ended");
    };
    let (host, nodes) = node("");
    let refuses = |after| Dmabuf::Refuses { after };
    for dmabuf in [Dmabuf::None, Dmabuf::Old, Dmabuf::Tiled, refuses(0), refuses(2), Dmabuf::Mute] {
        copied(&format!("{dmabuf:?}"), &nodes, dmabuf, "");
    }
    copied("a switch", &nodes, Dmabuf::Takes, "shm-windows");
    let exports_nothing = Nodes::over(&host, "rings 1\nrefuse export EINVAL").unwrap();
    copied("a node that exports nothing", &exports_nothing, Dmabuf::Takes, "");
    assert!(!host.log().contains("fatal"), "the host complains:\n{}", host.log());
}

/// A program that couldn't open files for a while has its pictures copied meanwhile, and no longer.
#[test]
fn few_files_are_no_refusal() {
    let (_host, nodes) = node("");
    let compositor = Compositor::start(TAKES);
    println!("{}", good("no-files", &mut window(&nodes, &compositor, "no-files")));
    let seen: Vec<bool> = compositor.take().iter().map(|p| p.from_device).collect();
    assert_eq!(seen, [true; 6]);
}

/// Over the test server's socket nothing is the kernel's dma-buf.
#[test]
fn a_socket_has_no_dma_bufs() {
    let host = Host::start(&root()).unwrap();
    let compositor = Compositor::start(TAKES);
    let mut command = root().client(Driver::Hesper, Some(&host), CLIENT).unwrap();
    good("resized", command.env("WAYLAND_DISPLAY", compositor.display()).args(["wayland", "resized"]));
    let seen = compositor.take();
    assert!(seen.len() == 12 && !seen.iter().any(|p| p.from_device), "{}", seen.len());
}

#[test]
fn a_compositor_that_is_silent_or_keeps_everything_holds_nobody_up() {
    let (host, nodes) = node("");
    for (part, manners) in [
        ("hidden", Manners { silent: true, ..TAKES }),
        ("kept", Manners { keeps: true, ..TAKES }),
        ("kept", Manners { silent: true, keeps: true, ..TAKES }),
    ] {
        let compositor = Compositor::start(manners);
        good(part, &mut window(&nodes, &compositor, part));
        let seen = compositor.take();
        assert!(seen.len() >= 4 && seen.iter().all(|p| p.from_device), "{part}");
    }
    assert!(!host.log().contains("fatal"), "the host complains:\n{}", host.log());
}

#[test]
fn a_compositor_that_dies_is_told_of() {
    let (host, nodes) = node("");
    let dies = Compositor::start(Manners { dmabuf: Dmabuf::Dies, ..TAKES });
    good("dying", &mut window(&nodes, &dies, "dying"));
    let mut compositor = Compositor::start(TAKES);
    let mut command = window(&nodes, &compositor, "dead");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    compositor.kill();
    child.stdin.take().unwrap().write_all(b"\n").unwrap();
    let status = ends(&mut child, Duration::from_secs(30)).expect("the client hangs");
    assert!(status.success(), "{status}");
    let seen = compositor.take();
    assert!(seen.len() >= 4 && seen.iter().all(|p| p.from_device), "{}", seen.len());
    for part in ["closed", "left"] {
        let compositor = Compositor::start(TAKES);
        good(part, &mut window(&nodes, &compositor, part));
        assert_eq!(compositor.take().len(), 5, "{part}");
    }
    assert!(!host.log().contains("fatal"), "the host complains:\n{}", host.log());
}

/// In a guest, whose node is the kernel's.
#[test]
#[ignore = "run by others, on a node"]
fn on_a_node() {
    for late in [0, 6] {
        let compositor = Compositor::start(Manners { late, ..TAKES });
        let shown = |part: &str| {
            let mut command = Command::new(CLIENT);
            let said = good(part, command.args(["wayland", part]).env("WAYLAND_DISPLAY", compositor.display()));
            (compositor.take(), said)
        };
        let (seen, said) = shown("pictures");
        are_told_of(&seen, &said);
        let (seen, _) = shown("resized");
        let seen: Vec<_> = seen.iter().map(|p| (p.size, p.from_device)).collect();
        assert_eq!(seen, RESIZED.map(|size| [(size, true); 3]).concat());
    }
}

#[test]
fn a_guest_hands_memory_of_its_node_to_its_compositor() {
    if quick() {
        return;
    }
    let command = format!("{} {}", std::env::current_exe().unwrap().display(), ON_A_NODE.join(" "));
    let (name, timeout) = ("dma-bufs".into(), Duration::from_secs(400));
    let mut vm = Vm::new(Machine::amd64(Kernel::Trixie));
    // The host's driver by itself exports no memory.
    let layer = build_driver().unwrap();
    vm.environment =
        layer.layer_environment().map(|(name, value)| (name.into(), value.to_str().unwrap().into())).into();
    let run = vm.run(&root(), &[GuestJob { name, driver: Driver::Hesper, command, timeout }]).unwrap();
    let said = run.results[0].good().unwrap();
    assert!(said.contains("1 passed"), "{said}");
}
