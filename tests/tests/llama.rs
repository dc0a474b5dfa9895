//! llama.cpp on tiny models: the same tokens as on the host's own driver, and no slower than on Mesa's.

use hesper_rig::llama::{self, Server};
use hesper_rig::models::{self, Tiny};
use hesper_rig::{Driver, target_folder};
use hesper_tests::{median, quick, root};

const PROMPT: [u32; 12] = [1, 300, 7, 301, 42, 400, 9, 17, 350, 260, 511, 33];

#[test]
fn tokens_are_the_hosts_own_and_come_as_fast_as_through_mesas_driver() {
    if quick() {
        return;
    }
    let root = root();
    let program = llama::server().unwrap();
    let logs = target_folder().unwrap().join("llama-logs");
    std::fs::create_dir_all(&logs).unwrap();
    for weights in [Tiny::F16, Tiny::Q4K] {
        let model = models::tiny(weights).unwrap();
        let servers = Driver::ALL.map(|driver| {
            let log = logs.join(format!("{driver}-{weights:?}.log"));
            let server =
                Server::start(&root, driver, &program, &model, &log).unwrap_or_else(|e| panic!("{driver}: {e:?}"));
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
                "{weights:?}: native {n:.0}, mesa {m:.0}, hesper {h:.0} tokens/s; hesper/native {:.2}, hesper/mesa {:.2}",
                h / n,
                h / m
            );
            h >= m
        });
        assert!(faster, "Hesper is slower than Mesa's driver, three times over (medians of 5, {weights:?})");
    }
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
