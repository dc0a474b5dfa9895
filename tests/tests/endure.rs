//! A little of what `cargo xtask endure` does in full.

use std::path::Path;
use std::time::Duration;

use hesper_rig::Driver;
use hesper_tests::endure::{self, Row, Setup};
use hesper_tests::root;

fn holds(run: impl FnOnce(Setup) -> anyhow::Result<Row>) {
    let root = root();
    let setup = Setup { root: &root, client: Path::new(env!("CARGO_BIN_EXE_hesper-client")), driver: Driver::Hesper };
    let row = run(setup).unwrap();
    println!("{row:#?}");
    assert!(row.complaints.is_empty(), "{}", row.complaints.join("\n"));
}

#[test]
fn processes_of_many_threads_share_a_host() {
    holds(|setup| endure::crowd(setup, 6, 24, Duration::from_secs(8)));
}

#[test]
fn starts_and_ends_leave_nothing_behind() {
    holds(|setup| endure::starts(setup, 96));
}

#[test]
fn a_hundred_thousand_objects_take_no_longer_each_than_a_few() {
    holds(|setup| endure::many(setup, 100_000));
}

#[test]
fn a_long_command_buffer_leaves_nothing_behind() {
    holds(|setup| endure::long(setup, 100_000));
}
