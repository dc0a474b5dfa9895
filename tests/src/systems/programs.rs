//! The programs that run on a driver, wherever that is.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use hesper_rig::cross::CrossBuild;
use hesper_rig::{Guest, vulkaninfo};

use super::opening::{self, OPENINGS, Times};
use crate::hosts::PARTS;

/// What was built for a guest.
#[derive(Clone, Debug)]
pub struct Programs {
    /// For whom.
    pub guest: Guest,
    /// The driver, what installs it and what opens it.
    pub driver: CrossBuild,
    /// The test client.
    pub client: PathBuf,
}

/// What ran on a system; all of it went well.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Those of the program that opens the driver.
    pub times: Times,
    /// Nothing where there is no Vulkan loader.
    pub loader: Option<Loader>,
    /// Parts of the test client.
    pub parts: usize,
}

/// What vulkaninfo shows through a system's own Vulkan loader.
#[derive(Clone, Debug)]
pub struct Loader {
    /// Its version.
    pub version: String,
    /// The device's name.
    pub device: String,
}

impl Programs {
    /// Runs all of them by `start`, which makes a command of a program, on the driver's `library`; `vulkaninfo` is that of the system, if it has one.
    ///
    /// # Errors
    /// What one of them says that fails.
    pub fn look(
        &self,
        start: impl Fn(&Path) -> Result<Command>,
        library: &Path,
        vulkaninfo: Option<&Path>,
    ) -> Result<Seen> {
        let open = |_| opening::open(start(&self.driver.opener)?.arg(library));
        let times = opening::middle(&(0..OPENINGS).map(open).collect::<Result<Vec<_>>>()?);
        let loader = vulkaninfo.map(|program| loader(|| start(program))).transpose()?;
        let said = said("the test client", start(&self.client)?.arg("all"))?;
        let parts = said.lines().filter(|l| l.starts_with("ok ")).count();
        ensure!(parts == PARTS, "the test client has passed {parts} of {PARTS} parts:\n{said}");
        Ok(Seen { times, loader, parts })
    }
}

fn loader(start: impl Fn() -> Result<Command>) -> Result<Loader> {
    let summary = said("vulkaninfo --summary", start()?.arg("--summary"))?;
    let version = summary.lines().find_map(|l| l.strip_prefix("Vulkan Instance Version: "));
    let version = version.with_context(|| format!("no version of the loader in:\n{summary}"))?.to_owned();
    let facts = vulkaninfo::facts_of(start()?)?;
    let fact = |name: &str| facts.get(name).with_context(|| format!("vulkaninfo shows no {name}"));
    let driver = fact("VkPhysicalDeviceVulkan12Properties/driverName")?;
    ensure!(driver == "hesper", "vulkaninfo shows a device of the driver {driver}");
    Ok(Loader { version, device: fact("VkPhysicalDeviceProperties/deviceName")?.clone() })
}

/// Runs a command to its end, which must be good, and returns what it printed.
///
/// # Errors
/// When it isn't, with all that it said.
pub fn said(what: &str, command: &mut Command) -> Result<String> {
    let out = command.output().with_context(|| format!("starting {what}"))?;
    ensure!(out.status.success(), "{what} ended with {}:\n{}", out.status, crate::both(&out));
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}
