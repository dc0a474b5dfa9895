//! Displays without a window system: pictures on a guest's screen as its kernel scans them out, and none where there is no card.

use std::time::Duration;

use hesper_rig::{Driver, GuestJob, Host, Kernel, Machine, Vm};
use hesper_tests::{good, quick, root};

const CLIENT: &str = env!("CARGO_BIN_EXE_hesper-client");

#[test]
fn over_a_socket_there_are_no_displays() {
    let root = root();
    let host = Host::start(&root).unwrap();
    let mut command = root.client(Driver::Hesper, Some(&host), CLIENT).unwrap();
    assert!(good("display none", command.args(["display", "none"])).contains("ok display None"));
}

#[test]
fn a_guests_display_shows_what_is_presented() {
    if quick() {
        return;
    }
    let job = |name: &str, command: String| GuestJob {
        name: name.into(),
        driver: Driver::Hesper,
        command,
        timeout: Duration::from_secs(300),
    };
    let client = |part: &str| job(part, format!("{CLIENT} display {part}"));
    let jobs = [
        client("pictures"),
        client("taken"),
        client("handed"),
        job("vkcube", "vkcube --wsi display --c 10 --suppress_popups".into()),
        // Whoever has no card has no displays.
        job("no card", format!("rm /dev/dri/card*; {CLIENT} display none")),
    ];
    let run = Vm::new(Machine::amd64(Kernel::Trixie)).run(&root(), &jobs).unwrap();
    for result in &run.results {
        assert_eq!(result.status, 0, "{} failed:\n{}", result.name, result.output);
    }
    let taken = &run.results[1].output;
    assert!(taken.contains("another program shows pictures there (DRM master)"), "{taken}");
}
