//! Calibrated timestamps: the clocks that a device is compared with are the program's own.

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

/// Each clock's time lies between two looks of the program's at it, and the deviation isn't longer than what the call took, by much.
pub fn check(gpu: &Gpu) -> Result<()> {
    if !gpu.has(ash::ext::calibrated_timestamps::NAME) {
        return Ok(());
    }
    let clocks = ash::ext::calibrated_timestamps::Instance::new(&gpu.entry, &gpu.instance);
    // SAFETY: a valid handle of a device with the extension.
    let domains = unsafe { clocks.get_physical_device_calibrateable_time_domains(gpu.physical) }?;
    ensure!(domains.contains(&vk::TimeDomainKHR::DEVICE), "the device's own clock isn't among {domains:?}");
    let infos: Vec<_> = domains.iter().map(|d| vk::CalibratedTimestampInfoKHR::default().time_domain(*d)).collect();
    let clocks = ash::ext::calibrated_timestamps::Device::new(&gpu.instance, &gpu.device);
    let mut last = None;
    for _ in 0..3 {
        let before = domains.iter().map(|d| own(*d)).collect::<Result<Vec<_>>>()?;
        // SAFETY: a device with the extension; domains that it offers.
        let (times, deviation) = unsafe { clocks.get_calibrated_timestamps(&infos) }?;
        ensure!(deviation > 0, "no deviation at all");
        for ((domain, time), before) in domains.iter().zip(&times).zip(before) {
            let (Some(before), Some(after)) = (before, own(*domain)?) else { continue };
            ensure!((before..=after).contains(time), "{domain:?} is {time}, not of {before} to {after}");
        }
        let device = domains.iter().position(|d| *d == vk::TimeDomainKHR::DEVICE).context("no device")?;
        ensure!(last.is_none_or(|last| last < times[device]), "the device's clock stands still");
        last = Some(times[device]);
    }
    Ok(())
}
