//! Render nodes as the driver and `hesper doctor` find them in a guest: which one is used, why others aren't, and what theirs demands.

use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use hesper_rig::llama::{self, Server};
use hesper_rig::models::{self, Weights};
use hesper_rig::{Driver, Host, Nodes, Usage, build_driver, target_folder};
use hesper_tests::{both, good, output, quick, root};

const CLIENT: &str = env!("CARGO_BIN_EXE_hesper-client");
const LAVAPIPE: &str = "/usr/share/vulkan/icd.d/lvp_icd.json";

fn doctor(nodes: &Nodes, environment: &[(&str, &str)]) -> Output {
    let mut command = root().client_on(nodes, build_driver().unwrap().program).unwrap();
    output("hesper doctor", command.arg("doctor").envs(environment.iter().copied()))
}

/// A node's script, what is said of it, what advice is given, and the doctor's status.
const OBSTACLES: [(&str, &str, &str, i32); 19] = [
    ("refuse open ENOENT", "/dev/dri/renderD128: No such file", "--device /dev/dri", 3),
    ("refuse open EACCES", "/dev/dri/renderD128: permission denied", "keep-groups", 4),
    ("driver amdgpu", "/dev/dri/renderD128 is driven by amdgpu, not by virtio_gpu", "the GPU's own driver", 5),
    ("param 6 EINVAL", "the guest's kernel can't make contexts of a chosen kind", "Linux 5.16", 6),
    ("param 2 EINVAL", "the guest's kernel can't ask for capsets reliably", "Linux 5.16", 6),
    ("param 1 0", "the device has no 3D", "virtio-gpu-gl-pci", 7),
    ("param 6 0", "the device can't make contexts of a chosen kind", "CONTEXT_INIT", 7),
    ("param 3 0", "the device has no blob resources", "blob=on", 7),
    ("param 7 6", "the host offers no Venus (capsets 0x6)", "venus=on", 7),
    ("refuse capset EINVAL", "the host offers no Venus (refused: asking for the Venus capset", "venus=on", 7),
    ("capset 0", "the host's Venus capset is all zeros", "virglrenderer 1.0", 7),
    ("capset 20", "(no multiple timelines) (its capset has 20 bytes)", "virglrenderer 1.0", 7),
    ("param 4 0", "the host gives the device no host-visible memory", "hostmem=4G", 8),
    // A private patch's number of GUEST_VRAM is upstream's of BLOB_ALIGNMENT.
    ("param 4 0\nparam 9 1", "the kernel's parameter 9 is 1: a private patch", "guest-vram patch", 8),
    ("refuse context EINVAL", "no Venus context can be made: refused: making a context", "monitor on the host", 9),
    ("refuse shmem EINVAL", "no shared memory can be made (blob id 0)", "virglrenderer 1.0", 9),
    // What the host refuses of a blob shows when it is mapped.
    ("refuse mmap EINVAL", "(blob id 0) can't be mapped: Invalid argument", "HESPER_BLOB_ALIGNMENT to their size", 9),
    ("refuse mmap EACCES", "the node can be opened, but mapping its memory is denied", "SELinux", 4),
    ("align 16777216", "no shared memory can be made (blob id 0)", "HESPER_BLOB_ALIGNMENT to their size", 9),
];

#[test]
fn the_doctor_names_each_obstacle() {
    let mut said = std::collections::BTreeSet::new();
    for (script, sentence, advice, status) in OBSTACLES {
        let nodes = Nodes::new(&[("renderD128", script)]).unwrap();
        let out = doctor(&nodes, &[]);
        let text = both(&out);
        let verdict = text.lines().find(|l| l.starts_with("Hesper can't work here: ")).unwrap_or_default();
        assert!(verdict.contains(sentence), "{script}: {text}");
        assert!(text.lines().any(|l| l.starts_with("What to do: ") && l.contains(advice)), "{script}: {text}");
        assert_eq!(out.status.code(), Some(status), "{script}: {text}");
        said.insert(verdict.to_owned());
    }
    assert!(said.len() + 1 >= OBSTACLES.len(), "different obstacles are told of in the same words: {said:#?}");
    let empty = doctor(&Nodes::new(&[]).unwrap(), &[]);
    assert!(both(&empty).contains("/dev/dri has no render node") && empty.status.code() == Some(3));
}

/// A program that was pointed at this driver is told why it has no device, and finds the others.
#[test]
fn a_device_that_cannot_be_used_is_none_and_others_are_found() {
    let root = root();
    let manifest = build_driver().unwrap().manifest;
    let both_drivers = format!("{}:{LAVAPIPE}", manifest.display());
    for (script, sentence, advice, _) in OBSTACLES {
        let nodes = Nodes::new(&[("renderD128", script)]).unwrap();
        let mut command = root.client_on(&nodes, CLIENT).unwrap();
        let text = good(script, command.args(["careful", "llvmpipe", "1"]).env("VK_DRIVER_FILES", &both_drivers));
        let line = text.lines().find(|l| l.starts_with("hesper: no Venus device: ")).unwrap_or_default();
        assert!(line.contains(sentence) && line.contains(advice), "{script}: {text}");
        assert!(!text.contains("Virtio-GPU Venus"), "{script}: {text}");
    }
}

#[test]
fn the_first_node_that_can_be_used_is_taken_unless_one_is_named() {
    let root = root();
    let host = Host::start(&root).unwrap();
    let good_one = format!("host {}", host.socket().display());
    let nodes = Nodes::new(&[
        ("card0", "driver virtio_gpu"),
        ("renderD128", "driver amdgpu"),
        ("renderD129", "refuse mmap EACCES"),
        ("renderD130", &good_one),
        ("renderD131", &good_one),
    ])
    .unwrap();
    let connected = |named: Option<&str>| {
        let mut command = root.client_on(&nodes, CLIENT).unwrap();
        command.arg("memory").env("HESPER_LOG", "info").envs(named.map(|n| ("HESPER_RENDER_NODE", n)));
        let out = both(&output("the client", &mut command));
        let line = out.lines().find(|l| l.starts_with("hesper: connected: ") || l.contains("no Venus device"));
        line.unwrap_or_else(|| panic!("{out}")).to_owned()
    };
    assert!(connected(None).contains("virtio-gpu /dev/dri/renderD130,"));
    assert!(connected(Some("/dev/dri/renderD131")).contains("virtio-gpu /dev/dri/renderD131,"));
    assert!(connected(Some("/dev/dri/renderD129")).contains("mapping its memory is denied"));
    assert!(connected(Some("/dev/dri/renderD128")).contains("driven by amdgpu"));
    let out = both(&doctor(&nodes, &[]));
    assert!(out.contains("Hesper can work here, on /dev/dri/renderD130."), "{out}");
    // Without a usable one, the one that came closest is told of.
    let out = both(&doctor(
        &Nodes::new(&[("renderD128", "driver i915"), ("renderD129", "param 4 0"), ("renderD130", "param 1 0")])
            .unwrap(),
        &[],
    ));
    assert!(out.contains("can't work here: /dev/dri/renderD129: the host gives the device no host-visible"), "{out}");
}

/// Kernels that give a context fewer timelines, or none to name.
#[test]
fn a_context_with_fewer_timelines_works() {
    let root = root();
    let host = Host::start(&root).unwrap();
    for script in ["rings 64", "rings 8", "rings 1", "rings 0"] {
        let nodes = Nodes::over(&host, script).unwrap();
        for part in ["compute", "sync"] {
            good(script, root.client_on(&nodes, CLIENT).unwrap().arg(part));
        }
        let out = doctor(&nodes, &[]);
        assert!(both(&out).contains("Hesper can work here, on /dev/dri/renderD128."), "{script}: {}", both(&out));
    }
}

/// Hosts with large pages refuse blobs of other sizes: the kernel tells the step, or the user.
#[test]
fn everything_is_a_multiple_of_the_step_that_is_told() {
    let root = root();
    let host = Host::start(&root).unwrap();
    let told = Nodes::over(&host, "param 9 16384\nalign 16384").unwrap();
    let text = good("the client", root.client_on(&told, CLIENT).unwrap().arg("all"));
    assert!(text.contains("ok odd-sizes"), "{text}");
    good("vulkaninfo", root.client_on(&told, "/usr/bin/vulkaninfo").unwrap().arg("--summary"));
    for (lines, step) in [
        ("param 9 65536\nalign 65536", "multiples of 65536 bytes\n"),
        ("param 9 2097152\nalign 2097152", "multiples of 2097152 bytes\n"),
        // No powers of two, and no steps at all.
        ("param 9 12288", "multiples of 16384 bytes\n"),
        ("param 9 0", "multiples of 4096 bytes (none is told)"),
        ("param 9 1", "multiples of 4096 bytes (none is told)"),
        ("param 9 4294967295", "multiples of 4096 bytes (none is told)"),
        ("param 9 EINVAL", "multiples of 4096 bytes (none is told)"),
        ("param 9 ENOENT", "multiples of 4096 bytes (none is told)"),
    ] {
        let step = if cfg!(target_arch = "aarch64") { step.replace("4096", "16384") } else { step.to_owned() };
        let nodes = Nodes::over(&host, lines).unwrap();
        good(
            lines,
            root.client_on(&nodes, CLIENT).unwrap().arg(if step.contains("told") { "memory" } else { "odd-sizes" }),
        );
        let out = both(&doctor(&nodes, &[]));
        assert!(out.contains(&step), "{lines}: {out}");
    }
    // Not told, but set.
    let untold = Nodes::over(&host, "align 16384").unwrap();
    let mut command = root.client_on(&untold, CLIENT).unwrap();
    good("a step that is set", command.arg("odd-sizes").env("HESPER_BLOB_ALIGNMENT", "16384"));
    assert!(doctor(&untold, &[("HESPER_BLOB_ALIGNMENT", "16384")]).status.success());
}

/// The client as over a socket, on a node: every ioctl of the driver's.
#[test]
fn the_client_passes_on_a_node() {
    let root = root();
    let host = Host::start(&root).unwrap();
    let nodes = Nodes::over(&host, "").unwrap();
    good("the client", root.client_on(&nodes, CLIENT).unwrap().arg("all"));
    assert!(!host.log().contains("fatal"), "the host complains:\n{}", host.log());
}

#[test]
fn files_are_closed_with_their_objects_and_at_exec() {
    let root = root();
    let host = Host::start(&root).unwrap();
    let nodes = Nodes::over(&host, "").unwrap();
    let over_socket = root.client(Driver::Hesper, Some(&host), CLIENT).unwrap();
    for mut command in [root.client_on(&nodes, CLIENT).unwrap(), over_socket] {
        let text = good("the client", command.arg("exec"));
        assert!(text.contains("files are open after exec, as before"), "{text}");
    }
}

/// What the kernel does for a program that is killed, the host is told.
#[test]
fn a_killed_program_leaves_nothing_at_the_host() {
    let root = root();
    let host = Host::start(&root).unwrap();
    let nodes = Nodes::over(&host, "").unwrap();
    good("a program that ends", root.client_on(&nodes, CLIENT).unwrap().arg("compute"));
    let before = host.settled().unwrap();
    for _ in 0..3 {
        let mut command = root.client_on(&nodes, CLIENT).unwrap();
        let mut child = command.args(["crowd", "2"]).stdin(Stdio::piped()).spawn().unwrap();
        let start = Instant::now();
        while host.usage().unwrap().mappings < before.mappings + 100 {
            assert!(start.elapsed() < Duration::from_secs(60), "the program doesn't come to work");
            std::thread::sleep(Duration::from_millis(20));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let after = host.settled().unwrap();
        let held = |u: Usage| (u.files, u.mappings, u.threads);
        assert_eq!(held(after), held(before), "the host holds something of a killed program");
    }
}

#[test]
fn llama_says_the_same_on_a_host_with_large_pages() {
    if quick() {
        return;
    }
    const PROMPT: [u32; 6] = [1, 300, 7, 301, 42, 400];
    let (root, logs) = (root(), target_folder().unwrap());
    let (program, model) = (llama::server().unwrap(), models::tiny(Weights::Q4K).unwrap());
    let host = Host::start(&root).unwrap();
    let nodes = Nodes::over(&host, "param 9 16384\nalign 16384").unwrap();
    let command = root.client_on(&nodes, &program).unwrap();
    let server = Server::start_as(command, Some(host), &model, &logs.join("llama-large-pages.log"), &[]).unwrap();
    assert!(server.device().unwrap().starts_with("Virtio-GPU Venus ("), "{}", server.device().unwrap());
    let native = Server::start(&root, Driver::Native, &program, &model, &logs.join("llama-native.log")).unwrap();
    assert_eq!(server.tokens(&PROMPT, 32).unwrap().0, native.tokens(&PROMPT, 32).unwrap().0);
}
