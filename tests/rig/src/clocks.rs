//! A program's clocks, which jump while it runs, or go by steps (`tests/rig/clock`).

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::driver_build::build_driver;

/// The clocks of the programs that got their environment.
pub struct Clocks {
    library: PathBuf,
    path: PathBuf,
    file: File,
}

impl Clocks {
    /// Clocks that go as the machine's own.
    ///
    /// # Errors
    /// When the library can't be built, or the file not be made.
    pub fn new() -> Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let library = library()?;
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("hesper-clocks-{}-{number}", std::process::id()));
        let file = File::create(&path).with_context(|| format!("making {}", path.display()))?;
        let clocks = Self { library, path, file };
        clocks.set(0, 0)?;
        Ok(clocks)
    }

    /// What a program needs to see them.
    pub fn environment(&self) -> [(&'static str, &str); 2] {
        [("LD_PRELOAD", &self.library), ("HESPER_TEST_CLOCKS", &self.path)]
            .map(|(name, path)| (name, path.to_str().unwrap_or_default()))
    }

    /// Seconds from the machine's own clocks, from now on: of the time of day, and of the time since the start.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn set(&self, of_day: i64, since_start: i64) -> Result<()> {
        let nanoseconds = [of_day, since_start].map(|s| (s * 1_000_000_000).to_ne_bytes());
        self.file.write_all_at(nanoseconds.as_flattened(), 0).context("setting the clocks")
    }
}

/// What a program needs for a clock since the start that goes on by `step` whenever its own code looks at it, and stands still after `most` looks.
///
/// # Errors
/// When the library can't be built.
pub fn clock_by_looks(step: Duration, most: u32) -> Result<[(&'static str, String); 2]> {
    let library = library()?.to_string_lossy().into_owned();
    Ok([("LD_PRELOAD", library), ("HESPER_TEST_CLOCK_STEPS", format!("{} {most}", step.as_nanos()))])
}

fn library() -> Result<PathBuf> {
    Ok(build_driver()?.library.with_file_name("libhesper_test_clock.so"))
}

impl Drop for Clocks {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}
