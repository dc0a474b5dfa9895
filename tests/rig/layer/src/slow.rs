//! `HESPER_TEST_LAYER_SLOW_COMPILER=<milliseconds>`: compute pipelines take as long to make, and objects that are destroyed while the
//! compiler still reads them end the host at once, where a real driver would read freed memory.

use std::sync::OnceLock;
use std::time::Duration;

use ash::vk;
use ash::vk::Handle;
use parking_lot::Mutex;

use crate::{chain, refusal};

fn time() -> Option<Duration> {
    static TIME: OnceLock<Option<Duration>> = OnceLock::new();
    *TIME.get_or_init(|| {
        let text = std::env::var("HESPER_TEST_LAYER_SLOW_COMPILER").ok()?;
        match text.parse() {
            Ok(ms) => Some(Duration::from_millis(ms)),
            Err(e) => {
                eprintln!("HESPER_TEST_LAYER_SLOW_COMPILER={text}: {e}");
                std::process::abort()
            }
        }
    })
}

/// Whether the compiler is to be slow.
pub fn on() -> bool {
    time().is_some()
}

/// The objects that compilers read at the moment, once for each of them.
static READ: Mutex<Vec<(vk::ObjectType, u64)>> = Mutex::new(Vec::new());

fn object<H: Handle>(handle: H) -> (vk::ObjectType, u64) {
    (H::TYPE, handle.as_raw())
}

fn check_unread<H: Handle + Copy>(handle: H) {
    if !handle.is_null() && READ.lock().contains(&object(handle)) {
        eprintln!("fatal: {:?} is destroyed while the compiler reads it", H::TYPE);
        std::process::abort();
    }
}

pub unsafe extern "system" fn create_compute_pipelines(
    device: vk::Device,
    cache: vk::PipelineCache,
    n: u32,
    infos: *const vk::ComputePipelineCreateInfo,
    allocator: *const vk::AllocationCallbacks,
    to: *mut vk::Pipeline,
) -> vk::Result {
    // SAFETY: vkCreateComputePipelines takes `n` create infos.
    let list = if n == 0 { &[][..] } else { unsafe { std::slice::from_raw_parts(infos, n as usize) } };
    let named: Vec<_> =
        list.iter().flat_map(|i| [object(i.stage.module), object(i.layout)]).chain([object(cache)]).collect();
    READ.lock().extend(&named);
    std::thread::sleep(time().unwrap_or_default());
    // SAFETY: the arguments of this call.
    let result = unsafe { refusal::create_compute_pipelines(device, cache, n, infos, allocator, to) };
    let mut read = READ.lock();
    for object in named {
        if let Some(at) = read.iter().position(|o| *o == object) {
            read.swap_remove(at);
        }
    }
    result
}

macro_rules! destroy {
    ($name:ident, $handle:ty) => {
        pub unsafe extern "system" fn $name(
            device: vk::Device,
            handle: $handle,
            allocator: *const vk::AllocationCallbacks,
        ) {
            check_unread(handle);
            // SAFETY: the arguments of this call.
            unsafe {
                if let Some(d) = chain::device(device) {
                    (d.v1_0.$name)(device, handle, allocator);
                }
            }
        }
    };
}

destroy!(destroy_shader_module, vk::ShaderModule);
destroy!(destroy_pipeline_layout, vk::PipelineLayout);
destroy!(destroy_pipeline_cache, vk::PipelineCache);
