//! The guests that the driver is built for, whatever this machine is.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use hesper_manifest::{files, icd};
use hesper_rig::{Guest, Host, target_folder, zig};

use crate::step;
use crate::table::median;

/// What is left of a build, in a folder of its own.
pub struct Built {
    pub library: PathBuf,
    /// Opens the driver (`tests/rig/open`).
    opener: PathBuf,
}

/// How long starts take, in microseconds.
pub struct Times {
    /// Opening the library.
    pub load: f64,
    /// From an instance to a buffer that the device has filled.
    pub first_use: f64,
}

/// How often a driver is opened; the median counts.
const OPENINGS: usize = 5;

/// Builds the driver, the `hesper` program and a manifest into `dist/TARGET` of the target folder.
///
/// # Errors
/// When the build fails.
pub fn build(guest: Guest) -> Result<Built> {
    let mut command = zig::build(guest, &["hesper-icd", "hesper", "hesper-rig-open"])?;
    let title = format!("Building the driver for {}", guest.name());
    step::run(&title, "2 to 4 minutes the first time on 2 cores", &mut command)?;
    let (from, to) = (zig::output(guest)?, target_folder()?.join("dist").join(guest.name()));
    std::fs::create_dir_all(&to).with_context(|| format!("making {}", to.display()))?;
    for file in [icd::LIBRARY, "hesper"] {
        std::fs::copy(from.join(file), to.join(file)).with_context(|| format!("copying {file} to {}", to.display()))?;
    }
    // Beside the library, wherever both are taken.
    files::write(&to.join(icd::MANIFEST), icd::text(&format!("./{}", icd::LIBRARY)).as_bytes())?;
    Ok(Built { library: to.join(icd::LIBRARY), opener: from.join("hesper-open") })
}

/// Opens the driver as its guest would, over a real host: it catches a panic, and its device fills a buffer.
///
/// # Errors
/// When it doesn't, or the guest can't be had here.
pub fn open(guest: Guest, built: &Built, host: &Host) -> Result<Times> {
    let step = step::Step::start(&format!("Opening the driver for {}", guest.name()), "over the rig's host");
    let once = |_| {
        let mut command = guest.command(&built.opener)?;
        command.env("HESPER_DEBUG", "vtest").env("HESPER_VTEST_SOCKET", host.socket());
        opened(command.arg(&built.library))
    };
    let all = (0..OPENINGS).map(once).collect::<Result<Vec<_>>>()?;
    step.done("");
    let middle = |of: fn(&Times) -> f64| median(&all.iter().map(of).collect::<Vec<_>>());
    Ok(Times { load: middle(|t| t.load), first_use: middle(|t| t.first_use) })
}

fn opened(command: &mut Command) -> Result<Times> {
    let out = command.output().with_context(|| format!("starting `{}`", step::show(command)))?;
    let (said, complaints) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    ensure!(out.status.success(), "`{}` ended with {}:\n{complaints}", step::show(command), out.status);
    ensure!(
        complaints.contains("a call panicked"),
        "the driver says nothing of the panic that was asked for:\n{complaints}"
    );
    let value = |name: &str| {
        let line = said.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(' '));
        line.with_context(|| format!("no {name} in:\n{said}"))?.parse().with_context(|| format!("reading {name}"))
    };
    Ok(Times { load: value("load_us")?, first_use: value("use_us")? })
}
