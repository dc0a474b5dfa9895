//! sync_files and syncobjs of a render node, without a driver on top: in a guest, on the kernel's own node. External fences and semaphores stand on
//! them.

mod queue;

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use hesper_rig::{Driver, GuestJob, Kernel, Machine, Nodes, Vm};
use hesper_tests::{median, quick, root};
use hesper_winsys::virtgpu::ioctl::Node;
use hesper_winsys::virtgpu::syncobj::Syncobj;
use hesper_winsys::virtgpu::{nodes, offers};
use hesper_winsys::{Error, SyncFile, capset};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use queue::Queue;

const CLIENT: &str = env!("CARGO_BIN_EXE_hesper-client");
/// What comes comes within this time, on a machine that is busy otherwise.
const LONG: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(20);
const ROUNDS: u64 = 21;

/// A context of the first node.
fn context() -> Node {
    let path = &nodes::nodes(None).unwrap()[0];
    let (node, _) = offers::inspect(path).unwrap();
    node.context(capset::VENUS, 64).unwrap();
    node
}

/// Open files of this process.
fn files() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

fn is_closed_at_exec(file: &SyncFile) -> bool {
    FdFlag::from_bits_retain(fcntl(file.as_fd(), FcntlArg::F_GETFD).unwrap()).contains(FdFlag::FD_CLOEXEC)
}

#[test]
#[ignore = "run in a guest"]
fn fences_end_in_order() {
    let before = files();
    let (one, other) = (context(), context());
    let all: Vec<SyncFile> = (0..20).map(|_| one.fence(0, None).unwrap()).collect();
    assert!(all.iter().all(is_closed_at_exec));
    assert!(all[19].wait(LONG).unwrap(), "a fence is never signalled");
    assert!(all.iter().all(|f| f.wait(Duration::ZERO).unwrap()), "an earlier fence isn't signalled");
    // Of another context, for which the kernel itself waits.
    let first = one.fence(0, None).unwrap();
    let second = other.fence(0, Some(&first)).unwrap();
    assert!(first.wait(Duration::ZERO).unwrap(), "a submission didn't wait for what it was to come after");
    assert!(second.wait(LONG).unwrap());
    let no_fence = SyncFile::from(std::fs::File::open("/dev/null").map(std::os::fd::OwnedFd::from).unwrap());
    assert!(matches!(one.fence(0, Some(&no_fence)), Err(Error::Refused(_))));
    drop((all, first, second, no_fence, one, other));
    assert_eq!(files(), before, "files are left");
}

#[test]
#[ignore = "run in a guest"]
fn points_of_a_syncobj_are_signalled_by_programs_and_by_sync_files() {
    let before = files();
    let node = context();
    let timeline = Syncobj::new(&node).unwrap();
    assert_eq!(timeline.value().unwrap(), 0);
    assert!(!timeline.wait(1, SHORT).unwrap(), "nobody has signalled it");
    assert!(matches!(timeline.export(1), Err(Error::Refused(_))), "nobody has made the point");
    timeline.signal(3).unwrap();
    assert!(timeline.wait(2, Duration::ZERO).unwrap() && !timeline.wait(4, SHORT).unwrap());
    assert_eq!(timeline.value().unwrap(), 3);
    // From a file to a point, and from the point to another file.
    let fence = node.fence(0, None).unwrap();
    timeline.import(7, &fence).unwrap();
    let again = timeline.export(7).unwrap();
    assert!(is_closed_at_exec(&again));
    assert!(timeline.wait(7, LONG).unwrap() && again.wait(LONG).unwrap() && fence.wait(LONG).unwrap());
    assert_eq!(timeline.value().unwrap(), 7);
    // A thread that waits for a point before it is made.
    std::thread::scope(|s| {
        let waiter = s.spawn(|| timeline.wait(9, LONG).unwrap());
        std::thread::sleep(SHORT);
        timeline.signal(9).unwrap();
        assert!(waiter.join().unwrap());
    });
    let no_fence = SyncFile::from(std::fs::File::open("/dev/null").map(std::os::fd::OwnedFd::from).unwrap());
    assert!(matches!(timeline.import(11, &no_fence), Err(Error::Refused(_))));
    assert_eq!(timeline.value().unwrap(), 9);
    drop((timeline, fence, again, no_fence));
    drop(node);
    assert_eq!(files(), before, "files are left");
}

/// Prints how long the monitor takes to tell of a queue's end by a fence, and by an answer in shared memory.
#[test]
#[ignore = "run in a guest"]
fn a_fence_ends_with_its_queue() {
    let queue = Queue::new();
    let times = |mut round: Box<dyn FnMut(u64) -> Duration + '_>, from| {
        median(&(from..from + ROUNDS).map(|n| round(n).as_secs_f64() * 1e3).collect::<Vec<_>>())
    };
    let by_fence = |n| {
        queue.submit_behind(n);
        let fence = queue.winsys.fence(queue::TIMELINE, None).unwrap();
        assert!(!fence.wait(SHORT).unwrap(), "the work can't have ended");
        queue.signal(n);
        let start = Instant::now();
        assert!(fence.wait(LONG).unwrap(), "a fence of a queue is never signalled");
        let took = start.elapsed();
        queue.wait();
        took
    };
    let by_memory = |n| {
        queue.submit_behind(n);
        std::thread::sleep(SHORT);
        queue.signal(n);
        let start = Instant::now();
        queue.wait();
        start.elapsed()
    };
    let (by_fence, by_memory) = (times(Box::new(by_fence), 1), times(Box::new(by_memory), 1 + ROUNDS));
    println!("a queue's end is told of after {by_fence:.2} ms by a fence, after {by_memory:.2} ms by memory");
}

/// A context with one timeline has no other for queues: its own works, and the driver needs none but that.
#[test]
#[ignore = "run in a guest, on a node by script"]
fn one_timeline_is_shared() {
    let node = context();
    assert!(matches!(node.fence(1, None), Err(Error::Unsupported(_))));
    assert!(node.fence(0, None).unwrap().wait(LONG).unwrap());
    node.execute(&[]).unwrap();
}

#[test]
fn in_a_guest() {
    if quick() {
        return;
    }
    let one = Nodes::new(&[("renderD128", "host kernel\nrings 1")]).unwrap();
    let variables: Vec<String> = one.environment().iter().map(|(name, value)| format!("{name}={value}")).collect();
    let job = |name: &str, command: String| GuestJob {
        name: name.into(),
        driver: Driver::Hesper,
        command,
        timeout: Duration::from_secs(120),
    };
    let this = std::env::current_exe().unwrap().display().to_string();
    let test = |name: &str| format!("{this} --exact {name} --ignored --nocapture | tee out; grep -q '1 passed' out");
    let jobs = [
        job("fences", test("fences_end_in_order")),
        job("syncobjs", test("points_of_a_syncobj_are_signalled_by_programs_and_by_sync_files")),
        job("times", test("a_fence_ends_with_its_queue")),
        job("one timeline", format!("export {}; {}", variables.join(" "), test("one_timeline_is_shared"))),
        job("the client with one timeline", format!("env {} {CLIENT} sync", variables.join(" "))),
    ];
    let run = Vm::new(Machine::amd64(Kernel::Trixie)).run(&root(), &jobs).unwrap();
    for result in &run.results {
        assert_eq!(result.status, 0, "{} failed:\n{}", result.name, result.output);
        result.output.lines().filter(|l| l.contains("a queue's end")).for_each(|l| println!("{l}"));
    }
}
