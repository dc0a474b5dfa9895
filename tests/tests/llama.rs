//! llama.cpp on tiny models: the same tokens as on the host's own driver, and no slower than on Mesa's.

use hesper_rig::llama::{self, Server};
use hesper_rig::models::{self, Weights};
use hesper_rig::{Driver, Host, target_folder};
use hesper_tests::{median, quick, root};

const PROMPT: [u32; 12] = [1, 300, 7, 301, 42, 400, 9, 17, 350, 260, 511, 33];

/// What memory the host's device has.
#[derive(Clone, Copy, Debug)]
enum Memory {
    /// All of it can be mapped.
    Mapped,
    /// The device's own can't, so llama.cpp copies what it writes out of memory that can.
    Discrete,
}

#[test]
fn tokens_are_the_hosts_own_and_come_as_fast_as_through_mesas_driver() {
    if quick() {
        return;
    }
    compare(Weights::F16, Memory::Mapped);
    compare(Weights::Q4K, Memory::Mapped);
    compare(Weights::Q4K, Memory::Discrete);
}

/// The copies that write a token's inputs aren't sent by themselves.
#[test]
fn a_tokens_inputs_travel_with_its_work() {
    if quick() {
        return;
    }
    let trace = std::env::temp_dir().join(format!("hesper-llama-trace-{}.json", std::process::id()));
    // Whatever switches the tests run with.
    let environment = [("HESPER_TRACE", trace.to_str().unwrap()), ("HESPER_DEBUG", "vtest")];
    let server = start(Driver::Hesper, Weights::Q4K, Memory::Discrete, &environment);
    server.tokens(&PROMPT, 128).unwrap();
    drop(server);
    let text = std::fs::read_to_string(&trace).unwrap();
    std::fs::remove_file(&trace).unwrap();
    let taken = text.matches("\"upload put off\"").count();
    assert!(taken > 3 * 128, "only {taken} uploads were taken");
}

fn start(driver: Driver, weights: Weights, memory: Memory, environment: &[(&str, &str)]) -> Server {
    let root = root();
    let logs = target_folder().unwrap().join("llama-logs");
    std::fs::create_dir_all(&logs).unwrap();
    let (program, model) = (llama::server().unwrap(), models::tiny(weights).unwrap());
    let log = logs.join(format!("{driver}-{weights:?}-{memory:?}.log"));
    let layer: &[_] = match memory {
        Memory::Mapped => &[],
        Memory::Discrete => &[("HESPER_TEST_LAYER_DISCRETE", "1")],
    };
    let host = driver.needs_host().then(|| Host::start_with(&root, layer).unwrap());
    Server::start_on(&root, driver, host, &program, &model, &log, environment)
        .unwrap_or_else(|e| panic!("{driver}: {e:?}"))
}

fn compare(weights: Weights, memory: Memory) {
    let servers = Driver::ALL.map(|driver| {
        let server = start(driver, weights, memory, &[]);
        let device = server.device().unwrap();
        assert_eq!(device.starts_with("Virtio-GPU Venus ("), driver.needs_host(), "{driver} runs on {device}");
        server
    });
    // Once to warm up.
    round(&servers);
    // Other work on the machine may slow one of them down; a driver that is slower is so every time.
    let faster = (0..3).any(|_| {
        let rates: Vec<[f64; 3]> = (0..5).map(|_| round(&servers)).collect();
        let [n, m, h] = [0, 1, 2].map(|i| median(&rates.iter().map(|r| r[i]).collect::<Vec<_>>()));
        println!(
            "{weights:?} {memory:?}: native {n:.0}, mesa {m:.0}, hesper {h:.0} tokens/s; hesper/native {:.2}, hesper/mesa {:.2}",
            h / n,
            h / m
        );
        h >= m
    });
    assert!(faster, "Hesper is slower than Mesa's driver, three times over (medians of 5, {weights:?} {memory:?})");
}

/// Has each server go on from the prompt, in turns, so that a machine that gets slower or faster meanwhile does so for all;
/// compares what they say, and returns their tokens a second.
fn round(servers: &[Server; 3]) -> [f64; 3] {
    let answers = servers.each_ref().map(|s| s.tokens(&PROMPT, 128).unwrap());
    let native = &answers[0].0;
    let different: std::collections::BTreeSet<_> = native.iter().collect();
    assert!(native.len() == 128 && different.len() > 4, "the tokens tell nothing: {native:?}");
    for (driver, (tokens, _)) in Driver::ALL.iter().zip(&answers) {
        assert_eq!(tokens, native, "{driver} goes on differently than native lavapipe");
    }
    answers.map(|(_, timings)| timings.answer.1)
}
