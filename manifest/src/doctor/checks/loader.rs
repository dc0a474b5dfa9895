//! The Vulkan loader, as programs open it.

use serde_json::json;

use crate::children::Opened;
use crate::children::told::Outcome;
use crate::doctor::finding::{Finding, exit};
use crate::doctor::seen::Machine;

const INSTALL: &str = "install the Vulkan loader (Debian and Ubuntu: libvulkan1; Fedora, UBI and Alpine: vulkan-loader; Arch: vulkan-icd-loader)";

/// Folders in which a loader may lie that the dynamic linker doesn't find.
const USUAL: [&str; 5] =
    ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib", "/usr/local/lib"];

/// Whether there is one.
pub fn check(machine: &Machine) -> Finding {
    match machine.vulkan::<Opened>("loader") {
        Outcome::Done(loader) => {
            let version = loader.version.as_deref().unwrap_or("1.0");
            let why = format!("{}, version {version}", loader.path.display());
            Finding::pass(why).with(json!({ "path": loader.path, "version": version }))
        }
        Outcome::Failed(words) => {
            Finding::fail(exit::LOADER, format!("the Vulkan loader can't be opened: {words}"), advice())
        }
        Outcome::Died(how) => {
            let why = format!("opening the Vulkan loader ends the program: {how}");
            Finding::fail(exit::LOADER, why, "see what is preloaded (LD_PRELOAD), or install the loader anew")
        }
        Outcome::Silent(_) | Outcome::NotReached => {
            Finding::fail(exit::LOADER, "the Vulkan loader doesn't come back from being opened", INSTALL)
        }
    }
}

fn advice() -> String {
    let file = USUAL.iter().map(|f| format!("{f}/libvulkan.so.1")).find(|f| std::path::Path::new(f).exists());
    match file {
        Some(file) => format!(
            "{file} is there, but the dynamic linker doesn't take it: run ldconfig, look at LD_LIBRARY_PATH, or {INSTALL}"
        ),
        None => INSTALL.to_owned(),
    }
}
