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
        let mut rates: [Vec<f64>; 3] = Default::default();
        let mut native = Vec::new();
        // In turns, so that a machine that gets slower or faster meanwhile does so for all; the first round warms up.
        for round in 0..6 {
            for (i, server) in servers.iter().enumerate() {
                let (tokens, timings) = server.tokens(&PROMPT, 128).unwrap();
                assert_eq!(tokens.len(), 128);
                if i == 0 {
                    native = tokens;
                } else {
                    assert_eq!(
                        tokens,
                        native,
                        "{} goes on differently than native lavapipe ({weights:?})",
                        Driver::ALL[i]
                    );
                }
                if round > 0 {
                    rates[i].push(timings.answer.1);
                }
            }
        }
        assert!(
            native.iter().collect::<std::collections::BTreeSet<_>>().len() > 4,
            "the tokens tell nothing: {native:?}"
        );
        let [n, m, h] = rates.each_ref().map(|r| median(r));
        println!(
            "{weights:?}: native {n:.0}, mesa {m:.0}, hesper {h:.0} tokens/s; hesper/native {:.2}, hesper/mesa {:.2}",
            h / n,
            h / m
        );
        assert!(h >= m, "Hesper is slower than Mesa's driver: {h:.1} and {m:.1} tokens/s ({weights:?}, medians of 5)");
    }
}
