//! Memory of a render node, without a driver on top: handles, dma-bufs and their ends; on nodes by script (`tests/rig/virtgpu`), and on the
//! kernel's own in a guest, where the kernel's answers are as on hosts with large pages.

use std::num::NonZeroUsize;
use std::os::fd::{AsFd, OwnedFd};
use std::process::Command;
use std::time::Duration;

use hesper_rig::{Driver, GuestJob, Host, Kernel, Machine, Nodes, Vm, build_driver};
use hesper_tests::{good, quick, root};
use hesper_winsys::{BlobFlags, Config, Error, Mapping, Resource, Winsys};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, munmap};
use nix::unistd::ftruncate;

const CLIENT: &str = env!("CARGO_BIN_EXE_hesper-client");
/// Arguments by which this program runs the test below that is for others to run.
const ON_A_NODE: [&str; 4] = ["--exact", "on_a_node", "--ignored", "--test-threads=1"];

/// Open files of this process.
fn files() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Mappings of this process's that are shared with others.
fn shared_mappings() -> usize {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    maps.lines().filter(|l| l.split(' ').nth(1).is_some_and(|flags| flags.ends_with('s'))).count()
}

/// A blob is mapped once more, at an address of this program's, which is left reserved, and again.
fn placed(winsys: &dyn Winsys, blob: &Resource, map: &Mapping) {
    let len = NonZeroUsize::new(map.len()).unwrap();
    // SAFETY: the kernel picks addresses where nothing of this process is.
    let range = unsafe { mmap_anonymous(None, len, ProtFlags::PROT_NONE, MapFlags::MAP_PRIVATE) }.unwrap();
    for round in 0..2 {
        // SAFETY: the range is this function's.
        let placed = unsafe { winsys.map_at(blob, range.addr()) }.unwrap();
        assert_eq!(placed.base().addr(), range.addr().get());
        assert!(placed.write(0, &[round]));
        let mut read = [9];
        assert!(map.read(0, &mut read) && read == [round]);
        placed.reserve().unwrap();
    }
    // SAFETY: the range's own second byte, where nothing can be mapped.
    let odd = unsafe { winsys.map_at(blob, range.addr().saturating_add(1)) };
    assert!(odd.is_err(), "a mapping at an odd address");
    // SAFETY: the range is this function's, and nobody uses it any more.
    unsafe { munmap(range, map.len()) }.unwrap();
}

fn memory_of(bytes: i64) -> OwnedFd {
    let file = memfd_create(c"foreign", MFdFlags::MFD_CLOEXEC).unwrap();
    ftruncate(&file, bytes).unwrap();
    file
}

/// In a program of its own, whose nodes are by script, or the kernel's in a guest.
#[test]
#[ignore = "run by others, on a node"]
fn on_a_node() {
    let before = (files(), shared_mappings());
    let winsys = hesper_winsys::open(&Config::default()).unwrap();
    assert!(winsys.name().starts_with("virtio-gpu "), "{}", winsys.name());
    let step = winsys.alignment();
    let with_a_context = files();
    for size in [1, 4095, 10_000, 1 << 20] {
        let blob = winsys.create_blob(0, size, BlobFlags::MAPPABLE, &[]).unwrap();
        assert_eq!(blob.size(), size.next_multiple_of(step));
        let map = winsys.map(&blob).unwrap();
        assert!(map.write(map.len() - 5, b"hello"));
        placed(winsys.as_ref(), &blob, &map);
        // What is exported is closed at exec; what is imported again is the same memory, under the same handle.
        let file = winsys.export(&blob).unwrap();
        let flags = FdFlag::from_bits_retain(fcntl(&file, FcntlArg::F_GETFD).unwrap());
        assert!(flags.contains(FdFlag::FD_CLOEXEC));
        let again = winsys.import(file.as_fd()).unwrap();
        assert_eq!((again.id(), again.size()), (blob.id(), blob.size()));
        drop((blob, map, file));
        // The handle is still the other resource's.
        let map = winsys.map(&again).unwrap();
        let mut read = [0; 5];
        assert!(map.read(map.len() - 5, &mut read) && &read == b"hello");
        drop((again, map));
        assert_eq!(files(), with_a_context, "files are left of a blob");
    }
    // What is no memory of the host's.
    for file in [memory_of(0), memory_of(4096), std::fs::File::open("/dev/null").unwrap().into()] {
        let refused = winsys.import(file.as_fd()).map(drop);
        assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
    }
    // All of it goes, whatever the order.
    let blobs: Vec<_> = (1..50).map(|n| winsys.create_shmem(n * 1000).unwrap()).collect();
    drop(winsys);
    assert!(blobs.iter().all(|b| b.mapping().write(0, b"alive")));
    drop(blobs);
    assert_eq!((files(), shared_mappings()), before, "files or mappings are left");
}

#[test]
fn handles_end_with_what_they_name() {
    let root = root();
    let host = Host::start(&root).unwrap();
    for lines in ["", "param 9 16384\nalign 16384"] {
        let nodes = Nodes::over(&host, lines).unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        assert!(good("handles on a node", command.args(ON_A_NODE).envs(nodes.environment())).contains("1 passed"));
    }
}

/// A shell command with nodes by script.
fn on(nodes: &Nodes, command: &str) -> String {
    let variables: Vec<String> = nodes.environment().iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!("env {} {command}", variables.join(" "))
}

#[test]
fn a_guest_whose_host_has_large_pages() {
    if quick() {
        return;
    }
    let root = root();
    let told = Nodes::new(&[("renderD128", "host kernel\nparam 9 16384\nalign 16384")]).unwrap();
    let private = Nodes::new(&[("renderD128", "host kernel\nparam 4 0\nparam 9 1")]).unwrap();
    let doctor = format!("{} doctor", build_driver().unwrap().program.display());
    let handles = format!("{} {}", std::env::current_exe().unwrap().display(), ON_A_NODE.join(" "));
    let job = |name: &str, driver, command: String, seconds| GuestJob {
        name: name.into(),
        driver,
        command,
        timeout: Duration::from_secs(seconds),
    };
    let jobs = [
        job("odd sizes", Driver::Hesper, on(&told, &format!("{CLIENT} odd-sizes")), 300),
        job("compute", Driver::Hesper, on(&told, &format!("{CLIENT} compute")), 300),
        job("vulkaninfo", Driver::Hesper, on(&told, "vulkaninfo --summary"), 180),
        job("doctor", Driver::Hesper, on(&told, &doctor), 180),
        job("open files", Driver::Hesper, format!("{CLIENT} exec"), 180),
        job("handles", Driver::Hesper, handles.clone(), 180),
        job("handles with large pages", Driver::Hesper, on(&told, &handles), 180),
        job("guest vram", Driver::Hesper, on(&private, &format!("sh -c '{doctor}; test $? = 8'")), 180),
    ];
    let results = Vm::new(Machine::amd64(Kernel::Trixie)).run(&root, &jobs).unwrap().results;
    for result in &results {
        assert_eq!(result.status, 0, "{} failed:\n{}", result.name, result.output);
    }
    let said = |name: &str| &results.iter().find(|r| r.name == name).unwrap().output;
    assert!(said("vulkaninfo").contains("Virtio-GPU Venus (llvmpipe"), "{}", said("vulkaninfo"));
    assert!(said("doctor").contains("blob sizes are multiples of 16384 bytes\n"), "{}", said("doctor"));
    assert!(said("guest vram").contains("the kernel's parameter 9 is 1: a private patch"), "{}", said("guest vram"));
}
