//! RamaLama serves models through the driver: what it says is what it says on the host's own driver, clients get no errors, and nothing of it is left at the host.

use std::time::{Duration, Instant};

use hesper_rig::llama::Server;
use hesper_rig::models::{self, Weights};
use hesper_rig::{Driver, Host, RamaLama, http};
use hesper_tests::endure::{Growth, Slack};
use hesper_tests::folder::Folder;
use hesper_tests::load::Load;
use hesper_tests::{both, quick, root};
use serde_json::{Value, json};

/// For how long clients ask: seconds in HESPER_TEST_LOAD_SECONDS.
fn time() -> Duration {
    let set = std::env::var("HESPER_TEST_LOAD_SECONDS").ok();
    Duration::from_secs(set.map_or(4, |s| s.parse().expect("HESPER_TEST_LOAD_SECONDS is no number of seconds")))
}

/// What a server says to a question of OpenAI's API, greedily.
fn says(server: &Server, path: &str, question: &Value) -> String {
    let mut question = question.clone();
    question["max_tokens"] = 48.into();
    question["temperature"] = 0.into();
    let mut text = String::new();
    let answer = http::post(server.port(), path, &question.to_string(), Duration::from_secs(60), |line| {
        text.push_str(line);
        Ok(())
    });
    answer.unwrap_or_else(|e| panic!("{path}: {e:?}"));
    let answer: Value = serde_json::from_str(&text).unwrap();
    let choice = &answer["choices"][0];
    let said = choice["text"].as_str().or(choice["message"]["content"].as_str());
    said.unwrap_or_else(|| panic!("{path}: no text in {text}")).to_owned()
}

fn conversation(server: &Server) -> [String; 2] {
    let text = json!({ "prompt": "w300 w7 w301 w42 w400 w9 w17" });
    let chat = json!({ "messages": [{ "role": "user", "content": "w17 w18 w19" }] });
    [says(server, "/v1/completions", &text), says(server, "/v1/chat/completions", &chat)]
}

#[test]
fn it_says_what_it_says_natively_and_its_clients_get_no_errors() {
    if quick() {
        return;
    }
    let (root, folder, model) = (root(), Folder::new("ramalama").unwrap(), models::tiny(Weights::Q4K).unwrap());
    let ramalama = RamaLama::ensure(&root).unwrap();
    let load = Load { clients: 8, time: time(), tokens: 64, model: String::new() };
    let mut native = None;
    for driver in Driver::ALL {
        let host = driver.needs_host().then(|| Host::start(&root).unwrap());
        let server = ramalama.serve(driver, host.as_ref(), &model, load.clients, folder.path()).unwrap();
        let device = server.device().unwrap();
        assert_eq!(device.starts_with("Virtio-GPU Venus ("), driver.needs_host(), "{driver} runs on {device}");
        let said = conversation(&server);
        assert!(said.iter().all(|text| text.split_whitespace().count() > 40), "{driver}: {said:?}");
        assert_eq!(
            native.get_or_insert_with(|| said.clone()),
            &said,
            "{driver} says something else than native lavapipe"
        );
        let measured = load.run_at(server.port());
        let numbers = measured.samples().into_iter().chain(measured.tails());
        let numbers: Vec<String> = numbers.map(|s| format!("{} {:.1} {}", s.name, s.value, s.unit)).collect();
        println!("{driver}: {} answers, {} errors, {}", measured.answers, measured.failed, numbers.join(", "));
        assert_eq!((measured.failed, measured.answers >= 8), (0, true), "{driver}: {:?}", measured.errors);
    }
}

/// As those do who swap models: one server ends before the next starts, asked to or killed.
#[test]
fn servers_that_come_and_go_leave_nothing_at_the_host() {
    if quick() {
        return;
    }
    let (root, folder) = (root(), Folder::new("swapped").unwrap());
    let ramalama = RamaLama::ensure(&root).unwrap();
    let swapped = [Weights::Q4K, Weights::F16].map(|weights| models::tiny(weights).unwrap());
    let host = Host::start(&root).unwrap();
    let (mut said, mut empty) = ([None, None], None);
    // Each model ended in both ways; more often where there is time.
    let starts = if time() >= Duration::from_secs(60) { 12 } else { 4 };
    for start in 0..starts {
        let server = ramalama.serve(Driver::Hesper, Some(&host), &swapped[start % 2], 1, folder.path()).unwrap();
        assert!(!host.workers().unwrap().is_empty(), "nothing of it is at the host");
        let says = says(&server, "/v1/completions", &json!({ "prompt": "w300 w7 w301" }));
        assert_eq!(said[start % 2].get_or_insert_with(|| says.clone()), &says, "start {start}");
        if start % 4 < 2 {
            server.end().unwrap();
        } else {
            drop(server);
        }
        let ended = Instant::now();
        while !host.workers().unwrap().is_empty() {
            assert!(
                ended.elapsed() < Duration::from_secs(20),
                "the host keeps contexts of start {start}: {}",
                host.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        // The first start makes what the host keeps for good.
        let usage = host.settled().unwrap();
        let grown = Growth::between(*empty.get_or_insert(usage), usage).complaints("the host", Slack::AT_REST);
        assert!(grown.is_empty(), "after start {start}: {grown:?}");
    }
    assert_ne!(said[0], said[1], "the models say the same");
}

/// What a container engine is asked for; none runs here.
#[test]
fn a_container_gets_what_the_driver_needs() {
    if quick() {
        return;
    }
    let (root, folder, model) = (root(), Folder::new("contained").unwrap(), models::tiny(Weights::Q4K).unwrap());
    let mut command = RamaLama::ensure(&root).unwrap().command(Driver::Native, None, folder.path()).unwrap();
    command.args(["--engine", "podman", "--dryrun", "serve", "--port", "8080", "--image", "localhost/with-hesper"]);
    // As where it finds an engine.
    command.env("RAMALAMA_IN_CONTAINER", "true").args(["--device", "hesper/gpu=all", "--env", "HESPER_LOG=warn"]);
    let out = command.arg(format!("file://{}", model.display())).output().unwrap();
    let text = both(&out);
    for part in
        ["podman run", "--device hesper/gpu=all", "--env HESPER_LOG=warn", "localhost/with-hesper", "llama-server"]
    {
        assert!(out.status.success() && text.contains(part), "no {part} in:\n{text}");
    }
}
