//! Displays without a window system: pictures on a guest's screen as its kernel scans them out, and none where there is no card.

use std::path::Path;
use std::time::Duration;

use hesper_rig::vm::GPU;
use hesper_rig::{Driver, GuestJob, Host, Kernel, Machine, Vm, Xvfb, build_driver};
use hesper_tests::copies::{self, AS_CHOSEN, FOLDER};
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
fn an_x_server_without_a_card_lends_nothing() {
    let root = root();
    let (host, server) = (Host::start(&root).unwrap(), Xvfb::start([64, 64], &[]).unwrap());
    let mut command = root.client(Driver::Hesper, Some(&host), CLIENT).unwrap();
    command.env("DISPLAY", server.display()).args(["display", "server"]);
    assert!(good("display server", &mut command).contains("ok display Server"));
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
    let copies = copies::script(Path::new(CLIENT), &build_driver().unwrap().library);
    let another_user = format!("{AS_CHOSEN} setpriv --reuid=1 --clear-groups {FOLDER}/program");
    let jobs = [
        client("pictures"),
        client("taken"),
        job("handed", format!("HESPER_LOG=warn {CLIENT} display handed")),
        // Who hasn't the right to take a card over hears the same.
        job("refused", format!("{copies} && chmod a+rw /dev/dri/* && {another_user} display refused")),
        // Not vkcube: Debian's (vulkan-tools 1.4.304) asks for the displays of a null device, and crashes in the loader.
        // Whoever has no card has no displays.
        job("no card", format!("rm /dev/dri/card*; {CLIENT} display none")),
    ];
    // A second connector has no screen.
    let vm = Vm { gpus: vec![format!("{GPU},max_outputs=2")], ..Vm::new(Machine::amd64(Kernel::Trixie)) };
    let run = vm.run(&root(), &jobs).unwrap();
    run.results.iter().for_each(|r| print!("{}: {}", r.name, r.output));
    let failed = run.results.iter().filter(|r| r.status != 0);
    let failed: Vec<String> = failed.map(|r| format!("{} failed:\n{}", r.name, r.output)).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    let (refused, away) =
        ("another program shows pictures there (DRM master)", "that was lent for it isn't DRM master");
    for (name, line) in [("taken", refused), ("refused", refused), ("handed", away)] {
        let said = &run.results.iter().find(|r| r.name == name).unwrap().output;
        assert!(said.contains(line), "{name}: {said}");
    }
}
