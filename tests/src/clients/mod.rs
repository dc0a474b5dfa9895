//! Programs that nobody here wrote, on the drivers. `cargo xtask clients` runs all of them, tests/clients.rs the quick ones.

mod outcome;
mod running;
mod validation;

use std::collections::BTreeSet;
use std::fs::{self, File};

use anyhow::{Context, Result, bail};
use hesper_rig::models::{self, Tiny};
use hesper_rig::{ClientPackages, Driver, Host, Root, llama, workspace};

pub use outcome::Outcome;
use running::{Folder, Running};
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
}

/// All of them, in the table's order.
pub const ALL: [Client; 12] = [
    Client {
        name: "wgpu",
        about: "compute, storage textures, drawing, indirect draws, queries",
        script: "webgpu.py",
        environment: &[],
    },
    Client { name: "Dawn", about: "the same, by the same shaders", script: "webgpu.mjs", environment: &[] },
    Client { name: "ncnn", about: "a small network", script: "network.py", environment: &[] },
    Client { name: "taichi", about: "kernels, atomics, particles", script: "kernels.py", environment: &[] },
    Client { name: "slangpy", about: "tests that it ships", script: "slang.py", environment: &[] },
    Client {
        name: "stable-diffusion.cpp",
        about: "its ESRGAN with random weights",
        script: "upscale.py",
        environment: &llama::ENVIRONMENT,
    },
    Client {
        name: "whisper.cpp",
        about: "a model with random weights hears a chirp",
        script: "speech.py",
        environment: &llama::ENVIRONMENT,
    },
    Client {
        name: "node-llama-cpp",
        about: "a tiny model goes on from a prompt",
        script: "tokens.mjs",
        environment: &llama::ENVIRONMENT,
    },
    Client { name: "Kompute", about: "the same on GPT4All's llama.cpp", script: "answer.py", environment: &[] },
    Client {
        name: "test-backend-ops",
        about: "llama.cpp's test of its operations",
        script: "operations.py",
        environment: &llama::ENVIRONMENT,
    },
    Client {
        name: "zink",
        about: "OpenGL: compute, drawing, transform feedback, queries",
        script: "opengl.py",
        environment: &ZINK,
    },
    Client { name: "vkmark", about: "its scenes, without a window", script: "scenes.py", environment: &[] },
];

/// What has Mesa take zink where there is no screen.
const ZINK: [(&str, &str); 4] = [
    ("EGL_PLATFORM", "surfaceless"),
    ("GALLIUM_DRIVER", "zink"),
    ("LIBGL_ALWAYS_SOFTWARE", "1"),
    ("MESA_LOADER_DRIVER_OVERRIDE", "zink"),
];

impl Client {
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
        let folder = Folder::new()?;
        let said = folder.path().join("said");
        let file = File::create(&said).with_context(|| format!("making {}", said.display()))?;
        let script = workspace().join("tests/clients").join(self.script);
        let mut command = packages.command(driver, host, &script, folder.path())?;
        command.envs(self.environment.iter().copied()).envs(settings.iter().copied());
        command.env("CLIENT_MODEL", models::tiny(Tiny::F16)?);
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
