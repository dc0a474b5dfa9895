//! `build`: the driver as it is shipped.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use hesper_manifest::{files, icd};
use hesper_rig::{Guest, Host, Root};
use hesper_tests::hosts::PARTS;
use hesper_tests::systems::{Seen, System};

use crate::shared_object::SharedObject;
use crate::table::table;
use crate::{cargo, document, guests, setup, step};

/// The libraries that the driver may need, and no others: it must load in any container.
const ALLOWED: [&str; 5] = ["linux-vdso", "libc.so", "libm.so", "libgcc_s.so", "ld-linux"];
/// Bytes that the stripped driver may have.
const MAX_SIZE: u64 = 4 << 20;
const DOCUMENT: &str = "docs/builds.md";
const FILE_MARKS: [&str; 2] = ["<!-- files -->", "<!-- /files -->"];
const SYSTEM_MARKS: [&str; 2] = ["<!-- systems -->", "<!-- /systems -->"];

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
    if args.target.is_empty() { for_this_machine() } else { for_guests(&args.target, args.open) }
}

/// Builds for each, and prints what came out as tables, which go to the document as well where they are whole.
fn for_guests(all: &[Guest], open: bool) -> Result<()> {
    setup::ensure()?;
    let mut files = Vec::new();
    let mut ran = Vec::new();
    let rig = if open { Some(Root::ensure().and_then(|root| Ok((Host::start(&root)?, root)))?) } else { None };
    for guest in all {
        let built = guests::build(*guest)?;
        let library = SharedObject::read(&built.library)?;
        library.check().with_context(|| built.library.display().to_string())?;
        println!("{}", built.library.display());
        files.push(vec![guest.name().to_owned(), mib(library.size), library.glibc(), library.needs.join(" ")]);
        if let Some((host, root)) = &rig {
            let seen = guests::look(*guest, built, root, host)?;
            ran.extend(seen.iter().map(|(system, seen)| line(*guest, *system, seen)));
        }
    }
    let files = table(&["target", "size", "newest symbols", "needs"], &files);
    println!("\n{files}");
    if open {
        let ran = table(&["target", "system", "opening it", "first use", "vulkaninfo", "test client"], &ran);
        println!("{ran}");
        if Guest::value_variants().iter().all(|g| all.contains(g)) {
            document::write_between(DOCUMENT, FILE_MARKS, &files)?;
            document::write_between(DOCUMENT, SYSTEM_MARKS, &ran)?;
            println!("  the tables are in {DOCUMENT}");
        }
    }
    Ok(())
}

/// What ran on a system, all of it well.
fn line(guest: Guest, system: System, seen: &Seen) -> Vec<String> {
    let [load, first_use] = [seen.times.load, seen.times.first_use].map(|us| format!("{:.1} ms", us / 1e3));
    let device = if seen.device.is_some() { "the host's device" } else { "no loader" };
    let client = format!("{} of {PARTS} parts", seen.parts);
    vec![guest.name().into(), system.name().into(), load, first_use, device.into(), client]
}

fn mib(size: u64) -> String {
    format!("{:.2} MiB", size as f64 / f64::from(1 << 20))
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
    ensure!(foreign.is_empty(), "the driver needs more than libc, libm and libgcc_s:\n{}", foreign.join("\n"));
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
