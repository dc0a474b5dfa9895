//! The kernel's own record of which thread had which processor, and who woke whom (Linux, Documentation/trace/ftrace.rst): a recorder of this run's own, beside whoever else
//! traces.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::time::{ClockId, clock_gettime};

use crate::output::Row;
use crate::run_queue::{Span, Waits};

/// Where tracefs belongs.
const TRACING: &str = "/sys/kernel/tracing";
/// What each processor's buffer holds, in KiB: some seconds beside two busy threads a processor.
const BUFFER: &str = "8192";
const EVENTS: [&str; 2] = ["sched_switch", "sched_wakeup"];

/// A recorder, and where to tell what was found.
#[derive(Debug)]
pub struct Scheduler {
    pub recorder: Recorder,
    pub folder: PathBuf,
}

impl Scheduler {
    /// Makes the folder, and a recorder.
    ///
    /// # Errors
    /// As [`Recorder::new`].
    pub fn new(folder: PathBuf) -> Result<Self> {
        fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        Ok(Self { recorder: Recorder::new()?, folder })
    }

    /// Writes a file for each of these rows: when it was recorded, and the tokens that were computed then.
    ///
    /// # Errors
    /// As [`Recorder::take`].
    pub fn write(&self, rows: &[(Row, Vec<Span>, u64)]) -> Result<()> {
        let trace = self.recorder.take()?;
        for (row, spans, tokens) in rows {
            let name = row.to_string().replace(|c: char| !c.is_ascii_alphanumeric() && c != '.', "-");
            let path = self.folder.join(name + ".txt");
            let text = format!("{row}\n{}", Waits::of(&trace, spans, *tokens));
            fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        }
        Ok(())
    }
}

/// Records while it is told to.
#[derive(Debug)]
pub struct Recorder {
    instance: PathBuf,
    /// Dropped last: nothing can be unmounted that has an instance of ours.
    _mounted: Option<Mounted>,
}

#[derive(Debug)]
struct Mounted;

impl Recorder {
    /// One that records nothing yet.
    ///
    /// # Errors
    /// Where the kernel has no tracefs, or this process isn't allowed to trace.
    pub fn new() -> Result<Self> {
        let root = Path::new(TRACING);
        let mounted = if root.join("instances").exists() { None } else { Some(Mounted::here(root)?) };
        let instance = root.join("instances").join(format!("hesper-{}", std::process::id()));
        fs::create_dir(&instance).with_context(|| format!("making {}", instance.display()))?;
        let recorder = Self { instance, _mounted: mounted };
        recorder.write("tracing_on", "0")?;
        // That of CLOCK_MONOTONIC, as in the traces of driver and test layer.
        recorder.write("trace_clock", "mono")?;
        recorder.write("buffer_size_kb", BUFFER)?;
        for event in EVENTS {
            recorder.write(&format!("events/sched/{event}/enable"), "1")?;
        }
        Ok(recorder)
    }

    /// Goes on recording; from when.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn resume(&self) -> Result<u64> {
        self.write("tracing_on", "1")?;
        now()
    }

    /// Records nothing until [`Self::resume`]; until when it did.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn pause(&self) -> Result<u64> {
        let end = now()?;
        self.write("tracing_on", "0")?;
        Ok(end)
    }

    /// What was recorded since the last time, as lines of text; the recorder forgets it.
    ///
    /// # Errors
    /// Where the kernel has dropped some of it for want of room, and those of the file system.
    pub fn take(&self) -> Result<String> {
        self.pause()?;
        let text = fs::read(self.instance.join("trace")).context("reading the scheduler's trace")?;
        let lost = self.lost()?;
        self.write("trace", "")?;
        ensure!(lost == 0, "the scheduler's trace has lost {lost} events: fewer repetitions leave it enough room");
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// How many events had no room.
    fn lost(&self) -> Result<u64> {
        let processors = fs::read_dir(self.instance.join("per_cpu")).context("reading the scheduler's trace")?;
        let of = |processor: std::io::Result<fs::DirEntry>| -> Result<u64> {
            let stats = fs::read_to_string(processor?.path().join("stats"))?;
            let lost = stats.lines().filter_map(|line| line.strip_prefix("overrun: ")).next();
            Ok(lost.and_then(|n| n.trim().parse().ok()).unwrap_or(0))
        };
        processors.map(of).sum()
    }

    fn write(&self, file: &str, text: &str) -> Result<()> {
        let path = self.instance.join(file);
        fs::write(&path, text).with_context(|| format!("writing to {}", path.display()))
    }
}

/// Nanoseconds of CLOCK_MONOTONIC.
fn now() -> Result<u64> {
    let clock = clock_gettime(ClockId::CLOCK_MONOTONIC).context("reading the clock")?;
    u64::try_from(Duration::from(clock).as_nanos()).context("reading the clock")
}

impl Drop for Recorder {
    fn drop(&mut self) {
        // The kernel removes what is below.
        let _ = fs::remove_dir(&self.instance);
    }
}

impl Mounted {
    fn here(root: &Path) -> Result<Self> {
        mount(Some("tracefs"), root, Some("tracefs"), MsFlags::empty(), None::<&str>)
            .with_context(|| format!("mounting tracefs at {TRACING}, which takes root's rights"))?;
        Ok(Self)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Somebody else may use it by now.
        let _ = umount2(TRACING, MntFlags::empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happens_between_resume_and_pause_is_recorded() {
        // Containers mostly mayn't trace.
        let Ok(recorder) = Recorder::new() else { return };
        let nap = |name: &str| {
            let sleeps = || (0..50).for_each(|_| std::thread::sleep(Duration::from_micros(200)));
            std::thread::Builder::new().name(name.into()).spawn(sleeps).unwrap().join().unwrap();
        };
        let start = now().unwrap();
        nap("hesper-before");
        recorder.resume().unwrap();
        nap("hesper-within");
        recorder.pause().unwrap();
        nap("hesper-behind");
        let text = recorder.take().unwrap();
        assert!(text.contains("hesper-within") && !text.contains("hesper-before") && !text.contains("hesper-behind"));
        let waits = Waits::of(&text, std::slice::from_ref(&(start..now().unwrap())), 1).to_string();
        assert!(waits.contains("hesper-within"), "{waits}");
        assert!(!recorder.take().unwrap().contains("hesper-within"), "it was taken");
        let instance = recorder.instance.clone();
        drop(recorder);
        assert!(!instance.exists());
    }
}
