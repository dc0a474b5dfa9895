//! Sparse resources: on the host's own driver, on it with the test layer before it as hosts have it, and through the guests' drivers.

use hesper_rig::{Driver, Host};
use hesper_tests::{good, root};

const CLIENT: &str = env!("CARGO_BIN_EXE_hesper-client");
/// Settings of the layer: none, memory of the device's own, several queues.
const SETTINGS: [&[(&str, &str)]; 3] =
    [&[], &[("HESPER_TEST_LAYER_DISCRETE", "1")], &[("HESPER_TEST_LAYER_QUEUES", "1")]];

#[test]
fn sparse_resources_on_native() {
    let mut command = root().client(Driver::Native, None, CLIENT).unwrap();
    good("the client's part sparse on native", command.arg("sparse"));
    for settings in SETTINGS {
        let mut command = root().native_with_layer(settings, CLIENT).unwrap();
        good(&format!("the client's part sparse on native with the layer and {settings:?}"), command.arg("sparse"));
    }
}

fn sparse_resources(driver: Driver) {
    let root = root();
    for settings in SETTINGS {
        let host = Host::start_with(&root, settings).unwrap();
        let mut command = root.client(driver, Some(&host), CLIENT).unwrap();
        good(&format!("the client's part sparse on {driver} and a host with {settings:?}"), command.arg("sparse"));
        assert!(!host.log().contains("fatal"), "the host complains:\n{}", host.log());
    }
}

#[test]
fn sparse_resources_on_mesa() {
    sparse_resources(Driver::Mesa);
}

#[test]
fn sparse_resources_on_hesper() {
    sparse_resources(Driver::Hesper);
}
