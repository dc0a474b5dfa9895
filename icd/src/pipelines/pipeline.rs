//! VkPipeline. Compiling takes the host long, so it is waited for later where that holds up nobody else
//! (`compiling`), and happens on side rings otherwise: threads that create pipelines at the same time compile at the same time.

use std::ffi::c_void;
use std::ptr;

use ash::vk;
use ash::vk::Handle;
use hesper_encoder::Writer;
use hesper_encoder::generated::{reply, request};

use crate::base::chain::{find, slice};
use crate::base::forwarding::{forget_failed, result_of};
use crate::base::object::{self, Part};
use crate::base::slab::fresh_ids;
use crate::generated::forward;
use crate::pipelines::compiling;
use crate::pipelines::device::Device;
use crate::pipelines::graphics;

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
        let cache = Device::of(device).store.instead_of(device, cache);
        let size = reply::create_compute_pipelines_size(device, cache, n, infos, allocator, to);
        let encode = |w: &mut Writer| request::create_compute_pipelines(w, 1, device, cache, n, infos, allocator, to);
        make(device, to, n, clean.iter().map(|c| c.flags), size, encode, |r, to, n| {
            let (device, cache) = Default::default();
            reply::create_compute_pipelines(r, device, cache, n, ptr::null(), ptr::null(), to)
        })
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
        let cache = Device::of(device).store.instead_of(device, cache);
        let size = reply::create_graphics_pipelines_size(device, cache, n, infos, allocator, to);
        let encode = |w: &mut Writer| request::create_graphics_pipelines(w, 1, device, cache, n, infos, allocator, to);
        make(device, to, n, flags, size, encode, |r, to, n| {
            let (device, cache) = Default::default();
            reply::create_graphics_pipelines(r, device, cache, n, ptr::null(), ptr::null(), to)
        })
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
        let cache = Device::of(device).store.instead_of(device, cache);
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

/// Sends a creation of `n` pipelines at `to`, which have their ids, and waits for the answer where that is needed.
unsafe fn make(
    device: vk::Device,
    to: *mut vk::Pipeline,
    n: u32,
    flags: impl Iterator<Item = vk::PipelineCreateFlags>,
    size: usize,
    encode: impl Fn(&mut Writer),
    decode: compiling::Decode,
) -> vk::Result {
    // SAFETY: by valid usage of the creation.
    unsafe {
        match compiling::create(device, to, n, flags, size, &encode, decode) {
            Some(vk::Result::SUCCESS) => vk::Result::SUCCESS,
            Some(error) => none_made(error, to, n),
            None => {
                let answer = object::get(device).connection().side_call(size, &encode, |r| decode(r, to, n));
                let result = result_of(answer);
                forget_all_if_lost(result, to, n);
                result
            }
        }
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
pub fn compiled(pipeline: vk::Pipeline) -> Result<(), vk::Result> {
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
