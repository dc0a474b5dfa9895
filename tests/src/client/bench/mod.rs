//! What calls cost. One line of JSON a row: name, value, unit; less is better but for units a second.

mod measure;
mod memory;
mod objects;
mod recording;
mod work;

use std::time::Instant;

use anyhow::Result;
use measure::{Bench, row};

use crate::gpu::Gpu;

pub fn run() -> Result<()> {
    start()?;
    let gpu = Gpu::new()?;
    let bench = Bench::new(&gpu)?;
    bench.recording()?;
    bench.descriptors()?;
    bench.waiting()?;
    bench.uploads()?;
    bench.chains()?;
    bench.objects()?;
    bench.queries()?;
    bench.patience()?;
    bench.bandwidth()
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
