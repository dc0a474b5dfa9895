//! VkTimeDomainKHR: clocks next to the device's. The program's clocks are the guest's, which the host's driver doesn't know, so they are read here.

use ash::vk;

use crate::base::chain::{enumerate, slice};
use crate::generated::forward;

/// The guest's clock for a domain; `None` for domains that are the host's.
fn clock(domain: vk::TimeDomainKHR) -> Option<libc::clockid_t> {
    match domain {
        vk::TimeDomainKHR::CLOCK_MONOTONIC => Some(libc::CLOCK_MONOTONIC),
        vk::TimeDomainKHR::CLOCK_MONOTONIC_RAW => Some(libc::CLOCK_MONOTONIC_RAW),
        _ => None,
    }
}

/// Nanoseconds of a clock.
///
/// # Errors
/// ERROR_OUT_OF_HOST_MEMORY, one of the few codes of the commands, where the kernel doesn't tell the time.
fn read(clock: libc::clockid_t) -> Result<u64, vk::Result> {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the local is the only memory that the call writes.
    if unsafe { libc::clock_gettime(clock, &mut t) } != 0 {
        return Err(vk::Result::ERROR_OUT_OF_HOST_MEMORY);
    }
    // Neither member is negative in a clock that starts at 0.
    Ok(t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64)
}

/// Of the host's domains only the device's means the same here; the guest's clocks can be read whatever the host has.
pub unsafe fn get_physical_device_calibrateable_time_domains_khr(
    device: vk::PhysicalDevice,
    p_count: *mut u32,
    to: *mut vk::TimeDomainKHR,
) -> vk::Result {
    let mut host = [vk::TimeDomainKHR::default(); 16];
    let mut n = host.len() as u32;
    // SAFETY: a valid handle of the caller's, and locals of which the count tells.
    let result =
        unsafe { forward::get_physical_device_calibrateable_time_domains_khr(device, &mut n, host.as_mut_ptr()) };
    if result.as_raw() < 0 {
        return result;
    }
    let known = host.iter().take(n as usize).copied().filter(|d| *d == vk::TimeDomainKHR::DEVICE).take(1);
    let list: Vec<_> =
        known.chain([vk::TimeDomainKHR::CLOCK_MONOTONIC, vk::TimeDomainKHR::CLOCK_MONOTONIC_RAW]).collect();
    let put = |i: usize, p: *mut vk::TimeDomainKHR| {
        // SAFETY: an element of the output array.
        unsafe { p.write(list.get(i).copied().unwrap_or_default()) };
    };
    // SAFETY: a count, and room for as many elements or null.
    unsafe { enumerate(list.len(), p_count, to, put) }
}

/// The deviation is the time between the first and the last look, in which the host's lies, and what the host says of its own.
pub unsafe fn get_calibrated_timestamps_khr(
    device: vk::Device,
    count: u32,
    p_infos: *const vk::CalibratedTimestampInfoKHR,
    p_timestamps: *mut u64,
    p_max_deviation: *mut u64,
) -> vk::Result {
    // SAFETY: the command's array, of this length.
    let infos = unsafe { slice(p_infos, count) };
    // SAFETY: the output array has as many elements as there are infos.
    match unsafe { read_all(device, infos, p_timestamps) } {
        Ok(deviation) => {
            // SAFETY: the output parameter.
            unsafe { p_max_deviation.write(deviation) };
            vk::Result::SUCCESS
        }
        Err(e) => e,
    }
}

/// Writes the times to `to`, and returns the deviation.
///
/// # Safety
/// A valid device, its domains, and room for as many times.
unsafe fn read_all(
    device: vk::Device,
    infos: &[vk::CalibratedTimestampInfoKHR<'_>],
    to: *mut u64,
) -> Result<u64, vk::Result> {
    let start = read(libc::CLOCK_MONOTONIC_RAW)?;
    let mut deviation = 1;
    for (i, info) in infos.iter().enumerate() {
        let mut time = 0;
        match clock(info.time_domain) {
            Some(clock) => time = read(clock)?,
            None => {
                let mut host = 0;
                // SAFETY: a valid handle and struct of the caller's, and locals.
                let result = unsafe { forward::get_calibrated_timestamps_khr(device, 1, info, &mut time, &mut host) };
                if result != vk::Result::SUCCESS {
                    return Err(result);
                }
                deviation = deviation.max(host);
            }
        }
        // SAFETY: room by contract.
        unsafe { to.add(i).write(time) };
    }
    let took = read(libc::CLOCK_MONOTONIC_RAW)?.saturating_sub(start);
    Ok(took.saturating_add(deviation))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_are_the_guests() {
        for domain in [vk::TimeDomainKHR::CLOCK_MONOTONIC, vk::TimeDomainKHR::CLOCK_MONOTONIC_RAW] {
            let clock = clock(domain).unwrap();
            let (a, b) = (read(clock).unwrap(), read(clock).unwrap());
            assert!(0 < a && a <= b, "clock {clock}: {a}, then {b}");
        }
        assert_eq!(clock(vk::TimeDomainKHR::DEVICE), None);
    }

    #[test]
    fn a_clock_that_is_not_there_tells_no_time() {
        // Numbers end far below.
        assert_eq!(read(10_000), Err(vk::Result::ERROR_OUT_OF_HOST_MEMORY));
    }
}
