//! `build`: the driver as it is shipped.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use hesper_manifest::{files, icd};
use hesper_rig::Guest;

use crate::table::mib;
use crate::{cargo, guests, step};

/// The libraries that the driver may need, and no others: it must load in any container.
const ALLOWED: [&str; 6] = ["linux-vdso", "libc.so", "libdl.so", "libm.so", "libgcc_s.so", "ld-linux"];
/// Bytes that the stripped driver may have.
const MAX_SIZE: u64 = 4 << 20;

/// Builds the driver and the `hesper` program (release), writes a manifest beside them, and checks size and dependencies.
///
/// For this machine, or for the guests that are named, into target/dist/TARGET (docs/builds.md).
#[derive(clap::Args)]
pub struct Args {
    /// A guest to build for, whatever this machine is; several may be given.
    #[arg(long, value_delimiter = ',', num_args = 1..)]
    target: Vec<Guest>,
    /// Run what was built on systems of its guest's kind, over the rig's host: open it, vulkaninfo, the test client, `hesper install`. With all guests, the
    /// tables are written into docs/builds.md.
    #[arg(long, requires = "target")]
    open: bool,
}

pub fn run(args: &Args) -> Result<()> {
    if args.target.is_empty() { for_this_machine() } else { guests::run(&args.target, args.open) }
}

fn for_this_machine() -> Result<()> {
    let built = build()?;
    let size = std::fs::metadata(&built.library)?.len();
    println!("{}  {}", built.library.display(), mib(size));
    println!("{}", built.manifest.display());
    println!("{}", built.library.with_file_name("hesper").display());
    let needs = needs(&built.library)?;
    println!("needs:\n{needs}");
    ensure!(size <= MAX_SIZE, "the driver is larger than 4 MiB");
    let foreign: Vec<&str> = needs.lines().filter(|l| !ALLOWED.iter().any(|a| l.contains(a))).collect();
    ensure!(foreign.is_empty(), "the driver needs more than the C library and libgcc_s:\n{}", foreign.join("\n"));
    println!("\nVK_DRIVER_FILES={} vulkaninfo --summary", built.manifest.display());
    Ok(())
}

/// What a build leaves.
pub struct Built {
    pub library: PathBuf,
    pub manifest: PathBuf,
}

/// Builds the release driver and the `hesper` program, and writes the manifest with the library's absolute path.
///
/// # Errors
/// When the build fails.
pub fn build() -> Result<Built> {
    let mut command = cargo::cargo(&["build", "--release", "--package", "hesper-icd", "--package", "hesper"]);
    step::run("Building the driver (release)", "about 3 minutes the first time on 2 cores", &mut command)?;
    let folder = hesper_rig::target_folder()?.join("release");
    let (library, manifest) = (folder.join(icd::LIBRARY), folder.join(icd::MANIFEST));
    ensure!(library.is_file(), "the build left no {}", library.display());
    files::write(&manifest, icd::text(&library.to_string_lossy()).as_bytes())?;
    Ok(Built { library, manifest })
}

fn needs(library: &Path) -> Result<String> {
    let out = Command::new("ldd").arg(library).output().context("running ldd")?;
    ensure!(out.status.success(), "ldd: {}", String::from_utf8_lossy(&out.stderr));
    Ok(String::from_utf8_lossy(&out.stdout).trim_end().to_owned())
}
