//! What a program that goes on and on asks of the kernel: nothing but to wake threads of the host that have gone to sleep.

use std::collections::BTreeMap;
use std::time::Duration;

use hesper_rig::models::{self, Weights};
use hesper_rig::{Driver, GuestJob, Kernel, Machine, Vm, llama};
use hesper_tests::{median, quick, root};
use serde_json::Value;

/// `DRM_IOCTL_VIRTGPU_EXECBUFFER`, as the kernel's events have it.
const EXECBUFFER: &str = "c0406442";
/// DRM's letter in the number of a call.
const DRM: &str = "64";
/// How often llama.cpp is asked for an answer, the first times so that it makes what it keeps; and for how many tokens.
const ANSWERS: usize = 8;
const WARM: usize = 3;
const TOKENS: u32 = 64;
/// The host's thread looks for work for eight milliseconds before it sleeps. A call of one that has rested for less is needless; it happens where the thread is
/// falling asleep, and finds something in its last look.
const REST_US: f64 = 7_900.0;
/// Of so many calls at most one may be needless.
const FALLS_ASLEEP: usize = 20;

/// Prints after each answer of llama.cpp's how often each ioctl was called, and what the driver's trace has of that; leaves the trace.
fn script() -> String {
    let variables: Vec<String> = llama::ENVIRONMENT.iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!(
        r#"mount -t tracefs tracefs /sys/kernel/tracing
events=/sys/kernel/tracing/events/syscalls/sys_enter_ioctl
echo 'hist:keys=cmd.hex' >$events/trigger || exit 1
env {} HESPER_TRACE=/run/trace {} {} --port 8080 --model {} >llama.log 2>&1 &
until busybox wget -q -O /dev/null http://127.0.0.1:8080/health 2>/dev/null; do kill -0 $! || {{ cat llama.log; exit 1; }}; sleep 0.2; done
request='{{"prompt":[1,300,7,301,42,400],"n_predict":{TOKENS},"temperature":0,"seed":1,"cache_prompt":false,"ignore_eos":true}}'
for answer in $(seq {ANSWERS}); do
    busybox wget -q -O answer --header 'Content-Type: application/json' --post-data "$request" http://127.0.0.1:8080/completion || exit 1
    grep hitcount: $events/hist
    echo wake-ups $(grep -o 'wake the host' /run/trace | wc -l)
    echo waits $(grep -o '"block"' /run/trace | wc -l)
    echo answered
done
kill $!
cp /run/trace ."#,
        variables.join(" "),
        llama::ANY_PROCESSOR,
        llama::ARGUMENTS.join(" "),
        models::tiny(Weights::Q4K).unwrap().display(),
    )
}

/// What was counted up to the end of an answer, or during one.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Counts {
    submissions: f64,
    /// DRM's calls but submissions.
    others: f64,
    wake_ups: f64,
    waits: f64,
}

impl Counts {
    fn since(self, before: Self) -> Self {
        Self {
            submissions: self.submissions - before.submissions,
            others: self.others - before.others,
            wake_ups: self.wake_ups - before.wake_ups,
            waits: self.waits - before.waits,
        }
    }
}

/// The counts at the end of each answer.
fn counts(output: &str) -> Vec<Counts> {
    let mut all = Vec::new();
    let mut now: BTreeMap<&str, f64> = BTreeMap::new();
    for line in output.lines() {
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            ["{", "cmd:", name, "}", "hitcount:", n] | [name @ ("wake-ups" | "waits"), n] => {
                now.insert(name, n.parse().unwrap());
            }
            ["answered"] => {
                let of = |name: &str| now.get(name).copied().unwrap_or(0.0);
                let is_drms = |name: &str| name.len() == 8 && name.get(4..6) == Some(DRM);
                let drms: f64 = now.iter().filter(|(name, _)| is_drms(name)).map(|(_, n)| n).sum();
                let submissions = of(EXECBUFFER);
                let others = drms - submissions;
                all.push(Counts { submissions, others, wake_ups: of("wake-ups"), waits: of("waits") });
                now.clear();
            }
            _ => {}
        }
    }
    all
}

/// How long the main ring had rested before each call of its thread, in microseconds.
fn rests(trace: &[u8]) -> Vec<f64> {
    let text = String::from_utf8_lossy(trace);
    let event = |line: &str| serde_json::from_str::<Value>(line.trim().trim_end_matches(',')).ok();
    let time = |e: &Value| e["ts"].as_f64().unwrap_or(0.0);
    let mut events: Vec<Value> = text.lines().filter_map(event).filter(|e| e["name"].is_string()).collect();
    // A span is written when it ends.
    events.sort_by(|a, b| time(a).total_cmp(&time(b)));
    let mut rests = Vec::new();
    let (mut shown, mut by_thread) = (None, BTreeMap::new());
    for event in &events {
        let thread = event["tid"].as_u64();
        match event["name"].as_str() {
            Some("ring") => {
                let rest = shown.map(|before| time(event) - before);
                shown = Some(time(event));
                by_thread.insert(thread, rest);
            }
            Some("side ring") => drop(by_thread.remove(&thread)),
            Some("wake the host") => rests.extend(by_thread.remove(&thread).flatten()),
            _ => {}
        }
    }
    rests
}

#[test]
fn a_steady_token_loop_asks_the_kernel_only_to_wake_the_host() {
    if quick() {
        return;
    }
    let timeout = Duration::from_secs(240);
    let job = GuestJob { name: "llama.cpp".into(), driver: Driver::Hesper, command: script(), timeout };
    let run = Vm::new(Machine::amd64(Kernel::Trixie)).run(&root(), &[job]).unwrap();
    let [result] = &run.results[..] else { panic!("{} results", run.results.len()) };
    assert_eq!(result.status, 0, "{}", result.output);
    let ends = counts(&result.output);
    assert_eq!(ends.len(), ANSWERS, "{}", result.output);
    assert!(ends[0].submissions > 0.0 && ends[0].others > 0.0, "nothing was counted:\n{}", result.output);
    let steady: Vec<Counts> = ends[WARM - 1..].windows(2).map(|pair| pair[1].since(pair[0])).collect();
    for c in &steady {
        println!(
            "{TOKENS} tokens: {} submissions, {} other calls, {} wake-ups of the host's threads, {} blocking waits",
            c.submissions, c.others, c.wake_ups, c.waits
        );
        assert_eq!(c.submissions, c.wake_ups, "the kernel was asked for something else than to wake the host");
    }
    let others: Vec<f64> = steady.iter().map(|c| c.others).collect();
    assert_eq!(median(&others), 0.0, "calls other than submissions: {others:?}");
    let rests = rests(&result.files["trace"]);
    assert!(!rests.is_empty(), "the trace has no calls of the main ring's thread");
    let needless = rests.iter().filter(|r| **r < REST_US).count();
    println!("{needless} of {} calls of the main ring's thread were needless", rests.len());
    assert!(needless * FALLS_ASLEEP <= rests.len(), "{needless} of {} calls were needless: {rests:?}", rests.len());
}
