//! What `cargo xtask watch` tells a slower build by: a driver that waits for every command is found, and none that is the same.

use std::path::Path;

use hesper_rig::Driver;
use hesper_tests::measure::{Sample, measure};
use hesper_tests::paired::{Build, Paired, slower_for_good};
use hesper_tests::{quick, root};

/// Variables of the slow build. Whatever switches the tests run with.
const SLOW: [(&str, &str); 1] = [("HESPER_DEBUG", "vtest,sync")];
const SAME: [(&str, &str); 1] = [("HESPER_DEBUG", "vtest")];

/// The rows that are slower with `environment` than without, by `runs` pairs of runs at a time.
fn slower(runs: u32, environment: &[(&str, &str)], measure: impl Fn(&[(&str, &str)]) -> Vec<Sample>) -> Vec<String> {
    let pairs =
        || Paired::measured(runs, |_, build| Ok(measure(if build == Build::This { environment } else { &SAME })));
    slower_for_good(&pairs().unwrap(), pairs).unwrap()
}

#[test]
fn calls_that_wait_for_the_host_are_found() {
    if quick() {
        return;
    }
    let (root, client) = (root(), Path::new(env!("CARGO_BIN_EXE_hesper-client")));
    let bench = |environment: &[(&str, &str)]| {
        measure(&root, Driver::Hesper, client, &["objects".to_owned()], environment).unwrap()
    };
    let found = slower(1, &SLOW, bench);
    assert!(found.iter().any(|row| row.starts_with("vkCreateFence: ")), "{found:?}");
    let found = slower(4, &SAME, bench);
    assert!(found.is_empty(), "{found:?} of the same build");
}
