//! The programs that run while their host is damaged, and what is seen of them.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use hesper_rig::models::{self, Weights};
use hesper_rig::{Driver, Root, build_driver, llama};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// What runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// The test client's part that looks at every result.
    Careful,
    /// llama-bench on a tiny model.
    Llama,
}

impl Program {
    pub fn name(self) -> &'static str {
        match self {
            Self::Careful => "the test client",
            Self::Llama => "llama-bench",
        }
    }

    /// Longer than it runs where nothing is done to it.
    fn patience(self) -> Duration {
        match self {
            Self::Careful => Duration::from_secs(20),
            Self::Llama => Duration::from_secs(60),
        }
    }
}

/// What programs need.
pub struct Equipment {
    pub root: Root,
    client: PathBuf,
    model: PathBuf,
    /// The loader's list with the host's own driver in it.
    fallback: String,
}

impl Equipment {
    /// Makes what isn't there.
    ///
    /// # Errors
    /// When something can't be made.
    pub fn new() -> Result<Self> {
        let built = build_driver()?;
        let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        // The one that tests run, which is there already.
        let build = build.args(["build", "--quiet", "--package=hesper-tests", "--bin=hesper-client"]);
        let status = build.current_dir(hesper_rig::workspace()).status().context("building the test client")?;
        anyhow::ensure!(status.success(), "building the test client failed");
        Ok(Self {
            root: Root::ensure()?,
            client: hesper_rig::target_folder()?.join("debug/hesper-client"),
            model: models::tiny(Weights::Q4K)?,
            fallback: format!("{}:/usr/share/vulkan/icd.d/lvp_icd.json", built.manifest.display()),
        })
    }

    /// A command that runs a program on a driver over whatever listens at `socket`.
    ///
    /// # Errors
    /// Without the right to mount.
    pub fn command(&self, program: Program, driver: Driver, socket: &std::path::Path) -> Result<Command> {
        Ok(match program {
            Program::Careful => {
                let mut command = self.root.client_at(driver, Some(socket), &self.client)?;
                let (name, list) = match driver {
                    Driver::Hesper => ("hesper", self.fallback.clone()),
                    _ => {
                        ("venus", "/usr/share/vulkan/icd.d/virtio_icd.json:/usr/share/vulkan/icd.d/lvp_icd.json".into())
                    }
                };
                command.args(["careful", name]).env("VK_DRIVER_FILES", list);
                command
            }
            Program::Llama => {
                let mut command = self.root.client_at(driver, Some(socket), llama::BENCH)?;
                let model = self.model.display().to_string();
                command.args(["-m", &model, "-ngl", "99", "-p", "16", "-n", "16", "-r", "1", "-o", "csv"]);
                command.envs(llama::ENVIRONMENT);
                command
            }
        })
    }
}

/// A program that has ended, or was ended.
pub struct Ended {
    pub status: Option<ExitStatus>,
    pub lines: Vec<String>,
    pub stderr: String,
    pub at: Instant,
}

/// A program that runs.
pub struct Running {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    readers: Vec<std::thread::JoinHandle<()>>,
    stderr: Arc<Mutex<Vec<u8>>>,
    deadline: Instant,
}

impl Running {
    /// Starts a program in a process group of its own.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn start(program: Program, command: &mut Command) -> Result<Self> {
        let deadline = Instant::now() + program.patience();
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.process_group(0).spawn().context("starting a program")?;
        let (lines, stderr) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<Mutex<Vec<u8>>>::default());
        let (out, err) = (child.stdout.take().context("no output")?, child.stderr.take().context("no output")?);
        let (to_lines, to_stderr) = (lines.clone(), stderr.clone());
        let readers = vec![
            std::thread::spawn(move || {
                for line in BufReader::new(out).lines().map_while(Result::ok) {
                    to_lines.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(line);
                }
            }),
            std::thread::spawn(move || {
                let mut text = Vec::new();
                let _ = BufReader::new(err).read_to_end(&mut text);
                to_stderr.lock().unwrap_or_else(std::sync::PoisonError::into_inner).extend(text);
            }),
        ];
        Ok(Self { child, lines, readers, stderr, deadline })
    }

    /// Its process, which leads a group.
    pub fn process(&self) -> Pid {
        Pid::from_raw(self.child.id() as i32)
    }

    /// Waits for its end; `limit` says how long from now on, asked again and again. A program that doesn't end in time, or not at all, is
    /// ended, and has no status.
    ///
    /// # Errors
    /// When it can't be waited for.
    pub fn wait(mut self, limit: impl Fn() -> Option<Instant>) -> Result<Ended> {
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break Some(status);
            }
            let deadline = limit().map_or(self.deadline, |l| l.min(self.deadline));
            if Instant::now() > deadline {
                let _ = kill(Pid::from_raw(-self.process().as_raw()), Signal::SIGKILL);
                self.child.wait()?;
                break None;
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        let at = Instant::now();
        for reader in self.readers {
            let _ = reader.join();
        }
        let lines = std::mem::take(&mut *self.lines.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        let stderr = std::mem::take(&mut *self.stderr.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        Ok(Ended { status, lines, stderr: String::from_utf8_lossy(&stderr).into_owned(), at })
    }
}
