//! `sanitize`: the driver, its tests, the test client and the tester with the compiler's sanitizers.

use std::process::Command;

use anyhow::{Result, ensure};
use hesper_rig::{Driver, Host, Root};

use crate::sanitizer::Sanitizer;
use crate::step::{self, Step};
use crate::{setup, symbols};

/// Runs the driver with the compiler's sanitizers: unit tests with each, and the test client and random programs with AddressSanitizer
/// and ThreadSanitizer.
///
/// It needs what the installed compiler calls unstable (RUSTC_BOOTSTRAP), so nothing that is shipped is built so; and for two of them the
/// standard library's sources, which are fetched once. 15 to 25 minutes on 2 cores.
#[derive(clap::Args)]
pub struct Args {
    /// Minutes of random programs with each.
    #[arg(long, default_value_t = MINUTES)]
    minutes: f64,
    /// Only this one.
    only: Option<Only>,
}

#[derive(Clone, Copy, PartialEq, clap::ValueEnum)]
enum Only {
    Address,
    Thread,
    Memory,
}

const MINUTES: f64 = 2.0;
/// Parts of the client.
const PARTS: [&str; 5] = ["all", "ignored", "forks", "sparse", "strict-screen"];
/// Where unit tests are.
const CRATES: [&str; 4] = ["-p=hesper-encoder", "-p=hesper-winsys", "-p=hesper-icd", "-p=hesper-targets"];

pub fn run(args: &Args) -> Result<()> {
    setup::ensure()?;
    let wanted = |one| args.only.is_none_or(|only| only == one);
    if wanted(Only::Address) {
        everything(&Sanitizer::address(), args.minutes)?;
    }
    if wanted(Only::Thread) {
        everything(&Sanitizer::thread()?, args.minutes)?;
    }
    // The Vulkan loader isn't built for it, so there is no client.
    if wanted(Only::Memory) { unit_tests(&Sanitizer::memory()?) } else { Ok(()) }
}

/// All of them.
///
/// # Errors
/// When one of them found something.
pub fn all() -> Result<()> {
    run(&Args { minutes: MINUTES, only: None })
}

fn unit_tests(sanitizer: &Sanitizer) -> Result<()> {
    let tests = [&["test", "--quiet", "--lib", "--tests"][..], &CRATES].concat();
    let title = format!("Unit tests with {}", sanitizer.name);
    step::run(&title, "some minutes the first time", &mut sanitizer.cargo(&tests)?).map(drop)
}

/// Runs unit tests, the client, and random programs for some minutes.
fn everything(sanitizer: &Sanitizer, minutes: f64) -> Result<()> {
    unit_tests(sanitizer)?;
    let (name, options) = (sanitizer.name, sanitizer.options);
    let builds: [&[&str]; 3] = [
        &["build", "--quiet", "-p=hesper-icd", "--lib"],
        &["build", "--quiet", "-p=hesper-tests", "--bin=hesper-client", "--no-default-features"],
        &["build", "--quiet", "-p=hesper-fuzz"],
    ];
    for build in builds {
        step::run(&format!("Building with {name}"), "", &mut sanitizer.cargo(build)?)?;
    }
    let built = sanitizer.built("debug")?;
    let library = built.join("libvulkan_hesper.so");
    let manifest = hesper_rig::manifest_for(&library)?;
    let root = Root::ensure()?;
    for part in PARTS {
        let step = Step::start(&format!("The client's part {part} with {name}"), "");
        let host = Host::start(&root)?;
        let mut client = root.client(Driver::Hesper, Some(&host), built.join("hesper-client"))?;
        let out = client.arg(part).env("VK_DRIVER_FILES", &manifest).env(options.0, options.1).output()?;
        let text = String::from_utf8_lossy(&out.stderr);
        let text = || symbols::named(&text, &built);
        ensure!(out.status.success(), "the client's part {part} ended with {}:\n{}", out.status, text());
        step.done("");
    }
    let mut tester = Command::new(built.join("hesper-fuzz"));
    tester.arg("run").arg(format!("--minutes={minutes}")).arg("--library").arg(&library);
    let step = Step::start(&format!("Random programs with {name}"), "");
    let status =
        step::lines(tester.env(options.0, options.1), |line| step.above(symbols::named(line, &built).trim_end()))?;
    ensure!(status.success(), "the tester found a difference or a fault, or couldn't run");
    step.done("");
    let _ = std::fs::remove_file(manifest);
    Ok(())
}
