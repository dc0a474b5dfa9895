//! A client that pauses, so that one can look at what it holds.

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use hesper_rig::Usage;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A running client; killed when dropped.
pub struct Paused {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    input: ChildStdin,
    said: Vec<String>,
}

impl Paused {
    /// Starts a client.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn start(command: &mut Command) -> Result<Self> {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("starting the test client")?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else { bail!("no pipes") };
        Ok(Self { child, lines: BufReader::new(output).lines(), input, said: Vec::new() })
    }

    /// Waits until it pauses with these words.
    ///
    /// # Errors
    /// When it ends before.
    pub fn wait(&mut self, at: &str) -> Result<()> {
        while let Some(line) = self.lines.next().transpose()? {
            if line == at {
                return Ok(());
            }
            self.said.push(line);
        }
        bail!("the client ended with {} before it was at {at:?}", self.child.wait()?)
    }

    /// What it holds.
    pub fn usage(&self) -> Usage {
        Usage::of(self.child.id())
    }

    /// Has it go on.
    ///
    /// # Errors
    /// When it has ended.
    pub fn go_on(&mut self) -> Result<()> {
        writeln!(self.input).context("the client has ended")
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// When it has ended.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill(Pid::from_raw(i32::try_from(self.child.id())?), signal).context("the client has ended")
    }

    /// Fails if it has ended.
    ///
    /// # Errors
    /// With how it ended.
    pub fn lives(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            Some(status) => bail!("the client ended by itself with {status}"),
            None => Ok(()),
        }
    }

    /// Waits until it has ended well; what it said but for its pauses.
    ///
    /// # Errors
    /// When it ends otherwise.
    pub fn end(mut self) -> Result<Vec<String>> {
        for line in self.lines.by_ref() {
            self.said.push(line?);
        }
        let status = self.child.wait()?;
        ensure!(status.success(), "the client ended with {status}");
        Ok(std::mem::take(&mut self.said))
    }
}

impl Drop for Paused {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
