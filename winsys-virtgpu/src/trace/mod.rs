//! `HESPER_TRACE=<file>`: what happened when, in the Trace Event Format that Perfetto and chrome://tracing read.
//!
//! Times are those of CLOCK_MONOTONIC, so traces of several programs of one machine go together.
//!
//! Switched off, a span costs one load of a word that never changes. Switched on, an event is written to a mapping of the file
//! (`file`) when it ends: a program that aborts or is killed loses the spans that haven't ended, and nothing else but, with
//! luck of some nanoseconds, a part of the line that a thread is writing just then. The file's list is left open, which
//! viewers accept.

mod file;
mod line;

use std::cell::RefCell;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Instant;

use nix::time::{ClockId, clock_gettime};

use file::{TraceFile, Window};
use line::{Event, Line};

static ON: AtomicBool = AtomicBool::new(false);
static OUT: OnceLock<Out> = OnceLock::new();

struct Out {
    file: TraceFile,
    process: u32,
    start: Instant,
    /// `start` in nanoseconds of CLOCK_MONOTONIC.
    clock: u64,
}

/// What a thread writes its events with.
#[derive(Default)]
struct Thread {
    /// From 1 on, in the order of the threads' first events; 0 before that.
    number: u32,
    window: Option<Window>,
}

thread_local! {
    static THREAD: RefCell<Thread> = RefCell::default();
}

/// Begins to write a trace to `path`, in place of a file that is there; does nothing if one is being written.
///
/// # Errors
/// Those of making the file, and of mapping it: it can't be a pipe, or lie on a file system without mappings.
pub fn begin(path: &Path) -> std::io::Result<()> {
    if OUT.get().is_some() {
        return Ok(());
    }
    let clock = clock_gettime(ClockId::CLOCK_MONOTONIC)?;
    let clock = clock.tv_sec() as u64 * 1_000_000_000 + clock.tv_nsec() as u64;
    let process = std::process::id();
    // Viewers tell the format by the first event, which must not be far from the start.
    let first = Event { process, thread: 0, name: "the trace begins", start: clock, duration: 0, value: 0 };
    let file = TraceFile::create(path, &[b"[\n", Line::new(&first).bytes()].concat())?;
    if OUT.set(Out { file, process, start: Instant::now(), clock }).is_ok() {
        ON.store(true, Ordering::Release);
    }
    Ok(())
}

/// Whether a trace is being written.
#[inline(always)]
pub fn on() -> bool {
    ON.load(Ordering::Relaxed)
}

/// Something that takes time; it ends when this is dropped.
pub struct Span {
    name: &'static str,
    start: Instant,
    value: u64,
}

/// Begins a span.
#[inline(always)]
pub fn span(name: &'static str) -> Option<Span> {
    if on() { Some(Span { name, start: Instant::now(), value: 0 }) } else { None }
}

impl Span {
    /// A number to show with it: bytes, looks, a position.
    pub fn value(&mut self, value: u64) {
        self.value = value;
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        record(self.name, self.start, Instant::now(), self.value);
    }
}

/// Something that happens at a moment.
#[inline(always)]
pub fn instant(name: &'static str, value: u64) {
    if on() {
        let now = Instant::now();
        record(name, now, now, value);
    }
}

#[cold]
fn record(name: &'static str, start: Instant, end: Instant, value: u64) {
    let Some(out) = OUT.get() else { return };
    // A thread that is ending has nothing to write with.
    let _ = THREAD.try_with(|t| t.borrow_mut().write(out, name, start, end, value));
}

impl Thread {
    fn write(&mut self, out: &Out, name: &'static str, start: Instant, end: Instant, value: u64) {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        if self.number == 0 {
            self.number = NEXT.fetch_add(1, Ordering::Relaxed);
        }
        let nanoseconds = |from: Instant, to: Instant| to.saturating_duration_since(from).as_nanos() as u64;
        let line = Line::new(&Event {
            process: out.process,
            thread: self.number,
            name,
            start: out.clock + nanoseconds(out.start, start),
            duration: nanoseconds(start, end),
            value,
        });
        if self.window.as_mut().is_some_and(|w| w.append(line.bytes())) {
            return;
        }
        // A window that another thread has left may be as full.
        while let Ok(mut window) = out.file.window() {
            if window.append(line.bytes()) {
                self.window = Some(window);
                return;
            }
        }
        // A full disk ends the trace, not the program.
        ON.store(false, Ordering::Relaxed);
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        if let (Some(out), Some(window)) = (OUT.get(), self.window.take()) {
            out.file.give_back(window);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::process::Command;

    use super::*;

    const CALLS: u64 = 3000;
    /// Names the file to a test's own program when it runs as a child.
    const FILE: &str = "HESPER_TEST_TRACE_FILE";

    fn path(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("hesper-trace-{name}-{}.json", std::process::id()))
    }

    /// The events of a trace as a viewer reads them.
    fn events(path: &Path) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(path).unwrap();
        std::fs::remove_file(path).unwrap();
        assert!(text.starts_with("[\n{\""), "{}", &text[..100]);
        serde_json::from_str(&format!("{}]", text.trim_end().trim_end_matches(','))).unwrap()
    }

    #[test]
    fn spans_of_all_threads_are_written() {
        assert!(span("nothing yet").is_none());
        let path = path("spans");
        begin(&path).unwrap();
        span("outer").unwrap().value(7);
        std::thread::spawn(|| instant("elsewhere", 8)).join().unwrap();
        let events = events(&path);
        let event = |name: &str| events.iter().find(|e| e["name"] == name).unwrap();
        assert_eq!(event("outer")["args"]["value"], 7);
        assert_eq!((&event("elsewhere")["args"]["value"], &event("elsewhere")["dur"]), (&8.into(), &0.0.into()));
        assert_ne!(event("outer")["tid"], event("elsewhere")["tid"]);
        assert!(events.iter().all(|e| e["ts"].as_f64() >= events[0]["ts"].as_f64()));
    }

    /// Not a test by itself: what `a_program_that_aborts_loses_nothing` runs in a process of its own.
    #[test]
    fn child_that_aborts() {
        let Some(path) = std::env::var_os(FILE) else { return };
        begin(Path::new(&path)).unwrap();
        let call = |n| span("call").unwrap().value(n);
        std::thread::scope(|s| {
            for thread in 0..4 {
                s.spawn(move || (0..CALLS).for_each(|n| call(thread * CALLS + n)));
            }
        });
        // Threads that still live.
        let (done, all_done) = std::sync::mpsc::channel();
        for thread in 4..8 {
            let done = done.clone();
            std::thread::spawn(move || {
                (0..CALLS).for_each(|n| call(thread * CALLS + n));
                done.send(()).unwrap();
                loop {
                    std::thread::park();
                }
            });
        }
        (0..4).for_each(|_| all_done.recv().unwrap());
        call(8 * CALLS);
        std::process::abort();
    }

    #[test]
    fn a_program_that_aborts_loses_nothing() {
        let path = path("abort");
        // A longer file from before goes away.
        std::fs::write(&path, vec![b'x'; 8 << 20]).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap());
        let out = child.args(["--exact", "trace::tests::child_that_aborts"]).env(FILE, &path).output().unwrap();
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&out.status), Some(libc::SIGABRT), "{out:?}");
        let events = events(&path);
        let mut calls: Vec<u64> =
            events.iter().filter(|e| e["name"] == "call").map(|e| e["args"]["value"].as_u64().unwrap()).collect();
        calls.sort_unstable();
        assert!(calls.iter().copied().eq(0..=8 * CALLS), "{} calls", calls.len());
    }

    #[test]
    fn a_file_that_cannot_be_mapped_is_an_error() {
        assert!(TraceFile::create(Path::new("/dev/null"), b"[").is_err());
        assert!(Path::new("/dev/null").exists());
        assert!(TraceFile::create(Path::new("/proc/nowhere/trace"), b"[").is_err());
    }
}
