//! `HESPER_TRACE=<file>`: what happened when, in the Trace Event Format that Perfetto and chrome://tracing read.
//!
//! Times are those of CLOCK_MONOTONIC, so traces of several programs of one machine go together.
//!
//! Switched off, a span costs one load of a word that never changes. Each thread gathers its events and writes them out
//! when it has many, when it ends, and when [`flush`] is called; the file's list is left open, which viewers accept.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Instant;

use nix::time::{ClockId, clock_gettime};
use parking_lot::Mutex;

static ON: AtomicBool = AtomicBool::new(false);
static OUT: OnceLock<Out> = OnceLock::new();
/// Events that a thread gathers before it writes.
const MANY: usize = 8192;

struct Out {
    file: Mutex<File>,
    start: Instant,
    /// `start` in microseconds of CLOCK_MONOTONIC.
    clock: f64,
}

struct Event {
    name: &'static str,
    start: Instant,
    end: Instant,
    value: u64,
}

#[derive(Default)]
struct Thread {
    number: u32,
    events: Vec<Event>,
}

thread_local! {
    static THREAD: RefCell<Thread> = RefCell::default();
}

/// Begins to write a trace to `path`; does nothing if one is being written.
///
/// # Errors
/// Those of creating the file.
pub fn begin(path: &Path) -> std::io::Result<()> {
    if OUT.get().is_some() {
        return Ok(());
    }
    let mut file = File::create(path)?;
    file.write_all(b"[\n")?;
    let clock = clock_gettime(ClockId::CLOCK_MONOTONIC)?;
    let clock = clock.tv_sec() as f64 * 1e6 + clock.tv_nsec() as f64 / 1e3;
    if OUT.set(Out { file: Mutex::new(file), start: Instant::now(), clock }).is_ok() {
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
        record(Event { name: self.name, start: self.start, end: Instant::now(), value: self.value });
    }
}

/// Something that happens at a moment.
#[inline(always)]
pub fn instant(name: &'static str, value: u64) {
    if on() {
        let now = Instant::now();
        record(Event { name, start: now, end: now, value });
    }
}

#[cold]
fn record(event: Event) {
    // A thread that is ending has nowhere to gather.
    let _ = THREAD.try_with(|t| {
        let mut t = t.borrow_mut();
        t.events.push(event);
        if t.events.len() >= MANY {
            t.write();
        }
    });
}

/// Writes out what this thread has gathered.
pub fn flush() {
    if on() {
        let _ = THREAD.try_with(|t| t.borrow_mut().write());
    }
}

impl Thread {
    fn write(&mut self) {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let Some(out) = OUT.get() else { return };
        if self.number == 0 {
            self.number = NEXT.fetch_add(1, Ordering::Relaxed);
        }
        let mut text = String::new();
        for e in self.events.drain(..) {
            let start = out.clock + e.start.saturating_duration_since(out.start).as_nanos() as f64 / 1e3;
            let long = e.end.saturating_duration_since(e.start).as_nanos() as f64 / 1e3;
            // Writing into a String can't fail.
            let _ = writeln!(
                text,
                r#"{{"ph":"X","pid":{},"tid":{},"name":"{}","ts":{start:.3},"dur":{long:.3},"args":{{"value":{}}}}},"#,
                std::process::id(),
                self.number,
                e.name,
                e.value
            );
        }
        // A full disk costs the trace, not the program.
        let _ = out.file.lock().write_all(text.as_bytes());
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.write();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_of_all_threads_are_written() {
        assert!(span("nothing yet").is_none());
        let path = std::env::temp_dir().join(format!("hesper-trace-{}.json", std::process::id()));
        begin(&path).unwrap();
        span("outer").unwrap().value(7);
        std::thread::spawn(|| instant("elsewhere", 8)).join().unwrap();
        flush();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let line = |name: &str| {
            text.lines().find(|l| l.contains(&format!("\"name\":\"{name}\""))).unwrap_or_else(|| panic!("{text}"))
        };
        assert!(text.starts_with("[\n") && line("outer").contains("\"value\":7"));
        assert!(line("elsewhere").contains("\"value\":8") && line("elsewhere").contains("\"dur\":0.000"));
    }
}
