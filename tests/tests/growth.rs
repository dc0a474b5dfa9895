//! What grows and what doesn't: ten thousand times everything made and destroyed, thousands of mappings.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use hesper_rig::{Driver, Host, Usage};
use hesper_tests::{good, root};

const CLIENT: &str = env!("CARGO_BIN_EXE_hesper-client");

#[test]
fn nothing_grows() {
    flat_on_both_sides(&["cycles", "10000"]);
}

/// The driver stays mapped when a program unloads it, and the next load finds it as it was.
#[test]
fn nothing_grows_when_the_driver_is_loaded_again_and_again() {
    flat_on_both_sides(&["reload", "200"]);
}

/// Runs a part of the client that pauses after its first half and after its second one.
fn flat_on_both_sides(part: &[&str]) {
    let root = root();
    let host = Host::start(&root).unwrap();
    let mut command = root.client(Driver::Hesper, Some(&host), CLIENT).unwrap();
    let mut child = command.args(part).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut input = child.stdin.take().unwrap();
    let halves = [0; 2].map(|_| {
        lines.next().expect("the client ended early").unwrap();
        let both = (Usage::of(child.id()), host.settled().unwrap());
        writeln!(input).unwrap();
        both
    });
    assert!(child.wait().unwrap().success());
    println!("{part:?}, after each half: {halves:#?}");
    // Allocators may keep a page or two more; a leak of one word a cycle would be ten pages.
    for (who, before, after) in [("program", halves[0].0, halves[1].0), ("host", halves[0].1, halves[1].1)] {
        assert!(after.files <= before.files && after.threads <= before.threads, "the {who} grew");
        assert!(after.mappings <= before.mappings + 2, "the {who}'s mappings grew");
        assert!(after.resident <= before.resident + (2 << 20), "the {who}'s memory grew");
    }
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
