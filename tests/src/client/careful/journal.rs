//! What a program that looks at every result writes down: the phase it is in, the first error, the slowest call.

use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use ash::prelude::VkResult;
use ash::vk;
use nix::time::{ClockId, clock_gettime};
use serde_json::json;

/// A call has failed: the program destroys what it has made, and ends.
#[derive(Debug)]
pub struct Failed;

/// The notes of one run.
#[derive(Default)]
pub struct Journal {
    calls: u64,
    slowest: Option<(&'static str, Duration)>,
    error: Option<(&'static str, vk::Result)>,
    wrong: Option<String>,
}

impl Journal {
    /// Says on standard output, at once, that a phase begins, and when: whoever injects faults learns from it where one falls.
    pub fn phase(&self, name: &str) -> Result<()> {
        let now = Duration::from(clock_gettime(ClockId::CLOCK_MONOTONIC)?);
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}", json!({ "phase": name, "at_ns": now.as_nanos() as u64 }))?;
        Ok(out.flush()?)
    }

    /// Makes a call, and notes its time and its error.
    pub fn call<T>(&mut self, name: &'static str, call: impl FnOnce() -> VkResult<T>) -> Result<T, Failed> {
        let done = self.plain(name, call);
        done.map_err(|code| {
            self.error.get_or_insert((name, code));
            Failed
        })
    }

    /// Makes a call that has no result, and notes its time.
    pub fn plain<T>(&mut self, name: &'static str, call: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let done = call();
        let took = start.elapsed();
        self.calls += 1;
        if self.slowest.is_none_or(|(_, slowest)| took > slowest) {
            self.slowest = Some((name, took));
        }
        done
    }

    /// Notes an error that is reported in another way than by a call's result; `what` begins with a command's name only where it has one.
    pub fn fail(&mut self, what: &'static str, code: vk::Result) -> Failed {
        self.error.get_or_insert((what, code));
        Failed
    }

    /// Notes what a device has computed wrongly though every call has reported success.
    pub fn check(&mut self, right: bool, what: impl FnOnce() -> String) {
        if !right && self.error.is_none() {
            self.wrong.get_or_insert_with(what);
        }
    }

    /// Prints everything, with what the process still holds. An error is an expected end; wrong values aren't.
    pub fn end(self, held: Held) -> Result<()> {
        let slowest = self.slowest.map(|(name, took)| json!({ "call": name, "us": took.as_micros() as u64 }));
        let error = self.error.map(|(name, code)| json!({ "call": name, "code": code.as_raw() }));
        println!(
            "{}",
            json!({
                "calls": self.calls, "slowest": slowest, "error": error, "wrong": self.wrong,
                "files": held.files, "shared": held.shared,
            })
        );
        ensure!(self.wrong.is_none(), "{:?}", self.wrong);
        Ok(())
    }
}

/// What a process holds.
#[derive(Clone, Copy, Debug)]
pub struct Held {
    /// Open files.
    pub files: u64,
    /// Mappings of memory that others have, too.
    pub shared: u64,
}

impl Held {
    /// Of this process, now.
    ///
    /// # Errors
    /// When /proc can't be read; a process without room for another open file can't.
    pub fn now() -> Result<Self> {
        let maps = std::fs::read_to_string("/proc/self/maps")?;
        let shared = maps.lines().filter(|l| l.split(' ').nth(1).is_some_and(|p| p.ends_with('s'))).count() as u64;
        Ok(Self { files: std::fs::read_dir("/proc/self/fd")?.count() as u64, shared })
    }

    /// What has come since `before`.
    pub fn since(self, before: Self) -> Self {
        Self { files: self.files.saturating_sub(before.files), shared: self.shared.saturating_sub(before.shared) }
    }
}
