//! What the driver finds out by trying (`icd/src/physical/probe`), on a host whose driver it wouldn't try out by itself.

use std::process::Command;

use hesper_rig::{Clocks, Driver, Host, Root};
use hesper_tests::folder::Folder;
use hesper_tests::{good, root};

const CLIENT: &str = env!("CARGO_BIN_EXE_hesper-client");
const TRIED: &str = "shaders tried out after";

/// The file of what was found out, if there is one.
fn kept(folder: &Folder) -> Option<String> {
    let files = std::fs::read_dir(folder.path().join("hesper")).ok()?;
    let file = files.map(|f| f.unwrap().path()).find(|f| f.to_string_lossy().contains("probes-"))?;
    Some(std::fs::read_to_string(file).unwrap())
}

/// A part of the client with these switches, which says what the driver does.
fn command(root: &Root, host: &Host, folder: &Folder, debug: &str, part: &str) -> Command {
    let mut command = root.client(Driver::Hesper, Some(host), CLIENT).unwrap();
    command.arg(part).env("HESPER_DEBUG", debug).env("HESPER_LOG", "debug").env("XDG_CACHE_HOME", folder.path());
    command
}

/// What it says, and the driver with it.
fn client(root: &Root, host: &Host, folder: &Folder, debug: &str, part: &str) -> String {
    good(&format!("the client with HESPER_DEBUG={debug}"), &mut command(root, host, folder, debug, part))
}

/// The host's own driver multiplies matrices of every shape that it offers; through the protocol they aren't offered unless all of the extension
/// works, whether it is tried out or not. A shader on which the host's driver ends costs the context in which it was tried out, once: the next
/// start tries what comes after it, and a user reads of none of that.
#[test]
fn cooperative_matrices_on_lavapipe() {
    let root = root();
    let part = "cooperative-matrix2";
    let text = good("the client on native", root.client(Driver::Native, None, CLIENT).unwrap().arg(part));
    assert!(text.contains("products right, 0 wrong"), "{text}");
    let host = Host::start(&root).unwrap();
    let folder = Folder::new("probes-matrices").unwrap();
    for debug in ["vtest", "vtest,no-probe"] {
        let text = client(&root, &host, &folder, debug, part);
        assert!(text.contains("cooperative-matrix2: not offered") && !text.contains("tried out"), "{text}");
        client(&root, &host, &folder, debug, "compute");
    }
    assert_eq!(kept(&folder), None);
    let clocks = Clocks::new().unwrap();
    let probe = |part| {
        let mut command = command(&root, &host, &folder, "vtest,probe", part);
        good("the client that tries out the device", command.envs(clocks.environment()))
    };
    let failed = "VK_NV_shader_sm_builtins can't be tried out on the host's device: ";
    for start in 0..3 {
        let text = probe(part);
        assert!(text.contains("cooperative-matrix2: not offered"), "{text}");
        assert!(text.contains("tried out on the host's device: Findings([None, None, None])"), "{text}");
        // All shaders are compiled at once, and the first extension is held to account for what becomes of that.
        assert_eq!(text.contains(failed), start == 0, "start {start}: {text}");
        assert!(start < 2 || !text.contains("can't be tried out"), "all is known by then: {text}");
        assert!(!text.contains("the host is lost"), "{text}");
    }
    // When it is tried again, its shader is compiled alone, and found to be the one. On a machine with much else to do there may be no answer in time.
    clocks.set(601, 0).unwrap();
    let text = probe(part);
    let lost = text.contains(&format!("{failed}Vulkan(ERROR_DEVICE_LOST)")) && text.contains(TRIED);
    assert!(lost || text.contains(&format!("{failed}NoAnswer")), "{text}");
    assert!(!text.contains("the host is lost"), "{text}");
    probe("compute");
    let kept = kept(&folder).unwrap();
    let line = |extension: &str| kept.lines().find_map(|l| l.strip_prefix(extension)).unwrap_or_default().to_owned();
    assert!(line("VK_NV_shader_sm_builtins ").contains(" failed "), "{kept}");
    // lavapipe's compiler may take longer than a program is kept waiting.
    let matrices = line("VK_NV_cooperative_matrix2 ");
    assert!(matrices.contains(" failed ") || matrices.ends_with(" absent"), "{kept}");
}

/// A host that has no memory while shaders are compiled has refused none of them. The trial ends behind the program's back meanwhile, which may
/// end before, or fork.
#[test]
fn a_host_without_memory_is_asked_again() {
    let root = root();
    let host = Host::start_with(&root, &[("HESPER_TEST_LAYER_FAIL", "vkCreateComputePipelines:-2:1")]).unwrap();
    let folder = Folder::new("probes-memory").unwrap();
    for part in ["cooperative-matrix2", "cooperative-matrix2", "forks"] {
        let text = client(&root, &host, &folder, "vtest,probe", part);
        for extension in ["VK_NV_shader_sm_builtins", "VK_NV_cooperative_matrix2"] {
            let why = "can't be tried out on the host's device: Vulkan(ERROR_OUT_OF_DEVICE_MEMORY)";
            assert!(text.contains(&format!("{extension} {why}")), "{text}");
        }
        assert!(text.contains(TRIED) && !text.contains("panicked"), "{text}");
        assert_eq!(kept(&folder), None);
    }
    assert!(!host.log().contains("fatal"), "the host complains:\n{}", host.log());
}
