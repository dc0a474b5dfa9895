//! VkQueryPool: results.

use std::ffi::c_void;
use std::time::Duration;

use ash::vk;

use crate::generated::forward;

pub unsafe fn get_query_pool_results(
    device: vk::Device,
    pool: vk::QueryPool,
    first: u32,
    n: u32,
    size: usize,
    data: *mut c_void,
    stride: vk::DeviceSize,
    flags: vk::QueryResultFlags,
) -> vk::Result {
    use vk::QueryResultFlags as F;
    // The host must not wait inside its ring: what the results depend on may have to come through the same ring. A
    // partial result would count as success, so it isn't asked for while waiting.
    let wait = flags.contains(F::WAIT);
    let asked = if wait { flags & !(F::WAIT | F::PARTIAL) } else { flags };
    let mut pause = Duration::from_micros(20);
    loop {
        // SAFETY: by valid usage.
        let result = unsafe { forward::get_query_pool_results(device, pool, first, n, size, data, stride, asked) };
        if !wait || result != vk::Result::NOT_READY {
            return result;
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(1));
    }
}
