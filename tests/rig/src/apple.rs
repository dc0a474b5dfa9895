//! Hosts like Apple's computers: what the test layer and the test server are told (`tests/rig/layer/src/apple.rs`, `tests/rig/shm`).

use std::fmt;
use std::path::Path;

use anyhow::{Context, Result};

use crate::driver_build::build_driver;
use crate::{Host, Root};

/// The Vulkan driver of such a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Apple {
    /// Memory of the device's own beside the shared one.
    MoltenVk,
    /// All memory is shared.
    KosmicKrisp,
}

impl Apple {
    /// Both.
    pub const ALL: [Self; 2] = [Self::MoltenVk, Self::KosmicKrisp];

    /// The setting of the test layer.
    pub fn setting(self) -> (&'static str, &'static str) {
        let name = match self {
            Self::MoltenVk => "moltenvk",
            Self::KosmicKrisp => "kosmickrisp",
        };
        ("HESPER_TEST_LAYER_APPLE", name)
    }

    /// Starts such a host.
    ///
    /// # Errors
    /// As [`Host::start`].
    pub fn start(self, root: &Root) -> Result<Host> {
        let library = build_driver()?.library.with_file_name("libhesper_test_shm.so");
        let preload = Path::to_str(&library).with_context(|| format!("{} is no text", library.display()))?;
        Host::start_with(root, &[self.setting(), ("LD_PRELOAD", preload)])
    }
}

impl fmt::Display for Apple {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.setting().1)
    }
}
