//! `sanitize`: the driver, its tests, the test client and the tester with AddressSanitizer, which finds what reads or writes outside of its
//! memory, or after its end.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};
use hesper_rig::{Driver, Host, Root};

use crate::step::{self, Step};
use crate::{cargo, setup};

/// Runs unit tests, the test client and random programs with AddressSanitizer in the driver.
///
/// It needs what the installed compiler calls unstable (RUSTC_BOOTSTRAP), so nothing that is shipped is built so. 5 to 10 minutes on 2 cores.
#[derive(clap::Args)]
pub struct Args {
    /// Minutes of random programs.
    #[arg(long, default_value_t = 2.0)]
    minutes: f64,
}

#[cfg(target_arch = "x86_64")]
const TARGET: &str = "x86_64-unknown-linux-gnu";
#[cfg(not(target_arch = "x86_64"))]
const TARGET: &str = "aarch64-unknown-linux-gnu";
/// The program that loads the driver has the sanitizer's own functions, and shows them to the driver.
const FLAGS: &str = "-Zsanitizer=address -Cunsafe-allow-abi-mismatch=sanitizer -Clink-args=-rdynamic";
/// Tests leave memory behind on purpose, and the loader and host drivers by habit.
const OPTIONS: &str = "detect_leaks=0:detect_stack_use_after_return=1";
/// Parts of the client.
const PARTS: [&str; 4] = ["all", "ignored", "forks", "sparse"];

/// cargo that builds for the sanitizer.
fn sanitized(folder: &Path, args: &[&str]) -> Command {
    let mut command = cargo::cargo(args);
    command.args(["--target", TARGET]).env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", FLAGS);
    command.env("CARGO_TARGET_DIR", folder).env("ASAN_OPTIONS", OPTIONS);
    command
}

pub fn run(args: &Args) -> Result<()> {
    setup::ensure()?;
    let folder = hesper_rig::target_folder()?.join("asan");
    let crates = ["-p=hesper-encoder", "-p=hesper-winsys", "-p=hesper-icd"];
    let tests = [&["test", "--quiet", "--lib", "--tests"][..], &crates].concat();
    step::run("Unit tests with AddressSanitizer", "some minutes the first time", &mut sanitized(&folder, &tests))?;
    let builds: [&[&str]; 3] = [
        &["build", "--quiet", "-p=hesper-icd", "--lib"],
        &["build", "--quiet", "-p=hesper-tests", "--bin=hesper-client"],
        &["build", "--quiet", "-p=hesper-fuzz"],
    ];
    for build in builds {
        step::run("Building with AddressSanitizer", "", &mut sanitized(&folder, build))?;
    }
    let built = folder.join(TARGET).join("debug");
    let library = built.join("libvulkan_hesper.so");
    let manifest = hesper_rig::manifest_for(&library)?;
    let root = Root::ensure()?;
    for part in PARTS {
        let step = Step::start(&format!("The client's part {part} with AddressSanitizer"), "");
        let host = Host::start(&root)?;
        let mut client = root.client(Driver::Hesper, Some(&host), built.join("hesper-client"))?;
        let out = client.arg(part).env("VK_DRIVER_FILES", &manifest).env("ASAN_OPTIONS", OPTIONS).output()?;
        let text = String::from_utf8_lossy(&out.stderr);
        ensure!(out.status.success(), "the client's part {part} ended with {}:\n{text}", out.status);
        step.done("");
    }
    let mut tester = Command::new(built.join("hesper-fuzz"));
    tester.arg("run").arg(format!("--minutes={}", args.minutes)).arg("--library").arg(&library);
    step::run("Random programs with AddressSanitizer", "", tester.env("ASAN_OPTIONS", OPTIONS))?;
    let _ = std::fs::remove_file(manifest);
    Ok(())
}
