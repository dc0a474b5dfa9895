//! `hesper trace`: runs a program with a trace of the driver's, and says where time went.

mod events;
mod summary;

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::time::Instant;

use anyhow::{Context, Result};

use crate::files;
use summary::Summary;

/// What came of a run.
#[derive(Debug)]
pub struct Run {
    /// Where time went, or why nothing is known.
    pub text: String,
    /// The program's own status; 128 and the signal's number where one ended it, as shells have it.
    pub status: u8,
}

/// Runs `program` with `arguments`; the trace stays at `keep`, if that is given.
///
/// # Errors
/// When the program can't be started, or its trace not be read.
pub fn run(program: &OsString, arguments: &[OsString], keep: Option<PathBuf>) -> Result<Run> {
    let folder = Folder::new().context("making a folder for the trace")?;
    let file = std::path::absolute(keep.as_deref().unwrap_or(&folder.0.join("trace.json")))?;
    // One of an earlier run isn't this program's.
    files::remove(&file)?;
    outlive_interrupts();
    let start = Instant::now();
    let status = Command::new(program).args(arguments).env("HESPER_TRACE", &file).status();
    let status = status.with_context(|| format!("starting {}", program.to_string_lossy()))?;
    let took = start.elapsed();
    let text = if file.exists() {
        let events = events::read(&file).with_context(|| format!("reading {}", file.display()))?;
        let mut text = Summary::of(events).text(took);
        if keep.is_some() {
            text += &format!("\nthe trace is {}, for ui.perfetto.dev or chrome://tracing\n", file.display());
        }
        text
    } else {
        "the program made no instance of Vulkan on this driver: `hesper doctor` says whether it could\n".to_owned()
    };
    Ok(Run { text, status: code(status) })
}

/// A folder that nobody else may write to, and that goes away.
struct Folder(PathBuf);

impl Folder {
    fn new() -> std::io::Result<Self> {
        let folder = std::env::temp_dir().join(format!("hesper-trace-{}", std::process::id()));
        fs::DirBuilder::new().mode(0o700).create(&folder)?;
        Ok(Self(folder))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left is of no use, and failing to remove it is no news.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Has the keyboard's signal (SIGINT), which ends most servers, end the program alone: its time is summed up nonetheless.
fn outlive_interrupts() {
    extern "C" fn nothing(_: libc::c_int) {}
    // SAFETY: the handler does nothing. The program doesn't inherit it, as it would a signal that is ignored.
    unsafe { libc::signal(libc::SIGINT, nothing as extern "C" fn(libc::c_int) as libc::sighandler_t) };
}

fn code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|s| 128 + s)).unwrap_or(1);
    u8::try_from(code).unwrap_or(1)
}
