//! The host dies while a program uses it: errors, and soon; no hang, no abort from inside the driver.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use hesper_rig::llama::{self, Server};
use hesper_rig::models::{self, Weights};
use hesper_rig::{Driver, Host, target_folder};
use hesper_tests::{both, output, quick, root};

const CLIENT: &str = env!("CARGO_BIN_EXE_hesper-client");
const SIGSEGV: i32 = 11;
const LIMIT: Duration = Duration::from_secs(2);

/// Starts a program, kills the host after a moment, and returns what the program printed and how long its end took.
fn killed_under(part: &str) -> (std::process::Output, Duration) {
    ended_by(part, |host| host.kill())
}

/// The same with another way to die.
fn ended_by(part: &str, end: impl FnOnce(&mut Host)) -> (std::process::Output, Duration) {
    let root = root();
    let mut host = Host::start(&root).unwrap();
    let mut command = root.client(Driver::Hesper, Some(&host), CLIENT).unwrap();
    let child = command
        .args(part.split(' '))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    end(&mut host);
    let start = Instant::now();
    let out = child.wait_with_output().unwrap();
    (out, start.elapsed())
}

#[test]
fn a_waiting_program_gets_device_lost() {
    let (out, took) = killed_under("spin");
    let text = both(&out);
    assert!(out.status.success() && text.contains("\nlost\n"), "{}:\n{text}", out.status);
    assert!(took < LIMIT, "it took {took:?}:\n{text}");
    assert_eq!(text.matches("hesper: ").count(), 1, "the reason is said once:\n{text}");
}

/// The process that runs the program's context dies, and the server lives on.
#[test]
fn a_dead_worker_is_noticed() {
    for part in ["spin", "cycles 10000000"] {
        for _ in 0..3 {
            let (out, took) = ended_by(part, |host| host.kill_workers().unwrap());
            let text = both(&out);
            assert!(out.status.signal().is_none(), "{part}: {}:\n{text}", out.status);
            assert!(took < LIMIT, "{part}: it took {took:?}:\n{text}");
            assert!(text.contains("lost"), "{part}:\n{text}");
        }
    }
}

/// A host that is stopped for a while, and asked meanwhile whether it lives, is waited for and answers when it goes on.
#[test]
fn a_silent_host_is_waited_for() {
    let root = root();
    let mut host = Host::start(&root).unwrap();
    let [trace, errors] = ["trace.json", "errors"]
        .map(|f| std::env::temp_dir().join(format!("hesper-silent-{}-{f}", std::process::id())));
    let mut command = root.client(Driver::Hesper, Some(&host), CLIENT).unwrap();
    let child = command
        .arg("spin")
        .env("HESPER_TRACE", &trace)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(std::fs::File::create(&errors).unwrap())
        .spawn()
        .unwrap();
    let traced = |event: &str| std::fs::read_to_string(&trace).unwrap_or_default().matches(event).count();
    let submissions = || traced("\"vkQueueSubmit\"");
    let said = || std::fs::read_to_string(&errors).unwrap();
    let is_said = "has shown no sign of life for 10 s; it is waited for";
    until("the program works", || submissions() > 10);
    // Twice, since the second question goes to the ring that the first one has made.
    for turn in 0..2 {
        let asked = || traced("\"ask a silent host\"") > turn;
        let mut attempts = 0;
        let stopped = loop {
            host.stop().unwrap();
            let stopped = submissions();
            if within(Duration::from_secs(6), asked) {
                break stopped;
            }
            // The program waits for the server, which was to make memory just then and can't be asked anything. It goes on before it speaks of that, after 10 s.
            attempts += 1;
            assert!(attempts < 5, "turn {turn}: the host isn't asked");
            host.go_on().unwrap();
            until(&format!("turn {turn}: the program goes on once more"), || submissions() > stopped + 10);
        };
        if turn == 1 {
            until("the longer silence is spoken of", || said().contains(is_said));
        }
        host.go_on().unwrap();
        until(&format!("turn {turn}: the program goes on"), || submissions() > stopped + 10);
        assert!(!host.log().contains("fatal"), "the host complains:\n{}", host.log());
    }
    let is_back = "shows signs of life again";
    until("the end of the silence is spoken of", || said().contains(is_back));
    host.kill();
    let out = child.wait_with_output().unwrap();
    let text = both(&out);
    assert!(out.status.success() && text.contains("\nlost\n"), "{}:\n{text}\n{}", out.status, said());
    for line in [is_said, is_back] {
        assert_eq!(said().matches(line).count(), 1, "what is said of the longer silence:\n{}", said());
    }
    for file in [trace, errors] {
        std::fs::remove_file(file).unwrap();
    }
}

/// Waits until something is so; on a busy machine that takes longer than the thing itself.
fn until(what: &str, so: impl Fn() -> bool) {
    assert!(within(Duration::from_secs(20), so), "not within 20 s: {what}");
}

/// Whether something comes to be so before the time is over.
fn within(time: Duration, so: impl Fn() -> bool) -> bool {
    let start = Instant::now();
    while !so() {
        if start.elapsed() >= time {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    true
}

/// Sets that a pool has promised aren't waited for: the program hears of the host's refusal by losing the device, and why.
#[test]
fn a_refusal_of_promised_descriptor_sets_is_an_error() {
    let root = root();
    let host = Host::start_with(&root, &[("HESPER_TEST_LAYER_FAIL", "vkAllocateDescriptorSets:-1:1")]).unwrap();
    for debug in ["vtest", "vtest,no-pool-counts"] {
        let mut command = root.client(Driver::Hesper, Some(&host), CLIENT).unwrap();
        let out = output("the client", command.arg("descriptors").env("HESPER_DEBUG", debug));
        let text = both(&out);
        assert_eq!(out.status.code(), Some(1), "{text}");
        let refused = text.contains("its driver has refused a vkAllocateDescriptorSets: ERROR_OUT_OF_HOST_MEMORY");
        assert_eq!(refused, debug == "vtest", "{debug}: {text}");
    }
}

/// Copies to images that aren't waited for: the program hears of the host's refusal by losing the device, and why; of one that is waited for it is
/// told the result.
#[test]
fn a_refusal_of_a_posted_copy_is_an_error() {
    let root = root();
    let host = Host::start_with(&root, &[("HESPER_TEST_LAYER_FAIL", "vkCopyMemoryToImage:-1:1")]).unwrap();
    for (debug, is_said) in [("vtest", true), ("vtest,no-posted-copies", false), ("vtest,no-outcomes", false)] {
        let mut command = root.client(Driver::Hesper, Some(&host), CLIENT).unwrap();
        let out = output("the client", command.arg("host-copies").env("HESPER_DEBUG", debug));
        let text = both(&out);
        assert_eq!(out.status.code(), Some(1), "{text}");
        let refused = text.contains("its driver has refused a vkCopyMemoryToImage: ERROR_OUT_OF_HOST_MEMORY");
        assert_eq!(refused, is_said, "{debug}: {text}");
        let told = text.contains("A host memory allocation has failed");
        assert_eq!(told, debug.ends_with("copies"), "{debug}: {text}");
    }
}

/// A host's driver that has no memory for a submission: what waits for the submission gets an error, and doesn't wait forever.
#[test]
fn a_submission_that_the_host_refuses_is_an_error() {
    let root = root();
    let host = Host::start_with(&root, &[("HESPER_TEST_LAYER_FAIL", "vkQueueSubmit:-2:3")]).unwrap();
    let mut command = root.client(Driver::Hesper, Some(&host), CLIENT).unwrap();
    let text = both(&output("the client", command.args(["careful", "hesper"])));
    assert!(text.contains("its driver has refused a vkQueueSubmit: ERROR_OUT_OF_DEVICE_MEMORY"), "{text}");
    assert!(text.contains(r#""code":-4"#), "{text}");
}

#[test]
fn a_program_in_the_middle_of_anything_ends_with_an_error() {
    let (out, took) = killed_under("cycles 10000000");
    let text = both(&out);
    assert!(out.status.signal().is_none() && !out.status.success(), "{}:\n{text}", out.status);
    assert!(took < LIMIT, "it took {took:?}:\n{text}");
    assert!(text.contains("device has been lost") || text.contains("DEVICE_LOST"), "{text}");
}

/// Whether llama.cpp names what a command returned: the loss, or where a command may not return that, the nearest error (`vkMapMemory` and others).
fn names_an_error(text: &str) -> bool {
    ["DeviceLost", "MemoryMapFailed", "OutOfHostMemory", "OutOfDeviceMemory"]
        .iter()
        .any(|e| text.contains(&format!("Error{e}")))
}

#[test]
fn llama_bench_ends_with_its_own_error() {
    if quick() {
        return;
    }
    let root = root();
    let model = models::tiny(Weights::Q4K).unwrap();
    let mut host = Host::start(&root).unwrap();
    let mut command = root.client(Driver::Hesper, Some(&host), llama::BENCH).unwrap();
    command
        .args(["-m", &model.display().to_string(), "-ngl", "99", "-p", "0", "-n", "100000"])
        .envs(llama::ENVIRONMENT);
    let kept = std::env::temp_dir().join(format!("hesper-bench-pipelines-{}", std::process::id()));
    command.env("HESPER_PIPELINE_CACHE", &kept);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // What was compiled is kept while the program runs: it never destroys its device.
    let start = Instant::now();
    while std::fs::read_dir(&kept).map_or(0, Iterator::count) == 0 {
        assert!(child.try_wait().unwrap().is_none(), "llama-bench has ended by itself");
        assert!(start.elapsed() < Duration::from_secs(60), "no pipelines were kept");
        std::thread::sleep(Duration::from_millis(50));
    }
    std::fs::remove_dir_all(&kept).unwrap();
    host.kill();
    let start = Instant::now();
    let out = child.wait_with_output().unwrap();
    let (took, text) = (start.elapsed(), both(&out));
    println!("llama-bench ended with {} after {took:?}", out.status);
    assert!(took < LIMIT, "it took {took:?}:\n{text}");
    assert!(!out.status.success() && out.status.signal() != Some(SIGSEGV), "{}:\n{text}", out.status);
    assert!(names_an_error(&text) && !text.contains("panicked"), "{}:\n{text}", out.status);
}

#[test]
fn llama_server_reports_its_own_error() {
    if quick() {
        return;
    }
    let root = root();
    let program = llama::server().unwrap();
    let model = models::tiny(Weights::Q4K).unwrap();
    let log = target_folder().unwrap().join("llama-killed.log");
    let mut server = Server::start(&root, Driver::Hesper, &program, &model, &log).unwrap();
    let port = server.port();
    let asking = std::thread::spawn(move || {
        let json = r#"{"prompt":[1,300,7],"n_predict":1900,"temperature":0,"ignore_eos":true}"#;
        hesper_rig::http::post(port, "/completion", json, Duration::from_secs(60), |_| Ok(()))
    });
    std::thread::sleep(Duration::from_millis(700));
    server.host.as_mut().unwrap().kill();
    let start = Instant::now();
    let answer = asking.join().unwrap();
    let took = start.elapsed();
    let ended = server.ended_within(Duration::from_millis(200)).unwrap();
    // llama-server writes its log from a thread of its own, so it is whole only now.
    let text = server.log();
    // This llama.cpp passes the error on to whoever asked, and goes on serving; others end.
    let error = format!("{:?}", answer.expect_err("an answer came from nowhere"));
    assert!(took < LIMIT, "llama-server took {took:?} to notice:\n{}", tail(&text));
    assert!(names_an_error(&text) || names_an_error(&error), "{error}; llama-server: {ended:?}\n{}", tail(&text));
    assert!(!text.contains("panicked"), "{}", tail(&text));
    println!("the answer ended with an error after {took:?}; llama-server: {ended:?}");
    assert!(ended.is_none_or(|s| s.signal() != Some(SIGSEGV)), "{ended:?}");
    if ended.is_none() {
        let start = Instant::now();
        let again = server.tokens(&[1, 300], 4);
        assert!(again.is_err() && start.elapsed() < LIMIT, "a second question: {again:?} after {:?}", start.elapsed());
    }
}

fn tail(text: &str) -> &str {
    let at = text.len().saturating_sub(3000);
    text.get(text.ceil_char_boundary(at)..).unwrap_or(text)
}

#[test]
fn without_a_host_there_is_no_device_and_a_reason() {
    let root = root();
    let host = Host::start(&root).unwrap();
    let mut command = root.client(Driver::Hesper, Some(&host), CLIENT).unwrap();
    drop(host);
    let out = output("the client", command.arg("compute"));
    let text = both(&out);
    assert_eq!(out.status.code(), Some(1), "{text}");
    assert!(text.contains("hesper: no Venus device: can't connect to"), "{text}");

    // Without a test server being asked for, the way leads through /dev/dri, which test machines lack.
    let mut command: Command = root.client(Driver::Native, None, CLIENT).unwrap();
    command
        .env("VK_DRIVER_FILES", hesper_rig::build_driver().unwrap().manifest)
        .env("HESPER_RENDER_NODE", "/dev/dri/renderD999");
    let out = output("the client", command.arg("compute"));
    let text = both(&out);
    assert_eq!(out.status.code(), Some(1), "{text}");
    assert!(text.contains("hesper: no Venus device: /dev/dri/renderD999"), "{text}");
}
