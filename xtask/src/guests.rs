//! The guests that the driver is built for, whatever this machine is.

use anyhow::{Context, Result};
use hesper_manifest::{files, icd};
use hesper_rig::cross::{self, CrossBuild};
use hesper_rig::{Guest, Host, Root, target_folder, zig};
use hesper_tests::systems::{Programs, Seen, System};

use crate::step::{self, Step};

/// Builds the driver, the `hesper` program and a manifest into `dist/TARGET` of the target folder.
///
/// # Errors
/// When the build fails.
pub fn build(guest: Guest) -> Result<CrossBuild> {
    let title = format!("Building the driver for {}", guest.name());
    step::run(&title, "2 to 4 minutes the first time on 2 cores", &mut zig::build(guest, &cross::PACKAGES)?)?;
    let (from, to) = (zig::output(guest)?, target_folder()?.join("dist").join(guest.name()));
    std::fs::create_dir_all(&to).with_context(|| format!("making {}", to.display()))?;
    for file in [icd::LIBRARY, "hesper"] {
        std::fs::copy(from.join(file), to.join(file)).with_context(|| format!("copying {file} to {}", to.display()))?;
    }
    let manifest = to.join(icd::MANIFEST);
    // Beside the library, wherever both are taken.
    files::write(&manifest, icd::text(&format!("./{}", icd::LIBRARY)).as_bytes())?;
    let (library, program) = (to.join(icd::LIBRARY), to.join("hesper"));
    Ok(CrossBuild { library, manifest, program, opener: from.join("hesper-open") })
}

/// Runs what a guest runs on all systems of its kind.
///
/// # Errors
/// When the test client can't be built, a system can't be had here, or something fails on one.
pub fn look(guest: Guest, driver: CrossBuild, root: &Root, host: &Host) -> Result<Vec<(System, Seen)>> {
    let title = format!("Building the test client for {}", guest.name());
    let step = Step::start(&title, "1 to 4 minutes the first time on 2 cores");
    let programs = Programs { driver, client: cross::build_client(guest)? };
    step.done("");
    let on = |system: System| {
        let step = Step::start(&format!("{}: {}", guest.name(), system.name()), "over the rig's host");
        let seen = system.look(root, host, &programs);
        let seen = seen.with_context(|| format!("the driver for {} on {}", guest.name(), system.name()))?;
        step.done("");
        Ok((system, seen))
    };
    System::of(guest).into_iter().map(on).collect()
}
