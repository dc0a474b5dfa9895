//! Programs that nobody here wrote show on Hesper what they show on the host's own driver.

use hesper_rig::{ClientPackages, Driver};
use hesper_tests::clients::Client;
use hesper_tests::root;

fn shows_the_same(name: &str) {
    let root = root();
    let packages = ClientPackages::ensure(&root).unwrap();
    let client = Client::named(name).unwrap();
    let [native, hesper] = [Driver::Native, Driver::Hesper].map(|driver| {
        let outcome = client.run(&root, &packages, driver).unwrap();
        assert!(outcome.failure.is_none(), "{}", outcome.failure.unwrap_or_default());
        outcome
    });
    let differences = native.differences(&hesper);
    assert!(differences.is_empty(), "{name} shows something else:\n{}", differences.join("\n"));
}

#[test]
fn wgpu() {
    shows_the_same("wgpu");
}

#[test]
fn dawn() {
    shows_the_same("Dawn");
}

#[test]
fn ncnn() {
    shows_the_same("ncnn");
}
