//! The test client on the host's own driver, on Mesa's and on Hesper, over the same kind of host, in one run.

use hesper_rig::{Clocks, Driver, Host};
use hesper_tests::{good, root};

const CLIENT: &str = env!("CARGO_BIN_EXE_hesper-client");
const PARTS: usize = 17;

fn passes(driver: Driver) {
    let root = root();
    let host = driver.needs_host().then(|| Host::start(&root).unwrap());
    let text = good(&format!("the client on {driver}"), root.client(driver, host.as_ref(), CLIENT).unwrap().arg("all"));
    assert_eq!(text.lines().filter(|l| l.starts_with("ok ")).count(), PARTS, "{text}");
    if let Some(host) = host {
        assert!(!host.log().contains("fatal"), "the host complains:\n{}", host.log());
    }
}

#[test]
fn passes_on_native() {
    passes(Driver::Native);
}

#[test]
fn passes_on_mesa() {
    passes(Driver::Mesa);
}

#[test]
fn passes_on_hesper() {
    passes(Driver::Hesper);
}

/// The clocks that a device is compared with are the guest's, whose time since the start isn't the host's.
#[test]
fn clocks_are_the_guests() {
    let root = root();
    let host = Host::start(&root).unwrap();
    let clocks = Clocks::new().unwrap();
    clocks.set(0, 100_000).unwrap();
    let mut command = root.client(Driver::Hesper, Some(&host), CLIENT).unwrap();
    good("the client with a clock of its own", command.arg("sync").envs(clocks.environment()));
}

/// With every command waited for, errors of the host show where they arise.
#[test]
fn passes_on_hesper_one_command_at_a_time() {
    let root = root();
    let host = Host::start(&root).unwrap();
    let mut command = root.client(Driver::Hesper, Some(&host), CLIENT).unwrap();
    good("the client with HESPER_DEBUG=sync", command.arg("all").env("HESPER_DEBUG", "vtest,sync"));
}

/// Each way to wait, whatever the host's device suggests, with and without spinning where that makes a difference.
#[test]
fn passes_on_hesper_with_each_wait_strategy() {
    let root = root();
    let host = Host::start(&root).unwrap();
    for (strategy, spin) in [
        ("wait-poll", "0"),
        ("wait-poll", "2000"),
        ("wait-poll,relaxed-waits", "2000"),
        ("wait-block", "0"),
        ("wait-block", "2000"),
        ("wait-poll,feedback", "0"),
        ("wait-block,feedback", "2000"),
        ("no-feedback", "2000"),
        ("contention", "2000"),
        ("contention,wait-poll", "0"),
    ] {
        let mut command = root.client(Driver::Hesper, Some(&host), CLIENT).unwrap();
        command.arg("all").env("HESPER_DEBUG", format!("vtest,{strategy}")).env("HESPER_SPIN_US", spin);
        good(&format!("the client with {strategy} and HESPER_SPIN_US={spin}"), &mut command);
    }
}

/// What other work stands behind is waited for by the host, and not asked for on and on.
#[test]
fn waits_that_are_followed_block() {
    let root = root();
    let host = Host::start(&root).unwrap();
    const ROUNDS: usize = 40;
    let blocks = |switch: &str| {
        let path = std::env::temp_dir().join(format!("hesper-followed-{}-{switch}.json", std::process::id()));
        let mut command = root.client(Driver::Hesper, Some(&host), CLIENT).unwrap();
        command
            .args(["followed", &ROUNDS.to_string()])
            .env("HESPER_DEBUG", format!("vtest,wait-poll,no-contention,{switch}"))
            .env("HESPER_SPIN_US", "1000000")
            .env("HESPER_TRACE", &path);
        good("the client with work behind work", &mut command);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        text.lines().filter(|line| line.contains("\"name\":\"block\"")).count()
    };
    // The first of each two, unless it was over at the first question: beside other tests a doze may take longer than the work, and the next is shorter then.
    for (switch, least) in [("relaxed-waits", ROUNDS / 10), ("", 1)] {
        let some = blocks(switch);
        assert!((least..=ROUNDS).contains(&some), "{some} waits of {} blocked with {switch:?}", 2 * ROUNDS);
    }
    assert_eq!(blocks("hurried-waits"), 0);
}

/// What the host compiled is kept for the next start; a damaged file, or a folder that can't be made, is no reason to fail.
#[test]
fn compiled_pipelines_are_kept() {
    let root = root();
    let host = Host::start(&root).unwrap();
    let folder = std::env::temp_dir().join(format!("hesper-pipelines-{}", std::process::id()));
    let run = |folder: &std::path::Path| {
        let mut command = root.client(Driver::Hesper, Some(&host), CLIENT).unwrap();
        command.arg("compute").env("HESPER_PIPELINE_CACHE", folder).env("HESPER_LOG", "info");
        good("the client with HESPER_PIPELINE_CACHE", &mut command)
    };
    assert!(run(&folder).contains(": 0 bytes"), "the first start finds something");
    let files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    let kept = std::fs::read(&files[0]).unwrap();
    assert!(
        run(&folder).contains(&format!(": {} bytes", kept.len() - 16)),
        "the second start reads what the first one kept"
    );
    std::fs::write(&files[0], &kept[..kept.len() / 2]).unwrap();
    assert!(run(&folder).contains(": 0 bytes"), "a damaged file counts as none");
    assert_eq!(std::fs::read(&files[0]).unwrap(), kept, "and is replaced");
    std::fs::remove_dir_all(&folder).unwrap();
    run(std::path::Path::new("/proc/nowhere"));
    run(std::path::Path::new("off"));
}

/// A trace is what its viewers read, and tells of the calls that were made.
#[test]
fn a_trace_tells_of_calls() {
    let root = root();
    let host = Host::start(&root).unwrap();
    let path = std::env::temp_dir().join(format!("hesper-client-trace-{}.json", std::process::id()));
    let mut command = root.client(Driver::Hesper, Some(&host), CLIENT).unwrap();
    good("the client with HESPER_TRACE", command.arg("compute").env("HESPER_TRACE", &path));
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let events: serde_json::Value =
        serde_json::from_str(&format!("{}]", text.trim_end().trim_end_matches(','))).unwrap();
    let count = |name: &str| events.as_array().unwrap().iter().filter(|e| e["name"] == name).count();
    assert!(
        count("vkQueueSubmit") > 0 && count("vkCmdDispatch") > 0 && count("ring") > 0,
        "{} events",
        text.lines().count()
    );
    assert!(events[0]["ts"].as_f64().unwrap() >= 0.0 && events[0]["ph"] == "X");
}

/// On a device whose own memory can't be mapped.
#[test]
fn passes_on_hesper_with_memory_of_the_devices_own() {
    let root = root();
    let host = Host::start_with(&root, &[("HESPER_TEST_LAYER_DISCRETE", "1")]).unwrap();
    let mut command = root.client(Driver::Hesper, Some(&host), CLIENT).unwrap();
    good("the client on a host with HESPER_TEST_LAYER_DISCRETE", command.arg("all"));
}

/// Copies to images by the host's processor are waited for where somebody could look at the image's memory, and all of them where that is switched off.
#[test]
fn host_copies_are_posted_where_nobody_looks() {
    let root = root();
    let host = Host::start(&root).unwrap();
    let path = std::env::temp_dir().join(format!("hesper-client-host-copies-{}.json", std::process::id()));
    for (debug, posted) in [("vtest", true), ("vtest,no-posted-copies", false)] {
        let mut command = root.client(Driver::Hesper, Some(&host), CLIENT).unwrap();
        command.arg("host-copies").env("HESPER_TRACE", &path).env("HESPER_DEBUG", debug);
        good(&format!("the client with HESPER_DEBUG={debug}"), &mut command);
        let count = std::fs::read_to_string(&path).unwrap().matches("\"copy posted\"").count();
        std::fs::remove_file(&path).unwrap();
        assert!(if posted { count > 250 } else { count == 0 }, "{count} copies were posted with HESPER_DEBUG={debug}");
    }
}

/// Small uploads aren't sent by themselves, but where that is switched off; either way everybody sees what was uploaded.
#[test]
fn uploads_travel_with_the_next_submission() {
    let root = root();
    let host = Host::start(&root).unwrap();
    let path = std::env::temp_dir().join(format!("hesper-client-uploads-{}.json", std::process::id()));
    for (debug, put_off, in_block) in [
        ("vtest", true, 60..200),
        ("vtest,staging", true, 300..10_000),
        ("vtest,no-staging", true, 0..1),
        ("vtest,no-uploads", false, 0..1),
        ("vtest,sync", false, 0..1),
    ] {
        let mut command = root.client(Driver::Hesper, Some(&host), CLIENT).unwrap();
        command.arg("uploads").env("HESPER_TRACE", &path).env("HESPER_DEBUG", debug);
        good(&format!("the client with HESPER_DEBUG={debug}"), &mut command);
        let trace = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let count = trace.matches("\"upload put off\"").count();
        let copied = trace.matches("\"upload in the block\"").count();
        assert!(in_block.contains(&copied), "{copied} uploads were copied from the block with HESPER_DEBUG={debug}");
        assert!(
            if put_off { count > 100 } else { count == 0 },
            "{count} uploads were put off with HESPER_DEBUG={debug}"
        );
    }
    assert!(!host.log().contains("fatal"), "the host complains:\n{}", host.log());
}

/// As on a host with 16 KiB pages that doesn't tell.
#[test]
fn passes_on_hesper_with_blobs_of_16_kib() {
    let root = root();
    let host = Host::start(&root).unwrap();
    let mut command = root.client(Driver::Hesper, Some(&host), CLIENT).unwrap();
    good("the client with HESPER_BLOB_ALIGNMENT", command.arg("all").env("HESPER_BLOB_ALIGNMENT", "16384"));
}

#[test]
fn impossible_sizes_and_mappings_are_refused_and_nothing_is_lost() {
    let root = root();
    let host = Host::start(&root).unwrap();
    good("the client's hostile part", root.client(Driver::Hesper, Some(&host), CLIENT).unwrap().arg("hostile"));
}

/// What the driver keeps of freed memory is no room that the program lacks, for memory and for everything else.
#[test]
fn kept_memory_is_given_back_when_the_host_is_full() {
    let root = root();
    let host = Host::start_with(&root, &[("HESPER_TEST_LAYER_ALLOCATIONS", "40")]).unwrap();
    let mut command = root.client(Driver::Hesper, Some(&host), CLIENT).unwrap();
    good("the client on a host with room for 40 allocations", command.args(["scarce", "40"]));
    assert!(!host.log().contains("fatal"), "the host complains:\n{}", host.log());
}

/// What Vulkan says is ignored may be garbage; Mesa's driver doesn't survive that.
#[test]
fn ignored_members_may_be_garbage() {
    let root = root();
    good("garbage on native", root.client(Driver::Native, None, CLIENT).unwrap().arg("ignored"));
    let host = Host::start(&root).unwrap();
    good("garbage on hesper", root.client(Driver::Hesper, Some(&host), CLIENT).unwrap().arg("ignored"));
    assert!(!host.log().contains("fatal"), "the host complains:\n{}", host.log());
}

/// A compiler that fails is told at once or when the pipeline is bound, and costs nothing else.
#[test]
fn pipelines_that_cannot_be_made() {
    let root = root();
    let variables = [("HESPER_TEST_LAYER_REFUSE", "refused"), ("HESPER_TEST_LAYER_STATES", "1")];
    let host = Host::start_with(&root, &variables).unwrap();
    for (debug, late) in [("vtest", true), ("vtest,sync", false)] {
        let mut command = root.client(Driver::Hesper, Some(&host), CLIENT).unwrap();
        let text = good("the client's refused part", command.arg("refused").env("HESPER_DEBUG", debug));
        assert_eq!(text.contains("couldn't make a pipeline"), late, "{text}");
    }
    assert!(!host.log().contains("fatal"), "the host complains:\n{}", host.log());
    assert!(!host.log().contains("test layer"), "a failed recording goes on at the host:\n{}", host.log());
}

/// A recording that the program drops half-way is dropped at the host as well, before the command buffer is begun anew.
#[test]
fn recordings_are_begun_once_at_the_host() {
    let root = root();
    let host = Host::start_with(&root, &[("HESPER_TEST_LAYER_STATES", "1")]).unwrap();
    for part in ["commands", "uploads"] {
        good(&format!("the client's {part}"), root.client(Driver::Hesper, Some(&host), CLIENT).unwrap().arg(part));
    }
    assert!(!host.log().contains("test layer"), "a command buffer is begun twice:\n{}", host.log());
}

/// A slow compiler holds up nobody but those who use its pipelines, and nothing that it reads is destroyed under its hands.
#[test]
fn a_slow_compiler() {
    let root = root();
    let host = Host::start_with(&root, &[("HESPER_TEST_LAYER_SLOW_COMPILER", "1000")]).unwrap();
    let mut command = root.client(Driver::Hesper, Some(&host), CLIENT).unwrap();
    good("the client's slow-compiler part", command.args(["slow-compiler", "1000"]));
    assert!(!host.log().contains("fatal"), "the host complains:\n{}", host.log());
}

#[test]
fn several_programs_share_a_host() {
    let root = root();
    let host = Host::start(&root).unwrap();
    std::thread::scope(|s| {
        for part in ["threads", "sync", "memory", "compute"] {
            let (root, host) = (&root, &host);
            s.spawn(move || good(part, root.client(Driver::Hesper, Some(host), CLIENT).unwrap().arg(part)));
        }
    });
}

/// A fork's child gets errors for what its parent has made, and may make its own; the parent notices nothing.
#[test]
fn forks_are_apart() {
    let root = root();
    let host = Host::start(&root).unwrap();
    good("the client's forks", root.client(Driver::Hesper, Some(&host), CLIENT).unwrap().arg("forks"));
    assert!(!host.log().contains("fatal"), "the host complains:\n{}", host.log());
}
