//! VkPipeline. Compiling takes the host long: pipelines of a program's only recording thread compile in the background, several at the same time (`compiling`); whoever has to
//! wait does so on a side ring of its own, and threads that create pipelines at the same time compile at the same time.

use std::slice::from_mut;

use ash::vk;
use ash::vk::Handle;
use hesper_encoder::Writer;
use hesper_winsys::Error;

use crate::base::chain::slice;
use crate::base::forwarding::result_of_error;
use crate::base::object::Part;
use crate::base::slab::fresh_ids;
use crate::generated::forward;
use crate::pipelines::compiling;
use crate::pipelines::create_info::CreateInfo;
use crate::pipelines::device::Device;
use crate::pipelines::graphics;

pub unsafe fn create_compute_pipelines(
    device: vk::Device,
    cache: vk::PipelineCache,
    n: u32,
    infos: *const vk::ComputePipelineCreateInfo,
    _: *const vk::AllocationCallbacks,
    to: *mut vk::Pipeline,
) -> vk::Result {
    // SAFETY: vkCreateComputePipelines takes `n` valid create infos and has room for as many pipelines.
    unsafe { create(device, cache, slice(infos, n), to) }
}

pub unsafe fn create_graphics_pipelines(
    device: vk::Device,
    cache: vk::PipelineCache,
    n: u32,
    infos: *const vk::GraphicsPipelineCreateInfo,
    _: *const vk::AllocationCallbacks,
    to: *mut vk::Pipeline,
) -> vk::Result {
    // SAFETY: vkCreateGraphicsPipelines takes `n` valid create infos, which outlive the call, and has room for as many pipelines.
    unsafe { create(device, cache, graphics::Clean::new(slice(infos, n)).infos(), to) }
}

pub unsafe fn create_ray_tracing_pipelines_khr(
    device: vk::Device,
    operation: vk::DeferredOperationKHR,
    cache: vk::PipelineCache,
    n: u32,
    infos: *const vk::RayTracingPipelineCreateInfoKHR,
    _: *const vk::AllocationCallbacks,
    to: *mut vk::Pipeline,
) -> vk::Result {
    // SAFETY: vkCreateRayTracingPipelinesKHR takes `n` valid create infos and has room for as many pipelines.
    let result = unsafe { create(device, cache, slice(infos, n), to) };
    let deferred = operation != vk::DeferredOperationKHR::null();
    if deferred && result == vk::Result::SUCCESS { vk::Result::OPERATION_NOT_DEFERRED_KHR } else { result }
}

/// Creates pipelines at `to`.
///
/// # Safety
/// A valid device and cache, valid create infos, room at `to` for as many pipelines.
unsafe fn create<I: CreateInfo>(
    device: vk::Device,
    cache: vk::PipelineCache,
    infos: &[I],
    to: *mut vk::Pipeline,
) -> vk::Result {
    // SAFETY: by contract.
    let (to, d) = unsafe { (std::slice::from_raw_parts_mut(to, infos.len()), Device::of(device)) };
    // SAFETY: by contract.
    if let Err(e) = unsafe { infos.iter().try_for_each(|i| settle_named(i)) } {
        to.fill(vk::Pipeline::null());
        return e;
    }
    let mut flags = vk::PipelineCreateFlags::empty();
    for info in infos {
        // SAFETY: by contract.
        unsafe {
            info.clear_feedback();
            flags |= info.flags();
        }
    }
    // SAFETY: the device's own store.
    let cache = unsafe { d.store.instead_of(device, cache) };
    if flags.contains(vk::PipelineCreateFlags::FAIL_ON_PIPELINE_COMPILE_REQUIRED) {
        // What was compiled before decides whether there is something to compile.
        compiling::settle_all(device);
    } else if let ([_], [pipeline]) = (infos, &mut *to) {
        name(from_mut(pipeline));
        let id: *mut _ = pipeline;
        // SAFETY: by contract, for one pipeline.
        let begun = unsafe {
            let encode = |w: &mut Writer| I::encode(w, device, cache, infos, id);
            compiling::begin(device, &Device::of(device).recorders, *id, I::reply_size(1), encode, |r, to| {
                I::decode(r, 1, to)
            })
        };
        match begun {
            Ok(true) => return vk::Result::SUCCESS,
            Ok(false) => {}
            Err(e) => {
                *pipeline = vk::Pipeline::null();
                return e;
            }
        }
    }
    // SAFETY: by contract.
    match unsafe { call(d, device, cache, infos, to) } {
        Ok(result) if result.as_raw() < 0 && infos.len() > 1 => {
            // SAFETY: by contract.
            unsafe { create_each(d, device, cache, infos, to) }
                .map_or_else(|e| result_of_error(&e), |all| if all { vk::Result::SUCCESS } else { result })
        }
        Ok(result) => result,
        Err(e) => result_of_error(&e),
    }
}

/// Gives new pipelines ids that follow each other.
fn name(to: &mut [vk::Pipeline]) {
    let first = fresh_ids(to.len() as u32);
    for (id, pipeline) in (first..).zip(to) {
        *pipeline = vk::Pipeline::from_raw(id);
    }
}

/// Has the host create pipelines and waits for the reply; those that aren't there are null afterwards.
///
/// # Safety
/// As [`create`].
unsafe fn call<I: CreateInfo>(
    d: &Device,
    device: vk::Device,
    cache: vk::PipelineCache,
    infos: &[I],
    to: &mut [vk::Pipeline],
) -> Result<vk::Result, Error> {
    name(to);
    let (n, ids) = (to.len() as u32, to.as_mut_ptr());
    // SAFETY: by contract; the host's reply says which are there, in the place of the ids.
    let answer = unsafe {
        d.connection().side_call(
            I::reply_size(n),
            |w| I::encode(w, device, cache, infos, ids),
            |r| I::decode(r, n, ids),
        )
    };
    // With an error the host keeps none, whichever it made (WIRE.md 2.2), and without a reply nothing is known to be there.
    if !answer.as_ref().is_ok_and(|result| result.as_raw() >= 0) {
        to.fill(vk::Pipeline::null());
    }
    answer
}

/// Creates pipelines one after the other, as Vulkan does where some of an array can't be made: those that can are there all the same, up
/// to the first that can't and says EARLY_RETURN_ON_FAILURE. Returns whether all are there.
///
/// # Safety
/// As [`create`].
unsafe fn create_each<I: CreateInfo>(
    d: &Device,
    device: vk::Device,
    cache: vk::PipelineCache,
    infos: &[I],
    to: &mut [vk::Pipeline],
) -> Result<bool, Error> {
    let mut all = true;
    for (i, info) in infos.iter().enumerate() {
        let mut info = *info;
        // SAFETY: by contract.
        let flags = unsafe { info.flags() };
        let (base, index) = info.base();
        let mut can = true;
        if flags.contains(vk::PipelineCreateFlags::DERIVATIVE)
            && let Ok(at) = usize::try_from(*index)
        {
            // Vulkan has the base stand earlier in the array.
            *base = to.get(at).copied().filter(|_| at < i).unwrap_or_default();
            *index = -1;
            can = *base != vk::Pipeline::null();
        }
        let Some((_, rest)) = to.split_at_mut_checked(i) else { break };
        let Some(pipeline) = rest.first_mut() else { break };
        if can {
            // The handle tells of the result.
            // SAFETY: by contract; the base is one that has been made.
            let _ = unsafe { call(d, device, cache, from_mut(&mut info), from_mut(pipeline)) }?;
        }
        if *pipeline == vk::Pipeline::null() {
            all = false;
            if flags.contains(vk::PipelineCreateFlags::EARLY_RETURN_ON_FAILURE) {
                break;
            }
        }
    }
    Ok(all)
}

/// Settles the pipelines that a creation names.
///
/// # Safety
/// A valid create info.
unsafe fn settle_named<I: CreateInfo>(info: &I) -> Result<(), vk::Result> {
    // SAFETY: by contract.
    if unsafe { info.flags() }.contains(vk::PipelineCreateFlags::DERIVATIVE) {
        compiling::settle(*{ *info }.base().0)?;
    }
    // SAFETY: by contract.
    unsafe { info.libraries() }.iter().try_for_each(|l| compiling::settle(*l))
}

pub unsafe fn destroy_pipeline(device: vk::Device, pipeline: vk::Pipeline, allocator: *const vk::AllocationCallbacks) {
    if !compiling::destroy(pipeline) {
        // SAFETY: the entry point's own arguments, and a pipeline that is there.
        unsafe { forward::destroy_pipeline(device, pipeline, allocator) };
    }
}
