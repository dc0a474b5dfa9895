//! An X server without a screen, in a tree of its own.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;

use crate::{Root, display};

/// It picks a number that no other server has, and says which on stdout. The size of its screen comes behind them.
pub(crate) const ARGUMENTS: [&str; 10] =
    ["-displayfd", "1", "-nolisten", "tcp", "-noreset", "-ac", "-extension", "GLX", "-screen", "0"];

/// The tree that it is in.
///
/// # Errors
/// When it can't be made.
pub(crate) fn tree() -> Result<Root> {
    display::tree("xvfb", "an X server (70 MB from Debian's archive)")
}

/// A running server; it goes away when dropped.
pub struct Xvfb {
    child: Child,
    number: u32,
}

impl Xvfb {
    /// Starts a server with one screen of 24 bits and this size, with more arguments; its tree is made if it isn't in the cache yet.
    ///
    /// # Errors
    /// When the tree can't be made or the server can't be started.
    pub fn start(size: [u32; 2], arguments: &[&str]) -> Result<Self> {
        let mut command = tree()?.command("/usr/bin/Xvfb")?;
        let [width, height] = size;
        command.args(ARGUMENTS).arg(format!("{width}x{height}x24")).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().context("starting Xvfb")?;
        let mut line = String::new();
        let stdout = child.stdout.take().context("Xvfb has no stdout")?;
        BufReader::new(stdout).read_line(&mut line)?;
        let mut server = Self { child, number: 0 };
        ensure!(!line.is_empty(), "Xvfb ended with {}", server.child.wait()?);
        server.number = line.trim().parse().with_context(|| format!("Xvfb says {line:?}"))?;
        Ok(server)
    }

    /// What DISPLAY names it by.
    pub fn display(&self) -> String {
        format!(":{}", self.number)
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

impl Drop for Xvfb {
    fn drop(&mut self) {
        // It takes its socket and its lock with it.
        display::end(&mut self.child);
    }
}
