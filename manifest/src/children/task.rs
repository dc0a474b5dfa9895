//! What a process of this program's own does, and the arguments by which it is told so.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;

use super::vulkan::{self, Part};
use super::way;

/// What a process of this program's own does.
#[derive(Clone, Debug)]
pub enum Task {
    /// Goes the way to the host, without Vulkan.
    Way,
    /// Uses Vulkan as programs do.
    Vulkan {
        /// The library of this driver, which is opened by itself, too.
        driver: Option<PathBuf>,
        /// How far to go.
        part: Part,
    },
}

impl Task {
    /// Does it, and tells each stage on standard output. What fails is told there, too.
    pub fn run(&self) -> ExitCode {
        let done: Result<()> = match self {
            Self::Way => {
                way::go();
                Ok(())
            }
            Self::Vulkan { driver, part } => vulkan::go(driver.as_deref(), *part),
        };
        if done.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    /// The arguments by which this program does it.
    pub fn arguments(&self) -> Vec<OsString> {
        let mut arguments = vec!["examine".into()];
        match self {
            Self::Way => arguments.push("way".into()),
            Self::Vulkan { driver, part } => {
                arguments.extend(["vulkan".into(), "--part".into(), part.name().into()]);
                if let Some(driver) = driver {
                    arguments.extend(["--driver".into(), driver.into()]);
                }
            }
        }
        arguments
    }
}
