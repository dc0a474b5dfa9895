//! How a process tells the one that has started it how far it came: a line of JSON when a stage begins, and one when it ends.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Bytes of what a process says on standard error that are kept.
const COMPLAINTS: usize = 64 << 10;
/// How long a process that has told everything may take to end.
const ENDS: Duration = Duration::from_secs(5);
/// How long the rest of its complaints may take to come after that.
const REST: Duration = Duration::from_millis(200);

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
    /// It crashed, ended in the middle of a stage, or couldn't be started.
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
    /// The process ended in it.
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
        // A panic ends a process, and libraries may end it, too.
        if self.end == End::Well && self.begun.is_some() {
            self.end = End::Died("it ended before its work did".to_owned());
        }
        self.complaints = std::iter::from_fn(|| complaints.recv_timeout(REST).ok()).collect();
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
            let lines = BufReader::new(out).split(b'\n').map_while(Result::ok);
            for line in lines.filter_map(|l| serde_json::from_slice(&l).ok()) {
                if send.send(line).is_err() {
                    return;
                }
            }
        });
    }
    lines
}

fn complaints_of(child: &mut Child) -> Receiver<String> {
    let (send, complaints) = channel();
    if let Some(err) = child.stderr.take() {
        thread::spawn(move || {
            let mut bytes = 0;
            for line in BufReader::new(err).split(b'\n').map_while(Result::ok) {
                bytes += line.len() + 1;
                // The rest is read and dropped: a full pipe would hold the process up, and a closed one be an error to it.
                if bytes <= COMPLAINTS {
                    // Where nobody listens any more, nothing is lost.
                    let _ = send.send(String::from_utf8_lossy(&line).into_owned() + "\n");
                }
            }
        });
    }
    complaints
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

#[cfg(test)]
mod tests {
    use super::*;

    fn told(script: &str) -> Told {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut told = Told::nothing();
        told.listen(command.spawn().unwrap(), Duration::from_secs(2));
        told
    }

    #[test]
    fn each_end_is_told_apart() {
        let of = |script: &str| told(script).outcome::<u32>("a");
        let (begins, done) = (r#"echo '{"Begins":"a"}';"#, r#"echo '{"Done":["a",7]}';"#);
        assert_eq!(of(&format!("{begins} printf 'text \\377\\n'; {done} exit 1")), Outcome::Done(7));
        assert_eq!(of(&format!(r#"{begins} echo '{{"Failed":["a","why"]}}'"#)), Outcome::Failed("why".to_owned()));
        assert!(matches!(of(&format!("{begins} exit 0")), Outcome::Died(_)));
        assert!(matches!(of(&format!("{begins} kill -9 $$")), Outcome::Died(_)));
        assert!(matches!(of(&format!("{begins} exec sleep 60")), Outcome::Silent(_)));
        assert_eq!(of("exit 1"), Outcome::NotReached);
    }

    #[test]
    fn many_complaints_hold_nobody_up() {
        let all = told(r#"head -c 1000000 /dev/zero | tr '\0' '\n' >&2 && echo '{"Done":["a",7]}'"#);
        assert_eq!(all.outcome::<u32>("a"), Outcome::Done(7));
        assert_eq!(all.complaints.len(), COMPLAINTS);
    }
}
