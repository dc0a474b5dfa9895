//! The checks, a file for each layer of the stack. Each judges what was seen, and looks at nothing by itself.

mod device;
mod driver;
mod llama;
mod loader;
mod others;
mod place;
pub mod speed;
mod way;

use super::finding::Finding;
use super::seen::Machine;

/// A check of a layer.
#[derive(Clone, Copy)]
pub struct Check {
    /// Its name in text and JSON.
    pub id: &'static str,
    /// What it finds.
    pub judge: fn(&Machine) -> Finding,
}

/// All checks, from the program down to the GPU. The first that fails is the reason why programs find none.
pub const ALL: [Check; 14] = [
    Check { id: "place", judge: place::check },
    Check { id: "loader", judge: loader::check },
    Check { id: "manifest", judge: driver::manifest },
    Check { id: "library", judge: driver::library },
    Check { id: "node", judge: way::node },
    Check { id: "kernel", judge: way::kernel },
    Check { id: "host", judge: way::host },
    Check { id: "ring", judge: way::ring },
    Check { id: "device", judge: device::instance },
    Check { id: "others", judge: others::check },
    Check { id: "memory", judge: device::memory },
    Check { id: "dispatch", judge: device::dispatch },
    Check { id: "llama", judge: llama::check },
    Check { id: "speed", judge: speed::check },
];
