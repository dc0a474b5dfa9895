//! What is handed out, with real builds in it: the image in a container engine's hands and under llama.cpp, the packages in package managers'.

use std::path::PathBuf;

use hesper_packaging::oci::{self, Tag};
use hesper_packaging::{Contents, deb, rpm};
use hesper_rig::llama::{ANY_PROCESSOR, Server};
use hesper_rig::models::{self, Weights};
use hesper_rig::podman::{Podman, User};
use hesper_rig::{
    Guest, Host, HostVersion, Libraries, SmallTree, TreeCopy, cross, target_folder, vulkaninfo, workspace,
};
use hesper_tests::systems::{Programs, image, packaged};
use hesper_tests::{quick, root};

fn programs() -> Programs {
    let driver = cross::build_driver(Guest::Amd64).unwrap();
    Programs { guest: Guest::Amd64, driver, client: PathBuf::new() }
}

/// A folder that isn't there yet.
fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("hesper-handed-out-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    folder
}

fn vtest(host: &Host) -> [(&'static str, String); 2] {
    let more = std::env::var("HESPER_TEST_SWITCHES").unwrap_or_default();
    [("HESPER_DEBUG", format!("vtest,{more}")), ("HESPER_VTEST_SOCKET", host.socket().display().to_string())]
}

/// The commands of the documents, on stand-ins for base images: older and newer than Ubuntu 24.04 (llama.cpp, whisper.cpp) and UBI (RamaLama), with either's layout, and without a shell.
#[test]
fn podman_builds_and_runs_images_with_the_driver() {
    if quick() {
        return;
    }
    let (root, layout) = (root(), folder("layout"));
    let host = Host::start(&root).unwrap();
    image::write(&programs(), &layout).unwrap();
    let debian_12 = HostVersion::V0_10_4.tree(&root).unwrap();
    for (from, libraries) in
        [(&root, Libraries::Fedora), (&debian_12, Libraries::Fedora), (&debian_12, Libraries::Debian)]
    {
        let podman = Podman::new().unwrap();
        podman.import(User::Root, SmallTree::make(from, libraries).unwrap().tree(), "localhost/base").unwrap();
        podman.said(User::Root, &["pull", "--quiet", &format!("oci:{}:{}", layout.display(), image::NAME)]).unwrap();
        let recipe = workspace().join("container/with-hesper.Containerfile").display().to_string();
        let build = ["build", "--quiet", "--build-arg", "BASE=localhost/base", "-f", &recipe, "-t", "with-hesper", "."];
        podman.said(User::Root, &build).unwrap();
        let socket = host.socket().parent().unwrap().display();
        let mut command = podman.run(User::Root).unwrap();
        command.envs(vtest(&host)).arg(format!("--volume={socket}:{socket}"));
        let facts = vulkaninfo::facts_of({
            command.args(["localhost/with-hesper", vulkaninfo::VULKANINFO]);
            command
        });
        assert_eq!(facts.unwrap()["VkPhysicalDeviceVulkan12Properties/driverName"], "hesper", "{libraries:?}");
    }
    std::fs::remove_dir_all(&layout).unwrap();
}

#[test]
fn llama_runs_on_an_unpacked_image() {
    if quick() {
        return;
    }
    let root = root();
    let copy = TreeCopy::of(&root).unwrap();
    let variables = image::unpack(&programs(), copy.tree().path()).unwrap();
    let host = Host::start(&root).unwrap();
    let mut command = copy.tree().command(ANY_PROCESSOR).unwrap();
    command.envs(variables).envs(vtest(&host));
    let logs = target_folder().unwrap().join("llama-logs");
    std::fs::create_dir_all(&logs).unwrap();
    let (model, log) = (models::tiny(Weights::Q4K).unwrap(), logs.join("image.log"));
    let server = Server::start_as(command, Some(host), &model, &log, &[]).unwrap();
    let device = server.device().unwrap();
    assert!(device.starts_with("Virtio-GPU Venus ("), "{device}");
    assert_eq!(server.tokens(&[1, 300, 7], 16).unwrap().0.len(), 16);
}

#[test]
fn a_deb_is_installed_used_and_removed() {
    if quick() {
        return;
    }
    let root = root();
    packaged::deb(&root, &Host::start(&root).unwrap(), &programs()).unwrap();
}

#[test]
fn an_rpm_is_installed_used_and_removed() {
    if quick() {
        return;
    }
    let root = root();
    packaged::rpm(&root, &Host::start(&root).unwrap(), &programs()).unwrap();
}

/// Real builds for both processors, packed twice.
#[test]
fn the_same_builds_give_the_same_bytes() {
    if quick() {
        return;
    }
    let pack = || {
        let images =
            [Guest::Amd64, Guest::Arm64].map(|g| Contents::collect(g, &cross::build_driver(g).unwrap()).unwrap());
        let packages = images.each_ref().map(|c| (deb::package(c).unwrap(), rpm::package(c).unwrap()));
        let layout = folder("again");
        let digests =
            oci::write(&layout, &[Tag { name: image::NAME.to_owned(), images: images.into() }], None).unwrap();
        std::fs::remove_dir_all(&layout).unwrap();
        (digests, packages)
    };
    assert!(pack() == pack(), "another time, other bytes");
}
