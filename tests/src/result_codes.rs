//! Which codes the specification lets a command return.

use ash::vk;

use crate::generated::result_codes::RESULT_CODES;

/// Whether the specification lets `command`, called by any of its names, return `code`.
///
/// # Panics
/// For a name that isn't one of an entry point of the driver that returns a code.
pub fn allowed(command: &str, code: vk::Result) -> bool {
    let (successes, errors) = codes(command);
    successes.iter().chain(errors).any(|c| *c == code.as_raw())
}

/// The errors that `command` may return.
///
/// # Panics
/// As [`allowed`].
pub fn error_codes(command: &str) -> &'static [i32] {
    codes(command).1
}

fn codes(command: &str) -> (&'static [i32], &'static [i32]) {
    let row = RESULT_CODES.binary_search_by_key(&command, |(name, ..)| name).map(|i| RESULT_CODES[i]);
    let (_, successes, errors) = row.unwrap_or_else(|_| panic!("{command} is no command that returns a code"));
    (successes, errors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_says_what_the_specification_says() {
        assert!(RESULT_CODES.is_sorted_by(|a, b| a.0 < b.0));
        for (command, code, expected) in [
            ("vkQueueSubmit", vk::Result::SUCCESS, true),
            ("vkQueueSubmit", vk::Result::ERROR_DEVICE_LOST, true),
            ("vkQueueSubmit", vk::Result::NOT_READY, false),
            ("vkGetFenceStatus", vk::Result::NOT_READY, true),
            ("vkGetEventStatus", vk::Result::SUCCESS, false),
            ("vkCreateFence", vk::Result::ERROR_DEVICE_LOST, false),
            ("vkCreateFence", vk::Result::ERROR_UNKNOWN, true),
            ("vkAllocateDescriptorSets", vk::Result::ERROR_OUT_OF_POOL_MEMORY, true),
            ("vkQueueSubmit2KHR", vk::Result::ERROR_DEVICE_LOST, true),
            ("vkCreateComputePipelines", vk::Result::PIPELINE_COMPILE_REQUIRED_EXT, true),
            ("vkMapMemory2KHR", vk::Result::ERROR_MEMORY_MAP_FAILED, true),
            ("vkGetPhysicalDeviceToolPropertiesEXT", vk::Result::INCOMPLETE, true),
        ] {
            assert_eq!(allowed(command, code), expected, "{command} {code:?}");
        }
    }
}
