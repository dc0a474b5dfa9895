//! `HESPER_TEST_LAYER_FAIL=<command>:<code>:<n>`: a command that returns a code from its `n`th call on, as where memory has run out.

use std::ffi::c_void;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use ash::vk;

use crate::{chain, memory, resources};

struct Failing {
    command: String,
    code: vk::Result,
    from: u32,
}

fn failing() -> Option<&'static Failing> {
    static FAILING: OnceLock<Option<Failing>> = OnceLock::new();
    let read = || {
        let text = std::env::var("HESPER_TEST_LAYER_FAIL").ok()?;
        let mut parts = text.split(':');
        let (command, code, from) = (parts.next()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        Some(Failing { command: command.into(), code: vk::Result::from_raw(code), from })
    };
    FAILING.get_or_init(read).as_ref()
}

/// What a call of `command` must return, if it must fail.
pub fn now(command: &str) -> Option<vk::Result> {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let failing = failing().filter(|f| f.command == command)?;
    (CALLS.fetch_add(1, Ordering::Relaxed) + 1 >= failing.from).then_some(failing.code)
}

/// Defines entry points that fail when they must, and else hand on to what comes next in this layer or behind it.
macro_rules! failing {
    ($($text:literal as $bytes:literal: $entry:ident($first:ident: $handle:ty $(, $name:ident: $type:ty)*) => $next:tt;)*) => {
        $(
            unsafe extern "system" fn $entry($first: $handle $(, $name: $type)*) -> vk::Result {
                if let Some(code) = now($text) {
                    return code;
                }
                // SAFETY: called with valid arguments, which are handed on.
                unsafe { failing!(@ $next $entry $first $(, $name)*) }
            }
        )*

        /// The entry point of the command that is to fail, if `name` is its name.
        pub fn entry(name: &[u8]) -> vk::PFN_vkVoidFunction {
            failing().filter(|f| f.command.as_bytes() == name.strip_suffix(b"EXT").unwrap_or(name))?;
            intercept!(name, $($bytes => $entry),*);
            None
        }
    };
    (@ driver $entry:ident $first:ident $(, $name:ident)*) => {
        match chain::device($first) {
            Some(d) => (d.v1_0.$entry)($first $(, $name)*),
            None => vk::Result::ERROR_INITIALIZATION_FAILED,
        }
    };
    (@ host_image_copy $entry:ident $first:ident $(, $name:ident)*) => {
        match chain::device($first) {
            Some(d) => (d.host_image_copy.copy_memory_to_image_ext)($first $(, $name)*),
            None => vk::Result::ERROR_INITIALIZATION_FAILED,
        }
    };
    (@ $layer:ident $entry:ident $first:ident $(, $name:ident)*) => { $layer::$entry($first $(, $name)*) };
}

failing! {
    "vkAllocateMemory" as b"vkAllocateMemory": allocate_memory(
        device: vk::Device, info: *const vk::MemoryAllocateInfo, allocator: *const vk::AllocationCallbacks, to: *mut vk::DeviceMemory
    ) => memory;
    "vkCreateBuffer" as b"vkCreateBuffer": create_buffer(
        device: vk::Device, info: *const vk::BufferCreateInfo, allocator: *const vk::AllocationCallbacks, to: *mut vk::Buffer
    ) => resources;
    "vkCreateFence" as b"vkCreateFence": create_fence(
        device: vk::Device, info: *const vk::FenceCreateInfo, allocator: *const vk::AllocationCallbacks, to: *mut vk::Fence
    ) => driver;
    "vkCreatePipelineCache" as b"vkCreatePipelineCache": create_pipeline_cache(
        device: vk::Device, info: *const vk::PipelineCacheCreateInfo, allocator: *const vk::AllocationCallbacks,
        to: *mut vk::PipelineCache
    ) => driver;
    "vkCreateComputePipelines" as b"vkCreateComputePipelines": create_compute_pipelines(
        device: vk::Device, cache: vk::PipelineCache, n: u32, infos: *const vk::ComputePipelineCreateInfo,
        allocator: *const vk::AllocationCallbacks, to: *mut vk::Pipeline
    ) => driver;
    "vkCreateQueryPool" as b"vkCreateQueryPool": create_query_pool(
        device: vk::Device, info: *const vk::QueryPoolCreateInfo, allocator: *const vk::AllocationCallbacks, to: *mut vk::QueryPool
    ) => driver;
    "vkAllocateDescriptorSets" as b"vkAllocateDescriptorSets": allocate_descriptor_sets(
        device: vk::Device, info: *const vk::DescriptorSetAllocateInfo, to: *mut vk::DescriptorSet
    ) => driver;
    "vkAllocateCommandBuffers" as b"vkAllocateCommandBuffers": allocate_command_buffers(
        device: vk::Device, info: *const vk::CommandBufferAllocateInfo, to: *mut vk::CommandBuffer
    ) => driver;
    "vkQueueSubmit" as b"vkQueueSubmit": queue_submit(
        queue: vk::Queue, n: u32, submits: *const vk::SubmitInfo, fence: vk::Fence
    ) => driver;
    "vkCopyMemoryToImage" as b"vkCopyMemoryToImage": copy_memory_to_image(
        device: vk::Device, info: *const vk::CopyMemoryToImageInfoEXT
    ) => host_image_copy;
    "vkCopyMemoryToImage" as b"vkCopyMemoryToImageEXT": copy_memory_to_image_ext(
        device: vk::Device, info: *const vk::CopyMemoryToImageInfoEXT
    ) => host_image_copy;
    "vkGetFenceStatus" as b"vkGetFenceStatus": get_fence_status(device: vk::Device, fence: vk::Fence) => driver;
    "vkGetQueryPoolResults" as b"vkGetQueryPoolResults": get_query_pool_results(
        device: vk::Device, pool: vk::QueryPool, first: u32, n: u32, size: usize, to: *mut c_void, stride: u64,
        flags: vk::QueryResultFlags
    ) => driver;
}
