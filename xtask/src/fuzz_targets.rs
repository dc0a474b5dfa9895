//! `fuzz-targets`: what reads bytes that others have written, under libFuzzer with AddressSanitizer.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::sanitizer::Sanitizer;
use crate::setup;
use crate::step::{self, Step};

/// Hands arbitrary bytes, chosen by what they reach, to everything that reads what others have written: replies, texels of replies, capsets, the test
/// server's socket, files and variables.
///
/// What does harm is kept in tests/targets/kept, where all tests run it from then on. Two targets run at a time.
#[derive(clap::Args)]
pub struct Args {
    /// For how long each target runs.
    #[arg(long, default_value_t = 600)]
    seconds: u64,
    /// Only this one: replies, socket, files, capset or texels.
    target: Option<String>,
}

const TARGETS: [&str; 5] = ["replies", "socket", "files", "capset", "texels"];
const AT_ONCE: usize = 2;

pub fn run(args: &Args) -> Result<()> {
    setup::ensure()?;
    let chosen: Vec<&str> =
        TARGETS.into_iter().filter(|t| args.target.as_deref().is_none_or(|only| only == *t)).collect();
    ensure!(!chosen.is_empty(), "there is no such target, but {}", TARGETS.join(", "));
    some(&chosen, args.seconds)
}

/// Runs each target for so many seconds.
///
/// # Errors
/// When one of them found something.
pub fn all(seconds: u64) -> Result<()> {
    some(&TARGETS, seconds)
}

fn some(targets: &[&str], seconds: u64) -> Result<()> {
    let sanitizer = Sanitizer::coverage();
    let build = ["build", "--quiet", "--profile=targets", "-p=hesper-targets", "--features=libfuzzer"];
    step::run("Building fuzz targets", "some minutes the first time", &mut sanitizer.cargo(&build)?)?;
    let program = sanitizer.built("targets")?.join("hesper-targets");
    for several in targets.chunks(AT_ONCE) {
        let step = Step::start(&format!("Fuzz targets {}", several.join(", ")), &format!("{seconds} s"));
        let one = |name: &str| {
            let corpus = sanitizer.folder()?.join("corpus").join(name);
            fuzz(&program, name, &corpus, seconds, sanitizer.options).with_context(|| format!("the target {name}"))
        };
        let results: Vec<Result<u64>> = std::thread::scope(|s| {
            let running: Vec<_> = several.iter().map(|name| s.spawn(|| one(name))).collect();
            running.into_iter().map(|r| r.join().unwrap_or_else(|_| bail!("this program panicked"))).collect()
        });
        let counts = results.into_iter().map(|r| r.map(|n| format!("{n} inputs"))).collect::<Result<Vec<_>>>()?;
        step.done(&counts.join(", "));
    }
    Ok(())
}

/// Runs one target; how many inputs it took.
fn fuzz(program: &Path, name: &str, corpus: &Path, seconds: u64, options: (&str, &str)) -> Result<u64> {
    let kept: PathBuf = hesper_rig::workspace().join("tests/targets/kept").join(name);
    for folder in [corpus, &kept] {
        std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    }
    let mut command = Command::new(program);
    command.env("HESPER_TARGET", name).env("HESPER_SEEDS", corpus).env(options.0, options.1).arg(corpus);
    command.arg(format!("-max_total_time={seconds}")).arg(format!("-artifact_prefix={}/", kept.display()));
    // An input takes some microseconds, and seconds where the machine is crowded; the fuzzer's own memory grows with what it has found.
    command.args(["-timeout=100", "-report_slow_units=100", "-rss_limit_mb=4096", "-print_final_stats=1"]);
    let out = command.output().context("starting it")?;
    let text = String::from_utf8_lossy(&out.stderr);
    let _ = std::fs::remove_dir(&kept);
    if !out.status.success() {
        let lines: Vec<&str> = text.lines().collect();
        bail!("what it found is in {}:\n{}", kept.display(), lines[lines.len().saturating_sub(60)..].join("\n"));
    }
    let count = text.lines().find_map(|l| l.strip_prefix("stat::number_of_executed_units:"));
    count.and_then(|n| n.trim().parse().ok()).context("the fuzzer doesn't say how many inputs it took")
}
