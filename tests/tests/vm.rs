//! Real guests: stock kernels, /dev/dri/renderD128, and QEMU's virtio-gpu with Venus on the other side.

use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use hesper_rig::{Driver, GuestJob, HostVersion, Kernel, Machine, Vm, vm};
use hesper_tests::copies::{self, AS_CHOSEN, FOLDER};
use hesper_tests::guests::{self, Plan};
use hesper_tests::{quick, root};

const CLIENT: &str = env!("CARGO_BIN_EXE_hesper-client");
const LIMIT: Duration = Duration::from_secs(300);

/// vulkaninfo, the whole client and llama.cpp, whose tokens are the host's own driver's, and which sleeps for as long as nobody asks it.
fn works_in(machine: Machine, host: HostVersion, idle: Duration) {
    if quick() {
        return;
    }
    let root = root();
    let plan = Plan { turns: 0, idle, limit: LIMIT };
    let row = guests::run(&root, &Vm { host, ..Vm::new(machine) }, &[Driver::Hesper], Path::new(CLIENT), plan).unwrap();
    println!("{machine}: Linux {}, booted in {:.1} s", row.kernel, row.boot.as_secs_f64());
    static NATIVE: OnceLock<Vec<u64>> = OnceLock::new();
    let native = NATIVE.get_or_init(|| guests::tokens_of_the_host(&root).unwrap());
    assert_eq!(native.len(), guests::TOKENS as usize);
    let complaints = row.complaints(native);
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    let [(_, outcome)] = &row.outcomes[..] else { panic!("{} outcomes", row.outcomes.len()) };
    let (device, _) = outcome.device.as_ref().unwrap();
    assert!(device.starts_with("Virtio-GPU Venus (llvmpipe"), "{device}");
}

#[test]
fn works_in_an_x86_64_guest() {
    works_in(Machine::SHORT[0], HostVersion::V1_3_0, Duration::ZERO);
}

#[test]
fn works_on_a_newer_kernel_and_an_older_host() {
    works_in(Machine::SHORT[1], HostVersion::V1_1_0, Duration::ZERO);
}

#[test]
fn works_in_an_aarch64_guest_with_large_pages() {
    works_in(Machine::SHORT[2], HostVersion::V1_3_0, Duration::from_secs(20));
}

fn job(name: &str, driver: Driver, command: String, seconds: u64) -> GuestJob {
    GuestJob { name: name.into(), driver, command, timeout: Duration::from_secs(seconds) }
}

#[test]
fn guests_are_told_what_is_wrong() {
    if quick() {
        return;
    }
    let build = hesper_rig::build_driver().unwrap();
    let doctor = format!("{} doctor", build.program.display());
    let copies = copies::script(&build.program, &build.library);
    let nobody = format!("su nobody -s /bin/sh -c '{AS_CHOSEN} {FOLDER}/program doctor'");
    let jobs = [
        job("mesa's summary", Driver::Mesa, "vulkaninfo --summary | grep deviceName".into(), 180),
        job("summary", Driver::Hesper, "HESPER_LOG=info vulkaninfo --summary | grep deviceName".into(), 180),
        job("doctor", Driver::Hesper, doctor.clone(), 180),
        // Somebody without the right to open the node; 4 is the status for that.
        job("doctor for nobody", Driver::Hesper, format!("{copies} && {nobody}; test $? = 4"), 180),
    ];
    let run = Vm::new(Machine::amd64(Kernel::Trixie)).run(&root(), &jobs).unwrap();
    for result in &run.results {
        assert_eq!(result.status, 0, "{} failed:\n{}", result.name, result.output);
    }
    let [mesa, summary, doctor, nobody] = &run.results[..] else { panic!("{} results", run.results.len()) };
    let name = |text: &str| text.lines().find_map(|l| l.split_once("deviceName")).map(|(_, n)| n.to_owned());
    assert!(name(&mesa.output).is_some(), "{}", mesa.output);
    assert_eq!(name(&mesa.output), name(&summary.output), "the device is another one through Mesa's driver");
    assert!(summary.output.contains("hesper: connected: virtio-gpu /dev/dri/renderD128"), "{}", summary.output);
    assert!(doctor.output.contains("Hesper can work here"), "{}", doctor.output);
    assert!(nobody.output.contains("permission denied") && nobody.output.contains("What to do"), "{}", nobody.output);
}

#[test]
fn llama_goes_on_whatever_happens_to_its_machine() {
    if quick() {
        return;
    }
    guests::life(&root(), Machine::SHORT[0], Duration::from_secs(3)).unwrap();
}

#[test]
fn gpus_are_chosen_and_files_come_back() {
    if quick() {
        return;
    }
    // QEMU has at most one with a renderer.
    let gpus = vec!["virtio-gpu-pci".to_owned(), vm::GPU.to_owned()];
    let machine = Vm { gpus, ..Vm::new(Machine::amd64(Kernel::Trixie)) };
    let jobs = [
        job("two nodes", Driver::Hesper, "ls /dev/dri; printf 'a\\0b' >bytes; mkdir folder".into(), 30),
        job("too long", Driver::Hesper, "echo begun; sleep 60".into(), 1),
        job("the next", Driver::Hesper, "ls -A; exit 7".into(), 30),
    ];
    let run = machine.run(&root(), &jobs).unwrap();
    let [nodes, late, next] = &run.results[..] else { panic!("{} results", run.results.len()) };
    assert!(nodes.output.contains("renderD128") && nodes.output.contains("renderD129"), "{}", nodes.output);
    assert_eq!(nodes.files.iter().collect::<Vec<_>>(), [(&"bytes".to_owned(), &b"a\0b".to_vec())]);
    assert_eq!((late.status, late.output.as_str()), (124, "begun\n"));
    assert_eq!((next.status, next.output.as_str()), (7, ""), "a job starts in an empty folder");
}

#[test]
fn a_guest_that_hangs_is_an_error_with_its_console() {
    if quick() {
        return;
    }
    let root = root();
    let jobs = [job("never", Driver::Hesper, "echo never".into(), 30)];
    let usual = Vm::new(Machine::amd64(Kernel::Trixie));
    let no_init = Vm { kernel_arguments: "rdinit=/there/is/none".into(), ..usual.clone() };
    let text = format!("{:#}", no_init.run(&root, &jobs).unwrap_err());
    assert!(text.contains("ended before it came to its jobs") && text.contains("Kernel panic"), "{text}");
    let halted =
        Vm { kernel_arguments: "rdinit=/bin/busybox -- sleep 1000".into(), limit: Duration::from_secs(10), ..usual };
    let text = format!("{:#}", halted.run(&root, &jobs).unwrap_err());
    assert!(text.contains("the machine's time of 10s is over"), "{text}");
}
