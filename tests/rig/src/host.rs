//! The host over a socket: virgl_test_server with lavapipe, in the rig's root or in a tree with another version of both.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::{HostVersion, Root, Usage, driver_build, pin, processes};

/// lavapipe's manifest in every tree.
pub const LAVAPIPE: &str = "/usr/share/vulkan/icd.d/lvp_icd.json";

const SERVER: &str = "/usr/bin/virgl_test_server";
const RENDER_SERVER: &str = "/usr/libexec/virgl_render_server";

/// The variable that all of a host's processes have: its folder.
const MARK: &str = "HESPER_RIG_HOST";

/// A running host; it and its folder go away when dropped.
pub struct Host {
    version: HostVersion,
    child: Child,
    folder: PathBuf,
    socket: PathBuf,
}

impl Host {
    /// Starts a host.
    ///
    /// # Errors
    /// When it can't be started; with its log.
    pub fn start(root: &Root) -> Result<Self> {
        Self::start_with(root, &[])
    }

    /// Starts a host with more environment variables, such as the settings of the test layer (`tests/rig/layer`).
    ///
    /// # Errors
    /// When it can't be started; with its log.
    pub fn start_with(root: &Root, environment: &[(&str, &str)]) -> Result<Self> {
        Self::start_version(root, HostVersion::chosen()?, environment)
    }

    /// Starts a host of a version, whatever is chosen for others.
    ///
    /// # Errors
    /// When its tree can't be made, or it can't be started; with its log.
    pub fn start_version(root: &Root, version: HostVersion, environment: &[(&str, &str)]) -> Result<Self> {
        Self::start_command(version, version.tree(root)?.command(SERVER)?, environment)
    }

    /// Starts a host that has no render server, the program in which virglrenderer runs Venus.
    ///
    /// # Errors
    /// When it can't be started; with its log.
    pub fn start_without_render_server(root: &Root) -> Result<Self> {
        let version = HostVersion::chosen()?;
        let mut command = version.tree(root)?.command("/bin/sh")?;
        // In the mount namespace of this command alone.
        command.args(["-c", &format!("mount --bind /dev/null {RENDER_SERVER} && exec {SERVER} \"$@\""), "sh"]);
        Self::start_command(version, command, &[])
    }

    fn start_command(version: HostVersion, mut command: Command, environment: &[(&str, &str)]) -> Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let build = driver_build::build_driver()?;
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("hesper-host-{}-{number}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        let socket = folder.join("socket");
        let log = File::create(folder.join("log"))?;
        command
            .args(version.arguments())
            .arg(format!("--socket-path={}", socket.display()))
            .env("VK_DRIVER_FILES", LAVAPIPE)
            // The oldest starts a GL driver as well.
            .env("LIBGL_ALWAYS_SOFTWARE", "1")
            .envs(build.layer_environment())
            .envs(environment.iter().copied())
            .env(MARK, &folder)
            .stdin(std::process::Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        // SAFETY: between fork and exec only system calls are made, on memory of this closure.
        unsafe { command.pre_exec(open_as_many_files_as_allowed) };
        let child = command.spawn().context("starting virgl_test_server in the rig's root")?;
        let mut host = Self { version, child, folder, socket };
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

    /// Which virglrenderer it is.
    pub fn version(&self) -> HostVersion {
        self.version
    }

    /// Keeps it to one processor, with the render servers of clients that connect from now on.
    ///
    /// # Errors
    /// For a processor that doesn't exist.
    pub fn pin(&self, processor: usize) -> Result<()> {
        pin::process(self.child.id(), processor)
    }

    /// Where it listens.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// What it has said.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.folder.join("log")).unwrap_or_default()).into_owned()
    }

    /// Kills it and its render servers, as a crash would; those as well whose clients have gone, and which still compile for them.
    pub fn kill(&mut self) {
        // Gone already is as good.
        let _ = self.signal(Signal::SIGKILL);
        let _ = self.child.wait();
        let left = processes::with_variable(MARK, &self.folder.to_string_lossy()).unwrap_or_default();
        for process in left {
            let _ = processes::kill_at_once(process);
        }
    }

    /// Kills the processes that run the clients' contexts, and leaves the server and its render servers alone.
    ///
    /// # Errors
    /// When there are none.
    pub fn kill_workers(&self) -> Result<()> {
        let workers = self.workers()?;
        let killed = workers.iter().filter(|w| processes::kill_at_once(**w).is_ok()).count();
        if killed == 0 { bail!("no context has a process of its own") } else { Ok(()) }
    }

    /// The processes that run the clients' contexts.
    ///
    /// # Errors
    /// When /proc can't be read.
    pub fn workers(&self) -> Result<Vec<i32>> {
        let mut processes = self.processes()?;
        // virglrenderer names a context's process after the context.
        processes.retain(|p| processes::name(*p).starts_with("virgl-"));
        Ok(processes)
    }

    /// Stops it and its render servers, until [`Self::go_on`]. None of their threads runs any more when this returns.
    ///
    /// # Errors
    /// Without the right to.
    pub fn stop(&self) -> Result<()> {
        self.signal(Signal::SIGSTOP)?;
        self.processes()?.into_iter().try_for_each(processes::wait_until_stopped)
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// Without the right to.
    pub fn go_on(&self) -> Result<()> {
        self.signal(Signal::SIGCONT)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        for process in self.processes()? {
            let sent = match signal {
                Signal::SIGKILL => processes::kill_at_once(process),
                _ => kill(Pid::from_raw(process), signal),
            };
            match sent {
                // One that has ended meanwhile.
                Ok(()) | Err(Errno::ESRCH) => {}
                Err(e) => bail!("sending {signal} to the host: {e}"),
            }
        }
        Ok(())
    }

    /// Its processes, parents first: the server, one more for each client, and the render servers, which lead process groups of
    /// their own.
    fn processes(&self) -> Result<Vec<i32>> {
        processes::tree(i32::try_from(self.child.id())?)
    }

    /// What its processes hold, all together.
    ///
    /// # Errors
    /// When /proc can't be read.
    pub fn usage(&self) -> Result<Usage> {
        let mut sum = Usage::default();
        for process in self.processes()? {
            sum += Usage::of(process.unsigned_abs());
        }
        Ok(sum)
    }

    /// The same once it has come to rest: it may still be freeing what it was told to, and not get to it for a while on a busy machine.
    ///
    /// # Errors
    /// When /proc can't be read.
    pub fn settled(&self) -> Result<Usage> {
        let (mut last, mut same) = (self.usage()?, 0);
        while same < 3 {
            std::thread::sleep(Duration::from_millis(100));
            let now = self.usage()?;
            same = if now == last { same + 1 } else { 0 };
            last = now;
        }
        Ok(last)
    }
}

/// The host keeps files open for its clients' memory: more than a program may have open by default.
fn open_as_many_files_as_allowed() -> std::io::Result<()> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(setrlimit(Resource::RLIMIT_NOFILE, most, most)?)
}

impl Drop for Host {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- the host's log, kept in {}:\n{}", self.folder.display(), self.log());
        } else {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}
