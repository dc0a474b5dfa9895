//! All that is looked at on a machine, before anything is judged.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hesper_winsys::probe::Problem;

use super::elf::{CLibrary, Elf};
use super::manifests::{self, Manifests};
use super::place::Place;
use super::rights::Rights;
use crate::children::told::{Outcome, Told};
use crate::children::{Offer, Opened, Part, Shown, Task, Tried};
use crate::environment::Environment;

/// How long a host may be silent in a stage of the way to it. Calls from an emulated machine take up to a second (docs/hosts.md).
const WAY: Duration = Duration::from_secs(5);
/// How long Vulkan may be silent in a stage: drivers try out a device and compile.
const VULKAN: Duration = Duration::from_secs(30);

/// The C library of programs here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Libc {
    pub kind: CLibrary,
    /// glibc's version.
    pub version: Option<(u32, u32)>,
}

/// A machine, or a container on one.
pub struct Machine {
    pub environment: Environment,
    pub place: Place,
    /// The kernel's release.
    pub kernel: String,
    pub libc: Libc,
    pub manifests: Manifests,
    /// The library that this driver's manifest names, as a file that can be looked into, and what it was built for.
    pub library: Option<(PathBuf, Result<Elf, String>)>,
    /// The rights to the nodes that were tried.
    pub rights: Vec<Rights>,
    way: Told,
    vulkan: Told,
}

impl Machine {
    /// Looks at this one.
    pub fn look(part: Part) -> Self {
        let environment = Environment::of_process();
        let way = Told::by(&Task::Way.arguments(), WAY);
        let unjudged = Manifests::look(&environment, None);
        let driver = unjudged.ours().and_then(manifests::Manifest::library_path);
        // What hangs there would hang in a driver, too.
        let part = if way.silent_in().is_some() { Part::Libraries } else { part };
        let vulkan = Told::by(&Task::Vulkan { driver: driver.clone(), part }.arguments(), VULKAN);
        let loader = vulkan.found::<Opened>("loader").and_then(|l| l.version);
        let opened = vulkan.found::<Opened>("library").map(|l| l.path);
        let nodes = way.all::<Tried>().into_iter().map(|t| t.way).filter(|w| !w.is_empty());
        Self {
            place: Place::look(Path::new("/"), &environment),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
            libc: libc_here(),
            manifests: Manifests::look(&environment, loader.and_then(|v| manifests::version(&v))),
            library: opened.or(driver).filter(|p| p.is_absolute()).map(|path| {
                let elf = look_into(&path).map_err(|e| format!("{e:#}"));
                (path, elf)
            }),
            rights: nodes.map(|n| Rights::look(Path::new(&n))).collect(),
            environment,
            way,
            vulkan,
        }
    }

    /// The ways to the host that were tried, in the driver's order.
    pub fn ways(&self) -> Vec<Tried> {
        self.way.all()
    }

    /// Where the host has stopped answering.
    pub fn silent_way(&self) -> Option<&str> {
        self.way.silent_in()
    }

    /// Whether the way is a test server's socket in place of a device.
    pub fn over_socket(&self) -> bool {
        self.environment.config().vtest
    }

    /// The way that the driver takes: the first that works.
    pub fn taken(&self) -> Option<(String, Offer)> {
        self.ways().into_iter().find_map(|t| Some((t.way, t.offer?)))
    }

    /// The problem of the way that came closest to working; nothing where one works.
    pub fn problem(&self) -> Option<Problem> {
        if self.taken().is_some() {
            return None;
        }
        let problem = |t: &Tried| t.problem().map(|(o, detail)| Problem { obstacle: o, detail: detail.to_owned() });
        Problem::closest(self.ways().iter().filter_map(problem))
    }

    /// What came of a stage of Vulkan's.
    pub fn vulkan<T: serde::de::DeserializeOwned>(&self, stage: &str) -> Outcome<T> {
        self.vulkan.outcome(stage)
    }

    /// The devices that programs find.
    pub fn devices(&self) -> Option<Vec<Shown>> {
        self.vulkan.found("devices")
    }

    /// This driver's device.
    pub fn device(&self) -> Option<Shown> {
        self.devices()?.into_iter().find(Shown::is_ours)
    }

    /// What the driver said on standard error.
    pub fn drivers_words(&self) -> Option<&str> {
        self.vulkan.complaints.lines().find_map(|l| l.strip_prefix("hesper: "))
    }
}

fn look_into(library: &Path) -> Result<Elf> {
    // Reading a pipe would wait for whoever writes to it.
    ensure!(library.is_file(), "it is no file");
    Elf::parse(&fs::read(library).context("reading it")?)
}

/// The C library that this program runs on.
fn libc_here() -> Libc {
    #[cfg(target_env = "gnu")]
    let version = {
        // SAFETY: no preconditions; the string is the library's own.
        let text = unsafe { std::ffi::CStr::from_ptr(libc::gnu_get_libc_version()) };
        text.to_str().ok().and_then(super::elf::numbers)
    };
    #[cfg(not(target_env = "gnu"))]
    let version = None;
    Libc { kind: CLibrary::HERE, version }
}
