//! Hesper in a system that has Mesa's drivers as well, all of them installed: which one a program gets.

use std::path::Path;
use std::process::Command;

use hesper_rig::vulkaninfo::{self, VULKANINFO};
use hesper_rig::{Host, TreeCopy, build_driver};
use hesper_tests::{both, quick, root};

/// How often a program that says nothing of drivers is started.
const STARTS: usize = 100;
/// The same for one that does.
const SOME: usize = 5;

const MANIFEST: &str = "/usr/share/vulkan/icd.d/hesper_icd.json";
/// The host's driver, Mesa's venus and this one, as vulkaninfo names them.
const LAVAPIPE: &str = "llvmpipe";
const VENUS: &str = "venus";
const HESPER: &str = "hesper";
const ALL: [&str; 3] = [HESPER, LAVAPIPE, VENUS];

/// A tree with all three, and the host that two of them need.
struct System {
    copy: TreeCopy,
    host: Host,
}

impl System {
    /// Installs this driver by `hesper install` in a copy of the rig's root, which has the others.
    fn new() -> Self {
        let (root, build) = (root(), build_driver().unwrap());
        let system = Self { copy: TreeCopy::of(&root).unwrap(), host: Host::start(&root).unwrap() };
        let mut install = system.command(&build.program);
        let out = install.arg("install").arg("--library").arg(&build.library).output().unwrap();
        assert!(out.status.success(), "{}", both(&out));
        assert!(system.copy.tree().path().join(MANIFEST.trim_start_matches('/')).is_file(), "{}", both(&out));
        system
    }

    /// A program in the tree, with the way to the host for both drivers that need one.
    fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = self.copy.tree().command(program.as_ref()).unwrap();
        command.env("HESPER_DEBUG", "vtest").env("HESPER_VTEST_SOCKET", self.host.socket()).env("VN_DEBUG", "vtest");
        command.env("VTEST_SOCKET_NAME", self.host.socket()).env("VTEST_RENDERER_SOCKET_NAME", self.host.socket());
        command
    }

    /// The drivers of the devices that a program sees, in its order.
    fn drivers(&self, environment: &[(&str, &str)]) -> Vec<String> {
        let out = self.command(VULKANINFO).arg("--summary").envs(environment.iter().copied()).output().unwrap();
        let text = both(&out);
        assert!(out.status.success(), "{environment:?}: {text}");
        vulkaninfo::drivers(&text).into_iter().map(str::to_owned).collect()
    }

    /// Fails unless every one of so many starts shows these drivers.
    fn expect(&self, starts: usize, environment: &[(&str, &str)], drivers: &[&str]) {
        for start in 0..starts {
            assert_eq!(self.drivers(environment), drivers, "start {start} with {environment:?}");
        }
    }
}

#[test]
fn every_start_shows_the_same_order() {
    if quick() {
        return;
    }
    let system = System::new();
    let first = system.drivers(&[]);
    let mut sorted = first.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, ALL);
    let known: Vec<&str> = first.iter().map(String::as_str).collect();
    std::thread::scope(|s| {
        for _ in 0..2 {
            s.spawn(|| system.expect(STARTS / 2, &[], &known));
        }
    });
}

#[test]
fn variables_of_the_loader_choose() {
    if quick() {
        return;
    }
    let system = System::new();
    let only: [&[(&str, &str)]; 6] = [
        &[("VK_DRIVER_FILES", MANIFEST)],
        &[("VK_ICD_FILENAMES", MANIFEST)],
        &[("VK_LOADER_DRIVERS_SELECT", "*hesper*")],
        &[("VK_LOADER_DRIVERS_SELECT", "hesper_icd.json")],
        &[("VK_LOADER_DRIVERS_DISABLE", "*virtio*,*lvp*")],
        // The same filters hold for files that are named.
        &[("VK_DRIVER_FILES", "/usr/share/vulkan/icd.d"), ("VK_LOADER_DRIVERS_SELECT", "*hesper*")],
    ];
    for environment in only {
        system.expect(SOME, environment, &[HESPER]);
    }
    system.expect(
        SOME,
        &[("VK_LOADER_DRIVERS_DISABLE", "*hesper*"), ("VK_LOADER_DRIVERS_SELECT", "*virtio*")],
        &[VENUS],
    );
    // The loader asks drivers in the reverse order of the files that it was named.
    let venus = "/usr/share/vulkan/icd.d/virtio_icd.json";
    system.expect(SOME, &[("VK_DRIVER_FILES", &format!("{MANIFEST}:{venus}"))], &[VENUS, HESPER]);
    system.expect(SOME, &[("VK_DRIVER_FILES", &format!("{venus}:{MANIFEST}"))], &[HESPER, VENUS]);
    // One that is installed and added counts twice.
    let added = system.drivers(&[("VK_ADD_DRIVER_FILES", MANIFEST)]);
    assert_eq!(added.iter().filter(|name| *name == HESPER).count(), 2, "{added:?}");
    assert_eq!(added.len(), 4, "{added:?}");
}

/// Both guests' drivers show the host's device, with its numbers: the layer can't tell the two apart, and leaves neither out.
#[test]
fn mesas_layer_for_choosing_devices_leaves_none_out() {
    if quick() {
        return;
    }
    let mut chosen = System::new().drivers(&[("MESA_VK_DEVICE_SELECT", "10005:0")]);
    chosen.sort_unstable();
    assert_eq!(chosen, ALL);
}
