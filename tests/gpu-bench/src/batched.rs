//! llama-batched-bench: several sequences at once.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use hesper_rig::llama;
use serde_json::Value;

use crate::host::Host;
use crate::machine::check_device;
use crate::model::Model;
use crate::output::end;
use crate::run::Run;
use crate::section::Section;

/// Tokens of each sequence's prompt and text.
const PROMPT: u32 = 512;
const TEXT: u32 = 128;

/// What it measured of one number of sequences.
#[derive(Debug, PartialEq)]
struct Measured {
    sequences: u64,
    /// Tokens a second of all sequences together.
    prompt: f64,
    text: f64,
}

/// Each process measures every number of sequences twice; what counts is the second time, when all shaders are there.
///
/// # Errors
/// When the results can't be written.
pub fn section(run: &mut Run, model: Model, parallel: &[u32]) -> Result<()> {
    let most = parallel.iter().copied().max().unwrap_or(1);
    let context = (most * (PROMPT + TEXT)).to_string();
    let list = parallel.iter().chain(parallel).map(u32::to_string).collect::<Vec<_>>().join(",");
    run.turns(Section::Batched.name(), &model.to_string(), |run, turn| {
        let file = run.model(model)?;
        let host = Host::for_driver(&run.machine, turn.driver)?;
        let mut command =
            run.machine.command("/usr/bin/llama-batched-bench", turn.driver, host.as_ref().map(Host::socket));
        command
            .arg("-m")
            .arg(file)
            .args(["-ngl", "99", "-fa", "on", "-c", &context, "-b", "2048", "-ub", "512"])
            .args(["-npp", &PROMPT.to_string(), "-ntg", &TEXT.to_string(), "-npl", &list, "--output-format", "jsonl"])
            // So that the log says where the model is.
            .args(["--log-verbosity", "4"]);
        let text = output(command, run.limit())?;
        check_device(turn.driver, &llama::device_in(&text)?)?;
        let all: Vec<Measured> = text.lines().filter_map(measured).collect();
        ensure!(
            all.len() == 2 * parallel.len(),
            "llama-batched-bench measured {} of {list}: {}",
            all.len(),
            end(&text)
        );
        for measured in &all[parallel.len()..] {
            for (what, speed) in [(format!("pp{PROMPT}"), measured.prompt), (format!("tg{TEXT}"), measured.text)] {
                let row = turn.row(format!("{model} {what} x{}", measured.sequences));
                run.output.value(&row, "tokens/s", &[speed])?;
            }
        }
        Ok(())
    })
}

/// A program's standard output, when it has ended well.
fn output(mut command: std::process::Command, limit: Duration) -> Result<String> {
    let path = std::env::temp_dir().join("gpu-bench-batched.log");
    let log = std::fs::File::create(&path).with_context(|| format!("making {}", path.display()))?;
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    let mut child = command.spawn().context("starting llama-batched-bench")?;
    let read = || String::from_utf8_lossy(&std::fs::read(&path).unwrap_or_default()).into_owned();
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            let text = read();
            ensure!(status.success(), "llama-batched-bench ended with {status}: {}", end(&text));
            return Ok(text);
        }
        if start.elapsed() > limit {
            // Gone already is as good.
            let _ = child.kill();
            let _ = child.wait();
            bail!("llama-batched-bench was at it for {:.0} s", limit.as_secs_f64());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn measured(line: &str) -> Option<Measured> {
    let json: Value = serde_json::from_str(line).ok()?;
    Some(Measured {
        sequences: json["pl"].as_u64()?,
        prompt: json["speed_pp"].as_f64()?,
        text: json["speed_tg"].as_f64()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_found_among_other_lines() {
        let line = r#"{"n_kv_max": 2048, "pp": 512, "tg": 128, "pl": 4, "n_kv": 2560, "t_pp": 0.5, "speed_pp": 4096.5, "t_tg": 0.7, "speed_tg": 731.4, "t": 1.2, "speed": 2133.3}"#;
        assert_eq!(measured(line), Some(Measured { sequences: 4, prompt: 4096.5, text: 731.4 }));
        assert_eq!(measured("main: n_kv_max = 2048"), None);
    }
}
