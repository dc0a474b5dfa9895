//! Opens the driver that its argument names as the Vulkan loader would, and has its device do a job. What it finds goes to standard
//! output as lines of a name and a value, for `cargo xtask build`.
//!
//! It needs neither the loader nor the rig's tree, so it runs wherever the C library of the driver's target does.

mod buffer;
mod job;

use std::ffi::CStr;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, ensure};
use hesper_rig_open::Driver;

/// A name whose lookup panics in the driver (`icd/src/loader/interface.rs`).
const PANICS: &CStr = c"hesperPanics";

/// The stack that musl gives a program's threads: the smallest that a driver is called on.
const STACK: usize = 128 << 10;

fn main() -> Result<()> {
    let thread = std::thread::Builder::new().stack_size(STACK).spawn(run).context("starting a thread")?;
    thread.join().map_err(|_| anyhow!("the thread panicked"))?
}

fn run() -> Result<()> {
    let library = std::env::args().nth(1).context("which library?")?;
    let start = Instant::now();
    let driver = Driver::open(&library)?;
    println!("load_us {}", start.elapsed().as_micros());
    println!("interface {}", driver.interface);
    ensure!(!driver.has(PANICS), "the driver has an entry point that panics when it is looked up");
    let start = Instant::now();
    let device = job::run(&driver.entry())?;
    println!("use_us {}", start.elapsed().as_micros());
    println!("device {device}");
    Ok(())
}
