//! The create infos of the three kinds of pipelines: what they have in common, and how they travel.

use std::ffi::c_void;
use std::ptr;

use ash::vk;
use hesper_encoder::generated::{flags, reply, request};
use hesper_encoder::{Reader, Writer};

use crate::base::chain::{find, slice};

/// A create info of one kind of pipeline.
///
/// # Safety
/// `encode` writes the command whose reply of at most `reply_size` bytes `decode` reads.
pub unsafe trait CreateInfo: Copy {
    fn next(&self) -> *const c_void;

    /// The flags that count, in the 32 bits that both of their forms have (Vulkan specification, "Pipelines").
    ///
    /// # Safety
    /// A valid create info.
    unsafe fn flags(&self) -> vk::PipelineCreateFlags;

    /// The pipeline that this one derives from: by handle, or by place in the same array.
    fn base(&mut self) -> (&mut vk::Pipeline, &mut i32);

    /// The libraries that this pipeline is linked from.
    ///
    /// # Safety
    /// A valid create info.
    unsafe fn libraries<'a>(&self) -> &'a [vk::Pipeline] {
        // SAFETY: by contract.
        unsafe {
            find::<vk::PipelineLibraryCreateInfoKHR>(self.next()).map_or(&[], |l| slice(l.p_libraries, l.library_count))
        }
    }

    /// Writes the creation of as many pipelines, whose ids stand at `to`.
    ///
    /// # Safety
    /// Valid handles and create infos; `to` has an id for each.
    unsafe fn encode(
        w: &mut Writer,
        device: vk::Device,
        cache: vk::PipelineCache,
        infos: &[Self],
        to: *mut vk::Pipeline,
    );

    /// Bytes of the reply for `n` pipelines.
    fn reply_size(n: u32) -> usize;

    /// Reads which of `n` pipelines are there.
    ///
    /// # Safety
    /// `to` has room for `n`.
    unsafe fn decode(r: &mut Reader, n: u32, to: *mut vk::Pipeline) -> vk::Result;

    /// Marks feedback as not valid: the host's doesn't travel.
    ///
    /// # Safety
    /// A valid create info.
    unsafe fn clear_feedback(&self) {
        // SAFETY: by contract; the struct points at memory for its own counts of results.
        unsafe {
            if let Some(f) = find::<vk::PipelineCreationFeedbackCreateInfo>(self.next()) {
                let empty = vk::PipelineCreationFeedback::default();
                if !f.p_pipeline_creation_feedback.is_null() {
                    f.p_pipeline_creation_feedback.write(empty);
                }
                for i in 0..f.pipeline_stage_creation_feedback_count as usize {
                    f.p_pipeline_stage_creation_feedbacks.add(i).write(empty);
                }
            }
        }
    }
}

/// What the trait takes from the members that all three structs have.
macro_rules! common {
    ($flags:path) => {
        fn next(&self) -> *const c_void {
            self.p_next
        }

        unsafe fn flags(&self) -> vk::PipelineCreateFlags {
            let info: *const Self = self;
            // SAFETY: by contract.
            vk::PipelineCreateFlags::from_raw(unsafe { $flags(info.cast()) } as u32)
        }

        fn base(&mut self) -> (&mut vk::Pipeline, &mut i32) {
            (&mut self.base_pipeline_handle, &mut self.base_pipeline_index)
        }
    };
}

/// Stands for output memory where only its presence counts.
const SOMEWHERE: *mut vk::Pipeline = ptr::dangling_mut();

// SAFETY: the request and the reply of vkCreateComputePipelines.
unsafe impl CreateInfo for vk::ComputePipelineCreateInfo<'_> {
    common!(flags::compute_pipeline_create_info_flags);

    unsafe fn encode(
        w: &mut Writer,
        device: vk::Device,
        cache: vk::PipelineCache,
        infos: &[Self],
        to: *mut vk::Pipeline,
    ) {
        let (n, infos) = (infos.len() as u32, infos.as_ptr().cast());
        // SAFETY: by contract.
        unsafe { request::create_compute_pipelines(w, 1, device, cache, n, infos, ptr::null(), to) };
    }

    fn reply_size(n: u32) -> usize {
        let (device, cache) = Default::default();
        // SAFETY: the size follows from the count and from whether there is an output array, which isn't followed.
        unsafe { reply::create_compute_pipelines_size(device, cache, n, ptr::null(), ptr::null(), SOMEWHERE) }
    }

    unsafe fn decode(r: &mut Reader, n: u32, to: *mut vk::Pipeline) -> vk::Result {
        let (device, cache) = Default::default();
        // SAFETY: by contract; of the inputs only the count is looked at.
        unsafe { reply::create_compute_pipelines(r, device, cache, n, ptr::null(), ptr::null(), to) }
    }
}

// SAFETY: the request and the reply of vkCreateGraphicsPipelines.
unsafe impl CreateInfo for vk::GraphicsPipelineCreateInfo<'_> {
    common!(flags::graphics_pipeline_create_info_flags);

    unsafe fn encode(
        w: &mut Writer,
        device: vk::Device,
        cache: vk::PipelineCache,
        infos: &[Self],
        to: *mut vk::Pipeline,
    ) {
        let (n, infos) = (infos.len() as u32, infos.as_ptr().cast());
        // SAFETY: by contract.
        unsafe { request::create_graphics_pipelines(w, 1, device, cache, n, infos, ptr::null(), to) };
    }

    fn reply_size(n: u32) -> usize {
        let (device, cache) = Default::default();
        // SAFETY: the size follows from the count and from whether there is an output array, which isn't followed.
        unsafe { reply::create_graphics_pipelines_size(device, cache, n, ptr::null(), ptr::null(), SOMEWHERE) }
    }

    unsafe fn decode(r: &mut Reader, n: u32, to: *mut vk::Pipeline) -> vk::Result {
        let (device, cache) = Default::default();
        // SAFETY: by contract; of the inputs only the count is looked at.
        unsafe { reply::create_graphics_pipelines(r, device, cache, n, ptr::null(), ptr::null(), to) }
    }
}

// SAFETY: the request and the reply of vkCreateRayTracingPipelinesKHR.
unsafe impl CreateInfo for vk::RayTracingPipelineCreateInfoKHR<'_> {
    common!(flags::ray_tracing_pipeline_create_info_khr_flags);

    unsafe fn libraries<'a>(&self) -> &'a [vk::Pipeline] {
        // SAFETY: by contract, null or a valid struct.
        unsafe { self.p_library_info.as_ref().map_or(&[], |l| slice(l.p_libraries, l.library_count)) }
    }

    unsafe fn encode(
        w: &mut Writer,
        device: vk::Device,
        cache: vk::PipelineCache,
        infos: &[Self],
        to: *mut vk::Pipeline,
    ) {
        // The operation is the guest's own: the host gets none, and is done when it answers.
        let none = vk::DeferredOperationKHR::null();
        let (n, infos) = (infos.len() as u32, infos.as_ptr().cast());
        // SAFETY: by contract.
        unsafe { request::create_ray_tracing_pipelines_khr(w, 1, device, none, cache, n, infos, ptr::null(), to) };
    }

    fn reply_size(n: u32) -> usize {
        let (device, none, cache) = Default::default();
        // SAFETY: the size follows from the count and from whether there is an output array, which isn't followed.
        unsafe {
            reply::create_ray_tracing_pipelines_khr_size(device, none, cache, n, ptr::null(), ptr::null(), SOMEWHERE)
        }
    }

    unsafe fn decode(r: &mut Reader, n: u32, to: *mut vk::Pipeline) -> vk::Result {
        let (device, none, cache) = Default::default();
        // SAFETY: by contract; of the inputs only the count is looked at.
        unsafe { reply::create_ray_tracing_pipelines_khr(r, device, none, cache, n, ptr::null(), ptr::null(), to) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chained_flags_replace_the_create_infos_own() {
        use vk::PipelineCreateFlags as F;
        use vk::PipelineCreateFlags2KHR as F2;
        let info = vk::ComputePipelineCreateInfo::default();
        // SAFETY: create infos whose chains are valid.
        unsafe {
            assert!(CreateInfo::flags(&info.flags(F::DERIVATIVE)) == F::DERIVATIVE);
            let derived = F2::DERIVATIVE | F2::EARLY_RETURN_ON_FAILURE;
            let mut wide = vk::PipelineCreateFlags2CreateInfoKHR::default().flags(derived);
            assert!(CreateInfo::flags(&info.push_next(&mut wide)) == F::DERIVATIVE | F::EARLY_RETURN_ON_FAILURE);
            let mut none = vk::PipelineCreateFlags2CreateInfoKHR::default();
            let i = info.flags(F::DERIVATIVE | F::FAIL_ON_PIPELINE_COMPILE_REQUIRED).push_next(&mut none);
            assert!(CreateInfo::flags(&i) == F::empty());
        }
    }
}
