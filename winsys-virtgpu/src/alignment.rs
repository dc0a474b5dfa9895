//! The step of blobs: what their sizes, and where they are mapped, are multiples of (WIRE.md 8.6).

/// Larger than any page of a host. A larger number is no answer to the question.
const LARGEST: u64 = 64 << 20;

/// Pages of the hosts that arm64 guests run on, Apple's above all: the step where neither kernel nor user tells one.
const ARM64: u64 = 16 << 10;

/// The step in bytes that kernels tell (`VIRTGPU_PARAM_BLOB_ALIGNMENT`); nothing where the answer can't be one: 0, 1, more than 64 MiB. A
/// number that is no power of two is rounded up to one, since kernels test the bits below it.
pub fn told(answer: u64) -> Option<u64> {
    answer.checked_next_power_of_two().filter(|step| (2..=LARGEST).contains(step))
}

/// The step where none is told, in bytes, before the guest's own page is looked at.
pub fn untold() -> u64 {
    if cfg!(target_arch = "aarch64") { ARM64 } else { 1 }
}

/// The step that is used, in bytes: no less than the guest's `page` and what the kernel has told; `configured` by the user where that is more,
/// or where nothing is told, in place of `untold`.
pub fn step(page: u64, told: Option<u64>, configured: Option<u64>, untold: u64) -> u64 {
    let configured = configured.filter(|step| step.is_power_of_two() && *step <= LARGEST);
    let asked = match (told, configured) {
        (None, None) => untold,
        (told, configured) => told.max(configured).unwrap_or(untold),
    };
    asked.max(page)
}

/// The guest's page size in bytes.
pub fn page() -> u64 {
    // SAFETY: sysconf takes a number, and touches no memory of this process.
    u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).ok().filter(|p| p.is_power_of_two()).unwrap_or(4096)
}

#[cfg(test)]
mod tests {
    use super::*;

    const K: u64 = 1 << 10;

    #[test]
    fn answers_that_are_no_step_count_as_none() {
        for (answer, step) in [
            (0, None),
            (1, None),
            (2, Some(2)),
            (4 * K, Some(4 * K)),
            (12 * K, Some(16 * K)),
            (16 * K, Some(16 * K)),
            (16 * K + 1, Some(32 * K)),
            (LARGEST, Some(LARGEST)),
            (LARGEST + 1, None),
            (u64::from(u32::MAX), None),
            (u64::MAX, None),
        ] {
            assert_eq!(told(answer), step, "{answer}");
        }
    }

    #[test]
    fn what_is_told_is_kept_and_what_is_not_is_assumed() {
        // page, told, configured, untold: step
        for (given, expected) in [
            ((4 * K, None, None, 1), 4 * K),
            ((4 * K, None, None, ARM64), 16 * K),
            ((64 * K, None, None, ARM64), 64 * K),
            ((4 * K, Some(16 * K), None, 1), 16 * K),
            ((16 * K, Some(4 * K), None, ARM64), 16 * K),
            ((4 * K, Some(4 * K), None, ARM64), 4 * K),
            // The user knows better than the default, but not than the kernel.
            ((4 * K, None, Some(4 * K), ARM64), 4 * K),
            ((4 * K, None, Some(64 * K), 1), 64 * K),
            ((4 * K, Some(16 * K), Some(4 * K), 1), 16 * K),
            ((4 * K, Some(16 * K), Some(64 * K), 1), 64 * K),
            // Nonsense.
            ((4 * K, None, Some(0), 1), 4 * K),
            ((4 * K, None, Some(5000), ARM64), 16 * K),
            ((4 * K, Some(16 * K), Some(1 << 40), 1), 16 * K),
        ] {
            let (page, told, configured, untold) = given;
            assert_eq!(step(page, told, configured, untold), expected, "{given:?}");
        }
    }
}
