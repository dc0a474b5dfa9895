//! A program while it runs.

use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// Longer than any of them takes on two slow cores, also under the validation layer.
const PATIENCE: Duration = Duration::from_secs(300);

/// A program that leads a process group; the group is killed when dropped.
pub struct Running {
    child: Child,
    since: Instant,
}

impl Running {
    /// Starts one without input.
    pub fn start(command: &mut Command) -> std::io::Result<Self> {
        Ok(Self { child: command.process_group(0).stdin(Stdio::null()).spawn()?, since: Instant::now() })
    }

    /// How it ends, if it does in time.
    pub fn ends(&mut self) -> std::io::Result<Option<ExitStatus>> {
        while self.age() < PATIENCE {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Some(status));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(None)
    }

    /// How long ago it was started.
    pub fn age(&self) -> Duration {
        self.since.elapsed()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Gone already is as good.
        if let Ok(group) = i32::try_from(self.child.id()) {
            let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        }
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::folder::Folder;

    #[test]
    fn nothing_that_a_program_started_outlives_it() {
        let folder = Folder::new("client").unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 60 & echo $! >child"]).current_dir(folder.path());
        let mut running = Running::start(&mut command).unwrap();
        assert!(running.ends().unwrap().unwrap().success());
        drop(running);
        let child = fs::read_to_string(folder.path().join("child")).unwrap();
        let start = Instant::now();
        // A killed process that nobody waits for yet is a zombie, whose command line is empty.
        let runs = || fs::read(format!("/proc/{}/cmdline", child.trim())).is_ok_and(|line| !line.is_empty());
        while runs() {
            assert!(start.elapsed() < Duration::from_secs(10), "sleep still runs");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
