//! What tests build as they go, built before they begin: the linker optimises one library on one processor for a minute or more, and another build can have the other.

use hesper_rig::{Guest, build_driver, cross};

use crate::cargo;
use crate::step::Step;

/// Builds the tests, the release driver, and driver and test client for the guests that tests have, all at once. Whoever needs what couldn't be built says why.
pub fn build() {
    let step = Step::start("Builds for the tests", "minutes the first time");
    std::thread::scope(|s| {
        s.spawn(|| {
            for guest in [Guest::Amd64, Guest::Arm64] {
                let _ = cross::build_driver(guest).and_then(|_| cross::build_client(guest));
            }
        });
        s.spawn(|| drop(build_driver()));
        let _ = cargo::cargo(&["test", "--workspace", "--no-run", "--quiet"]).output();
    });
    step.done("");
}
