//! RamaLama: it serves models with the llama-server of this machine, or has a container engine do so.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::cache::Wheel;
use crate::llama::{self, Server};
use crate::{Driver, Host, Root, cache, http};

const RECIPE: &str = include_str!("../ramalama.sh");
const WHEEL: Wheel = Wheel {
    package: "ramalama==0.25.0",
    file: "ramalama-0.25.0-py3-none-any.whl",
    sha256: "889066febc228f4f149b08d5a06c9d0ff2f7f0fa001b2c8a28b4629dbfc43c7d",
};

/// What llama-server is told through it, as [`llama::ARGUMENTS`] says.
const RUNTIME_ARGUMENTS: &str = "--log-verbosity 4 --batch-size 8 --ubatch-size 8";

/// RamaLama in the rig's root, with a Python of its own.
#[derive(Clone, Debug)]
pub struct RamaLama {
    root: Root,
    tree: PathBuf,
    package: PathBuf,
    llama: PathBuf,
}

impl RamaLama {
    /// Makes and fetches what isn't in the cache yet.
    ///
    /// # Errors
    /// When it can't be had; with the recipe's output.
    pub fn ensure(root: &Root) -> Result<Self> {
        // Another root has other libraries.
        let from = root.path().file_name().unwrap_or_default().to_string_lossy();
        let about = "making a small tree with Python for RamaLama (10 MB from Debian's archive)";
        let tree = cache::made("ramalama", &[RECIPE, &from], about, |new| {
            cache::run(cache::recipe(RECIPE, new)?.arg(root.path()))
        })?;
        Ok(Self { root: root.clone(), tree, package: WHEEL.unpacked()?, llama: llama::server()? })
    }

    /// A command that runs `ramalama` on a driver, over `host` if the driver needs one. Models are kept in the folder `store`; the arguments are to follow.
    ///
    /// # Errors
    /// As [`Root::client`].
    pub fn command(&self, driver: Driver, host: Option<&Host>, store: &Path) -> Result<Command> {
        let mut command = self.root.client(driver, host, self.tree.join("usr/bin/python3.13"))?;
        let modules = format!("{}:{}/usr/lib/python3/dist-packages", self.package.display(), self.tree.display());
        let programs = self.llama.parent().context("llama-server is in no folder")?;
        command
            .args(["-c", "from ramalama.cli import main; main()", "--store"])
            .arg(store)
            .env("PYTHONPATH", modules)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("LD_LIBRARY_PATH", self.tree.join("usr/lib/x86_64-linux-gnu"))
            .env("PATH", format!("{}:/usr/sbin:/usr/bin", programs.display()));
        Ok(command)
    }

    /// Has it serve the model in a file without a container, `clients` answers at a time, and waits until it answers. `folder` holds its store and logs.
    ///
    /// # Errors
    /// When it doesn't start; with the end of its log.
    pub fn serve(
        &self,
        driver: Driver,
        host: Option<&Host>,
        model: &Path,
        clients: u32,
        folder: &Path,
    ) -> Result<Server> {
        let (port, log) = (http::free_port()?, folder.join(format!("{driver}.log")));
        let mut command = self.command(driver, host, &folder.join("store"))?;
        command
            .args(["--nocontainer", "serve", "--host", "127.0.0.1", "--port", &port.to_string(), "--webui", "off"])
            .args(["--ngl", "99", "--ctx-size", "2048", "--runtime-args", RUNTIME_ARGUMENTS])
            .arg(format!("file://{}", model.display()))
            .envs(llama::ENVIRONMENT)
            .env(llama::PARALLEL, clients.to_string());
        let file = File::create(&log).with_context(|| format!("making {}", log.display()))?;
        command.stdout(file.try_clone()?).stderr(file);
        Server::start_whole(command, None, port, &log)
    }
}
