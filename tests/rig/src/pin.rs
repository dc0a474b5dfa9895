//! Keeping guest and host to processors of their own, as a machine's virtual processors and its monitor's threads have them: where the
//! system's scheduler puts both on one, or moves them about, timings say little.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, Result};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

fn only(processor: usize) -> nix::Result<CpuSet> {
    let mut set = CpuSet::new();
    set.set(processor)?;
    Ok(set)
}

/// Whether there is one for each.
pub fn possible() -> bool {
    std::thread::available_parallelism().is_ok_and(|n| n.get() >= 2)
}

/// The processors that the calling thread may use.
///
/// # Errors
/// Those of sched_getaffinity(2).
pub fn allowed() -> Result<Vec<usize>> {
    let allowed = sched_getaffinity(Pid::from_raw(0)).context("asking for the processors")?;
    Ok((0..CpuSet::count()).filter(|i| allowed.is_set(*i).unwrap_or(false)).collect())
}

/// Has the calling thread run on this processor alone.
///
/// # Errors
/// For a processor that it may not use.
pub fn this_thread(processor: usize) -> Result<()> {
    let what = || format!("keeping a thread to processor {processor}");
    sched_setaffinity(Pid::from_raw(0), &only(processor).with_context(what)?).with_context(what)
}

/// Has a program that is started later run on this processor alone.
///
/// # Errors
/// For a processor that can't exist.
pub fn command(command: &mut Command, processor: usize) -> Result<()> {
    let set = only(processor).with_context(|| format!("processor {processor}"))?;
    // SAFETY: between fork and exec, one system call on memory that was prepared before.
    unsafe { command.pre_exec(move || sched_setaffinity(Pid::from_raw(0), &set).map_err(io::Error::from)) };
    Ok(())
}

/// Has a process, and what it starts from now on, run on this processor alone.
///
/// # Errors
/// For a processor or a process that doesn't exist.
pub fn process(id: u32, processor: usize) -> Result<()> {
    let what = || format!("keeping process {id} to processor {processor}");
    let pid = Pid::from_raw(i32::try_from(id).with_context(what)?);
    sched_setaffinity(pid, &only(processor).with_context(what)?).with_context(what)
}
