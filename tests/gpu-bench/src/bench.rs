//! llama-bench: tokens a second of prompt and of text, and the processor time that they took.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use hesper_rig::Driver;
use serde_json::Value;

use crate::cpu::{Meter, Used};
use crate::host::Host;
use crate::killed::Killed;
use crate::machine::{self, Machine};
use crate::output;
use crate::run_queue::Span;
use crate::running::{Seen, Watch};
use crate::scheduler::Recorder;

/// What one process is told to measure.
#[derive(Clone, Debug)]
pub struct Bench {
    pub model: PathBuf,
    /// llama-bench's other arguments.
    pub arguments: Vec<String>,
    /// More environment variables for the program.
    pub environment: Vec<(&'static str, String)>,
    /// How long it may take.
    pub limit: Duration,
    /// Whether its threads are looked at until the first result, which takes some processor time.
    pub watched: bool,
}

/// One of its results.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// As in `tg128 d8192 fa`.
    pub name: String,
    /// Tokens a second, one value a repetition.
    pub speeds: Vec<f64>,
    /// Of all repetitions together.
    pub tokens: u64,
    /// What these took.
    pub used: Used,
    /// From the process's start to this result.
    pub since_start: Duration,
    /// What its threads and its host's did until then, if it is the first of those that are watched.
    pub seen: Option<Seen>,
    /// When its repetitions were recorded, if they were.
    pub spans: Vec<Span>,
}

/// A line of llama-bench's output.
enum Said {
    /// On standard output.
    Result(String),
    /// On standard error.
    Progress(String),
}

/// Runs llama-bench on a driver, with a host of its own, and hands over results as they come. A recorder records while a repetition is measured.
///
/// # Errors
/// When it fails, runs on something else, takes too long, or `each` fails.
pub fn run(
    machine: &Machine,
    driver: Driver,
    bench: &Bench,
    recorder: Option<&Recorder>,
    each: impl FnMut(Measured) -> Result<()>,
) -> Result<()> {
    let host = Host::for_driver(machine, driver)?;
    let mut command = machine.command("/usr/bin/llama-bench", driver, host.as_ref().map(Host::socket));
    command
        .arg("-m")
        .arg(&bench.model)
        .args(["-ngl", "99", "-o", "jsonl", "--progress"])
        .args(&bench.arguments)
        .envs(bench.environment.iter().map(|(k, v)| (k, v)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    measure(command, driver, host.as_ref(), bench, recorder, each).map_err(|e| match &host {
        Some(host) => anyhow!("{e:#}; its host said: {}", output::end(&host.log())),
        None => e,
    })
}

fn measure(
    mut command: Command,
    driver: Driver,
    host: Option<&Host>,
    bench: &Bench,
    recorder: Option<&Recorder>,
    mut each: impl FnMut(Measured) -> Result<()>,
) -> Result<()> {
    let start = Instant::now();
    let mut child = Killed::spawn(&mut command).context("starting llama-bench")?;
    let guest = child.id();
    let host_process = host.map(Host::process).transpose()?;
    let mut watch = bench.watched.then(|| Watch::start(host_process.into_iter().chain([guest]).collect()));
    let (send, receive) = mpsc::channel();
    read(child.0.stdout.take(), &send, Said::Result);
    read(child.0.stderr.take(), &send, Said::Progress);
    drop(send);

    let (mut errors, mut results) = (String::new(), 0);
    let (mut meter, mut used, mut spans) = (None::<Meter>, Used::default(), Vec::<Span>::new());
    loop {
        let said = match receive.recv_timeout(bench.limit.saturating_sub(start.elapsed())) {
            Ok(said) => said,
            Err(RecvTimeoutError::Timeout) => bail!("llama-bench was at it for {:.0} s", bench.limit.as_secs_f64()),
            Err(RecvTimeoutError::Disconnected) => break,
        };
        // Whatever it says, what it did before is over.
        if let Some(meter) = meter.take() {
            if let (Some(span), Some(recorder)) = (spans.last_mut(), recorder) {
                span.end = recorder.pause()?;
            }
            used += meter.used();
        }
        match said {
            Said::Progress(line) if is_measured(&line) => {
                if let Some(start) = recorder.map(Recorder::resume).transpose()? {
                    spans.push(start..start);
                }
                let host = host.map(Host::processes).transpose()?.unwrap_or_default();
                meter = Some(Meter::start(guest, &host));
            }
            Said::Progress(line) if line.starts_with(PROGRESS) => {}
            Said::Progress(line) => errors += &format!("{line}\n"),
            Said::Result(line) => {
                let json: Value = serde_json::from_str(&line).with_context(|| format!("reading {line:?}"))?;
                check(&json, driver)?;
                let since_start = start.elapsed();
                let seen = watch.take().map(Watch::end);
                let spans = std::mem::take(&mut spans);
                each(Measured { seen, spans, ..measured(&json, std::mem::take(&mut used), since_start)? })?;
                results += 1;
            }
        }
    }
    let status = child.0.wait().context("waiting for llama-bench")?;
    ensure!(status.success(), "llama-bench ended with {status}: {}", output::end(&errors));
    ensure!(results > 0, "llama-bench measured nothing: {}", output::end(&errors));
    Ok(())
}

fn read(pipe: Option<impl Read + Send + 'static>, to: &Sender<Said>, kind: fn(String) -> Said) {
    let Some(pipe) = pipe else { return };
    let to = to.clone();
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            if to.send(kind(line)).is_err() {
                break;
            }
        }
    });
}

/// How lines of progress begin.
const PROGRESS: &str = "llama-bench: benchmark ";

/// Whether a repetition begins: `llama-bench: benchmark 2/4: generation run 1/2`, but no `depth run 1/2`, and no `warmup generation run`.
fn is_measured(line: &str) -> bool {
    let Some((_, what)) = line.strip_prefix(PROGRESS).and_then(|l| l.split_once(": ")) else {
        return false;
    };
    ["prompt run ", "generation run "].iter().any(|run| what.starts_with(run))
}

/// Fails where it ran on a device that isn't the driver's, or on none.
fn check(json: &Value, driver: Driver) -> Result<()> {
    let text = |name: &str| json[name].as_str().unwrap_or_default();
    let (backend, device) = (text("backends"), text("gpu_info"));
    ensure!(backend.contains("Vulkan") && !device.is_empty(), "llama-bench ran on {backend} {device:?}");
    machine::check_device(driver, device)
}

fn measured(json: &Value, used: Used, since_start: Duration) -> Result<Measured> {
    let number = |name: &str| json[name].as_u64().with_context(|| format!("llama-bench's result has no {name}"));
    let (prompt, text, depth) = (number("n_prompt")?, number("n_gen")?, number("n_depth")?);
    let samples = json["samples_ts"].as_array().context("llama-bench's result has no samples")?;
    let speeds: Vec<f64> = samples.iter().filter_map(Value::as_f64).collect();
    let mut name = match (prompt, text) {
        (p, 0) => format!("pp{p}"),
        (0, n) => format!("tg{n}"),
        (p, n) => format!("pp{p}+tg{n}"),
    };
    if depth > 0 {
        name.push_str(&format!(" d{depth}"));
    }
    name.push_str(match json["flash_attn"].as_i64() {
        Some(0) => " nofa",
        Some(1) => " fa",
        _ => "",
    });
    Ok(Measured {
        name,
        tokens: (prompt + text) * speeds.len() as u64,
        speeds,
        used,
        since_start,
        seen: None,
        spans: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_understood() {
        let json = serde_json::json!({
            "backends": "Vulkan", "gpu_info": "Virtio-GPU Venus (NVIDIA H200)", "flash_attn": 1,
            "n_prompt": 0, "n_gen": 128, "n_depth": 8192, "samples_ts": [600.5, 601.0]
        });
        let measured = measured(&json, Used::default(), Duration::ZERO).unwrap();
        assert_eq!((measured.name.as_str(), measured.tokens), ("tg128 d8192 fa", 256));
        assert_eq!(measured.speeds, [600.5, 601.0]);
        assert!(check(&json, Driver::Hesper).is_ok() && check(&json, Driver::Native).is_err());
    }

    #[test]
    fn only_repetitions_are_measured() {
        let all = ["prompt run 1/2", "generation run 2/2", "depth run 1/2", "warmup generation run", "starting"];
        let measured = all.map(|what| is_measured(&format!("llama-bench: benchmark 2/4: {what}")));
        assert_eq!(measured, [true, true, false, false, false]);
    }
}
