//! llama-server and its clients.

use std::fs::File;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use hesper_rig::{http, llama};

use crate::closed_loop::{self, Load};
use crate::cpu::Meter;
use crate::host::Host;
use crate::machine::check_device;
use crate::model::Model;
use crate::output;
use crate::run::{Run, Turn};
use crate::section::Section;

/// Tokens of a prompt, and of its answer.
const PROMPT: u32 = 128;
const ANSWER: u32 = 64;

/// Each process serves every number of clients, for some seconds each.
///
/// # Errors
/// When the results can't be written.
pub fn section(run: &mut Run, model: Model, clients: &[u32], seconds: f64) -> Result<()> {
    run.turns(Section::Server.name(), &model.to_string(), |run, turn| {
        let most = clients.iter().copied().max().unwrap_or(1);
        let server = Server::start(run, turn, model, most)?;
        let mut load = Load {
            clients: most,
            prompt: PROMPT,
            answer: ANSWER,
            vocabulary: model.shape.vocabulary(),
            lasts: Duration::ZERO,
            silence: run.limit(),
        };
        for &clients in clients {
            load.clients = clients;
            load.lasts = Duration::from_secs_f64(seconds);
            // For as long, to warm up: the host's driver compiles shaders when prompts and answers first meet in some mix.
            closed_loop::run(server.port, &load);
            let meter = server.meter()?;
            let outcome = closed_loop::run(server.port, &load);
            let used = meter.used();
            let row = turn.row(format!("{model} {clients} clients"));
            if let Some(error) = outcome.errors.first() {
                run.output.say(&format!("{} of the clients' questions failed, as with {error}", outcome.errors.len()));
            }
            let asked = outcome.errors.len() + outcome.first.len();
            run.output.value(&row, "errors of 100", &[100.0 * outcome.errors.len() as f64 / asked as f64])?;
            if outcome.first.is_empty() {
                bail!("no answer was whole, as with {}", outcome.errors.join(", "));
            }
            run.output.value(&row, "ms to first token", &quantiles(&outcome.first))?;
            run.output.value(&row, "ms to first token, 95 of 100", &[late(&outcome.first)])?;
            run.output.value(&row, "ms each token", &quantiles(&outcome.each))?;
            run.output.value(&row, "tokens/s", &[outcome.throughput()])?;
            for (unit, value) in used.per_thousand(outcome.tokens, turn.driver.needs_host()) {
                run.output.value(&row, unit, &[value])?;
            }
        }
        Ok(())
    })
}

/// What 95 of 100 samples don't exceed.
fn late(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get((sorted.len() * 95).div_ceil(100).saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

/// Every twentieth of the samples in their order, or all of few: as many lines of output as needed.
fn quantiles(samples: &[f64]) -> Vec<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1);
    if last < 20 { sorted } else { (0..=20).filter_map(|i| sorted.get(i * last / 20).copied()).collect() }
}

/// A llama-server, until dropped; its host goes with it.
struct Server {
    child: Child,
    port: u16,
    host: Option<Host>,
}

impl Server {
    fn start(run: &Run, turn: &Turn, model: Model, clients: u32) -> Result<Self> {
        let file = run.model(model)?;
        let host = Host::for_driver(&run.machine, turn.driver)?;
        let port = http::free_port()?;
        let path = std::env::temp_dir().join("gpu-bench-llama-server.log");
        let log = File::create(&path).with_context(|| format!("making {}", path.display()))?;
        let mut command = run.machine.command("/usr/bin/llama-server", turn.driver, host.as_ref().map(Host::socket));
        let context = clients * (PROMPT + ANSWER).next_multiple_of(256) * 2;
        command
            .arg("-m")
            .arg(file)
            .args(["-ngl", "99", "-fa", "on", "--no-webui", "--log-verbosity", "4", "--cache-ram", "0"])
            .args(["--host", "127.0.0.1", "--port", &port.to_string()])
            .args(["-np", &clients.to_string(), "-c", &context.to_string()])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let child = command.spawn().context("starting llama-server")?;
        let mut server = Self { child, port, host };
        let (start, limit) = (Instant::now(), run.limit());
        let log = || String::from_utf8_lossy(&std::fs::read(&path).unwrap_or_default()).into_owned();
        // 503 while the model loads.
        while !http::get(port, "/health").is_ok_and(|status| status == 200) {
            if let Some(status) = server.child.try_wait()? {
                bail!("llama-server ended with {status}: {}", output::end(&log()));
            }
            ensure!(start.elapsed() < limit, "llama-server doesn't answer");
            std::thread::sleep(Duration::from_millis(50));
        }
        check_device(turn.driver, &llama::device_in(&log())?)?;
        Ok(server)
    }

    fn meter(&self) -> Result<Meter> {
        let host = self.host.as_ref().map(Host::processes).transpose()?.unwrap_or_default();
        Ok(Meter::start(i32::try_from(self.child.id())?, &host))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_stand_for_many_samples() {
        assert_eq!(quantiles(&[3.0, 1.0, 2.0]), [1.0, 2.0, 3.0]);
        let many: Vec<f64> = (0..=1000).map(f64::from).rev().collect();
        let few = quantiles(&many);
        assert_eq!((few.len(), few[0], few[10], few[20]), (21, 0.0, 500.0, 1000.0));
        assert!(quantiles(&[]).is_empty());
        assert_eq!((late(&many), late(&[1.0]), late(&[2.0, 1.0])), (950.0, 1.0, 2.0));
    }
}
