//! The guests that the driver is built for, whatever this machine is.

use anyhow::{Context, Result};
use clap::ValueEnum;
use hesper_manifest::{files, icd};
use hesper_rig::cross::{self, CrossBuild};
use hesper_rig::zig::Profile;
use hesper_rig::{Guest, Host, Root, target_folder, zig};
use hesper_tests::hosts::PARTS;
use hesper_tests::shared_object::SharedObject;
use hesper_tests::systems::{Programs, Seen, System};

use crate::step::{self, Step};
use crate::table::{mib, table};
use crate::{document, setup};

const DOCUMENT: &str = "docs/builds.md";
const FILE_MARKS: [&str; 2] = ["<!-- files -->", "<!-- /files -->"];
const FILE_HEAD: [&str; 4] = ["target", "size", "newest symbols", "needs"];
const SYSTEM_MARKS: [&str; 2] = ["<!-- systems -->", "<!-- /systems -->"];
const SYSTEM_HEAD: [&str; 7] =
    ["target", "system", "driver found by", "opening it", "first use", "vulkaninfo", "test client"];

/// Builds for each of `all` and prints what came out; `open` runs it on all systems of the guest's kind as well, and with every guest the tables go to
/// the document.
///
/// # Errors
/// When a build fails, or isn't as it should be, and with `open` when something fails on a system.
pub fn run(all: &[Guest], open: bool) -> Result<()> {
    setup::ensure()?;
    let built = all.iter().map(|g| Ok((*g, build(*g)?))).collect::<Result<Vec<_>>>()?;
    let lines = built.iter().map(|(guest, driver)| file_line(*guest, driver)).collect::<Result<Vec<_>>>()?;
    let files = table(&FILE_HEAD, &lines);
    println!("\n{files}");
    if !open {
        return Ok(());
    }
    let root = Root::ensure()?;
    let host = Host::start(&root)?;
    let mut lines = Vec::new();
    for (guest, driver) in built {
        lines.extend(look(guest, driver, &root, &host)?);
    }
    let systems = table(&SYSTEM_HEAD, &lines);
    println!("\n{systems}");
    if Guest::value_variants().iter().all(|g| all.contains(g)) {
        document::write_between(DOCUMENT, FILE_MARKS, &format!("\n{files}\n"))?;
        document::write_between(DOCUMENT, SYSTEM_MARKS, &format!("\n{systems}\n"))?;
        println!("  the tables are in {DOCUMENT}");
    }
    Ok(())
}

/// Builds the driver, the `hesper` program and a manifest into `dist/TARGET` of the target folder; they must be what any system of their kind loads.
///
/// # Errors
/// When the build fails, or the driver isn't as it should be.
pub fn build(guest: Guest) -> Result<CrossBuild> {
    let title = format!("Building the driver for {}", guest.name());
    step::run(
        &title,
        "2 to 4 minutes the first time on 2 cores",
        &mut zig::build(guest, &cross::PACKAGES, Profile::Release)?,
    )?;
    let (from, to) = (zig::output(guest, Profile::Release)?, target_folder()?.join("dist").join(guest.name()));
    std::fs::create_dir_all(&to).with_context(|| format!("making {}", to.display()))?;
    for file in [icd::LIBRARY, "hesper"] {
        std::fs::copy(from.join(file), to.join(file)).with_context(|| format!("copying {file} to {}", to.display()))?;
    }
    let manifest = to.join(icd::MANIFEST);
    // Beside the library, wherever both are taken.
    files::write(&manifest, icd::text(&format!("./{}", icd::LIBRARY)).as_bytes())?;
    let (library, program) = (to.join(icd::LIBRARY), to.join("hesper"));
    println!("{}", library.display());
    SharedObject::read(&library)?.check().with_context(|| library.display().to_string())?;
    Ok(CrossBuild { library, manifest, program, opener: from.join("hesper-open") })
}

/// What a build is as a file.
fn file_line(guest: Guest, driver: &CrossBuild) -> Result<Vec<String>> {
    let library = SharedObject::read(&driver.library)?;
    Ok(vec![guest.name().to_owned(), mib(library.size), library.glibc(), library.needs.join(" ")])
}

/// Runs what a guest runs on all systems of its kind.
fn look(guest: Guest, driver: CrossBuild, root: &Root, host: &Host) -> Result<Vec<Vec<String>>> {
    let title = format!("Building the test client for {}", guest.name());
    let step = Step::start(&title, "1 to 4 minutes the first time on 2 cores");
    let programs = Programs { guest, driver, client: cross::build_client(guest)? };
    step.done("");
    let on = |system: System| {
        let title = format!("{}: {}", guest.name(), system.name());
        let step = Step::start(&title, "over the rig's host");
        let seen = system.look(root, host, &programs).with_context(|| title)?;
        step.done("");
        Ok(system_line(guest, system, &seen))
    };
    System::of(guest).into_iter().map(on).collect()
}

/// What ran on a system, all of it well.
fn system_line(guest: Guest, system: System, seen: &Seen) -> Vec<String> {
    let [load, first_use] = [seen.times.load, seen.times.first_use].map(|us| format!("{:.1} ms", us / 1e3));
    let vulkaninfo = seen.loader.as_ref().map_or("no loader".into(), |l| format!("loader {}", l.version));
    let client = format!("{} of {PARTS} parts", seen.parts);
    let [guest, system, found_by] = [guest.name(), system.name(), system.found_by()].map(str::to_owned);
    vec![guest, system, found_by, load, first_use, vulkaninfo, client]
}
