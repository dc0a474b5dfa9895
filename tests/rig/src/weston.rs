//! A Wayland compositor that others have written, without a screen, in a tree of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use nix::sys::signal::Signal;

use crate::{Root, cache, display};

/// Without a screen, whose picture anybody may ask for. Its shell for desktops has programs of its own, which need fonts.
pub(crate) const ARGUMENTS: [&str; 5] =
    ["--backend=headless", "--shell=kiosk", "--no-config", "--idle-time=0", "--debug"];
/// Puts the screen's picture into a file of the folder.
pub(crate) const SCREENSHOT: &str = "weston-screenshooter";

/// What a Weston draws with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renderer {
    /// Its own code for processors, for which memory of devices is nothing.
    Pixman,
    /// OpenGL on a processor (llvmpipe), which maps memory of devices (linux-dmabuf).
    Gl,
}

impl Renderer {
    /// Its name in commands and files.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pixman => "pixman",
            Self::Gl => "gl",
        }
    }

    /// What Weston needs for it: its own tree has no OpenGL, for which those of the rig's root are taken from `libraries`.
    pub(crate) fn environment(self, libraries: &Path) -> Vec<(&'static str, PathBuf)> {
        match self {
            Self::Pixman => Vec::new(),
            Self::Gl => vec![("LD_LIBRARY_PATH", libraries.into()), ("LIBGL_ALWAYS_SOFTWARE", "1".into())],
        }
    }
}

/// The tree that it is in.
///
/// # Errors
/// When it can't be made.
pub(crate) fn tree() -> Result<Root> {
    display::tree("weston", "a Wayland compositor (350 MB of Debian's packages)")
}

/// Where Debian has libraries, in a tree.
pub(crate) const LIBRARIES: &str = "usr/lib/x86_64-linux-gnu";

/// How long it may take until programs can connect.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running Weston; it goes away when dropped.
pub struct Weston {
    child: Child,
    socket: PathBuf,
}

impl Weston {
    /// Starts one with a screen of this size that nobody sees; its tree is made if it isn't in the cache yet.
    ///
    /// # Errors
    /// When the tree can't be made or the compositor can't be started.
    pub fn start(renderer: Renderer, [width, height]: [u32; 2]) -> Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let tree = tree()?;
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let (folder, name) = (std::env::temp_dir(), format!("hesper-weston-{}-{number}", std::process::id()));
        let mut command = tree.command("/usr/bin/weston")?;
        command.args(ARGUMENTS).arg(format!("--renderer={}", renderer.name()));
        command.envs(renderer.environment(&Root::ensure()?.path().join(LIBRARIES)));
        command.args([format!("--width={width}"), format!("--height={height}"), format!("--socket={name}")]);
        command.env("XDG_RUNTIME_DIR", &folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().context("starting Weston")?;
        let mut server = Self { child, socket: folder.join(name) };
        let start = Instant::now();
        while !server.socket.exists() {
            if let Some(status) = server.child.try_wait()? {
                bail!("Weston ended with {status}");
            }
            ensure!(start.elapsed() < PATIENCE, "Weston has no socket");
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(server)
    }

    /// What WAYLAND_DISPLAY names it by.
    pub fn display(&self) -> &Path {
        &self.socket
    }

    /// What is on its screen: a PNG file.
    ///
    /// # Errors
    /// When it doesn't say.
    pub fn picture(&self) -> Result<Vec<u8>> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("hesper-picture-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        let mut command = tree()?.command("/bin/sh")?;
        command.args(["-c", &format!("cd '{}' && {SCREENSHOT}", folder.display())]);
        let taken = cache::run(command.env("WAYLAND_DISPLAY", &self.socket)).and_then(|()| {
            let file = fs::read_dir(&folder)?.next().context("Weston's screenshot left no file")??;
            fs::read(file.path()).with_context(|| format!("reading {}", file.path().display()))
        });
        let _ = fs::remove_dir_all(&folder);
        taken
    }

    /// Stops it, as a machine that sleeps would.
    pub fn stop(&self) {
        display::signal(&self.child, Signal::SIGSTOP);
    }

    /// Lets it go on after [`Self::stop`].
    pub fn go_on(&self) {
        display::signal(&self.child, Signal::SIGCONT);
    }

    /// Kills it, as a crash would.
    pub fn kill(&mut self) {
        // Gone already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Weston {
    fn drop(&mut self) {
        display::end(&mut self.child);
        // After a crash its files are still there.
        for file in [self.socket.clone(), self.socket.with_extension("lock")] {
            let _ = fs::remove_file(file);
        }
    }
}
