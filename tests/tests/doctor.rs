//! `hesper doctor` on machines where something between a program and the driver is wrong: each failure is provoked, and what is said of it asserted.
//! `doctor_host.rs` has what is wrong at the host, `nodes.rs` what is wrong with a node.

use std::fs;
use std::path::Path;
use std::process::Command;

use hesper_rig::{Driver, Guest, Host, Libraries, Nodes, Root, SmallTree, build_driver};
use hesper_tests::doctor::Report;
use hesper_tests::folder::Folder;
use hesper_tests::program_copy::copy_program;
use hesper_tests::{output, root};

const LAVAPIPE: &str = "/usr/share/vulkan/icd.d/lvp_icd.json";
const MESA: &str = "/usr/share/vulkan/icd.d/virtio_icd.json";

/// A manifest in this folder that names `library`, and is called as `hesper install` calls it.
fn manifest(folder: &Folder, library: &Path) -> String {
    let path = folder.path().join("hesper_icd.json");
    let json = serde_json::json!({ "file_format_version": "1.0.1", "ICD": { "library_path": library, "api_version": "1.4.0" } });
    fs::write(&path, json.to_string()).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A program on this driver, over a socket that nobody listens at: for failures that are seen before.
fn nowhere(root: &Root) -> Command {
    let program = build_driver().unwrap().program;
    root.client_at(Driver::Hesper, Some(Path::new("/nowhere/socket")), program).unwrap()
}

fn over(root: &Root, host: &Host) -> Command {
    root.client(Driver::Hesper, Some(host), build_driver().unwrap().program).unwrap()
}

#[test]
fn all_is_well_over_a_socket_and_on_a_node() {
    let root = root();
    let host = Host::start(&root).unwrap();
    let nodes = Nodes::over(&host, "").unwrap();
    let on_node = root.client_on(&nodes, build_driver().unwrap().program).unwrap();
    for (mut command, way) in [(over(&root, &host), host.socket().to_str().unwrap()), (on_node, "/dev/dri/renderD128")]
    {
        let report = Report::of(&mut command);
        report.is_good(&[
            "loader", "manifest", "library", "node", "host", "ring", "others", "memory", "dispatch", "llama",
        ]);
        // The host's Vulkan driver is lavapipe.
        report.warns("device", "Virtio-GPU Venus (llvmpipe");
        assert_eq!(report.fact("node", "tried")[0]["way"], way);
        assert!(report.fact("llama", "subgroup_size").as_u64().unwrap() >= 4);
        assert!(report.fact("llama", "memory").as_u64().unwrap() > 1 << 30);
        println!("{way}: {:.2} s", report.seconds());
        // Three seconds on a machine that isn't busy otherwise.
        assert!(report.seconds() < 10.0, "{} s", report.seconds());
    }
    assert!(!host.log().contains("fatal"), "the host complains:\n{}", host.log());
}

/// Without a loader programs find nothing, but the driver by itself is looked at nonetheless.
#[test]
fn no_loader_and_one_of_another_architecture() {
    let root = root();
    let host = Host::start(&root).unwrap();
    let system = SmallTree::make(&root, Libraries::Fedora).unwrap();
    let loader = system.tree().path().join("usr/lib64/libvulkan.so.1");
    fs::remove_file(&loader).unwrap();
    let report = Report::of(&mut over(system.tree(), &host));
    report.blames("loader", 10, "libvulkan.so.1: cannot open shared object file", "libvulkan1");
    for id in ["library", "ring", "memory", "dispatch"] {
        assert_eq!(report.check(id)["status"], "pass", "{id}: {report:#?}");
    }
    let other = Guest::Arm64.tree().unwrap().join("usr/lib/aarch64-linux-gnu/libvulkan.so.1");
    fs::copy(other, &loader).unwrap();
    let report = Report::of(&mut over(system.tree(), &host));
    report.blames(
        "loader",
        10,
        "can't be opened",
        "/usr/lib64/libvulkan.so.1 is there, but the dynamic linker doesn't take it",
    );
}

#[test]
fn what_leads_the_loader_elsewhere() {
    let root = root();
    let system = SmallTree::make(&root, Libraries::Fedora).unwrap();
    let doctor = |set: &[(&str, &str)]| {
        let mut command = nowhere(system.tree());
        Report::of(command.env_remove("VK_DRIVER_FILES").envs(set.iter().copied()))
    };
    let none = "no manifest of this driver where the Vulkan loader looks";
    doctor(&[]).blames("manifest", 11, none, "hesper install");
    let missing = doctor(&[("VK_DRIVER_FILES", "/nowhere/hesper_icd.json")]);
    missing.blames(
        "manifest",
        11,
        "VK_DRIVER_FILES names /nowhere/hesper_icd.json, which isn't there",
        "hesper install",
    );

    // Installed, and left out.
    let installed = system.tree().path().join("usr/share/vulkan/icd.d/hesper_icd.json");
    fs::copy(build_driver().unwrap().manifest, &installed).unwrap();
    let good = doctor(&[]);
    good.blames("node", 3, "can't connect to /nowhere/socket", "virgl_test_server");
    assert_eq!(good.check("manifest")["status"], "pass");
    for (name, value, why) in [
        ("VK_DRIVER_FILES", "/etc/ld.so.conf", "names others, and leaves out /usr/share/vulkan/icd.d/hesper_icd.json"),
        ("VK_ICD_FILENAMES", "/usr/share/vulkan", "names others"),
        ("VK_LOADER_DRIVERS_SELECT", "*lvp*,*virtio*", "VK_LOADER_DRIVERS_SELECT=*lvp*,*virtio* doesn't select it"),
        ("VK_LOADER_DRIVERS_DISABLE", "Hesper*", "VK_LOADER_DRIVERS_DISABLE=Hesper* disables it"),
    ] {
        doctor(&[(name, value)]).blames("manifest", 11, why, "unset");
    }
    let selected = doctor(&[("VK_LOADER_DRIVERS_SELECT", "*hesper*"), ("VK_LOADER_DRIVERS_DISABLE", "*lvp*")]);
    assert_eq!(selected.check("manifest")["status"], "pass");
    fs::write(&installed, "{").unwrap();
    doctor(&[]).blames("manifest", 11, "/usr/share/vulkan/icd.d/hesper_icd.json: it is no JSON", "hesper install");
}

#[test]
fn the_library_is_missing_or_for_others() {
    let root = root();
    let folder = Folder::new("doctor-library").unwrap();
    let library = folder.path().join("libvulkan_hesper.so");
    let manifest = manifest(&folder, &library);
    let doctor = || Report::of(nowhere(&root).env("VK_DRIVER_FILES", &manifest));
    let built = fs::read(build_driver().unwrap().library).unwrap();
    // The dynamic linker refuses each of these files, for the reason that is told.
    let with = |from: &str, to: &str| {
        let (from, to) = (from.as_bytes(), to.as_bytes());
        assert_eq!(from.len(), to.len());
        let mut bytes = built.clone();
        let places: Vec<usize> =
            bytes.windows(from.len()).enumerate().filter(|(_, w)| *w == from).map(|(i, _)| i).collect();
        assert!(!places.is_empty());
        for at in places {
            bytes[at..at + to.len()].copy_from_slice(to);
        }
        bytes
    };
    let builds = "cargo xtask build --target";
    doctor().blames("library", 11, "it isn't there", "hesper install");
    for (bytes, why, advice) in [
        (b"text".to_vec(), "it is no ELF file", "hesper install"),
        (built[..4000].to_vec(), "it ends too early", "hesper install"),
        (
            fs::read(Guest::Arm64.tree().unwrap().join("usr/lib/aarch64-linux-gnu/libc.so.6")).unwrap(),
            "it is for AArch64",
            builds,
        ),
        (with("libc.so.6\0", "libc.so\0\0\0"), "it is for the C library musl", builds),
        (with("GLIBC_2.34\0", "GLIBC_9.34\0"), "it needs glibc 9.34", builds),
        (
            with("libgcc_s.so.1\0", "libgcc_s.so.9\0"),
            "libgcc_s.so.9: cannot open shared object file",
            "install what it needs",
        ),
    ] {
        // Another file each time: one that is mapped somewhere isn't written to.
        let _ = fs::remove_file(&library);
        fs::write(&library, bytes).unwrap();
        doctor().blames("library", 11, why, advice);
    }
    let _ = fs::remove_file(&library);
    fs::write(&library, &built).unwrap();
    assert_eq!(doctor().check("library")["status"], "pass");
}

#[test]
fn drivers_of_others_are_named() {
    let root = root();
    let host = Host::start(&root).unwrap();
    let ours = build_driver().unwrap().manifest;
    let doctor = |files: &str| {
        let mut command = over(&root, &host);
        // Mesa's driver over the same socket.
        command
            .env("VN_DEBUG", "vtest")
            .env("VTEST_SOCKET_NAME", host.socket())
            .env("VTEST_RENDERER_SOCKET_NAME", host.socket());
        Report::of(command.env("VK_DRIVER_FILES", files))
    };
    // The loader has the last one's devices first, or the first one's: that is its own affair, and the report says which.
    let report = doctor(&format!("{LAVAPIPE}:{}", ours.display()));
    report.is_good(&["dispatch"]);
    let devices = report.fact("others", "devices").as_array().unwrap().clone();
    assert_eq!(devices.len(), 2, "{report:#?}");
    if devices[0]["driver"] == "hesper" {
        assert_eq!(report.check("others")["status"], "pass");
    } else {
        report.warns("others", "programs that take the first device get llvmpipe");
    }
    let report = doctor(&format!("{}:{MESA}", ours.display()));
    let mut drivers: Vec<_> =
        report.fact("others", "devices").as_array().unwrap().iter().map(|d| d["driver"].clone()).collect();
    drivers.sort_by_key(ToString::to_string);
    assert_eq!(drivers, ["hesper", "venus"]);
    assert_eq!(report.check("others")["status"], "warn", "{report:#?}");
}

/// A user who isn't in the node's group, for whom the kernel itself refuses to open it.
#[test]
fn a_node_of_somebody_elses() {
    use std::os::unix::fs::PermissionsExt;
    let (root, folder) = (root(), Folder::new("doctor-rights").unwrap());
    let build = build_driver().unwrap();
    let copy = |from: &Path| {
        let to = folder.path().join(from.file_name().unwrap());
        copy_program(from, &to, 0o755);
        to
    };
    let (program, library) = (copy(&build.program), copy(&build.library));
    let node = folder.path().join("renderD128");
    let doctor = |mode: u32| {
        fs::write(&node, "").unwrap();
        fs::set_permissions(&node, fs::Permissions::from_mode(mode)).unwrap();
        let mut command = root.command("/usr/bin/setpriv").unwrap();
        command.args(["--reuid=1234", "--regid=1234", "--clear-groups"]).arg(&program);
        command.env("VK_DRIVER_FILES", manifest(&folder, &library)).env("HESPER_RENDER_NODE", &node);
        Report::of(&mut command)
    };
    let report = doctor(0o660);
    report.blames(
        "node",
        4,
        "renderD128: permission denied (it belongs to user 0 and group root, mode 0660",
        "usermod -aG root",
    );
    doctor(0o600).blames("node", 4, "mode 0600", "chmod g+rw");
    // Whoever may open it sees that it is no device.
    doctor(0o666).blames("node", 5, "renderD128 is no DRM device", "virtio-gpu");
    let report = Report::of(root.command(&build.program).unwrap().env("HESPER_RENDER_NODE", "/nowhere/renderD128"));
    assert_eq!(report.fact("node", "obstacle"), "no_device");
}

#[test]
fn containers_are_known_by_their_engines_files() {
    let root = root();
    let system = SmallTree::make(&root, Libraries::Fedora).unwrap();
    assert_eq!(Report::of(&mut nowhere(system.tree())).fact("place", "container"), false);
    let run = system.tree().path().join("run");
    fs::create_dir_all(&run).unwrap();
    fs::write(run.join(".containerenv"), "engine=\"podman-5.4.2\"\nname=\"x\"\nrootless=1\n").unwrap();
    let report = Report::of(&mut nowhere(system.tree()));
    assert_eq!(report.fact("place", "engine"), "podman 5.4.2");
}

#[test]
fn text_says_the_same() {
    let root = root();
    let out = output("hesper doctor", nowhere(&root).arg("doctor"));
    let text = String::from_utf8_lossy(&out.stdout);
    assert_eq!(out.status.code(), Some(3), "{text}");
    let line =
        |start: &str| text.lines().find(|l| l.starts_with(start)).unwrap_or_else(|| panic!("no {start}: {text}"));
    assert!(line("pass  loader").contains("libvulkan.so.1"));
    assert!(line("fail  node").contains("can't connect to /nowhere/socket"));
    assert!(line("skip  dispatch").contains("not reached"));
    assert!(line("Hesper can't work here: ").contains("/nowhere/socket"));
    assert!(line("What to do: ").contains("virgl_test_server"));
}
