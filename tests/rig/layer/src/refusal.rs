//! `HESPER_TEST_LAYER_REFUSE=<entry point>`: compute pipelines of shaders with this entry point can't be made, as if the
//! host's compiler had failed.

use std::ffi::CStr;
use std::sync::OnceLock;

use ash::vk;

use crate::chain;

fn refused() -> Option<&'static str> {
    static REFUSED: OnceLock<Option<String>> = OnceLock::new();
    REFUSED.get_or_init(|| std::env::var("HESPER_TEST_LAYER_REFUSE").ok()).as_deref()
}

/// Whether any are to be refused.
pub fn on() -> bool {
    refused().is_some()
}

pub unsafe extern "system" fn create_compute_pipelines(
    device: vk::Device,
    cache: vk::PipelineCache,
    n: u32,
    infos: *const vk::ComputePipelineCreateInfo,
    allocator: *const vk::AllocationCallbacks,
    to: *mut vk::Pipeline,
) -> vk::Result {
    // SAFETY: called with valid arguments.
    unsafe {
        let Some(d) = chain::device(device) else { return vk::Result::ERROR_INITIALIZATION_FAILED };
        let list = if n == 0 { &[][..] } else { std::slice::from_raw_parts(infos, n as usize) };
        let named = |i: &vk::ComputePipelineCreateInfo| CStr::from_ptr(i.stage.p_name).to_str().ok() == refused();
        if !list.iter().any(named) {
            return (d.v1_0.create_compute_pipelines)(device, cache, n, infos, allocator, to);
        }
        // The others of the array are there all the same, up to one that asks for an early return.
        let mut stopped = false;
        for (i, info) in list.iter().enumerate() {
            to.add(i).write(vk::Pipeline::null());
            if named(info) {
                stopped |= info.flags.contains(vk::PipelineCreateFlags::EARLY_RETURN_ON_FAILURE);
            } else if !stopped {
                let _ = (d.v1_0.create_compute_pipelines)(device, cache, 1, info, allocator, to.add(i));
            }
        }
        vk::Result::ERROR_OUT_OF_DEVICE_MEMORY
    }
}
