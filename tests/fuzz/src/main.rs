//! `hesper-fuzz`: the tester, and its own workers.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use hesper_fuzz::{campaign, progress, worker};

#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Sub,
}

#[derive(Subcommand)]
enum Sub {
    /// Runs programs on the drivers and compares.
    Run(campaign::Args),
    /// Runs programs that come on standard input; started by `run`.
    Worker {
        /// Where to note what is going on.
        progress: PathBuf,
    },
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Sub::Run(args) => campaign::run(&args),
        Sub::Worker { progress: file } => {
            progress::to(&file).map_err(Into::into).and_then(|()| worker::serve()).map(|()| true)
        }
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            eprintln!("error: {e:?}");
            ExitCode::FAILURE
        }
    }
}
