//! The bundle's Venus host: virgl_test_server on the machine's own driver.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use hesper_rig::{Driver, processes};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::host_calls;
use crate::machine::Machine;

/// A running host; it goes away when dropped.
pub struct Host {
    child: Child,
    socket: PathBuf,
    log: PathBuf,
}

impl Host {
    /// Starts a host for the clients of `driver`, if it needs one.
    ///
    /// # Errors
    /// When it can't be started; with its log.
    pub fn for_driver(machine: &Machine, driver: Driver) -> Result<Option<Self>> {
        driver.needs_host().then(|| Self::start(machine, driver)).transpose()
    }

    fn start(machine: &Machine, driver: Driver) -> Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("gpu-bench-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let socket = std::env::temp_dir().join(format!("{name}.socket"));
        let path = socket.with_extension("log");
        let log = File::create(&path).with_context(|| format!("making {}", path.display()))?;
        let mut command = Command::new("/usr/bin/virgl_test_server");
        command
            .args(["--no-virgl", "--venus", "--multi-clients"])
            .arg(format!("--socket-path={}", socket.display()))
            .env("VK_DRIVER_FILES", &machine.native)
            .env("VK_ADD_LAYER_PATH", &machine.layer)
            .env("VK_INSTANCE_LAYERS", host_calls::LAYER)
            .envs(machine.cache_environment(driver))
            .envs(machine.preload())
            .envs(machine.traces())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let nice = machine.host_nice;
        let prepare = move || {
            open_as_many_files_as_allowed()?;
            if nice == 0 { Ok(()) } else { be_nice(nice) }
        };
        // SAFETY: between fork and exec only system calls are made, on memory of this closure.
        unsafe { command.pre_exec(prepare) };
        let child = command.spawn().context("starting virgl_test_server")?;
        let mut host = Self { child, socket, log: path };
        let start = Instant::now();
        while !host.socket.exists() {
            if let Some(status) = host.child.try_wait()? {
                bail!("virgl_test_server ended with {status}:\n{}", host.log());
            }
            ensure!(start.elapsed() < Duration::from_secs(20), "virgl_test_server makes no socket:\n{}", host.log());
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(host)
    }

    /// Where it listens.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// What it has said.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// The server, which has started all the others.
    ///
    /// # Errors
    /// When its number is none of the kernel's.
    pub fn process(&self) -> Result<i32> {
        Ok(i32::try_from(self.child.id())?)
    }

    /// Its processes: the server, one more for each client, and the render servers.
    ///
    /// # Errors
    /// When /proc can't be read.
    pub fn processes(&self) -> Result<Vec<i32>> {
        processes::tree(self.process()?)
    }
}

/// The host keeps files open for its clients' memory: more than a program may have open by default.
fn open_as_many_files_as_allowed() -> std::io::Result<()> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(setrlimit(Resource::RLIMIT_NOFILE, most, most)?)
}

fn be_nice(nice: i32) -> std::io::Result<()> {
    // SAFETY: a call without memory of this process.
    match unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        for process in self.processes().unwrap_or_default() {
            // Gone already is as good.
            let _ = kill(Pid::from_raw(process), Signal::SIGKILL);
        }
        let _ = self.child.wait();
        let _ = fs::remove_file(&self.socket);
        let _ = fs::remove_file(&self.log);
    }
}
