//! Metal's compiler: 20 ms for each pipeline, and one at a time.

use std::time::Duration;

use ash::vk;
use parking_lot::Mutex;

use crate::{chain, refusal};

const EACH: Duration = Duration::from_millis(20);

/// Held while one compiles.
static COMPILER: Mutex<()> = Mutex::new(());

pub unsafe extern "system" fn create_compute_pipelines(
    device: vk::Device,
    cache: vk::PipelineCache,
    n: u32,
    infos: *const vk::ComputePipelineCreateInfo,
    allocator: *const vk::AllocationCallbacks,
    to: *mut vk::Pipeline,
) -> vk::Result {
    let _compiler = COMPILER.lock();
    std::thread::sleep(EACH * n);
    // SAFETY: the arguments of this call.
    unsafe { refusal::create_compute_pipelines(device, cache, n, infos, allocator, to) }
}

pub unsafe extern "system" fn create_graphics_pipelines(
    device: vk::Device,
    cache: vk::PipelineCache,
    n: u32,
    infos: *const vk::GraphicsPipelineCreateInfo,
    allocator: *const vk::AllocationCallbacks,
    to: *mut vk::Pipeline,
) -> vk::Result {
    let _compiler = COMPILER.lock();
    std::thread::sleep(EACH * n);
    // SAFETY: the arguments of this call.
    match unsafe { chain::device(device) } {
        // SAFETY: as above.
        Some(d) => unsafe { (d.v1_0.create_graphics_pipelines)(device, cache, n, infos, allocator, to) },
        None => vk::Result::ERROR_INITIALIZATION_FAILED,
    }
}
