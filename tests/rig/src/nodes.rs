//! A program's render nodes, by script (`tests/rig/virtgpu`).

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result};

use crate::driver_build::build_driver;
use crate::{Host, Root};

/// What /dev/dri holds for the programs that get their environment.
pub struct Nodes {
    library: PathBuf,
    folder: PathBuf,
}

impl Nodes {
    /// Nodes with these names and scripts.
    ///
    /// # Errors
    /// When the library can't be built, or the scripts not be written.
    pub fn new(scripts: &[(&str, &str)]) -> Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let library = build_driver()?.library.with_file_name("libhesper_test_virtgpu.so");
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("hesper-nodes-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        let nodes = Self { library, folder };
        for (name, script) in scripts {
            fs::write(nodes.folder.join(name), script).with_context(|| format!("writing the script of {name}"))?;
        }
        Ok(nodes)
    }

    /// One node over a host, with more lines in its script.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn over(host: &Host, lines: &str) -> Result<Self> {
        Self::new(&[("renderD128", &format!("host {}\n{lines}", host.socket().display()))])
    }

    /// What a program needs to see them.
    pub fn environment(&self) -> [(&'static str, &str); 2] {
        [("LD_PRELOAD", &self.library), ("HESPER_TEST_DRI", &self.folder)]
            .map(|(name, path)| (name, path.to_str().unwrap_or_default()))
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Root {
    /// A command that runs `program` inside the tree on this project's driver, which finds these nodes, as in a guest.
    ///
    /// # Errors
    /// Without the right to mount, or when the driver can't be built.
    pub fn client_on(&self, nodes: &Nodes, program: impl AsRef<std::ffi::OsStr>) -> Result<Command> {
        let mut command = self.command(program)?;
        command.env("VK_DRIVER_FILES", build_driver()?.manifest).envs(nodes.environment());
        let switches = std::env::var("HESPER_TEST_SWITCHES").unwrap_or_default();
        if !switches.is_empty() {
            command.env("HESPER_DEBUG", switches);
        }
        Ok(command)
    }
}
