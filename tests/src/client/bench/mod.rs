//! What calls cost. One line of JSON a row: name, value, unit; less is better but for units a second.

mod essentials;
mod host_copies;
mod measure;
mod memory;
mod objects;
mod recording;
mod waits;
mod work;

use std::time::Instant;

use anyhow::Result;
use clap::ValueEnum;
use measure::{Bench, row};

use crate::gpu::Gpu;

/// A group of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Group {
    Start,
    Recording,
    Descriptors,
    Essentials,
    Waiting,
    Uploads,
    Chains,
    Objects,
    Queries,
    Patience,
    Waits,
    Bandwidth,
    HostCopies,
}

/// Measures the rows of the groups `only`; where it names none, of all but [`Group::Waits`], which takes long and whose work is another on each host.
pub fn run(only: &[Group]) -> Result<()> {
    let wanted = |g| only.contains(&g) || (only.is_empty() && g != Group::Waits);
    if wanted(Group::Start) {
        start()?;
    }
    let gpu = Gpu::new()?;
    let bench = Bench::new(&gpu)?;
    for group in Group::value_variants().iter().filter(|g| wanted(**g)) {
        match group {
            Group::Start => {}
            Group::Recording => bench.recording()?,
            Group::Descriptors => bench.descriptors()?,
            Group::Essentials => bench.essentials()?,
            Group::Waiting => bench.waiting()?,
            Group::Uploads => bench.uploads()?,
            Group::Chains => bench.chains()?,
            Group::Objects => bench.objects()?,
            Group::Queries => bench.queries()?,
            Group::Patience => bench.patience()?,
            Group::Waits => bench.waits()?,
            Group::Bandwidth => bench.bandwidth()?,
            Group::HostCopies => bench.host_copies()?,
        }
    }
    Ok(())
}

/// From nothing to the end of the first dispatch.
fn start() -> Result<()> {
    let start = Instant::now();
    let gpu = Gpu::new()?;
    let bench = Bench::new(&gpu)?;
    gpu.run(|cmd| gpu.cmd_scale(cmd, &bench.pipeline, bench.set, 64, 0))?;
    row("instance to first dispatch done", start.elapsed().as_secs_f64() * 1e3, "ms");
    Ok(())
}
