//! Hosts of older versions: what works there, and what a user is told where nothing can. `cargo xtask hosts` has the whole of it.

use std::path::Path;

use hesper_rig::{Driver, HostVersion};
use hesper_tests::hosts::{self, Outcome, PARTS};
use hesper_tests::{quick, root};

const CLIENT: &str = env!("CARGO_BIN_EXE_hesper-client");

#[test]
fn debian_13s_host_is_used_like_the_newest() {
    if quick() {
        return;
    }
    match hosts::look(&root(), HostVersion::V1_1_0, Driver::Hesper, Path::new(CLIENT)).unwrap() {
        Outcome::Device(device) => {
            assert_eq!((device.parts, &device.complaint), (PARTS, &None), "{device:?}");
            // The host's codec knows vk.xml of Vulkan 1.3.
            assert!(device.api_version.starts_with("1.3."), "{device:?}");
            assert!(device.extensions >= 90 && device.features > 120, "{device:?}");
        }
        Outcome::None(said) => panic!("no device: {said}"),
    }
}

#[test]
fn debian_12s_host_is_refused_with_the_reason() {
    if quick() {
        return;
    }
    match hosts::look(&root(), HostVersion::V0_10_4, Driver::Hesper, Path::new(CLIENT)).unwrap() {
        Outcome::Device(device) => panic!("its wire format is another: {device:?}"),
        Outcome::None(said) => {
            assert!(said.contains("virglrenderer is older than 1.0") && said.contains("version 0"), "{said}");
        }
    }
}
