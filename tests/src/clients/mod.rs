//! Programs that nobody here wrote, on the drivers. `cargo xtask clients` runs all of them, tests/clients.rs the quick ones.

mod outcome;
mod running;
mod validation;

use std::collections::BTreeSet;
use std::fs::{self, File};

use anyhow::{Context, Result, bail};
use hesper_rig::{ClientPackages, Driver, Host, Root, Xvfb, llama, workspace};

pub use outcome::Outcome;
use running::Running;

use crate::folder::Folder;
pub use validation::Validation;

/// A program, and the script in tests/clients that has it work.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    /// As it is called in tables.
    pub name: &'static str,
    /// What it is asked for.
    pub about: &'static str,
    /// The script's file name.
    script: &'static str,
    /// Settings that it needs.
    environment: &'static [(&'static str, &'static str)],
    /// Whether it shows a window, on an X server of its own.
    window: bool,
}

/// All of them, in the table's order.
pub const ALL: [Client; 11] = [
    Client::new("wgpu", "compute, storage textures, drawing, indirect draws, queries", "webgpu.py", &[]),
    Client::new("Dawn", "the same, by the same shaders", "webgpu.mjs", &[]),
    Client::new("ncnn", "a small network", "network.py", &[]),
    Client::new("taichi", "kernels, atomics, particles", "kernels.py", &[]),
    Client::new("slangpy", "tests that it ships", "slang.py", &[]),
    Client::new("stable-diffusion.cpp", "its ESRGAN with random weights", "upscale.py", &llama::ENVIRONMENT),
    Client::new("test-backend-ops", "llama.cpp's operations", "operations.py", &llama::ENVIRONMENT),
    Client::new("zink", "OpenGL: compute, drawing, transform feedback, queries", "opengl.py", &SURFACELESS),
    Client::new("glmark2", "its scenes by zink, in a window", "gl_scenes.py", &ZINK).in_a_window(),
    Client::new("vkmark", "its scenes, without a window", "scenes.py", &[]),
    Client::new("vkmark/X11", "its scenes, in a window", "scenes.py", &[]).in_a_window(),
];

/// What has Mesa take zink on a device that is a processor.
const ZINK: [(&str, &str); 3] =
    [("GALLIUM_DRIVER", "zink"), ("LIBGL_ALWAYS_SOFTWARE", "1"), ("MESA_LOADER_DRIVER_OVERRIDE", "zink")];
/// The same where there is no screen.
const SURFACELESS: [(&str, &str); 4] = [("EGL_PLATFORM", "surfaceless"), ZINK[0], ZINK[1], ZINK[2]];
/// The X server's screen, larger than any window.
const SCREEN: [u32; 2] = [640, 480];

impl Client {
    const fn new(
        name: &'static str,
        about: &'static str,
        script: &'static str,
        environment: &'static [(&'static str, &'static str)],
    ) -> Self {
        Self { name, about, script, environment, window: false }
    }

    const fn in_a_window(self) -> Self {
        Self { window: true, ..self }
    }

    /// The one of this name.
    ///
    /// # Errors
    /// When there is none.
    pub fn named(name: &str) -> Result<Self> {
        let found = ALL.into_iter().find(|c| c.name == name);
        found.with_context(|| format!("{name} is none of {}", ALL.map(|c| c.name).join(", ")))
    }

    /// Runs it on a driver, over a host of its own where one is needed.
    ///
    /// # Errors
    /// When host or program can't be started; a program that fails is an outcome.
    pub fn run(&self, root: &Root, packages: &ClientPackages, driver: Driver) -> Result<Outcome> {
        let host = if driver.needs_host() { Some(Host::start(root)?) } else { None };
        Ok(self.run_over(packages, driver, host.as_ref(), &[])?.0)
    }

    /// Runs it on a driver with the validation layer before the driver, and before the host's own driver where there is a host.
    ///
    /// # Errors
    /// As [`Self::run`], and when it fails or the layer isn't there: then the layer's silence would mean nothing.
    pub fn run_validated(&self, root: &Root, packages: &ClientPackages, driver: Driver) -> Result<Validation> {
        let settings = validation::of_a_host(packages)?;
        let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let host = if driver.needs_host() { Some(Host::start_with(root, &settings)?) } else { None };
        let settings = validation::of_a_client(packages);
        let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let (outcome, text) = self.run_over(packages, driver, host.as_ref(), &settings)?;
        if let Some(failure) = outcome.failure {
            bail!("under the validation layer {failure}");
        }
        let who = || format!("{} on {driver}", self.name);
        Ok(Validation {
            client: validation::said(&text).with_context(|| format!("before {}: {text}", who()))?,
            host: match host.as_ref().map(Host::log) {
                Some(log) => validation::said(&log).with_context(|| format!("at the host of {}: {log}", who()))?,
                None => BTreeSet::new(),
            },
        })
    }

    /// The outcome, with all that the program said.
    fn run_over(
        &self,
        packages: &ClientPackages,
        driver: Driver,
        host: Option<&Host>,
        settings: &[(&str, &str)],
    ) -> Result<(Outcome, String)> {
        let folder = Folder::new("client")?;
        let said = folder.path().join("said");
        let file = File::create(&said).with_context(|| format!("making {}", said.display()))?;
        let script = workspace().join("tests/clients").join(self.script);
        let server = if self.window { Some(Xvfb::start(SCREEN, &[])?) } else { None };
        let mut command = packages.command(driver, host, &script, folder.path())?;
        command.envs(self.environment.iter().copied()).envs(settings.iter().copied());
        if let Some(server) = &server {
            command.env("DISPLAY", server.display());
        }
        command.stdout(file.try_clone()?).stderr(file);
        let mut running = Running::start(&mut command).with_context(|| format!("starting {}", self.name))?;
        let status = running.ends()?;
        let took = running.age();
        // Whatever it has started ends with it.
        drop(running);
        let text = String::from_utf8_lossy(&fs::read(&said)?).into_owned();
        let how = match status {
            Some(status) if status.success() => None,
            Some(status) => Some(format!("ended with {status}")),
            None => Some("hangs".to_owned()),
        };
        let mut outcome = Outcome { took, ..Outcome::read(&text) };
        let log = host.map(Host::log).unwrap_or_default();
        let how = how.or_else(|| log.contains("fatal").then(|| format!("has the host complain:\n{log}")));
        let how = how.or_else(|| outcome.misses(driver));
        outcome.failure = how.map(|how| format!("{} on {driver} {how}\n{text}", self.name));
        Ok((outcome, text))
    }
}
