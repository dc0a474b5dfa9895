//! The rig by hand; `cargo xtask rig` calls this.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::{Parser, Subcommand};
use hesper_rig::models::{self, Shape};
use hesper_rig::{Driver, GuestJob, Host, Root, Vm};

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
        /// llama3.2-1b or llama3.1-8b
        shape: Shape,
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
        /// Seconds that it may take.
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
    if let Sub::Model { shape, path } = &command {
        models::random(*shape, path)?;
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
        Sub::Vm { driver, timeout, words } => {
            let job = GuestJob {
                name: words[0].clone(),
                driver,
                command: words.join(" "),
                timeout: Duration::from_secs(timeout),
            };
            let results = Vm::run(&root, &[job])?;
            let [result] = &results[..] else { bail!("the machine ran {} jobs, not one", results.len()) };
            print!("{}", result.output);
            return Ok(code(Some(result.status)));
        }
    }
    Ok(ExitCode::SUCCESS)
}
