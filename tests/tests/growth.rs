//! What grows and what doesn't: ten thousand times everything made and destroyed, thousands of mappings.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use hesper_rig::{Driver, Host, Usage};
use hesper_tests::{good, root};

const CLIENT: &str = env!("CARGO_BIN_EXE_hesper-client");

#[test]
fn nothing_grows() {
    let root = root();
    let host = Host::start(&root).unwrap();
    let mut command = root.client(Driver::Hesper, Some(&host), CLIENT).unwrap();
    let mut child = command.args(["cycles", "10000"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut input = child.stdin.take().unwrap();
    let mut halves = Vec::new();
    for _ in 0..2 {
        let line = lines.next().expect("the client ended early").unwrap();
        let guest: serde_json::Value = serde_json::from_str(&line).unwrap();
        halves.push((guest, settled(&host)));
        writeln!(input).unwrap();
    }
    assert!(child.wait().unwrap().success());
    let (first, second) = (&halves[0], &halves[1]);
    println!("after 5000 and 10000 cycles: {halves:?}");
    for what in ["files", "mappings", "resident"] {
        // Allocators may keep a page or two more; a leak of one word a cycle would be ten pages.
        let slack = if what == "resident" { 1 << 20 } else { 2 };
        let (before, after) = (first.0[what].as_u64().unwrap(), second.0[what].as_u64().unwrap());
        assert!(after <= before + slack, "the program's {what} grew from {before} to {after}");
    }
    let (before, after) = (first.1, second.1);
    assert!(
        after.files <= before.files && after.threads <= before.threads,
        "the host grew from {before:?} to {after:?}"
    );
    assert!(after.mappings <= before.mappings + 2, "the host's mappings grew from {before:?} to {after:?}");
    assert!(after.resident <= before.resident + (2 << 20), "the host's memory grew from {before:?} to {after:?}");
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

/// The host may still be freeing what it was told to.
fn settled(host: &Host) -> Usage {
    let mut last = host.usage().unwrap();
    loop {
        std::thread::sleep(std::time::Duration::from_millis(100));
        let now = host.usage().unwrap();
        if now == last {
            return now;
        }
        last = now;
    }
}
