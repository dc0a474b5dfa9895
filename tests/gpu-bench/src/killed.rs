//! Processes that don't outlive what started them.

use std::io::Result;
use std::process::{Child, Command};

use hesper_rig::processes;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A process; it is killed with all that it has started when this is dropped.
pub struct Killed(pub Child);

impl Killed {
    /// # Errors
    /// When it can't be started.
    pub fn spawn(command: &mut Command) -> Result<Self> {
        command.spawn().map(Self)
    }

    /// Its number.
    pub fn id(&self) -> i32 {
        // The kernel's numbers of processes are positive numbers of this type (pid_t).
        self.0.id() as i32
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        // Of a process that has ended and was waited for, neither the number nor the children are its own any more.
        if matches!(self.0.try_wait(), Ok(Some(_))) {
            return;
        }
        for process in processes::tree(self.id()).unwrap_or_default() {
            // Gone already is as good.
            let _ = kill(Pid::from_raw(process), Signal::SIGKILL);
        }
        let _ = self.0.wait();
    }
}
