//! How a process tells the one that has started it how far it came: a line of JSON when a stage begins, and one when it ends.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Bytes of what a process says on standard error that are kept.
const COMPLAINTS: u64 = 64 << 10;
/// How long a process that has told everything may take to end.
const ENDS: Duration = Duration::from_secs(5);

#[derive(Debug, Serialize, Deserialize)]
enum Line {
    Begins(String),
    Done(String, Value),
    Failed(String, String),
}

/// Has `work` done as a stage of this process's, and tells how it went.
///
/// # Errors
/// Those of `work`, which have been told.
pub fn stage<T: Serialize>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    tell(&Line::Begins(name.to_owned()));
    let result = work();
    match &result {
        Ok(found) => tell(&Line::Done(name.to_owned(), serde_json::to_value(found).unwrap_or_default())),
        Err(e) => tell(&Line::Failed(name.to_owned(), format!("{e:#}"))),
    }
    result
}

fn tell(line: &Line) {
    let text = serde_json::to_string(line).unwrap_or_default();
    // Where nobody listens any more, there is nothing to tell.
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// By itself.
    Well,
    /// It told nothing new for so long, and was killed.
    Silent(Duration),
    /// It crashed, or couldn't be started.
    Died(String),
}

/// What came of a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<T> {
    /// It went well.
    Done(T),
    /// It failed, and why.
    Failed(String),
    /// It didn't end within this time.
    Silent(Duration),
    /// The process crashed in it.
    Died(String),
    /// It wasn't begun.
    NotReached,
}

/// All that a process has told.
#[derive(Clone, Debug)]
pub struct Told {
    done: Vec<(String, Value)>,
    failed: Vec<(String, String)>,
    /// The stage that has begun last and not ended.
    begun: Option<String>,
    /// How it ended.
    pub end: End,
    /// What it said on standard error.
    pub complaints: String,
}

impl Told {
    /// Of a process that wasn't started.
    pub fn nothing() -> Self {
        Self { done: Vec::new(), failed: Vec::new(), begun: None, end: End::Well, complaints: String::new() }
    }

    /// Of this program in another process, with these arguments, which is killed when it tells nothing for as long as `patience`.
    pub fn by(arguments: &[OsString], patience: Duration) -> Self {
        // The program itself, even where its file has been replaced meanwhile. A trace of this process's would overwrite what the user asked one for.
        let mut command = Command::new("/proc/self/exe");
        command.args(arguments).env_remove("HESPER_TRACE");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut told = Self::nothing();
        match command.spawn() {
            Ok(child) => told.listen(child, patience),
            Err(e) => told.end = End::Died(format!("can't be started: {e}")),
        }
        told
    }

    fn listen(&mut self, mut child: Child, patience: Duration) {
        let lines = lines_of(&mut child);
        let complaints = complaints_of(&mut child);
        self.end = loop {
            match lines.recv_timeout(patience) {
                Ok(Line::Begins(stage)) => self.begun = Some(stage),
                Ok(Line::Done(stage, found)) => self.ends(|s| s.done.push((stage, found))),
                Ok(Line::Failed(stage, why)) => self.ends(|s| s.failed.push((stage, why))),
                Err(RecvTimeoutError::Disconnected) => break ended(&mut child),
                Err(RecvTimeoutError::Timeout) => {
                    kill(&mut child);
                    break End::Silent(patience);
                }
            }
        };
        self.complaints = complaints.lock().unwrap_or_else(PoisonError::into_inner).clone();
    }

    fn ends(&mut self, note: impl FnOnce(&mut Self)) {
        self.begun = None;
        note(self);
    }

    /// What came of a stage.
    pub fn outcome<T: DeserializeOwned>(&self, stage: &str) -> Outcome<T> {
        if let Some((_, found)) = self.done.iter().find(|(name, _)| name == stage) {
            return match T::deserialize(found) {
                Ok(found) => Outcome::Done(found),
                Err(e) => Outcome::Failed(format!("what was told can't be understood: {e}")),
            };
        }
        if let Some((_, why)) = self.failed.iter().find(|(name, _)| name == stage) {
            return Outcome::Failed(why.clone());
        }
        match (&self.begun, &self.end) {
            (Some(begun), End::Silent(time)) if begun == stage => Outcome::Silent(*time),
            (Some(begun), End::Died(how)) if begun == stage => Outcome::Died(how.clone()),
            _ => Outcome::NotReached,
        }
    }

    /// What came of a stage where it went well.
    pub fn found<T: DeserializeOwned>(&self, stage: &str) -> Option<T> {
        match self.outcome(stage) {
            Outcome::Done(found) => Some(found),
            _ => None,
        }
    }

    /// What was found in all stages that went well, and isn't of another kind.
    pub fn all<T: DeserializeOwned>(&self) -> Vec<T> {
        self.done.iter().filter_map(|(_, found)| T::deserialize(found).ok()).collect()
    }

    /// The stage in which it stopped telling.
    pub fn silent_in(&self) -> Option<&str> {
        if matches!(self.end, End::Silent(_)) { self.begun.as_deref().or(Some("")) } else { None }
    }
}

fn lines_of(child: &mut Child) -> Receiver<Line> {
    let (send, lines) = channel();
    if let Some(out) = child.stdout.take() {
        thread::spawn(move || {
            // Lines of others are left out: libraries that a driver needs may print something.
            let lines = BufReader::new(out).lines().map_while(Result::ok);
            for line in lines.filter_map(|l| serde_json::from_str(&l).ok()) {
                if send.send(line).is_err() {
                    return;
                }
            }
        });
    }
    lines
}

fn complaints_of(child: &mut Child) -> Arc<Mutex<String>> {
    let said = Arc::new(Mutex::new(String::new()));
    if let Some(err) = child.stderr.take() {
        let said = said.clone();
        thread::spawn(move || {
            for line in BufReader::new(err.take(COMPLAINTS)).lines().map_while(Result::ok) {
                *said.lock().unwrap_or_else(PoisonError::into_inner) += &format!("{line}\n");
            }
        });
    }
    said
}

fn ended(child: &mut Child) -> End {
    let start = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return end(status),
            Ok(None) if start.elapsed() < ENDS => thread::sleep(Duration::from_millis(1)),
            // It has told everything, and hangs while it ends.
            _ => {
                kill(child);
                return End::Well;
            }
        }
    }
}

fn end(status: ExitStatus) -> End {
    use std::os::unix::process::ExitStatusExt;
    match status.signal() {
        Some(signal) => End::Died(format!("killed by signal {signal}")),
        None => End::Well,
    }
}

fn kill(child: &mut Child) {
    // A process in the middle of a call of the kernel's that doesn't return can't be waited for.
    let _ = child.kill();
    thread::sleep(Duration::from_millis(20));
    let _ = child.try_wait();
}
