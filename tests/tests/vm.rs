//! A real guest: a stock kernel, /dev/dri/renderD128, and QEMU's virtio-gpu with Venus on the other side.

use std::path::Path;
use std::time::Duration;

use hesper_rig::llama::{self, Server};
use hesper_rig::models::{self, Tiny};
use hesper_rig::{Driver, GuestJob, Vm, target_folder};
use hesper_tests::{quick, root};

const CLIENT: &str = env!("CARGO_BIN_EXE_hesper-client");
const TOKENS: u32 = 24;
const PROMPT: [u32; 6] = [1, 300, 7, 301, 42, 400];

#[test]
fn works_in_a_guest() {
    if quick() {
        return;
    }
    let root = root();
    // The emulated processor is an older one.
    let program = llama::ANY_PROCESSOR;
    let model = models::tiny(Tiny::Q4K).unwrap();
    let job = |name: &str, driver, command: String, seconds| GuestJob {
        name: name.into(),
        driver,
        command,
        timeout: Duration::from_secs(seconds),
    };
    let variables: Vec<String> = llama::ENVIRONMENT.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let request = format!(
        r#"{{"prompt":{PROMPT:?},"n_predict":{TOKENS},"temperature":0,"seed":1,"return_tokens":true,"ignore_eos":true}}"#
    );
    let llama = format!(
        "{} {} {} --port 8080 --model {} >llama.log 2>&1 & \
         until busybox wget -q -O /dev/null http://127.0.0.1:8080/health; do kill -0 $! || {{ cat llama.log; exit 1; }}; sleep 0.2; done; \
         grep 'using device' llama.log; \
         busybox wget -q -O - --header 'Content-Type: application/json' --post-data '{request}' http://127.0.0.1:8080/completion; kill $!",
        variables.join(" "),
        program,
        llama::ARGUMENTS.join(" "),
        model.display(),
    );
    let doctor = format!("{} doctor", hesper_rig::build_driver().unwrap().program.display());
    let jobs = [
        job("vulkaninfo", Driver::Hesper, "vulkaninfo".into(), 120),
        job("mesa's summary", Driver::Mesa, "vulkaninfo --summary".into(), 60),
        job("client", Driver::Hesper, format!("HESPER_LOG=info {CLIENT} all"), 300),
        job("llama", Driver::Hesper, llama, 300),
        job("doctor", Driver::Hesper, doctor.clone(), 60),
        // Somebody without the right to open the node; 4 is the status for that.
        job("doctor for nobody", Driver::Hesper, format!("su nobody -s /bin/sh -c '{doctor}'; test $? = 4"), 60),
    ];
    let results = Vm::run(&root, &jobs).unwrap();
    for result in &results {
        assert_eq!(result.status, 0, "{} failed:\n{}", result.name, result.output);
    }
    let [info, mesa, client, llama_, doctor, nobody] = &results[..] else { panic!("{} results", results.len()) };

    let value = |text: &str, name: &str| {
        let line = text.lines().map(str::trim).find(|l| l.starts_with(name) && l.contains(" = "));
        line.and_then(|l| l.split_once(" = ")).unwrap_or_else(|| panic!("no {name} in:\n{text}")).1.trim().to_owned()
    };
    assert!(value(&info.output, "deviceName").starts_with("Virtio-GPU Venus (llvmpipe"));
    assert_eq!(
        value(&info.output, "deviceName"),
        value(&mesa.output, "deviceName"),
        "the device is another one through Mesa's driver"
    );
    assert_eq!(value(&info.output, "driverName"), "hesper");
    assert!(client.output.contains("hesper: connected: virtio-gpu /dev/dri/renderD128"), "{}", client.output);
    assert!(client.output.contains("ok memory"), "{}", client.output);

    assert!(doctor.output.contains("Hesper can work here"), "{}", doctor.output);
    assert!(nobody.output.contains("permission denied") && nobody.output.contains("What to do"), "{}", nobody.output);

    assert!(llama_.output.contains("Vulkan0 (Virtio-GPU Venus (llvmpipe"), "{}", llama_.output);
    let answer = llama_
        .output
        .lines()
        .find(|l| l.starts_with('{'))
        .unwrap_or_else(|| panic!("no answer in:\n{}", llama_.output));
    let answer: serde_json::Value = serde_json::from_str(answer).unwrap();
    let tokens: Vec<u64> = answer["tokens"].as_array().unwrap().iter().filter_map(serde_json::Value::as_u64).collect();
    let log = target_folder().unwrap().join("llama-native-for-vm.log");
    let native = Server::start(&root, Driver::Native, Path::new(program), &model, &log).unwrap();
    assert_eq!(tokens, native.tokens(&PROMPT, TOKENS).unwrap().0, "the guest's tokens are not the host's");
}
