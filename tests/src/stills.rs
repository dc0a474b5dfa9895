//! What programs leave to be seen while they run: the first pictures that a compositor gets, and a still of one on Weston.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hesper_rig::Weston;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::compositor::{Compositor, Picture};
use crate::png::Png;

/// What libwayland writes down of each picture (WAYLAND_DEBUG).
pub const ATTACHED: &str = ".attach(wl_buffer";
/// How long it may take until pictures are shown, on a machine that has other work.
const PATIENCE: Duration = Duration::from_secs(120);

/// A program, which is killed when it is dropped.
pub struct Running(Child);

impl Running {
    /// Starts it.
    ///
    /// # Panics
    /// When it can't be started.
    pub fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap_or_else(|e| panic!("starting {command:?}: {e}")))
    }

    /// Waits until something is so.
    ///
    /// # Panics
    /// When the program ends before, or it takes too long.
    pub fn until(&mut self, what: &str, is_so: impl Fn() -> bool) {
        let start = Instant::now();
        while !is_so() {
            assert!(start.elapsed() < PATIENCE, "{what} takes too long");
            assert!(self.0.try_wait().unwrap().is_none(), "the program has ended before {what}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// At least so many pictures, the first ones that a program shows on a compositor.
///
/// # Panics
/// When it ends before, or doesn't come to it.
pub fn first(count: usize, compositor: &Compositor, command: &mut Command) -> Vec<Picture> {
    command.env("WAYLAND_DISPLAY", compositor.display()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut program = Running::start(command);
    program.until("its pictures", || compositor.shown() >= count);
    drop(program);
    compositor.take()
}

/// What Weston has on its screen once a program has shown so many pictures, with what the program said to it until then. The program is stopped meanwhile.
///
/// # Panics
/// When it ends before, or doesn't come to it.
pub fn on_weston(weston: &Weston, shown: usize, command: &mut Command) -> (Png, String) {
    let log =
        std::env::temp_dir().join(format!("hesper-still-{}-{:?}", std::process::id(), std::thread::current().id()));
    let said = |log: &Path| std::fs::read_to_string(log).unwrap();
    command.env("WAYLAND_DISPLAY", weston.display()).env("WAYLAND_DEBUG", "client");
    command.stdout(Stdio::null()).stderr(File::create(&log).unwrap());
    let mut program = Running::start(command);
    program.until("its pictures", || said(&log).matches(ATTACHED).count() >= shown);
    kill(Pid::from_raw(program.0.id() as i32), Signal::SIGSTOP).unwrap();
    // Weston shows what it has got with its next refresh.
    std::thread::sleep(Duration::from_millis(500));
    let picture = Png::read(&weston.picture().unwrap()).unwrap();
    drop(program);
    let messages = said(&log);
    std::fs::remove_file(&log).unwrap();
    (picture, messages)
}
