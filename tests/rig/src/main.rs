//! The rig by hand; `cargo xtask rig` calls this.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::{Parser, Subcommand};
use hesper_rig::models::{self, Shape, Weights};
use hesper_rig::vm;
use hesper_rig::{Driver, GuestJob, Host, HostVersion, Machine, Root, Vm};

/// The test rig by hand.
#[derive(Parser)]
#[command(name = "cargo xtask rig", bin_name = "cargo xtask rig --")]
struct Cli {
    #[command(subcommand)]
    command: Sub,
}

#[derive(Subcommand)]
enum Sub {
    /// Makes the root if it isn't there, and says where it is.
    Root,
    /// Writes a model with random weights, for llama-bench.
    Model {
        /// llama3.2-1b, llama3.1-8b or another
        shape: Shape,
        /// The weights' format: q4_k, q8_0 or f16.
        #[arg(long, default_value = "q4_k")]
        weights: Weights,
        /// The file to write.
        path: PathBuf,
    },
    /// Starts a host and waits until interrupted.
    Host,
    /// Runs a program in the root on a driver, over a host of its own.
    Run {
        /// native, mesa or hesper
        driver: Driver,
        /// The program and its arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        words: Vec<String>,
    },
    /// Runs a shell command in a virtual machine on a driver.
    Vm {
        /// mesa or hesper, or native for lavapipe inside the guest
        driver: Driver,
        /// Its processor, kernel and size of pages, as in arm64-trixie-16k.
        #[arg(long, default_value = "amd64-trixie-4k")]
        machine: Machine,
        /// The virglrenderer in QEMU.
        #[arg(long, default_value_t)]
        host: HostVersion,
        /// A GPU of its, as a value of QEMU's -device; several may be given.
        #[arg(long, default_value = vm::GPU)]
        gpu: Vec<String>,
        /// Added to the kernel's command line.
        #[arg(long, default_value = "")]
        kernel_arguments: String,
        /// Seconds that the command may take.
        #[arg(long, default_value_t = 120)]
        timeout: u64,
        /// The command.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        words: Vec<String>,
    },
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(status) => status,
        Err(e) => {
            eprintln!("error: {e:?}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Sub) -> Result<ExitCode> {
    if let Sub::Model { shape, weights, path } = &command {
        models::random(*shape, *weights, path)?;
        return Ok(ExitCode::SUCCESS);
    }
    let root = Root::ensure()?;
    let code = |status: Option<i32>| ExitCode::from(u8::try_from(status.unwrap_or(255)).unwrap_or(255));
    match command {
        Sub::Model { .. } | Sub::Root => println!("{}", root.path().display()),
        Sub::Host => {
            let host = Host::start(&root)?;
            let socket = host.socket().display();
            println!("HESPER_DEBUG=vtest HESPER_VTEST_SOCKET={socket}\nVN_DEBUG=vtest VTEST_SOCKET_NAME={socket}");
            loop {
                std::thread::park();
            }
        }
        Sub::Run { driver, words } => {
            let host = if driver.needs_host() { Some(Host::start(&root)?) } else { None };
            let [program, arguments @ ..] = &words[..] else { bail!("no program") };
            let status = root.client(driver, host.as_ref(), program)?.args(arguments).status()?;
            return Ok(code(status.code()));
        }
        Sub::Vm { driver, machine, host, gpu, kernel_arguments, timeout, words } => {
            let job = GuestJob {
                name: words[0].clone(),
                driver,
                command: words.join(" "),
                timeout: Duration::from_secs(timeout),
            };
            let vm = Vm { host, gpus: gpu, kernel_arguments, ..Vm::new(machine) };
            let run = vm.run(&root, &[job])?;
            let [result] = &run.results[..] else { bail!("the machine ran {} jobs, not one", run.results.len()) };
            print!("{}", result.output);
            eprintln!("{machine}, Linux {}: booted in {:.1} s", run.kernel, run.boot.as_secs_f64());
            return Ok(code(Some(result.status)));
        }
    }
    Ok(ExitCode::SUCCESS)
}
