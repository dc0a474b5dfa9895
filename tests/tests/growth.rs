//! What grows and what doesn't: ten thousand times everything made and destroyed, thousands of mappings.

use hesper_rig::{Driver, Host};
use hesper_tests::endure::{Growth, Paused, Slack};
use hesper_tests::{good, root};

const CLIENT: &str = env!("CARGO_BIN_EXE_hesper-client");

#[test]
fn nothing_grows() {
    flat_on_both_sides(&["cycles", "10000"]);
}

/// Swapchains come and go with a window's size.
#[test]
fn nothing_grows_with_swapchains() {
    flat_on_both_sides(&["screens", "2000"]);
}

/// The driver stays mapped when a program unloads it, and the next load finds it as it was.
#[test]
fn nothing_grows_when_the_driver_is_loaded_again_and_again() {
    flat_on_both_sides(&["reload", "200"]);
}

/// Runs a part of the client that pauses after each quarter of its work. Whatever grows from each to the next is a leak.
fn flat_on_both_sides(part: &[&str]) {
    let root = root();
    let host = Host::start(&root).unwrap();
    let mut client = Paused::start(root.client(Driver::Hesper, Some(&host), CLIENT).unwrap().args(part)).unwrap();
    let (programs, hosts): (Vec<_>, Vec<_>) = (1..=4)
        .map(|quarter| {
            client.wait(&format!("quarter {quarter}")).unwrap();
            let both = (client.usage(), host.settled().unwrap());
            client.go_on().unwrap();
            both
        })
        .unzip();
    client.end().unwrap();
    let [program, host] = [&programs, &hosts].map(|looks| Growth::of_each(looks));
    println!("{part:?}, from quarter to quarter at least: {program}; the host: {host}");
    let mut grown = program.complaints("the program", Slack::AT_REST);
    grown.extend(host.complaints("the host", Slack::AT_REST));
    assert!(grown.is_empty(), "{grown:?}; all looks: {programs:?}; the host: {hosts:?}");
}

/// A mapping holds no file open: a process may have many more mappings than files.
#[test]
fn more_mappings_than_files() {
    let root = root();
    let host = Host::start(&root).unwrap();
    let mut command = root.client(Driver::Hesper, Some(&host), CLIENT).unwrap();
    let said = good("the client with 2500 mappings", command.args(["mappings", "2500"]));
    let files: u32 = said.split_once("mappings, ").unwrap().1.split(' ').next().unwrap().parse().unwrap();
    assert!(files < 100, "{said}");
}
