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
fn read(clock: libc::clockid_t) -> u64 {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the local is the only memory that the call writes.
    unsafe { libc::clock_gettime(clock, &mut t) };
    // Neither member is negative in a clock that starts at 0.
    t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64
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
    let start = read(libc::CLOCK_MONOTONIC_RAW);
    let mut deviation = 1;
    // SAFETY: the command's array, of this length.
    for (i, info) in unsafe { slice(p_infos, count) }.iter().enumerate() {
        let mut time = 0;
        match clock(info.time_domain) {
            Some(clock) => time = read(clock),
            None => {
                let mut host = 0;
                // SAFETY: a valid handle and struct of the caller's, and locals.
                let result = unsafe { forward::get_calibrated_timestamps_khr(device, 1, info, &mut time, &mut host) };
                if result != vk::Result::SUCCESS {
                    return result;
                }
                deviation = deviation.max(host);
            }
        }
        // SAFETY: the output array has as many elements as there are infos.
        unsafe { p_timestamps.add(i).write(time) };
    }
    let took = read(libc::CLOCK_MONOTONIC_RAW).saturating_sub(start);
    // SAFETY: the output parameter.
    unsafe { p_max_deviation.write(took.saturating_add(deviation)) };
    vk::Result::SUCCESS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_are_the_guests() {
        for domain in [vk::TimeDomainKHR::CLOCK_MONOTONIC, vk::TimeDomainKHR::CLOCK_MONOTONIC_RAW] {
            let clock = clock(domain).unwrap();
            let (a, b) = (read(clock), read(clock));
            assert!(0 < a && a <= b, "clock {clock}: {a}, then {b}");
        }
        assert_eq!(clock(vk::TimeDomainKHR::DEVICE), None);
    }
}
