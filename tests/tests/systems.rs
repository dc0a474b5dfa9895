//! The driver as it is built for other machines, on systems of other ages and layouts. `cargo xtask build --open` has more of them.

use hesper_rig::{Guest, Host, cross};
use hesper_tests::shared_object::SharedObject;
use hesper_tests::systems::{Programs, System};
use hesper_tests::{quick, root};

fn works_on(guest: Guest, system: System) {
    if quick() {
        return;
    }
    let root = root();
    let driver = cross::build_driver(guest).unwrap();
    let programs = Programs { guest, driver, client: cross::build_client(guest).unwrap() };
    let seen = system.look(&root, &Host::start(&root).unwrap(), &programs).unwrap();
    let device = seen.loader.unwrap().device;
    assert!(device.starts_with("Virtio-GPU Venus (llvmpipe"), "{device}");
}

#[test]
fn works_on_debian_12() {
    works_on(Guest::Amd64, System::Debian12);
}

#[test]
fn works_in_a_container_without_a_shell() {
    works_on(Guest::Amd64, System::Distroless);
}

#[test]
fn is_installed_and_found_where_libraries_lie_as_fedoras() {
    works_on(Guest::Amd64, System::Lib64);
}

#[test]
fn works_on_an_emulated_processor() {
    works_on(Guest::Arm64, System::Emulated);
}

/// As far as its symbols tell, the driver loads with the C library of Debian 10.
#[test]
fn needs_nothing_newer_than_2018() {
    if quick() {
        return;
    }
    SharedObject::read(&cross::build_driver(Guest::Amd64).unwrap().library).unwrap().check().unwrap();
}
