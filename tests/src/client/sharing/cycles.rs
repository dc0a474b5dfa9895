//! Export, import, use and close, in any order, again and again: nothing may grow, here or at the host.

use std::os::fd::OwnedFd;

use anyhow::{Context, Result};

use super::objects::{Origin, Shared};
use crate::gpu::Gpu;
use crate::pause::pause;

/// What the test layer rounds memory to, so that a file has the size of what was asked for.
const SIZE: u64 = 1 << 16;

/// Four quarters with a pause after each.
pub fn run(count: u32) -> Result<()> {
    let gpu = Gpu::new()?;
    let imports = gpu.imports();
    let mut random = 1u32;
    for quarter in 1..=4 {
        for i in 0..count / 4 {
            // A linear congruential generator (Numerical Recipes' numbers).
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            cycle(&gpu, imports, random >> 16).with_context(|| format!("cycle {i}"))?;
        }
        // SAFETY: a valid device.
        unsafe { gpu.device.device_wait_idle()? };
        pause(&format!("quarter {quarter}"))?;
    }
    Ok(())
}

fn cycle(gpu: &Gpu, imports: bool, choice: u32) -> Result<()> {
    let made = Shared::new(gpu, SIZE, Origin::New)?;
    let files: Vec<OwnedFd> = (0..1 + choice % 2).map(|_| made.export(gpu)).collect::<Result<_>>()?;
    let mut all = vec![made];
    for file in files {
        if imports && choice & 4 == 0 {
            all.push(Shared::new(gpu, SIZE, Origin::File(file))?);
        }
    }
    if choice & 0x38 == 0 {
        let last = all.last().context("none")?.buffer;
        let fill = gpu.record(|cmd| {
            // SAFETY: recording.
            unsafe { gpu.device.cmd_fill_buffer(cmd, last, 0, SIZE, choice) };
        })?;
        let nothing = gpu.record(|_| ())?;
        let told = gpu.submit_and_tell(fill)?;
        if choice & 0x40 == 0 {
            gpu.submit_after(nothing, told)?;
        }
        // SAFETY: all of them have been waited for.
        unsafe {
            gpu.device.queue_wait_idle(gpu.queue)?;
            gpu.device.free_command_buffers(gpu.pool, &[fill, nothing]);
        }
    }
    if choice & 0x80 != 0 {
        all.reverse();
    }
    all.into_iter().for_each(|shared| shared.free(gpu));
    Ok(())
}
