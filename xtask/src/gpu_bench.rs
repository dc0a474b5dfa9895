//! `gpu-bench`: llama.cpp on the host's own driver, Mesa's and Hesper, on a machine with a GPU.

mod pack;
mod report;
mod spin;
mod summary;

use anyhow::Result;
use clap::Subcommand;

/// llama.cpp on a GPU's own driver, Mesa's and Hesper, on a machine with a GPU that needs no network.
///
/// `pack` makes a bundle here, and start.sh beside it; `sh start.sh BUNDLE RESULTS --sections matrix,load,…` measures there; `report RESULTS` shows what came of it.
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    #[command(subcommand)]
    command: Sub,
}

#[derive(Subcommand)]
enum Sub {
    Pack(pack::Args),
    Report(report::Args),
}

pub fn run(args: &Args) -> Result<()> {
    match &args.command {
        Sub::Pack(args) => pack::run(args),
        Sub::Report(args) => report::run(args),
    }
}
