//! `hesper doctor` on hosts that are stopped, gone, old or broken: each failure is provoked, and what is said of it asserted.

use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use hesper_rig::{Driver, Host, HostVersion, Nodes, Root, build_driver};
use hesper_tests::doctor::Report;
use hesper_tests::{quick, root};

fn at(root: &Root, socket: &Path) -> Command {
    root.client_at(Driver::Hesper, Some(socket), build_driver().unwrap().program).unwrap()
}

#[test]
fn a_host_that_is_stopped_or_dead() {
    let root = root();
    let mut host = Host::start(&root).unwrap();
    host.stop().unwrap();
    let start = Instant::now();
    Report::of(&mut at(&root, host.socket())).blames("ring", 12, "the host doesn't answer", "still run");
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    host.go_on().unwrap();
    Report::of(&mut at(&root, host.socket())).is_good(&["ring", "dispatch"]);
    // Its socket stays, and nobody listens.
    host.kill();
    assert!(host.socket().exists());
    Report::of(&mut at(&root, host.socket())).blames("node", 3, "Connection refused", "virgl_test_server");
}

/// A node whose host runs nothing: its memory is there, and no ring answers.
#[test]
fn a_node_whose_host_is_silent() {
    let root = root();
    let nodes = Nodes::new(&[("renderD128", "")]).unwrap();
    let mut command = root.client_on(&nodes, build_driver().unwrap().program).unwrap();
    Report::of(&mut command).blames("ring", 12, "/dev/dri/renderD128: the host doesn't answer", "still run");
}

#[test]
fn a_server_that_hangs_up() {
    let root = root();
    let folder = std::env::temp_dir().join(format!("hesper-doctor-server-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let socket = folder.join("socket");
    let listener = UnixListener::bind(&socket).unwrap();
    std::thread::spawn(move || listener.incoming().for_each(drop));
    Report::of(&mut at(&root, &socket)).blames("ring", 9, "socket: ", "virgl_render_server");
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_host_of_debian_12() {
    if quick() {
        return;
    }
    let root = root();
    let host = Host::start_version(&root, HostVersion::V0_10_4, &[]).unwrap();
    let report = Report::of(&mut at(&root, host.socket()));
    report.blames("host", 7, "virglrenderer is older than 1.0", "virglrenderer 1.0 or newer");
}

#[test]
fn a_host_of_debian_13() {
    if quick() {
        return;
    }
    let root = root();
    let host = Host::start_version(&root, HostVersion::V1_1_0, &[]).unwrap();
    let report = Report::of(&mut at(&root, host.socket()));
    report.is_good(&["host", "ring", "memory", "dispatch"]);
    assert_eq!(report.fact("host", "venus"), 2);
}

/// What is known of virglrenderer before 1.2 on NVIDIA's driver: it makes no device. Here another driver has NVIDIA's number, and is told to make none.
#[test]
fn an_old_host_on_nvidias_driver() {
    if quick() {
        return;
    }
    let root = root();
    let set = [("HESPER_TEST_LAYER_VENDOR", "4318"), ("HESPER_TEST_LAYER_FAIL", "vkCreateDevice:-3:1")];
    let host = Host::start_version(&root, HostVersion::V1_1_0, &set).unwrap();
    let report = Report::of(&mut at(&root, host.socket()));
    report.blames(
        "memory",
        13,
        "virglrenderer is older than 1.2, which makes no devices on NVIDIA's driver",
        "1.2 or newer",
    );
    assert_eq!(report.check("host")["status"], "warn");
}

/// Vulkan calls that fail at the host, each at its stage.
#[test]
fn a_host_whose_driver_fails() {
    let root = root();
    let host = |fails: &str| Host::start_with(&root, &[("HESPER_TEST_LAYER_FAIL", fails)]).unwrap();
    for (fails, id, why) in [
        ("vkCreateDevice:-3:1", "memory", "no device can be made: vkCreateDevice"),
        ("vkAllocateMemory:-2:1", "memory", "mapped memory: vkAllocateMemory"),
        ("vkCreateComputePipelines:-1:1", "dispatch", "the host couldn't make a pipeline"),
    ] {
        let host = host(fails);
        Report::of(&mut at(&root, host.socket())).blames(id, 13, why, "log of the machine's monitor");
    }
}

/// virglrenderer runs Venus in a program of its own, which isn't installed everywhere.
#[test]
fn a_host_without_its_render_server() {
    let root = root();
    let host = Host::start_without_render_server(&root).unwrap();
    let report = Report::of(&mut at(&root, host.socket()));
    report.blames("ring", 9, "/socket: ", "is virgl_render_server installed there");
}
