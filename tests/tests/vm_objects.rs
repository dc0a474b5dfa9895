//! What a monitor holds for programs of its guest: nothing is left of one that is killed, becomes another program, or ends without destroying
//! anything.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use hesper_rig::{Driver, GuestJob, Held, Kernel, Machine, Vm, VmProcesses};
use hesper_tests::{quick, root};

const CLIENT: &str = env!("CARGO_BIN_EXE_hesper-client");

/// A shell function: has this test count under a name, and waits until it has.
const LOOK: &str =
    "look() { echo $1 >/vm/job/new; mv /vm/job/new /vm/job/look; while [ -e /vm/job/look ]; do sleep 0.1; done; }";
/// Another: starts a program that works, and waits until it does; `end_input` gives it its line of input.
const START: &str = "mkfifo /run/in
start() { rm -f /run/out; $@ </run/in >/run/out & exec 3>/run/in; until grep -qs working /run/out; do kill -0 $! || exit 1; sleep 0.1; done; }";

/// A third: how much of the host's memory is mapped into the guest, by the guest's kernel.
const KERNEL_VIEW: &str = "kernel() { set -- /sys/kernel/debug/dri/*/virtio-gpu-host-visible-mm; grep used $1; }";

fn script() -> String {
    let client = CLIENT;
    format!(
        "{LOOK}
{START}
{KERNEL_VIEW}
mount -t debugfs debugfs /sys/kernel/debug
# The first program has the host load its driver.
{client} compute
look before
kernel >/run/before
start {client} crowd 2
look killed-works
kill -9 $!
wait $!
look killed
kernel >/run/killed
start {client} leave exec
look exec-works
echo >&3
until [ $(cat /proc/$!/comm) = sleep ]; do sleep 0.1; done
look exec
kernel >/run/exec
kill -9 $!
wait $!
start {client} leave exit
look exit-works
echo >&3
wait $! || exit 1
look exit
kernel >/run/exit
cat /run/before
for what in killed exec exit; do cmp /run/before /run/$what || {{ cat /run/$what; exit 1; }}; done"
    )
}

/// How long the host may take to let go.
const PATIENCE: Duration = Duration::from_secs(20);

/// Counts what a machine's processes hold whenever its guest wants, until the thread that runs the machine ends.
fn count(is_over: impl Fn() -> bool) -> BTreeMap<String, Held> {
    let mut counts: BTreeMap<String, Held> = BTreeMap::new();
    let mut found = None;
    while !is_over() {
        std::thread::sleep(Duration::from_millis(50));
        if found.is_none() {
            found = VmProcesses::find().unwrap().and_then(|p| Some((p.shared_folder().ok()?, p)));
        }
        let Some((folder, processes)) = &found else { continue };
        let look = folder.join("look");
        let Ok(name) = fs::read_to_string(&look) else { continue };
        let name = name.trim().to_owned();
        let wanted = if name.ends_with("works") { None } else { counts.get("before") };
        let held = settled(processes, wanted);
        counts.insert(name, held);
        fs::remove_file(Path::new(&look)).unwrap();
    }
    counts
}

/// What they hold once it stays the same; where something is wanted, once it is that, or has been waited for for long enough.
fn settled(processes: &VmProcesses, wanted: Option<&Held>) -> Held {
    let start = Instant::now();
    let mut last = processes.held().unwrap();
    let mut same = 0;
    while same < 3 || wanted.is_some_and(|w| *w != last) && start.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(100));
        let now = processes.held().unwrap();
        same = if now == last { same + 1 } else { 0 };
        last = now;
    }
    last
}

#[test]
fn nothing_is_left_of_a_program() {
    if quick() {
        return;
    }
    let root = root();
    let job = GuestJob {
        name: "objects".into(),
        driver: Driver::Hesper,
        command: script(),
        timeout: Duration::from_secs(240),
    };
    let machine = Vm::new(Machine::amd64(Kernel::Trixie));
    let (run, counts) = std::thread::scope(|s| {
        let running = s.spawn(|| machine.run(&root, &[job]));
        let counts = count(|| running.is_finished());
        (running.join().unwrap().unwrap(), counts)
    });
    let [result] = &run.results[..] else { panic!("{} results", run.results.len()) };
    assert_eq!(result.status, 0, "{}\n{counts:#?}", result.output);
    println!("{}{counts:#?}", result.output);
    let before = &counts["before"];
    for what in ["killed", "exec", "exit"] {
        let works = &counts[&format!("{what}-works")];
        assert!(works.contexts > before.contexts && works.mappings > before.mappings, "{what}: {works:?}");
        assert_eq!(&counts[what], before, "{what}: the monitor holds something of a program that is gone");
    }
}
