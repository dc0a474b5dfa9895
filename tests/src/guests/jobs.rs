//! What guests run.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use hesper_rig::models::{self, Tiny};
use hesper_rig::{Driver, GuestJob, llama};

/// How many tokens llama.cpp goes on for, greedily, after [`PROMPT`].
pub const TOKENS: u32 = 24;
/// Any tokens will do: the model's weights are random.
pub const PROMPT: [u32; 6] = [1, 300, 7, 301, 42, 400];

/// The files in which llama.cpp's log and answer come back.
pub const LLAMA_LOG: &str = "llama.log";
pub const LLAMA_ANSWER: &str = "answer.json";

/// Jobs on one driver, in the order in which [`super::Outcome`] reads them.
///
/// # Errors
/// When the model can't be made.
pub fn on(driver: Driver, client: &Path, limit: Duration) -> Result<Vec<GuestJob>> {
    let job = |what: &str, command| GuestJob { name: format!("{what} on {driver}"), driver, command, timeout: limit };
    Ok(vec![
        job("vulkaninfo", "vulkaninfo --summary".into()),
        job("client", format!("{} all", client.display())),
        job("llama.cpp", llama_command()?),
    ])
}

/// Prints the size of a page in the guest, as proc_pid_smaps(5) has it: `KernelPageSize:       16 kB`.
pub fn page_size() -> GuestJob {
    let command = "grep -m 1 KernelPageSize: /proc/self/smaps".into();
    GuestJob { name: "page size".into(), driver: Driver::Hesper, command, timeout: Duration::from_secs(30) }
}

/// llama-server with the tiny model, asked once.
fn llama_command() -> Result<String> {
    let model = models::tiny(Tiny::Q4K)?;
    let variables: Vec<String> = llama::ENVIRONMENT.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let request = format!(
        r#"{{"prompt":{PROMPT:?},"n_predict":{TOKENS},"temperature":0,"seed":1,"cache_prompt":false,"return_tokens":true,"ignore_eos":true}}"#
    );
    Ok(format!(
        "{} {} {} --port 8080 --model {} >{LLAMA_LOG} 2>&1 &
         until busybox wget -q -O /dev/null http://127.0.0.1:8080/health 2>/dev/null; do kill -0 $! || {{ cat {LLAMA_LOG}; exit 1; }}; sleep 0.2; done
         busybox wget -q -O {LLAMA_ANSWER} --header 'Content-Type: application/json' --post-data '{request}' http://127.0.0.1:8080/completion
         status=$?; kill $!; exit $status",
        variables.join(" "),
        // The emulated processor isn't the machine's.
        llama::ANY_PROCESSOR,
        llama::ARGUMENTS.join(" "),
        model.display(),
    ))
}
