//! The device's clock, by calibrated timestamps: what the queue writes lies between two looks at it, and it goes as fast as the program's.
//! What a single look is like is checked in `clocks`.

use std::time::Duration;

use anyhow::{Result, ensure};
use ash::vk;

use super::outcome::Outcome;
use crate::gpu::Gpu;

const DOMAINS: [vk::TimeDomainKHR; 2] = [vk::TimeDomainKHR::DEVICE, vk::TimeDomainKHR::CLOCK_MONOTONIC];

/// Both clocks at nearly one time, in nanoseconds, and how far apart they may have been read.
struct Look {
    /// As the queue's timestamps are.
    ticks: u64,
    device: f64,
    own: f64,
    deviation: f64,
}

pub fn run(times: u32) -> Result<Outcome> {
    let gpu = Gpu::new()?;
    if !gpu.has(ash::ext::calibrated_timestamps::NAME) {
        return Ok(Outcome::LeftOut("there are no calibrated timestamps"));
    }
    // SAFETY: a valid physical device.
    let families = unsafe { gpu.instance.get_physical_device_queue_family_properties(gpu.physical) };
    if families[gpu.family as usize].timestamp_valid_bits < 64 {
        return Ok(Outcome::LeftOut("the queue's timestamps wrap"));
    }
    let clocks = ash::ext::calibrated_timestamps::Instance::new(&gpu.entry, &gpu.instance);
    // SAFETY: a valid physical device with the extension.
    let offered = unsafe { clocks.get_physical_device_calibrateable_time_domains(gpu.physical) }?;
    if !DOMAINS.iter().all(|d| offered.contains(d)) {
        return Ok(Outcome::LeftOut("the device's clock and the program's aren't both there"));
    }
    for _ in 0..5 * times {
        let (before, written, after) = (look(&gpu)?, timestamp(&gpu)?, look(&gpu)?);
        let range = before.ticks..=after.ticks;
        ensure!(range.contains(&written), "the queue wrote {written}, which isn't of {range:?}");
        std::thread::sleep(Duration::from_millis(20));
        let end = look(&gpu)?;
        let (device, own) = (end.device - before.device, end.own - before.own);
        // Rates of clocks differ by less than a thousandth.
        let slack = before.deviation + end.deviation + own / 1000.0;
        ensure!(
            (device - own).abs() <= slack,
            "{device} ns for the device are {own} ns for the program, give or take {slack} ns"
        );
    }
    Ok(Outcome::Passed)
}

fn look(gpu: &Gpu) -> Result<Look> {
    let infos = DOMAINS.map(|d| vk::CalibratedTimestampInfoKHR::default().time_domain(d));
    let clocks = ash::ext::calibrated_timestamps::Device::new(&gpu.instance, &gpu.device);
    // SAFETY: domains that the device offers.
    let (times, deviation) = unsafe { clocks.get_calibrated_timestamps(&infos) }?;
    let device = times[0] as f64 * f64::from(gpu.properties.limits.timestamp_period);
    Ok(Look { ticks: times[0], device, own: times[1] as f64, deviation: deviation as f64 })
}

/// The time that the queue writes.
fn timestamp(gpu: &Gpu) -> Result<u64> {
    let info = vk::QueryPoolCreateInfo::default().query_type(vk::QueryType::TIMESTAMP).query_count(1);
    // SAFETY: a valid device; the pool is destroyed after its last use.
    unsafe {
        let pool = gpu.device.create_query_pool(&info, None)?;
        gpu.device.reset_query_pool(pool, 0, 1);
        let stage = vk::PipelineStageFlags::ALL_COMMANDS;
        gpu.run(|cmd| gpu.device.cmd_write_timestamp(cmd, stage, pool, 0))?;
        let mut written = [0u64];
        gpu.device.get_query_pool_results(pool, 0, &mut written, vk::QueryResultFlags::TYPE_64)?;
        gpu.device.destroy_query_pool(pool, None);
        Ok(written[0])
    }
}
