//! `miri`: unit tests in Miri, the interpreter that knows what Rust leaves undefined.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use hesper_rig::std_source;

use crate::step;

/// Runs unit tests in Miri, which finds undefined behaviour: pointers out of their object or after its end, aliasing, alignment, values that
/// a type doesn't have, data races, and orders of memory that this machine's processor doesn't show.
///
/// It needs Miri, a component of nightly toolchains (`rustup +nightly component add miri`), or one of the installed toolchain in the PATH. Tests of what Miri can't
/// interpret (sockets, the kernel's devices, memory that has a file) say so and are left out. 13 minutes on 2 cores.
#[derive(clap::Args)]
pub struct Args {
    /// Only tests whose path contains this.
    filter: Option<String>,
}

/// What it interprets: everything with unsafe code that works without a host.
const PACKAGES: [&str; 3] = ["hesper-encoder", "hesper-winsys", "hesper-icd"];
/// Tests that are left out, and why.
const LEFT_OUT: [(&str, &str); 12] = [
    ("ring::silence::", "millions of steps of simulated time, and no unsafe code"),
    ("a_silent_host_is_asked_by_another_way", "seconds of waiting, in looks that take long here"),
    ("a_kernel_without_memory_ends_no_wait", "seconds of waiting, in looks that take long here"),
    ("a_thread_that_sleeps_over_commands_is_called_again", "seconds of waiting"),
    ("asymmetric_fence::", "hundred thousands of rounds"),
    ("vtest::", "messages with files over sockets"),
    ("virtgpu::ioctl::tests::a_file", "ioctl"),
    ("virtgpu::nodes::", "ioctl"),
    ("mapping::tests::", "memory that is a file, and addresses of its own choice"),
    ("trace::tests::", "memory that is a file, and processes"),
    ("loader::procs::", "documents to search, and no unsafe code"),
    ("no_struct_is_left_out", "two megabytes of text to search, and no unsafe code"),
];
/// Pointers are checked as Tree Borrows has it: what ash's builders do with chains is wrong to the older rules. Handles that the loader sees are
/// addresses that were numbers meanwhile. Tests ask for time, variables and files of this machine; the order of threads differs with the seed.
const FLAGS: &str = "-Zmiri-disable-isolation -Zmiri-ignore-leaks -Zmiri-tree-borrows -Zmiri-permissive-provenance -Zmiri-symbolic-alignment-check";

pub fn run(args: &Args) -> Result<()> {
    let miri = Miri::find()?;
    for package in PACKAGES {
        let mut command = miri.cargo(&["test", "--quiet", "--lib", "--tests", "--package", package, "--"])?;
        command.args(&args.filter).args(LEFT_OUT.iter().flat_map(|(test, _)| ["--skip", *test]));
        step::run(&format!("Unit tests of {package} in Miri"), "some minutes", &mut command)?;
    }
    Ok(())
}

/// All of them.
///
/// # Errors
/// When Miri isn't there, or has found something.
pub fn all() -> Result<()> {
    run(&Args { filter: None })
}

/// An installed Miri.
struct Miri {
    /// What comes between `cargo` and `miri`.
    toolchain: Option<&'static str>,
}

impl Miri {
    fn find() -> Result<Self> {
        for toolchain in [None, Some("+nightly")] {
            let mut ask = Command::new("cargo");
            let ask = ask.args(toolchain).args(["miri", "--version"]).stderr(Stdio::null());
            if ask.output().is_ok_and(|out| out.status.success()) {
                return Ok(Self { toolchain });
            }
        }
        bail!("Miri isn't installed: `rustup toolchain install nightly --component miri,rust-src` brings it")
    }

    /// `cargo miri` at the top of the checkout.
    fn cargo(&self, args: &[&str]) -> Result<Command> {
        // The proxy of rustup, not the cargo that runs this program: that one knows no toolchains.
        let mut command = Command::new("cargo");
        command.current_dir(hesper_rig::workspace()).args(self.toolchain).arg("miri").args(args);
        command.env("MIRIFLAGS", FLAGS).env("RUSTC_BOOTSTRAP", "1");
        command.env("CARGO_TARGET_DIR", hesper_rig::target_folder()?.join("miri"));
        if self.toolchain.is_none() && !self.has_sources()? {
            command.env("MIRI_LIB_SRC", std_source::ensure()?);
        }
        Ok(command)
    }

    /// Whether the toolchain brings the standard library's sources, of which Miri makes its own.
    fn has_sources(&self) -> Result<bool> {
        let rustc = Command::new("rustc").args(self.toolchain).args(["--print", "sysroot"]).output();
        let folder = rustc.context("asking rustc for its folder")?.stdout;
        let folder = std::path::PathBuf::from(String::from_utf8_lossy(&folder).trim());
        Ok(folder.join("lib/rustlib/src/rust/library/std/src/lib.rs").is_file())
    }
}
