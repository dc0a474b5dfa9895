//! `package`: the driver as packages for package managers.

use std::path::PathBuf;

use anyhow::Result;
use hesper_manifest::files;
use hesper_packaging::{deb, rpm};
use hesper_rig::{Guest, workspace};

use crate::handed_out;
use crate::table::mib;

/// Writes a deb and an rpm of the driver for x86-64 and AArch64, without the tools of either.
#[derive(clap::Args)]
pub struct Args {
    /// The folder to write into.
    #[arg(long, default_value = "target/packages")]
    output: PathBuf,
    /// The guests to write packages for.
    #[arg(long, value_delimiter = ',', num_args = 1.., default_values = ["amd64", "arm64"])]
    target: Vec<Guest>,
}

pub fn run(args: &Args) -> Result<()> {
    let output = workspace().join(&args.output);
    for contents in handed_out::build(&args.target)? {
        for (name, bytes) in
            [(deb::name(&contents), deb::package(&contents)?), (rpm::name(&contents), rpm::package(&contents)?)]
        {
            let file = output.join(name);
            files::write(&file, &bytes)?;
            println!("{}  {}", file.display(), mib(bytes.len() as u64));
        }
    }
    Ok(())
}
