//! What is measured in the sections of a run, and the names of their rows.

use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Result};
use hesper_rig::Driver;

use crate::bench::{self, Bench};
use crate::busy::Load;
use crate::model::Model;
use crate::run::Run;
use crate::section::Section;
use crate::{batched, clients, host_calls};

/// A test of llama-bench's: `pp512`, or `tg128@8192` behind so many tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Test {
    pub prompt: u32,
    pub text: u32,
    pub depth: u32,
}

impl FromStr for Test {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let wrong = || format!("{name} is no test such as pp512 or tg128@8192");
        let (what, depth) = name.split_once('@').unwrap_or((name, "0"));
        let depth = depth.parse().map_err(|_| wrong())?;
        let (kind, count) = what.split_at_checked(2).ok_or_else(wrong)?;
        match (kind, count.parse()) {
            ("pp", Ok(prompt)) => Ok(Self { prompt, text: 0, depth }),
            ("tg", Ok(text)) => Ok(Self { prompt: 0, text, depth }),
            _ => Err(wrong()),
        }
    }
}

/// What is measured in the sections.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Those of the section, if none are chosen.
    pub models: Option<Vec<Model>>,
    pub tests: Vec<Test>,
    /// Values of llama-bench's -fa.
    pub flash: Vec<String>,
    pub loads: Vec<Load>,
    pub parallel: Vec<u32>,
    pub clients: Vec<u32>,
    /// Values of HESPER_SPIN_US.
    pub spin: Vec<u32>,
    /// Seconds that each number of clients asks for.
    pub seconds: f64,
}

/// A model whose tokens show the driver's own costs, and one that the GPU has more to do for.
const NARROW: [&str; 2] = ["llama3.2-1b:q4_k", "llama3.1-8b:q4_k"];
const WIDE: [&str; 9] = [
    NARROW[0],
    NARROW[1],
    "llama3.2-1b:q8_0",
    "llama3.2-1b:f16",
    "llama3.1-8b:q8_0",
    "llama3.1-8b:f16",
    "olmoe-1b-7b:q4_k",
    "llama3.2-3b:q4_k",
    "llama2-13b:q4_k",
];

fn named(names: &[&str]) -> Result<Vec<Model>> {
    names.iter().map(|name| name.parse().map_err(anyhow::Error::msg)).collect()
}

/// Runs a section.
///
/// # Errors
/// When a model can't be made, or the results can't be written.
pub fn run(run: &mut Run, section: Section, plan: &Plan) -> Result<()> {
    let models = match (&plan.models, section) {
        (Some(models), _) => models.clone(),
        (None, Section::Matrix) => named(&WIDE)?,
        (None, _) => named(&NARROW)?,
    };
    for model in models {
        match section {
            Section::Matrix => matrix(run, model, plan)?,
            Section::Load => load(run, model, plan)?,
            Section::Cpu => cpu(run, model)?,
            Section::FirstToken => first_token(run, model)?,
            Section::Spin => spin(run, model, plan)?,
            Section::Batched => batched::section(run, model, &plan.parallel)?,
            Section::Server => clients::section(run, model, &plan.clients, plan.seconds)?,
        }
    }
    Ok(())
}

/// Arguments of llama-bench for tests of one depth. In front of those without depth comes a prompt of `warm_up` tokens: what fills the depth of others is as good.
fn arguments(tests: &[Test], depth: u32, flash: &[String], repetitions: u32, warm_up: u32) -> Vec<String> {
    let list = |first: u32, of: fn(&Test) -> u32| {
        let counts = tests.iter().filter(|t| t.depth == depth).map(of);
        let all: Vec<String> = std::iter::once(first).chain(counts).filter(|n| *n > 0).map(|n| n.to_string()).collect();
        if all.is_empty() { "0".to_owned() } else { all.join(",") }
    };
    let (prompt, text) = (list(if depth == 0 { warm_up } else { 0 }, |t| t.prompt), list(0, |t| t.text));
    let (depth, repetitions) = (depth.to_string(), repetitions.to_string());
    ["-p", &prompt, "-n", &text, "-d", &depth, "-fa", &flash.join(","), "-r", &repetitions].map(str::to_owned).into()
}

fn matrix(run: &mut Run, model: Model, plan: &Plan) -> Result<()> {
    let mut depths: Vec<u32> = plan.tests.iter().map(|t| t.depth).collect();
    depths.sort_unstable();
    depths.dedup();
    for depth in depths {
        let arguments = arguments(&plan.tests, depth, &plan.flash, run.repetitions, run.warm_up);
        run.turns(Section::Matrix.name(), &format!("{model} d{depth}"), |run, turn| {
            run.bench(turn, model, &arguments, &[], |m| format!("{model} {}", m.name))
        })?;
    }
    Ok(())
}

/// The prompt and the text by which rows other than the matrix's are measured.
const SHORT: [Test; 2] = [Test { prompt: 512, text: 0, depth: 0 }, Test { prompt: 0, text: 128, depth: 0 }];
const LONG: [Test; 2] = [Test { prompt: 2048, text: 0, depth: 0 }, Test { prompt: 0, text: 512, depth: 0 }];

fn load(run: &mut Run, model: Model, plan: &Plan) -> Result<()> {
    let arguments = arguments(&SHORT, 0, &["on".to_owned()], run.repetitions, run.warm_up);
    for load in &plan.loads {
        run.turns(Section::Load.name(), &format!("{model} {load}"), |run, turn| {
            let _work = load.start();
            run.bench(turn, model, &arguments, &[], |m| format!("{model} {} {load}", m.name))
        })?;
    }
    Ok(())
}

fn cpu(run: &mut Run, model: Model) -> Result<()> {
    let arguments = arguments(&LONG, 0, &["on".to_owned()], run.repetitions, run.warm_up);
    run.turns(Section::Cpu.name(), &model.to_string(), |run, turn| {
        run.bench(turn, model, &arguments, &[], |m| format!("{model} {}", m.name))
    })
}

/// The other drivers once beside each value, as what the curve is compared with.
fn spin(run: &mut Run, model: Model, plan: &Plan) -> Result<()> {
    let arguments = arguments(&SHORT[1..], 0, &["on".to_owned()], run.repetitions, run.warm_up);
    run.turns(Section::Spin.name(), &model.to_string(), |run, turn| {
        if turn.driver != Driver::Hesper {
            return run.bench(turn, model, &arguments, &[], |m| format!("{model} {}", m.name));
        }
        plan.spin.iter().try_for_each(|spin| {
            let environment = [("HESPER_SPIN_US", spin.to_string())];
            run.bench(turn, model, &arguments, &environment, |m| format!("{model} {} {spin} us", m.name))
        })
    })
}

/// The first starts have nothing on disk that drivers keep, the second ones what those left; for the last the host's own driver keeps no shaders.
fn first_token(run: &mut Run, model: Model) -> Result<()> {
    let caches = run.machine.caches.clone();
    for (state, keeps) in [("cold", true), ("warm", true), ("no shader cache", false)] {
        run.turns(Section::FirstToken.name(), &format!("{model} {state}"), |run, turn| {
            run.machine.caches = caches.join(format!("first-token-{}", turn.process));
            run.machine.keeps_shaders = keeps;
            let cache = run.machine.cache(turn.driver);
            if state == "cold" && cache.exists() {
                std::fs::remove_dir_all(&cache).with_context(|| format!("removing {}", cache.display()))?;
            }
            std::fs::create_dir_all(&cache).with_context(|| format!("making {}", cache.display()))?;
            let arguments = ["--no-warmup", "-p", "0", "-n", "1", "-r", "1", "-fa", "on"].map(str::to_owned).into();
            let bench = Bench {
                model: run.model(model)?,
                arguments,
                environment: Vec::new(),
                limit: run.limit(),
                watched: true,
            };
            if let Some(folder) = &run.machine.host_calls {
                let _ = std::fs::remove_dir_all(folder);
                std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
            }
            let mut first = None;
            bench::run(&run.machine, turn.driver, &bench, None, |measured| {
                first = Some(measured);
                Ok(())
            })?;
            let first = first.context("llama-bench wrote no token")?;
            let (row, ms) = (turn.row(format!("{model} {state}")), |time: Duration| time.as_secs_f64() * 1000.0);
            run.output.value(&row, "ms", &[ms(first.since_start)])?;
            let seen = first.seen.unwrap_or_default();
            run.output.value(&row, "CPU ms", &[ms(seen.ran)])?;
            run.output.value(&row, "threads at once", &[seen.most as f64])?;
            let calls = run.machine.host_calls.as_deref().map(host_calls::busy).transpose()?;
            calls.unwrap_or_default().into_iter().try_for_each(|(call, busy)| {
                run.output.value(&turn.row(format!("{model} {state}: {call}")), "ms in the host's driver", &[ms(busy)])
            })
        })?;
    }
    run.machine.caches = caches;
    run.machine.keeps_shaders = true;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_become_arguments() {
        let tests: Vec<Test> = ["pp512", "pp2048", "tg128", "tg128@8192"].map(|t| t.parse().unwrap()).into();
        let flash = ["on".to_owned(), "off".to_owned()];
        assert_eq!(arguments(&tests, 0, &flash, 3, 0).join(" "), "-p 512,2048 -n 128 -d 0 -fa on,off -r 3");
        assert_eq!(arguments(&tests, 0, &flash, 3, 9).join(" "), "-p 9,512,2048 -n 128 -d 0 -fa on,off -r 3");
        assert_eq!(arguments(&tests, 8192, &flash[..1], 3, 9).join(" "), "-p 0 -n 128 -d 8192 -fa on -r 3");
        for wrong in ["", "p", "xx12", "pp", "tg1@x", "µµ"] {
            assert!(wrong.parse::<Test>().is_err(), "{wrong}");
        }
    }
}
