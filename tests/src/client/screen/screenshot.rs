//! What a program leaves on an X server's screen, for places where nobody else looks, as in a virtual machine.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use hesper_tests::x_screen::XScreen;

/// What `hesper-client screen-after` takes.
#[derive(clap::Args)]
pub struct Args {
    /// Where the picture goes.
    file: PathBuf,
    /// The program and its arguments.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    words: Vec<String>,
}

/// Runs the program, and writes the screen.
pub fn run(args: &Args) -> Result<()> {
    let screen = XScreen::new(None);
    screen.clear();
    let (program, arguments) = args.words.split_first().context("no program")?;
    let status = Command::new(program).args(arguments).status().with_context(|| format!("starting {program}"))?;
    ensure!(status.success(), "{program} ended with {status}");
    std::fs::write(&args.file, screen.whole()).with_context(|| format!("writing {}", args.file.display()))
}
