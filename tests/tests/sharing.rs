//! Memory, images, fences and semaphores that processes share, over a socket and in a guest.

use std::process::Command;
use std::time::Duration;

use hesper_rig::{Driver, GuestJob, Host, Kernel, Machine, Nodes, Vm, build_driver};
use hesper_tests::endure::{Growth, Paused, Slack};
use hesper_tests::{good, quick, root};

const CLIENT: &str = env!("CARGO_BIN_EXE_hesper-client");

/// Over a socket there is no way to import, and no file that tells of work: the other process looks at the memory itself.
#[test]
fn two_processes_over_a_socket() {
    let root = root();
    let host = Host::start(&root).unwrap();
    let run = |part| good(part, root.client(Driver::Hesper, Some(&host), CLIENT).unwrap().arg(part));
    let said = run("sharing");
    assert!(said.contains("ok sharing, without semaphores, false import"), "{said}");
    run("sharing-hostile");
    assert!(!host.log().contains("fatal"), "the host complains:\n{}", host.log());
}

/// Without the test layer lavapipe takes dma-bufs in, and exports none. A host that is asked for one all the same ends.
#[test]
fn a_host_that_exports_nothing() {
    let root = root();
    let host = Host::start_with(&root, &[("VK_INSTANCE_LAYERS", "")]).unwrap();
    let mut client = root.client(Driver::Hesper, Some(&host), CLIENT).unwrap();
    good("sharing-refused", client.arg("sharing-refused"));
}

/// What isn't imported costs nothing: neither a file of another kind, nor memory of another device, of which the kernel says ENODEV.
#[test]
fn a_node_that_imports_nothing() {
    let root = root();
    let host = Host::start(&root).unwrap();
    for script in ["", "refuse import ENODEV"] {
        let nodes = Nodes::over(&host, script).unwrap();
        good(script, root.client_on(&nodes, CLIENT).unwrap().arg("sharing-hostile"));
    }
    assert!(!host.log().contains("fatal"), "the host complains:\n{}", host.log());
}

/// What is exported and imported again is one memory to whoever counts; and it is mapped where the program wants it.
#[test]
fn memory_of_a_node_is_reported_and_placed() {
    let root = root();
    let host = Host::start(&root).unwrap();
    let nodes = Nodes::over(&host, "rings 1").unwrap();
    let run = |part| good(part, root.client_on(&nodes, CLIENT).unwrap().arg(part));
    let said = run("reports");
    assert!(said.contains("reports of shared memory are whole"), "{said}");
    let said = run("placed");
    assert!(!said.contains("left out"), "{said}");
    assert!(!host.log().contains("fatal"), "the host complains:\n{}", host.log());
}

#[test]
fn two_processes_in_a_guest() {
    if quick() {
        return;
    }
    let job = |part: &str, times, seconds| GuestJob {
        name: part.into(),
        driver: Driver::Hesper,
        command: format!("for i in $(seq {times}); do {CLIENT} {part} </dev/null || exit; done"),
        timeout: Duration::from_secs(seconds),
    };
    // A job may take longer than the driver waits for a host that has died (`health`), so that it tells of that.
    let jobs = [
        job("sharing", 4, 400),
        job("sharing-hostile", 1, 400),
        job("sharing-cycles 200", 1, 600),
        job("reports", 1, 400),
        job("placed", 1, 400),
    ];
    let mut vm = Vm::new(Machine::amd64(Kernel::Trixie));
    // The host's driver by itself exports no memory, as above.
    let layer = build_driver().unwrap();
    vm.environment =
        layer.layer_environment().map(|(name, value)| (name.into(), value.to_str().unwrap().into())).into();
    let run = vm.run(&root(), &jobs).unwrap();
    for result in &run.results {
        assert_eq!(result.status, 0, "{} failed:\n{}", result.name, result.output);
    }
    let said = [&run.results[0].output, &run.results[1].output];
    assert!(said[0].contains("ok sharing, with semaphores, true import"), "{said:?}");
    assert!(said[1].contains("with a dma-buf of another device"), "{said:?}");
    assert!(run.results[3].output.contains("reports of shared memory are whole"), "{}", run.results[3].output);
    assert!(!run.results[4].output.contains("left out"), "{}", run.results[4].output);
}

/// Whatever grows from each quarter to the next is a leak.
fn flat_on_both_sides(host: &Host, mut command: Command) {
    let count = if quick() { "400" } else { "10000" };
    let mut client = Paused::start(command.args(["sharing-cycles", count])).unwrap();
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
    let mut grown = program.complaints("the program", Slack::AT_REST);
    grown.extend(host.complaints("the host", Slack::AT_REST));
    assert!(grown.is_empty(), "{grown:?}; all looks: {programs:?}; the host: {hosts:?}");
}

#[test]
fn nothing_grows() {
    let root = root();
    let host = Host::start(&root).unwrap();
    flat_on_both_sides(&host, root.client(Driver::Hesper, Some(&host), CLIENT).unwrap());
}

/// The same with imports, of the program's own memory. No fences are imitated, so the device shall have none.
#[test]
fn nothing_grows_with_imports() {
    let root = root();
    let host = Host::start(&root).unwrap();
    let nodes = Nodes::over(&host, "rings 1").unwrap();
    flat_on_both_sides(&host, root.client_on(&nodes, CLIENT).unwrap());
}
