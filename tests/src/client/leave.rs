//! A program that ends in the middle of its work, and destroys nothing.

use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Result, bail};
use ash::vk;
use clap::ValueEnum;

use crate::gpu::Gpu;
use crate::pause::pause;

/// How it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum How {
    /// By exit(3).
    Exit,
    /// It becomes `sleep`, which stays for ten minutes.
    Exec,
}

/// Words of the largest of its buffers.
const WORDS: usize = 100_000;

/// Makes buffers, maps them, has them filled, submits work that it doesn't wait for, and ends after a line of input.
pub fn run(how: How) -> Result<()> {
    let gpu = Gpu::new()?;
    let buffers = (1..=20).map(|n| gpu.buffer(n * WORDS / 20)).collect::<Result<Vec<_>>>()?;
    let fill = |cmd, value| {
        for buffer in &buffers {
            // SAFETY: recording; inside of the buffer.
            unsafe { gpu.device.cmd_fill_buffer(cmd, buffer.buffer, 0, vk::WHOLE_SIZE, value) };
        }
    };
    gpu.run(|cmd| fill(cmd, 7))?;
    for buffer in &buffers {
        buffer.expect("a filled buffer", |_| 7)?;
    }
    pause("working")?;
    let again = [gpu.record(|cmd| fill(cmd, 8))?];
    let submit = [vk::SubmitInfo::default().command_buffers(&again)];
    // SAFETY: handles of this device, which nobody destroys.
    unsafe { gpu.device.queue_submit(gpu.queue, &submit, vk::Fence::null())? };
    match how {
        How::Exit => std::process::exit(0),
        How::Exec => bail!("exec: {}", Command::new("sleep").arg("600").exec()),
    }
}
