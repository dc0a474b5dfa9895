//! The CDI spec in the hands of a container engine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use hesper_rig::package_tools::run_with_device;
use hesper_rig::vulkaninfo::VULKANINFO;
use hesper_rig::{Host, Libraries, SmallTree, build_driver};
use hesper_tests::{both, quick, root};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};

/// A machine's folder with the driver installed, two nodes and the spec, and containers of its engine.
struct Machine {
    folder: PathBuf,
    host: Host,
    base: SmallTree,
}

impl Machine {
    fn new() -> Self {
        let (root, build) = (root(), build_driver().unwrap());
        let folder = std::env::temp_dir().join(format!("hesper-cdi-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).unwrap();
        let machine = Self {
            base: SmallTree::make(&root, Libraries::Debian).unwrap(),
            host: Host::start(&root).unwrap(),
            folder,
        };
        for node in machine.nodes() {
            // The null device: the way to the host is the socket here.
            mknod(&node, SFlag::S_IFCHR, Mode::from_bits_truncate(0o666), makedev(1, 3)).unwrap();
        }
        let layout = [option("prefix", &machine.folder.join("usr")), option("libdir", &machine.folder.join("lib"))];
        let hesper = |arguments: &[String]| {
            let out = Command::new(&build.program).args(arguments).args(&layout).output().unwrap();
            assert!(out.status.success(), "{}", both(&out));
        };
        hesper(&["install".to_owned(), option("library", &build.library)]);
        let nodes = machine.nodes().map(|node| option("node", &node));
        hesper(&[&["cdi".to_owned(), option("output", &machine.spec())], &nodes[..]].concat());
        machine
    }

    fn spec(&self) -> PathBuf {
        self.folder.join("hesper.json")
    }

    fn nodes(&self) -> [PathBuf; 2] {
        ["renderD128", "renderD129"].map(|name| self.folder.join(name))
    }

    /// What vulkaninfo says in a container with a device.
    fn vulkaninfo(&self, device: &str) -> Output {
        let out = self.folder.join("engine");
        fs::create_dir(&out).unwrap();
        let shared = self.host.socket().parent().unwrap();
        let mut command = run_with_device(&self.spec(), device, self.base.tree(), shared, &out).unwrap();
        command.args([VULKANINFO, "--summary"]).env("HESPER_DEBUG", "vtest");
        let said = command.env("HESPER_VTEST_SOCKET", self.host.socket()).output().unwrap();
        fs::remove_dir_all(&out).unwrap();
        said
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn option(name: &str, path: &Path) -> String {
    format!("--{name}={}", path.display())
}

#[test]
fn an_engine_takes_devices_of_the_spec() {
    if quick() {
        return;
    }
    // The engine's containers have all nodes of the machine where it can't use namespaces: it takes what the spec says of them, and that is all.
    let machine = Machine::new();
    for device in ["hesper/gpu=all", "hesper/gpu=0", "hesper/gpu=1"] {
        let text = both(&machine.vulkaninfo(device));
        assert!(text.lines().any(|l| l.split_whitespace().eq(["driverName", "=", "hesper"])), "{device}: {text}");
    }
    let out = machine.vulkaninfo("hesper/gpu=2");
    assert!(!out.status.success() && both(&out).contains("hesper/gpu=2"), "{}", both(&out));
}
