//! Every entry point, called once with valid arguments, on a host that has died a moment ago: it comes back soon, with a code that the
//! command may return, and doesn't pretend. On a host that lives, the same calls succeed.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use hesper_rig::{Driver, Host, HostVersion, Root};
use hesper_tests::{good, root};

const CLIENT: &str = env!("CARGO_BIN_EXE_hesper-client");
/// Fewer would mean that something isn't offered any more, or isn't called; an older host offers a little less.
fn calls_at_least() -> usize {
    if HostVersion::chosen().unwrap() == HostVersion::default() { 350 } else { 330 }
}

/// A client that has made its arguments.
struct Ready {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Ready {
    fn new(root: &Root, driver: Driver, host: Option<&Host>, arguments: &[&str]) -> Self {
        let mut command = root.client(driver, host, CLIENT).unwrap();
        command.arg("every-entry-point").args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (stdin, mut stdout) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut line = String::new();
        while stdout.read_line(&mut line).unwrap() > 0 && !line.ends_with("ready\n") {}
        if !line.ends_with("ready\n") {
            let out = child.wait_with_output().unwrap();
            panic!("{arguments:?}: {}\n{line}{}", out.status, String::from_utf8_lossy(&out.stderr));
        }
        Self { child, stdin, stdout }
    }

    /// Has it make its calls.
    fn go(mut self) -> Going {
        self.stdin.write_all(b"\n").unwrap();
        Going { child: self.child, stdout: self.stdout }
    }
}

/// A client that makes its calls.
struct Going {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Going {
    /// The lines of its table, after it has found nothing wrong.
    fn table(mut self) -> Vec<String> {
        let mut text = String::new();
        self.stdout.read_to_string(&mut text).unwrap();
        let out = self.child.wait_with_output().unwrap();
        assert!(out.status.success(), "{}:\n{text}\n{}", out.status, String::from_utf8_lossy(&out.stderr));
        text.lines().filter(|l| l.matches('\t').count() == 2).map(str::to_string).collect()
    }
}

/// Prints a table, the slowest last.
fn print(what: &str, mut table: Vec<String>) {
    let micros = |l: &String| l.rsplit('\t').next().and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
    table.sort_by_key(micros);
    println!("{what}: {} calls\n{}", table.len(), table.join("\n"));
}

#[test]
fn they_work_on_the_hosts_own_driver() {
    let mut arguments = vec!["--alive"];
    if !HostVersion::chosen().unwrap().carries_everything() {
        // lavapipe 25.0 ends there where the surface is none of a window.
        arguments.extend(["--skip", "vkReleaseSwapchainImagesEXT"]);
    }
    let table = Ready::new(&root(), Driver::Native, None, &arguments).go().table();
    assert!(table.len() > calls_at_least(), "only {} calls", table.len());
}

#[test]
fn they_work_on_a_host_that_lives() {
    let root = root();
    let host = Host::start(&root).unwrap();
    let table = Ready::new(&root, Driver::Hesper, Some(&host), &["--alive"]).go().table();
    assert!(!host.log().contains("fatal"), "the host complains:\n{}", host.log());
    assert!(table.len() > calls_at_least(), "only {} calls", table.len());
    print("a host that lives", table);
}

#[test]
fn they_come_back_from_a_dead_host() {
    let root = root();
    let mut host = Host::start(&root).unwrap();
    let ready = Ready::new(&root, Driver::Hesper, Some(&host), &[]);
    host.kill();
    print("a dead host", ready.go().table());
}

/// A host that is stopped is waited for: a call that takes too long is named.
#[test]
fn a_call_that_does_not_come_back_is_named() {
    let root = root();
    let host = Host::start(&root).unwrap();
    let ready = Ready::new(&root, Driver::Hesper, Some(&host), &["vkGetEventStatus"]);
    host.stop().unwrap();
    let out = ready.go().child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&out.stderr);
    assert!(
        out.status.code() == Some(2) && text.contains("vkGetEventStatus hasn't returned"),
        "{}:\n{text}",
        out.status
    );
}

/// Each call on a connection of its own notices the death by itself.
#[test]
fn each_notices_a_dead_host_by_itself() {
    each("a dead host", "1000", |host| host.kill());
}

/// The process that runs the context is dead, and the server lives on. Where the ring's thread was awake, nobody hears of that before the silent
/// host is asked, after 1.25 s; two seconds are allowed, and some time for a busy machine.
#[test]
fn each_notices_a_dead_worker_by_itself() {
    each("a dead worker", "2500", |host| host.kill_workers().unwrap());
}

/// Kills something under clients that call each entry point on a connection of its own, which must return within `limit` milliseconds.
fn each(what: &str, limit: &str, kill: fn(&mut Host)) {
    let root = root();
    let names =
        good("the client", root.client(Driver::Native, None, CLIENT).unwrap().args(["every-entry-point", "--names"]));
    let names: Vec<&str> = names.lines().collect();
    let mut table = Vec::new();
    for some in names.chunks(16) {
        let mut host = Host::start(&root).unwrap();
        let ready = Ready::new(&root, Driver::Hesper, Some(&host), &[&["--apart", "--limit", limit], some].concat());
        kill(&mut host);
        table.extend(ready.go().table());
    }
    print(what, table);
}
