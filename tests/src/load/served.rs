//! llama-server on the rig, under a load.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use hesper_rig::llama::{self, Server};
use hesper_rig::models::{self, Weights};
use hesper_rig::{Driver, Host, Root, target_folder};

use super::closed_loop::Load;
use super::measured::Measured;

/// What the rig serves: llama-server and a tiny model, whose speed is all overhead.
#[derive(Clone, Debug)]
pub struct Served {
    root: Root,
    program: PathBuf,
    model: PathBuf,
    logs: PathBuf,
}

impl Served {
    /// Fetches and makes what isn't there.
    ///
    /// # Errors
    /// When it can't be had.
    pub fn ready(root: &Root) -> Result<Self> {
        let logs = target_folder()?.join("llama-logs");
        std::fs::create_dir_all(&logs)?;
        Ok(Self { root: root.clone(), program: llama::server()?, model: models::tiny(Weights::Q4K)?, logs })
    }

    /// A server of its own on a driver under a load, with more environment variables, such as the manifest of another build of the driver.
    ///
    /// # Errors
    /// When the server can't be started, isn't on the driver, or doesn't answer every question.
    pub fn measure(&self, driver: Driver, environment: &[(&str, &str)], load: &Load) -> Result<Measured> {
        let host = if driver.needs_host() { Some(Host::start(&self.root)?) } else { None };
        let log = self.logs.join(format!("load-{driver}-{}.log", std::process::id()));
        let parallel = load.clients.to_string();
        let environment = [&[(llama::PARALLEL, parallel.as_str())], environment].concat();
        let server = Server::start_on(&self.root, driver, host, &self.program, &self.model, &log, &environment)?;
        let device = server.device()?;
        ensure!(device.starts_with("Virtio-GPU Venus (") == driver.needs_host(), "{driver} runs on {device}");
        // Once to warm up: the first answers compile pipelines.
        let warm = Load { time: std::time::Duration::ZERO, ..load.clone() };
        drop(warm.run_at(server.port()));
        let measured = load.run_at(server.port());
        ensure!(measured.failed == 0, "{} questions failed on {driver}: {:?}", measured.failed, measured.errors);
        drop(server);
        let _ = std::fs::remove_file(log);
        Ok(measured)
    }
}
