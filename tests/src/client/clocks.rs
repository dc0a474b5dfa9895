//! Calibrated timestamps: the clocks that a device is compared with are the program's own.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use ash::vk;
use nix::time::{ClockId, clock_gettime};

use crate::gpu::Gpu;

/// Nanoseconds of one of the program's clocks.
fn own(domain: vk::TimeDomainKHR) -> Result<Option<u64>> {
    let clock = match domain {
        vk::TimeDomainKHR::CLOCK_MONOTONIC => ClockId::CLOCK_MONOTONIC,
        vk::TimeDomainKHR::CLOCK_MONOTONIC_RAW => ClockId::CLOCK_MONOTONIC_RAW,
        _ => return Ok(None),
    };
    let t = clock_gettime(clock)?;
    Ok(Some(u64::try_from(t.tv_sec())? * 1_000_000_000 + u64::try_from(t.tv_nsec())?))
}

/// What the deviation may have of the device's own clock, in nanoseconds, on top of the time that the call took.
const OF_THE_DEVICE: u64 = 1_000_000;

/// Each clock's time lies between two looks of the program's at it. The deviation is at least what lies between the first clock and the last, and
/// not much more than what the call took.
pub fn check(gpu: &Gpu) -> Result<()> {
    if !gpu.has(ash::ext::calibrated_timestamps::NAME) {
        return Ok(());
    }
    let clocks = ash::ext::calibrated_timestamps::Instance::new(&gpu.entry, &gpu.instance);
    // SAFETY: a valid handle of a device with the extension.
    let mut domains = unsafe { clocks.get_physical_device_calibrateable_time_domains(gpu.physical) }?;
    ensure!(domains.contains(&vk::TimeDomainKHR::DEVICE), "the device's own clock isn't among {domains:?}");
    // Drivers read the clocks in this order, the device's between two of the program's.
    domains.sort_by_key(|d| match *d {
        vk::TimeDomainKHR::CLOCK_MONOTONIC_RAW => 0,
        vk::TimeDomainKHR::CLOCK_MONOTONIC => 2,
        _ => 1,
    });
    let infos: Vec<_> = domains.iter().map(|d| vk::CalibratedTimestampInfoKHR::default().time_domain(*d)).collect();
    let clocks = ash::ext::calibrated_timestamps::Device::new(&gpu.instance, &gpu.device);
    let mut last = None;
    for _ in 0..3 {
        let start = Instant::now();
        let before = domains.iter().map(|d| own(*d)).collect::<Result<Vec<_>>>()?;
        // SAFETY: a device with the extension; domains that it offers.
        let (times, deviation) = unsafe { clocks.get_calibrated_timestamps(&infos) }?;
        ensure!(deviation > 0, "no deviation at all");
        // Nanoseconds from the program's own look at each clock to the driver's.
        let mut since = Vec::new();
        for ((domain, time), before) in domains.iter().zip(&times).zip(before) {
            let (Some(before), Some(after)) = (before, own(*domain)?) else { continue };
            ensure!((before..=after).contains(time), "{domain:?} is {time}, not of {before} to {after}");
            since.push(time - before);
        }
        // The program has looked at its clocks in the same order, so that more lies between the driver's looks than this.
        let apart = since.last().zip(since.first()).map_or(0, |(last, first)| last.saturating_sub(*first));
        let took = u64::try_from(start.elapsed().as_nanos())?;
        // The rates of the program's clocks differ by less than a thousandth.
        ensure!(deviation + took / 1000 >= apart, "a deviation of {deviation} ns, but clocks {apart} ns apart");
        // The host's own deviation is another part of the same time.
        let most = 2 * took + OF_THE_DEVICE;
        ensure!(deviation <= most, "a deviation of {deviation} ns in a call of {took} ns");
        let device = domains.iter().position(|d| *d == vk::TimeDomainKHR::DEVICE).context("no device")?;
        ensure!(last.is_none_or(|last| last < times[device]), "the device's clock stands still");
        last = Some(times[device]);
    }
    Ok(())
}
