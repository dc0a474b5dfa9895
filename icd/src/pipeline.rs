//! Pipelines and their caches. Compiling takes the host long, so it is waited for later where that holds up nobody else
//! (`compiling`), and happens on side rings otherwise: threads that create pipelines at the same time compile at the same time.

use std::ffi::c_void;
use std::ptr;

use ash::vk;
use ash::vk::Handle;
use hesper_encoder::generated::{reply, request};

use crate::chain::{find, slice};
use crate::command_buffer;
use crate::compiling;
use crate::forwarding::{forget_failed, result_of};
use crate::generated::forward;
use crate::graphics;
use crate::object;
use crate::pipeline_store;
use crate::slab::fresh_ids;

/// Marks feedback as not valid: the host's doesn't travel.
unsafe fn no_feedback(next: *const c_void) {
    // SAFETY: by valid usage of the pipeline's creation.
    unsafe {
        if let Some(f) = find::<vk::PipelineCreationFeedbackCreateInfo>(next) {
            let empty = vk::PipelineCreationFeedback::default();
            if !f.p_pipeline_creation_feedback.is_null() {
                *f.p_pipeline_creation_feedback = empty;
            }
            for i in 0..f.pipeline_stage_creation_feedback_count as usize {
                f.p_pipeline_stage_creation_feedbacks.add(i).write(empty);
            }
        }
    }
}

pub unsafe fn create_compute_pipelines(
    device: vk::Device,
    cache: vk::PipelineCache,
    n: u32,
    infos: *const vk::ComputePipelineCreateInfo,
    allocator: *const vk::AllocationCallbacks,
    to: *mut vk::Pipeline,
) -> vk::Result {
    // SAFETY: by valid usage.
    unsafe {
        // Most are made one at a time.
        let (mut one, mut many);
        let clean: &mut [vk::ComputePipelineCreateInfo] = if n == 1 {
            one = [*infos];
            &mut one
        } else {
            many = slice(infos, n).to_vec();
            &mut many
        };
        for c in clean.iter_mut() {
            no_feedback(c.p_next);
            if !c.flags.contains(vk::PipelineCreateFlags::DERIVATIVE) {
                c.base_pipeline_handle = vk::Pipeline::null();
            }
        }
        if let Err(e) = clean.iter().try_for_each(|c| named(c.flags, c.base_pipeline_handle, c.p_next)) {
            return none_made(e, to, n);
        }
        let infos = clean.as_ptr();
        name_all(to, n);
        let cache = pipeline_store::instead_of(device, cache);
        let sent = compiling::create(
            device,
            to,
            n,
            clean.iter().map(|c| c.flags),
            reply::create_compute_pipelines_size(device, cache, n, infos, allocator, to),
            |w| request::create_compute_pipelines(w, 1, device, cache, n, infos, allocator, to),
            |r, to, n| {
                reply::create_compute_pipelines(
                    r,
                    Default::default(),
                    Default::default(),
                    n,
                    ptr::null(),
                    ptr::null(),
                    to,
                )
            },
        );
        if let Some(result) = sent {
            return if result == vk::Result::SUCCESS { result } else { none_made(result, to, n) };
        }
        let result = result_of(object::get(device).connection().side_call(
            reply::create_compute_pipelines_size(device, cache, n, infos, allocator, to),
            |w| request::create_compute_pipelines(w, 1, device, cache, n, infos, allocator, to),
            |r| reply::create_compute_pipelines(r, device, cache, n, infos, allocator, to),
        ));
        forget_all_if_lost(result, to, n);
        result
    }
}

pub unsafe fn create_graphics_pipelines(
    device: vk::Device,
    cache: vk::PipelineCache,
    n: u32,
    infos: *const vk::GraphicsPipelineCreateInfo,
    allocator: *const vk::AllocationCallbacks,
    to: *mut vk::Pipeline,
) -> vk::Result {
    // SAFETY: by valid usage.
    unsafe {
        let originals = slice(infos, n);
        let clean = graphics::Clean::new(originals);
        for i in originals {
            no_feedback(i.p_next);
        }
        let infos = clean.infos();
        if let Err(e) = infos.iter().try_for_each(|c| named(c.flags, c.base_pipeline_handle, c.p_next)) {
            return none_made(e, to, n);
        }
        let flags = infos.iter().map(|c| c.flags);
        let infos = infos.as_ptr();
        name_all(to, n);
        let cache = pipeline_store::instead_of(device, cache);
        let sent = compiling::create(
            device,
            to,
            n,
            flags,
            reply::create_graphics_pipelines_size(device, cache, n, infos, allocator, to),
            |w| request::create_graphics_pipelines(w, 1, device, cache, n, infos, allocator, to),
            |r, to, n| {
                reply::create_graphics_pipelines(
                    r,
                    Default::default(),
                    Default::default(),
                    n,
                    ptr::null(),
                    ptr::null(),
                    to,
                )
            },
        );
        if let Some(result) = sent {
            return if result == vk::Result::SUCCESS { result } else { none_made(result, to, n) };
        }
        let result = result_of(object::get(device).connection().side_call(
            reply::create_graphics_pipelines_size(device, cache, n, infos, allocator, to),
            |w| request::create_graphics_pipelines(w, 1, device, cache, n, infos, allocator, to),
            |r| reply::create_graphics_pipelines(r, device, cache, n, infos, allocator, to),
        ));
        forget_all_if_lost(result, to, n);
        result
    }
}

pub unsafe fn create_ray_tracing_pipelines_khr(
    device: vk::Device,
    operation: vk::DeferredOperationKHR,
    cache: vk::PipelineCache,
    n: u32,
    infos: *const vk::RayTracingPipelineCreateInfoKHR,
    allocator: *const vk::AllocationCallbacks,
    to: *mut vk::Pipeline,
) -> vk::Result {
    // SAFETY: by valid usage.
    unsafe {
        let mut clean = slice(infos, n).to_vec();
        for c in &mut clean {
            no_feedback(c.p_next);
            if !c.flags.contains(vk::PipelineCreateFlags::DERIVATIVE) {
                c.base_pipeline_handle = vk::Pipeline::null();
            }
        }
        if let Err(e) = clean.iter().try_for_each(|c| {
            let libraries = c.p_library_info.as_ref().map_or(&[][..], |l| slice(l.p_libraries, l.library_count));
            libraries.iter().try_for_each(|l| compiled(*l))?;
            named(c.flags, c.base_pipeline_handle, c.p_next)
        }) {
            return none_made(e, to, n);
        }
        let infos = clean.as_ptr();
        name_all(to, n);
        let cache = pipeline_store::instead_of(device, cache);
        // The operation is the guest's own: the host gets none, and is done when it answers.
        let none = vk::DeferredOperationKHR::null();
        let result = result_of(object::get(device).connection().side_call(
            reply::create_ray_tracing_pipelines_khr_size(device, none, cache, n, infos, allocator, to),
            |w| request::create_ray_tracing_pipelines_khr(w, 1, device, none, cache, n, infos, allocator, to),
            |r| reply::create_ray_tracing_pipelines_khr(r, device, none, cache, n, infos, allocator, to),
        ));
        forget_all_if_lost(result, to, n);
        let deferred = operation != vk::DeferredOperationKHR::null();
        if deferred && result == vk::Result::SUCCESS { vk::Result::OPERATION_NOT_DEFERRED_KHR } else { result }
    }
}

/// Gives new pipelines ids that follow each other.
unsafe fn name_all(to: *mut vk::Pipeline, n: u32) {
    let first = fresh_ids(n);
    for i in 0..n {
        // SAFETY: the output array of the creation.
        unsafe { to.add(i as usize).write(vk::Pipeline::from_raw(first + u64::from(i))) };
    }
}

/// Waits until a pipeline that is about to be named is known to be there.
#[inline]
fn compiled(pipeline: vk::Pipeline) -> Result<(), vk::Result> {
    if compiling::any() { compiling::settle(pipeline) } else { Ok(()) }
}

/// The same for the pipelines that a creation names.
unsafe fn named(flags: vk::PipelineCreateFlags, base: vk::Pipeline, next: *const c_void) -> Result<(), vk::Result> {
    if flags.contains(vk::PipelineCreateFlags::DERIVATIVE) {
        compiled(base)?;
    }
    // SAFETY: by valid usage of the creation.
    unsafe {
        let libraries = find::<vk::PipelineLibraryCreateInfoKHR>(next);
        let libraries = libraries.map_or(&[][..], |l| slice(l.p_libraries, l.library_count));
        libraries.iter().try_for_each(|l| compiled(*l))
    }
}

/// The result of a creation that gives nothing.
unsafe fn none_made(result: vk::Result, to: *mut vk::Pipeline, n: u32) -> vk::Result {
    for i in 0..n as usize {
        // SAFETY: the output array of the creation.
        unsafe { to.add(i).write(vk::Pipeline::null()) };
    }
    result
}

pub unsafe fn destroy_pipeline(device: vk::Device, pipeline: vk::Pipeline, allocator: *const vk::AllocationCallbacks) {
    if !(compiling::any() && compiling::destroy(pipeline)) {
        // SAFETY: by valid usage.
        unsafe { forward::destroy_pipeline(device, pipeline, allocator) };
    }
}

#[inline]
pub unsafe fn cmd_bind_pipeline(cmd: vk::CommandBuffer, point: vk::PipelineBindPoint, pipeline: vk::Pipeline) {
    // SAFETY: by valid usage.
    unsafe {
        match compiled(pipeline) {
            Ok(()) => forward::cmd_bind_pipeline(cmd, point, pipeline),
            Err(e) => command_buffer::fail(cmd, e),
        }
    }
}

/// Without a reply nothing was created; with one, the host has set those that failed to null.
unsafe fn forget_all_if_lost(result: vk::Result, to: *mut vk::Pipeline, n: u32) {
    if matches!(result, vk::Result::ERROR_DEVICE_LOST | vk::Result::ERROR_OUT_OF_HOST_MEMORY) {
        // SAFETY: the output array of the creation.
        let _ = unsafe { none_made(result, to, n) };
    } else {
        // SAFETY: as above.
        unsafe { forget_failed(result, to, n as usize) };
    }
}

/// Bytes of the guest's own header in front of the host's data (Vulkan specification, "Pipeline Cache Header").
const HEADER: usize = 32;

fn header(device: vk::Device) -> [u8; HEADER] {
    // SAFETY: called by entry points with their own device.
    let p = unsafe { object::get(device) }.physical().properties;
    let mut b = [0; HEADER];
    let words = [HEADER as u32, vk::PipelineCacheHeaderVersion::ONE.as_raw() as u32, p.vendor_id, p.device_id];
    for (to, from) in b.chunks_exact_mut(4).zip(words) {
        to.copy_from_slice(&from.to_le_bytes());
    }
    for (to, from) in b.iter_mut().skip(16).zip(p.pipeline_cache_uuid) {
        *to = from;
    }
    b
}

pub unsafe fn create_pipeline_cache(
    device: vk::Device,
    info: *const vk::PipelineCacheCreateInfo,
    allocator: *const vk::AllocationCallbacks,
    to: *mut vk::PipelineCache,
) -> vk::Result {
    // SAFETY: by valid usage.
    unsafe {
        let mut info = *info;
        let data: &[u8] = if info.p_initial_data.is_null() {
            &[]
        } else {
            std::slice::from_raw_parts(info.p_initial_data.cast(), info.initial_data_size)
        };
        // Data of another device or driver is no error: the cache starts empty.
        let host = data.strip_prefix(header(device).as_slice()).unwrap_or_default();
        info.initial_data_size = host.len();
        info.p_initial_data = if host.is_empty() { ptr::null() } else { host.as_ptr().cast() };
        forward::create_pipeline_cache(device, &info, allocator, to)
    }
}

pub unsafe fn get_pipeline_cache_data(
    device: vk::Device,
    cache: vk::PipelineCache,
    size: *mut usize,
    data: *mut c_void,
) -> vk::Result {
    // SAFETY: by valid usage.
    unsafe {
        if data.is_null() {
            let result = forward::get_pipeline_cache_data(device, cache, size, data);
            *size = if result == vk::Result::SUCCESS { *size + HEADER } else { 0 };
            return result;
        }
        let Some(mut room) = (*size).checked_sub(HEADER) else {
            *size = 0;
            return vk::Result::INCOMPLETE;
        };
        let result = forward::get_pipeline_cache_data(device, cache, &mut room, data.cast::<u8>().add(HEADER).cast());
        if result.as_raw() < 0 {
            *size = 0;
            return result;
        }
        data.cast::<[u8; HEADER]>().write_unaligned(header(device));
        *size = HEADER + room;
        result
    }
}
