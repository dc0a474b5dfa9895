//! Programs that nobody here wrote, on the drivers. `cargo xtask clients` runs all of them, tests/clients.rs the quick ones.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use hesper_rig::{ClientPackages, Driver, Host, Root, llama, workspace};

/// A program, and the script in tests/clients that has it work.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    /// As it is called in tables, with its package.
    pub name: &'static str,
    /// What it is asked for.
    pub about: &'static str,
    /// The script's file name.
    script: &'static str,
    /// Settings that it needs.
    environment: &'static [(&'static str, &'static str)],
}

/// All of them, in the table's order.
pub const ALL: [Client; 7] = [
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
        name: "zink",
        about: "OpenGL: compute, drawing, transform feedback, queries",
        script: "opengl.py",
        environment: &ZINK,
    },
];

/// What has Mesa take zink where there is no screen.
const ZINK: [(&str, &str); 4] = [
    ("EGL_PLATFORM", "surfaceless"),
    ("GALLIUM_DRIVER", "zink"),
    ("LIBGL_ALWAYS_SOFTWARE", "1"),
    ("MESA_LOADER_DRIVER_OVERRIDE", "zink"),
];

/// Longer than any of them takes on two slow cores.
const PATIENCE: Duration = Duration::from_secs(300);

/// What came of a run.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The device that the program found, by the name that Vulkan gives it.
    pub device: Option<String>,
    /// Its results, one a line.
    pub results: Vec<String>,
    /// Why it failed, with all that it said.
    pub failure: Option<String>,
    /// How long it ran.
    pub took: Duration,
}

impl Client {
    /// The one of this name.
    ///
    /// # Errors
    /// When there is none.
    pub fn named(name: &str) -> Result<Self> {
        let names = || ALL.map(|c| c.name).join(", ");
        ALL.into_iter().find(|c| c.name == name).with_context(|| format!("{name} is none of {}", names()))
    }

    /// Runs it on a driver, over a host of its own where one is needed.
    ///
    /// # Errors
    /// When host or program can't be started; a program that fails is an outcome.
    pub fn run(&self, root: &Root, packages: &ClientPackages, driver: Driver) -> Result<Outcome> {
        let host = if driver.needs_host() { Some(Host::start(root)?) } else { None };
        let folder = Folder::new()?;
        let said = folder.0.join("said");
        let file = File::create(&said).with_context(|| format!("making {}", said.display()))?;
        let script = workspace().join("tests/clients").join(self.script);
        let mut command = packages.command(driver, host.as_ref(), &script, &folder.0)?;
        command.envs(self.environment.iter().copied());
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let start = Instant::now();
        let mut child = command.spawn().with_context(|| format!("starting {}", self.name))?;
        let status = loop {
            match child.try_wait()? {
                Some(status) => break Some(status),
                None if start.elapsed() > PATIENCE => break None,
                None => std::thread::sleep(Duration::from_millis(10)),
            }
        };
        if status.is_none() {
            child.kill()?;
            child.wait()?;
        }
        let took = start.elapsed();
        let text = String::from_utf8_lossy(&fs::read(&said)?).into_owned();
        let how = match status {
            Some(status) if status.success() => None,
            Some(status) => Some(format!("ended with {status}")),
            None => Some("hangs".to_owned()),
        };
        let mut outcome = Outcome { took, ..read(&text) };
        let log = host.as_ref().map(Host::log).unwrap_or_default();
        let how = how.or_else(|| log.contains("fatal").then(|| format!("the host complains:\n{log}")));
        outcome.failure =
            how.or_else(|| outcome.misses(driver)).map(|how| format!("{} on {driver} {how}\n{text}", self.name));
        Ok(outcome)
    }
}

impl Outcome {
    /// What makes a run that ended well worthless: no result, or another device than the driver's.
    fn misses(&self, driver: Driver) -> Option<String> {
        let Some(device) = &self.device else { return Some("names no device".into()) };
        // Some name the driver, not the device.
        let through = |marks: &[&str]| marks.iter().any(|m| device.contains(m));
        let there = match driver {
            Driver::Native => through(&["llvmpipe"]) && !through(&["Venus", "venus", "hesper"]),
            Driver::Mesa => through(&["Virtio-GPU Venus", "venus:"]),
            Driver::Hesper => through(&["Virtio-GPU Venus", "hesper:"]),
        };
        if !there {
            return Some(format!("runs on {device}"));
        }
        self.results.is_empty().then(|| "has no results".into())
    }

    /// Results that another run has not, and those that it has instead.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let lacks = |from: &Self, to: &Self, sign| {
            let missing = from.results.iter().filter(|r| !to.results.contains(r));
            missing.map(move |r| format!("{sign} {r}")).collect::<Vec<_>>()
        };
        let mut all = lacks(self, other, '-');
        all.extend(lacks(other, self, '+'));
        all
    }
}

/// Reads lines like `device llvmpipe` and `result cards 4f1d9991f5acc0ca`; what else a program says isn't compared.
fn read(text: &str) -> Outcome {
    let after = |start: &str| text.lines().filter_map(|l| l.strip_prefix(start)).map(str::to_owned).collect::<Vec<_>>();
    Outcome { device: after("device ").pop(), results: after("result "), ..Outcome::default() }
}

/// A folder for what a program writes; it goes away when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("hesper-client-{}-{number}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).with_context(|| format!("making {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_read_and_compared() {
        let native = read("device llvmpipe\nnoise\nresult a 1\nresult b 2\n");
        assert_eq!((native.device.as_deref(), native.results.len()), (Some("llvmpipe"), 2));
        let other = read("device Virtio-GPU Venus (llvmpipe)\nresult a 1\nresult b 3\n");
        assert!(native.differences(&native).is_empty());
        assert_eq!(native.differences(&other), ["- b 2", "+ b 3"]);
        assert_eq!(other.differences(&read("")), ["- a 1", "- b 3"]);
    }

    #[test]
    fn a_run_that_missed_the_driver_is_no_good_one() {
        let on = |device: &str| read(&format!("device {device}\nresult a 1\n"));
        assert_eq!(on("llvmpipe").misses(Driver::Native), None);
        assert_eq!(on("Virtio-GPU Venus (llvmpipe)").misses(Driver::Hesper), None);
        assert_eq!(on("hesper: 0.1.0").misses(Driver::Hesper), None);
        assert!(on("llvmpipe").misses(Driver::Hesper).is_some());
        assert!(on("Virtio-GPU Venus (llvmpipe)").misses(Driver::Native).is_some());
        assert!(read("result a 1\n").misses(Driver::Native).is_some());
        assert!(read("device llvmpipe\n").misses(Driver::Native).is_some());
    }
}
