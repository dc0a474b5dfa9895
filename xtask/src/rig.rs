//! `rig`: the test rig by hand.

use anyhow::{Result, bail};

use crate::{cargo, setup, step};

/// The test rig by hand: its root, its host, a program on a driver, a virtual machine.
///
/// `cargo xtask rig root` makes the Debian 13 tree (once, some minutes); `host` starts a Venus host and waits;
/// `run DRIVER PROGRAM…` runs a program in the tree on native, mesa or hesper; `vm DRIVER PROGRAM…` does so in a
/// virtual machine. `cargo xtask rig -- --help` has the details.
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// What the rig's own program takes: root, host, run, vm and their arguments.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

pub fn run(args: &Args) -> Result<()> {
    setup::ensure()?;
    let mut command = cargo::cargo(&["run", "--quiet", "--package", "hesper-rig", "--"]);
    if args.words.is_empty() {
        command.arg("--help");
    }
    let status = command.args(&args.words).status()?;
    if !status.success() {
        bail!("`{}` ended with {status}", step::show(&command));
    }
    Ok(())
}
