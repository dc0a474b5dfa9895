//! What a program that goes on and on asks of the kernel: nothing but to wake threads of the host that have gone to sleep.

use std::collections::BTreeMap;
use std::time::Duration;

use hesper_rig::models::{self, Tiny};
use hesper_rig::{Driver, GuestJob, Kernel, Machine, Vm, llama};
use hesper_tests::{median, quick, root};

/// `DRM_IOCTL_VIRTGPU_EXECBUFFER`, as the kernel's events have it.
const EXECBUFFER: &str = "c0406442";
/// DRM's letter in the number of a call.
const DRM: &str = "64";
/// How often llama.cpp is asked, and for how many tokens; the first times it makes what it keeps.
const ASKED: [u32; 8] = [64, 64, 64, 16, 64, 64, 64, 64];
const WARM: usize = 3;

/// Prints how often each ioctl was called up to each answer of llama.cpp's, with what the driver's trace has.
fn script() -> String {
    let variables: Vec<String> = llama::ENVIRONMENT.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let asks: Vec<String> = ASKED.iter().map(|n| format!("ask {n}")).collect();
    format!(
        r#"mount -t tracefs tracefs /sys/kernel/tracing
events=/sys/kernel/tracing/events/syscalls/sys_enter_ioctl
echo 'hist:keys=cmd.hex' >$events/trigger || exit 1
count() {{
    grep hitcount: $events/hist
    echo wake-ups $(grep -o 'wake the host' /run/trace | wc -l)
    echo waits $(grep -o '"block"' /run/trace | wc -l)
    echo tokens $1
}}
ask() {{
    request='{{"prompt":[1,300,7,301,42,400],"n_predict":'$1',"temperature":0,"seed":1,"cache_prompt":false,"ignore_eos":true}}'
    busybox wget -q -O answer --header 'Content-Type: application/json' --post-data "$request" http://127.0.0.1:8080/completion || exit 1
    count $1
}}
env {} HESPER_TRACE=/run/trace {} {} --port 8080 --model {} >llama.log 2>&1 &
until busybox wget -q -O /dev/null http://127.0.0.1:8080/health 2>/dev/null; do kill -0 $! || {{ cat llama.log; exit 1; }}; sleep 0.2; done
{}
kill $!"#,
        variables.join(" "),
        llama::ANY_PROCESSOR,
        llama::ARGUMENTS.join(" "),
        models::tiny(Tiny::Q4K).unwrap().display(),
        asks.join("\n"),
    )
}

/// What was counted up to the end of an answer, or during one.
#[derive(Debug, Default)]
struct Counts {
    execbuffers: f64,
    /// All others of DRM's.
    others: f64,
    wake_ups: f64,
    waits: f64,
}

/// The counts at the end of each answer.
fn counts(output: &str) -> Vec<Counts> {
    let mut all = Vec::new();
    let mut now = BTreeMap::new();
    for line in output.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["{", "cmd:", number, "}", "hitcount:", n] => {
                now.insert(number.to_owned(), n.parse::<f64>().unwrap());
            }
            [what @ ("wake-ups" | "waits"), n] => {
                now.insert(what.to_owned(), n.parse().unwrap());
            }
            ["tokens", _] => {
                let of = |name: &str| now.get(name).copied().unwrap_or(0.0);
                let is_drms = |name: &str| name.len() == 8 && name.get(4..6) == Some(DRM) && name != EXECBUFFER;
                let others = now.iter().filter(|(name, _)| is_drms(name)).map(|(_, n)| n).sum();
                all.push(Counts { execbuffers: of(EXECBUFFER), others, wake_ups: of("wake-ups"), waits: of("waits") });
                now.clear();
            }
            _ => {}
        }
    }
    all
}

#[test]
fn a_steady_token_loop_asks_the_kernel_only_to_wake_the_host() {
    if quick() {
        return;
    }
    let job = GuestJob {
        name: "llama.cpp".into(),
        driver: Driver::Hesper,
        command: script(),
        timeout: Duration::from_secs(240),
    };
    let run = Vm::new(Machine::amd64(Kernel::Trixie)).run(&root(), &[job]).unwrap();
    let [result] = &run.results[..] else { panic!("{} results", run.results.len()) };
    assert_eq!(result.status, 0, "{}", result.output);
    let ends = counts(&result.output);
    assert_eq!(ends.len(), ASKED.len(), "{}", result.output);
    assert!(ends[0].execbuffers > 0.0 && ends[0].others > 0.0, "nothing was counted:\n{}", result.output);
    let during: Vec<(u32, Counts)> = ASKED
        .iter()
        .zip(ends.windows(2))
        .skip(WARM - 1)
        .map(|(_, pair)| pair)
        .zip(&ASKED[WARM..])
        .map(|(pair, tokens)| {
            let [a, b] = pair else { panic!("{pair:?}") };
            let counts = Counts {
                execbuffers: b.execbuffers - a.execbuffers,
                others: b.others - a.others,
                wake_ups: b.wake_ups - a.wake_ups,
                waits: b.waits - a.waits,
            };
            (*tokens, counts)
        })
        .collect();
    for (tokens, c) in &during {
        println!(
            "{tokens} tokens: {} submissions, {} other calls, {} wake-ups of the host's threads, {} blocking waits",
            c.execbuffers, c.others, c.wake_ups, c.waits
        );
        assert_eq!(c.execbuffers, c.wake_ups, "the kernel was asked for something else than to wake the host");
    }
    let long: Vec<f64> = during.iter().filter(|(tokens, _)| *tokens == 64).map(|(_, c)| c.others).collect();
    assert_eq!(median(&long), 0.0, "calls other than submissions: {long:?}");
}
