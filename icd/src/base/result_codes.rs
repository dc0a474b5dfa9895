//! The codes that a command may return. Any code may come up on the way of a call: the host's own, and those that tell of the way to the
//! host. What the command's list in the specification lacks is replaced by what comes nearest on it; entry points do that, and nobody before them.

use ash::vk;

/// What a command with these codes returns as `result`.
#[inline(always)]
pub fn allowed(successes: &'static [i32], errors: &'static [i32], result: vk::Result) -> vk::Result {
    if successes.contains(&result.as_raw()) { result } else { error(successes, errors, result) }
}

/// Apart, so that the way of those who succeed is short.
#[cold]
#[inline(never)]
fn error(successes: &'static [i32], errors: &'static [i32], result: vk::Result) -> vk::Result {
    if errors.contains(&result.as_raw()) {
        return result;
    }
    // A command whose list has no failure that a valid program could cause takes something back, or tells what is known here. On a lost
    // device it has nothing left to do.
    let cannot_fail = errors.iter().all(|e| ANYWHERE.contains(&vk::Result::from_raw(*e)));
    if result == vk::Result::ERROR_DEVICE_LOST && cannot_fail && successes.contains(&vk::Result::SUCCESS.as_raw()) {
        return vk::Result::SUCCESS;
    }
    let nearest = nearest(result).iter().find(|n| errors.contains(&n.as_raw()));
    nearest.copied().unwrap_or(vk::Result::ERROR_UNKNOWN)
}

/// Errors that every command may return.
const ANYWHERE: [vk::Result; 2] = [vk::Result::ERROR_UNKNOWN, vk::Result::ERROR_VALIDATION_FAILED_EXT];

/// What may be said instead of a code, the best first. Programs, their wrappers and the loader have a way out for errors that a command's
/// list names; ERROR_UNKNOWN, which means that the program or the driver has a bug, ends many of them, and is left for what nobody foresaw,
/// such as a code that is no error or newer than this driver.
fn nearest(result: vk::Result) -> &'static [vk::Result] {
    use vk::Result as R;
    match result {
        // At a lost device nothing can be made any more. The loader leaves a driver out that says INITIALIZATION_FAILED, and programs that may
        // hear of a failed mapping don't look for memory to free. Everything else hears of the device's memory, of which there is none left,
        // and of DEVICE_LOST as soon as it submits or waits.
        R::ERROR_DEVICE_LOST => &[
            R::ERROR_INITIALIZATION_FAILED,
            R::ERROR_MEMORY_MAP_FAILED,
            R::ERROR_OUT_OF_DEVICE_MEMORY,
            R::ERROR_OUT_OF_HOST_MEMORY,
        ],
        R::ERROR_INCOMPATIBLE_DRIVER => &[R::ERROR_INITIALIZATION_FAILED],
        // Whatever there is too little of, a program can give something back and try again.
        R::ERROR_OUT_OF_DEVICE_MEMORY
        | R::ERROR_OUT_OF_HOST_MEMORY
        | R::ERROR_TOO_MANY_OBJECTS
        | R::ERROR_MEMORY_MAP_FAILED
        | R::ERROR_FRAGMENTED_POOL
        | R::ERROR_OUT_OF_POOL_MEMORY
        | R::ERROR_FRAGMENTATION => {
            &[R::ERROR_OUT_OF_POOL_MEMORY, R::ERROR_OUT_OF_DEVICE_MEMORY, R::ERROR_OUT_OF_HOST_MEMORY]
        }
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a command with these errors beside those of every command makes of a code.
    fn says(errors: &[vk::Result], result: vk::Result) -> vk::Result {
        let errors: Vec<i32> = errors.iter().chain(&ANYWHERE).map(|e| e.as_raw()).collect();
        allowed(&[0, 1], Vec::leak(errors), result)
    }

    #[test]
    fn what_is_allowed_stays_and_all_else_becomes_the_nearest() {
        use vk::Result as R;
        let memory = [R::ERROR_OUT_OF_HOST_MEMORY, R::ERROR_OUT_OF_DEVICE_MEMORY];
        let wait = [memory[0], memory[1], R::ERROR_DEVICE_LOST];
        let mapping = [memory[0], memory[1], R::ERROR_MEMORY_MAP_FAILED];
        let instance = [memory[0], memory[1], R::ERROR_INITIALIZATION_FAILED];
        for (errors, code, expected) in [
            (&wait[..], R::SUCCESS, R::SUCCESS),
            (&wait, R::NOT_READY, R::NOT_READY),
            (&wait, R::TIMEOUT, R::ERROR_UNKNOWN),
            (&wait, R::ERROR_DEVICE_LOST, R::ERROR_DEVICE_LOST),
            (&memory, R::ERROR_DEVICE_LOST, R::ERROR_OUT_OF_DEVICE_MEMORY),
            (&memory[..1], R::ERROR_DEVICE_LOST, R::ERROR_OUT_OF_HOST_MEMORY),
            (&mapping, R::ERROR_DEVICE_LOST, R::ERROR_MEMORY_MAP_FAILED),
            (&instance, R::ERROR_DEVICE_LOST, R::ERROR_INITIALIZATION_FAILED),
            (&instance, R::ERROR_INCOMPATIBLE_DRIVER, R::ERROR_INITIALIZATION_FAILED),
            (&[], R::ERROR_DEVICE_LOST, R::SUCCESS),
            (&[], R::ERROR_OUT_OF_HOST_MEMORY, R::ERROR_UNKNOWN),
            (&memory[..1], R::ERROR_OUT_OF_DEVICE_MEMORY, R::ERROR_OUT_OF_HOST_MEMORY),
            (&memory[1..], R::ERROR_OUT_OF_HOST_MEMORY, R::ERROR_OUT_OF_DEVICE_MEMORY),
            (&memory, R::ERROR_TOO_MANY_OBJECTS, R::ERROR_OUT_OF_DEVICE_MEMORY),
            (&memory, R::ERROR_FEATURE_NOT_PRESENT, R::ERROR_UNKNOWN),
            (&memory, R::from_raw(-1_000_999_000), R::ERROR_UNKNOWN),
            (&memory, R::from_raw(1_000_999_000), R::ERROR_UNKNOWN),
        ] {
            assert_eq!(says(errors, code), expected, "{code:?} where {errors:?} are allowed");
        }
    }
}
