//! The kernel's own record of which thread had which processor, and who woke whom (Linux, Documentation/trace/ftrace.rst): a recorder of this run's own, beside whoever else
//! traces.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::mount::{MsFlags, mount};
use nix::time::{ClockId, clock_gettime};

use crate::output::Row;
use crate::run_queue::{Span, Waits};

/// Where tracefs belongs.
const TRACING: &str = "/sys/kernel/tracing";
/// What each processor's buffer holds, in KiB: some seconds beside two busy threads a processor.
const BUFFER: &str = "8192";
const EVENTS: [&str; 4] = ["sched_switch", "sched_waking", "sched_wakeup", "sched_wakeup_new"];
/// What instances of such recorders begin with; then come the process's number and the time.
const NAME: &str = "hesper-";

/// A recorder, and where to tell what was found.
#[derive(Debug)]
pub struct Scheduler {
    pub recorder: Recorder,
    folder: PathBuf,
}

impl Scheduler {
    /// Makes the folder, and a recorder.
    ///
    /// # Errors
    /// Where this process can't trace, and those of the file system.
    pub fn new(folder: PathBuf) -> Result<Self> {
        fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        Ok(Self { recorder: Recorder::on(Instance::new()?)?, folder })
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

/// A buffer of the kernel's for one recorder.
#[derive(Debug)]
pub struct Instance {
    path: PathBuf,
}

/// Records while it is told to.
#[derive(Debug)]
pub struct Recorder(Instance);

impl Instance {
    /// One that nothing is recorded into. Those that such processes have left behind which were killed are removed. Tracefs stays mounted, as systemd has it: nobody could
    /// tell whether another program traces by then.
    ///
    /// # Errors
    /// Where the kernel has no tracefs, or this process isn't allowed to trace.
    pub fn new() -> Result<Self> {
        let all = Path::new(TRACING).join("instances");
        if !all.exists() {
            let mounted = mount(Some("tracefs"), TRACING, Some("tracefs"), MsFlags::empty(), None::<&str>);
            // Another one may be first.
            if !all.exists() {
                mounted.with_context(|| format!("mounting tracefs at {TRACING}, which takes root's rights"))?;
            }
        }
        for left in fs::read_dir(&all).into_iter().flatten().flatten() {
            let name = left.file_name();
            let process = name.to_str().and_then(|n| n.strip_prefix(NAME)).and_then(|n| n.split('-').next());
            if process.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
                // Another one may be first.
                let _ = fs::remove_dir(left.path());
            }
        }
        let path = all.join(format!("{NAME}{}-{}", std::process::id(), now()?));
        fs::create_dir(&path).with_context(|| format!("making {}", path.display()))?;
        Ok(Self { path })
    }
}

impl Recorder {
    /// One that records nothing yet.
    ///
    /// # Errors
    /// Where the kernel has another kind of trace, and those of the file system.
    pub fn on(instance: Instance) -> Result<Self> {
        let recorder = Self(instance);
        recorder.write("tracing_on", "0")?;
        // That of CLOCK_MONOTONIC, as in the traces of driver and test layer.
        recorder.write("trace_clock", "mono")?;
        recorder.write("buffer_size_kb", BUFFER)?;
        for event in EVENTS {
            recorder.write(&format!("events/sched/{event}/enable"), "1")?;
        }
        Ok(recorder)
    }

    /// Forgets what was recorded, and records nothing until [`Self::resume`].
    ///
    /// # Errors
    /// Those of the file system.
    pub fn begin(&self) -> Result<()> {
        self.pause()?;
        self.write("trace", "")
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
        let text = fs::read(self.0.path.join("trace")).context("reading the scheduler's trace")?;
        let lost = self.lost().context("reading how much of the scheduler's trace is lost")?;
        self.begin()?;
        ensure!(lost == 0, "the scheduler's trace has lost {lost} events: fewer repetitions leave it enough room");
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// How many events had no room.
    fn lost(&self) -> Result<u64> {
        let of = |processor: std::io::Result<fs::DirEntry>| -> Result<u64> {
            let stats = fs::read_to_string(processor?.path().join("stats"))?;
            let count = |name: &str| -> Result<u64> {
                let line = stats.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
                Ok(line.with_context(|| format!("no count named {name}"))?.trim().parse()?)
            };
            Ok(count("overrun")? + count("commit overrun")? + count("dropped events")?)
        };
        fs::read_dir(self.0.path.join("per_cpu"))?.map(of).sum()
    }

    fn write(&self, file: &str, text: &str) -> Result<()> {
        let path = self.0.path.join(file);
        fs::write(&path, text).with_context(|| format!("writing to {}", path.display()))
    }
}

/// Nanoseconds of CLOCK_MONOTONIC.
fn now() -> Result<u64> {
    let clock = clock_gettime(ClockId::CLOCK_MONOTONIC).context("reading the clock")?;
    u64::try_from(Duration::from(clock).as_nanos()).context("reading the clock")
}

impl Drop for Instance {
    fn drop(&mut self) {
        // The kernel removes what is below.
        let _ = fs::remove_dir(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happens_between_resume_and_pause_is_recorded() {
        // Containers mostly mayn't trace.
        let Ok(instance) = Instance::new() else { return };
        let path = instance.path.clone();
        let recorder = Recorder::on(instance).unwrap();
        let nap = |name: &str| {
            let sleeps = || (0..50).for_each(|_| std::thread::sleep(Duration::from_micros(200)));
            std::thread::Builder::new().name(name.into()).spawn(sleeps).unwrap().join().unwrap();
        };
        nap("hesper-before");
        let start = recorder.resume().unwrap();
        nap("hesper-within");
        let end = recorder.pause().unwrap();
        nap("hesper-behind");
        let text = recorder.take().unwrap();
        // The last switch of a thread comes behind its end.
        let naps = |name: &str| text.matches(&format!("sched_wakeup: comm={name}")).count();
        assert_eq!((naps("hesper-before"), naps("hesper-behind")), (0, 0));
        assert!(naps("hesper-within") >= 50, "{text}");
        let waits = Waits::of(&text, std::slice::from_ref(&(start..end)), 1).to_string();
        assert!(waits.contains("\nhesper-within (") && !waits.contains("can't be read"), "{waits}");
        assert!(!recorder.take().unwrap().contains("hesper-within"), "it was taken");
        drop(recorder);
        assert!(!path.exists());
    }

    #[test]
    fn what_killed_processes_left_is_removed() {
        let Ok(instance) = Instance::new() else { return };
        // No process has such a number.
        let left = instance.path.with_file_name(format!("{NAME}4294967295-1"));
        fs::create_dir(&left).unwrap();
        let other = Instance::new().unwrap();
        assert!(!left.exists() && instance.path.exists() && other.path.exists());
    }
}
