//! The driver as it is built for other machines, on systems of other ages and layouts. `cargo xtask build --open` has more of them.

use hesper_rig::{Guest, Host, cross};
use hesper_tests::systems::{Programs, Seen, System};
use hesper_tests::{quick, root};

fn look(system: System) -> Option<Seen> {
    if quick() {
        return None;
    }
    let root = root();
    let driver = cross::build_driver(Guest::Amd64).unwrap();
    let programs = Programs { driver, client: cross::build_client(Guest::Amd64).unwrap() };
    Some(system.look(&root, &Host::start(&root).unwrap(), &programs).unwrap())
}

fn works_on(system: System) {
    let Some(seen) = look(system) else { return };
    let device = seen.device.unwrap_or_default();
    assert!(device.starts_with("Virtio-GPU Venus (llvmpipe"), "{device}");
}

#[test]
fn works_on_debian_12() {
    works_on(System::Debian12);
}

#[test]
fn is_installed_and_found_where_libraries_lie_as_fedoras() {
    works_on(System::Lib64);
}
