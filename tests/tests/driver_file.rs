//! The shared object as it is shipped: small, and at home in any container.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use hesper_rig::{Host, build_driver};
use hesper_rig_open::VARIABLE;
use hesper_tests::program_copy::copy_program;
use hesper_tests::{both, good, output, root};

#[test]
fn small_and_needs_only_the_c_library() {
    let library = build_driver().unwrap().library;
    let size = std::fs::metadata(&library).unwrap().len();
    assert!(size <= 4 << 20, "{size} bytes");
    let needs = good("ldd", Command::new("ldd").arg(&library));
    for line in needs.lines() {
        let known = ["linux-vdso.so", "libc.so.6", "libm.so.6", "libgcc_s.so.1", "ld-linux"];
        assert!(known.iter().any(|k| line.contains(k)), "the driver needs {line}");
    }
}

/// Nothing but the loader's interface is visible, so the driver can't clash with a program's symbols.
#[test]
fn exports_the_loader_interface_alone() {
    let library = build_driver().unwrap().library;
    let out = good("nm", Command::new("nm").args(["-D", "--defined-only", "--format=posix"]).arg(&library));
    let mut names: Vec<&str> = out.lines().filter_map(|l| l.split(' ').next()).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        ["vk_icdGetInstanceProcAddr", "vk_icdGetPhysicalDeviceProcAddr", "vk_icdNegotiateLoaderICDInterfaceVersion"]
    );
}

/// Closing the driver doesn't unmap it: its tables serve the next load (`growth.rs` has the loads).
#[test]
fn stays_where_it_is() {
    let library = build_driver().unwrap().library;
    let out = good("readelf", Command::new("readelf").args(["--dynamic", "--wide"]).arg(&library));
    assert!(out.lines().any(|l| l.contains("FLAGS_1") && l.contains("NODELETE")), "{out}");
}

/// A machine without a device that this driver is for says nothing, unless somebody wants to know.
#[test]
fn a_driver_that_nobody_chose_is_silent() {
    let manifest = build_driver().unwrap().manifest;
    let root = root();
    let data = std::env::temp_dir().join(format!("hesper-silent-{}", std::process::id()));
    let installed = data.join("vulkan/icd.d/hesper_icd.json");
    std::fs::create_dir_all(installed.parent().unwrap()).unwrap();
    std::fs::copy(&manifest, &installed).unwrap();
    let run = |set: &[(&str, &str)]| {
        let mut command = root.command(env!("CARGO_BIN_EXE_hesper-client")).unwrap();
        command.arg("memory").env("XDG_DATA_DIRS", "/usr/share").env("XDG_DATA_HOME", &data);
        let out = output("the client", command.envs(set.iter().copied()));
        (out.status.success(), both(&out).contains("hesper: no Venus device: "))
    };
    // Installed beside the driver that has a device, as an image for all machines has it.
    assert_eq!(run(&[]), (true, false));
    let manifest = manifest.to_str().unwrap();
    let lavapipe = "/usr/share/vulkan/icd.d/lvp_icd.json";
    assert_eq!(run(&[("VK_ADD_DRIVER_FILES", manifest)]), (true, true));
    assert_eq!(run(&[("VK_DRIVER_FILES", &format!("{lavapipe}:{manifest}"))]), (true, true));
    assert_eq!(run(&[("VK_ICD_FILENAMES", manifest)]), (false, true));
    assert_eq!(run(&[("HESPER_LOG", "error")]), (true, true));
    assert_eq!(run(&[("VK_DRIVER_FILES", lavapipe)]), (true, false));
    // A server that hangs up on everybody.
    let socket = data.join("socket");
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    std::thread::spawn(move || listener.incoming().for_each(drop));
    let (both, socket) = (format!("{manifest}:{lavapipe}"), socket.to_str().unwrap());
    let set = [("VK_DRIVER_FILES", &*both), ("HESPER_DEBUG", "vtest"), ("HESPER_VTEST_SOCKET", socket)];
    assert!(run(&set).0, "lavapipe isn't found beside a driver that can't start");
    std::fs::remove_dir_all(&data).unwrap();
}

/// A setuid program writes no trace for a user who may not write there, and follows no other variable of theirs.
#[test]
fn variables_of_those_with_fewer_rights_do_not_count() {
    const NOBODY: u32 = 65534;
    let host = Host::start(&root()).unwrap();
    let library = build_driver().unwrap().library;
    let folder = std::env::temp_dir().join(format!("hesper-setuid-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let (client, trace) = (folder.join("client"), folder.join("trace.json"));
    copy_program(Path::new(env!("CARGO_BIN_EXE_hesper-client")), &client, 0o4755);
    let run = |user: u32| {
        let mut command = Command::new(&client);
        command.arg("compute").uid(user).gid(user).current_dir("/").env(VARIABLE, &library);
        command.env("HESPER_DEBUG", "vtest").env("HESPER_VTEST_SOCKET", host.socket()).env("HESPER_TRACE", &trace);
        let out = output("the client", &mut command);
        (out.status.success(), trace.exists())
    };
    assert_eq!(run(NOBODY), (false, false), "it goes where its user says");
    assert_eq!(run(0), (true, true), "without more rights than its user's it doesn't");
    fs::remove_dir_all(&folder).unwrap();
}
