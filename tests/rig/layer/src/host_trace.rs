//! How long the host's driver takes, with the names `host vk…`, in the format of the guest's own trace.

use std::path::Path;
use std::sync::OnceLock;

use ash::vk;
use hesper_winsys::trace;

use crate::chain;

/// Whether a trace was asked for and can be written; `%p` in its name stands for the process's number.
pub fn on() -> bool {
    static ON: OnceLock<bool> = OnceLock::new();
    *ON.get_or_init(|| {
        let Ok(path) = std::env::var("HESPER_TEST_LAYER_TRACE") else { return false };
        let path = path.replace("%p", &std::process::id().to_string());
        let begun = trace::begin(Path::new(&path));
        if let Err(e) = &begun {
            eprintln!("test layer: {path}: {e}");
        }
        begun.is_ok()
    })
}

/// Whether the layer does nothing else, so that a program has the driver as it is.
pub fn only() -> bool {
    static ONLY: OnceLock<bool> = OnceLock::new();
    *ONLY.get_or_init(|| std::env::var_os("HESPER_TEST_LAYER_TRACE_ONLY").is_some())
}

/// A span of this name where a trace is written.
pub fn span(name: &'static str) -> Option<trace::Span> {
    if on() { trace::span(name) } else { None }
}

/// Defines entry points that hand on to the next layer or the driver, with a span around each.
macro_rules! traced {
    ($($entry:ident($first:ident: $handle:ty $(, $name:ident: $type:ty)*) as $text:literal;)*) => {$(
        pub unsafe extern "system" fn $entry($first: $handle $(, $name: $type)*) -> vk::Result {
            // SAFETY: called with valid arguments.
            unsafe {
                let Some(d) = chain::device($first) else { return vk::Result::ERROR_INITIALIZATION_FAILED };
                let _span = trace::span($text);
                (d.v1_0.$entry)($first $(, $name)*)
            }
        }
    )*};
}

traced! {
    queue_submit(queue: vk::Queue, n: u32, submits: *const vk::SubmitInfo, fence: vk::Fence) as "host vkQueueSubmit";
    wait_for_fences(device: vk::Device, n: u32, fences: *const vk::Fence, all: vk::Bool32, timeout: u64) as "host vkWaitForFences";
    get_fence_status(device: vk::Device, fence: vk::Fence) as "host vkGetFenceStatus";
    begin_command_buffer(buffer: vk::CommandBuffer, info: *const vk::CommandBufferBeginInfo) as "host vkBeginCommandBuffer";
    end_command_buffer(buffer: vk::CommandBuffer) as "host vkEndCommandBuffer";
    create_compute_pipelines(
        device: vk::Device, cache: vk::PipelineCache, n: u32, infos: *const vk::ComputePipelineCreateInfo,
        allocator: *const vk::AllocationCallbacks, to: *mut vk::Pipeline
    ) as "host vkCreateComputePipelines";
}

/// An entry point that is traced.
pub fn device_entry(text: &[u8]) -> vk::PFN_vkVoidFunction {
    if on() {
        intercept!(text,
            b"vkQueueSubmit" => queue_submit,
            b"vkWaitForFences" => wait_for_fences,
            b"vkGetFenceStatus" => get_fence_status,
            b"vkBeginCommandBuffer" => begin_command_buffer,
            b"vkEndCommandBuffer" => end_command_buffer,
            b"vkCreateComputePipelines" => create_compute_pipelines,
        );
    }
    None
}
