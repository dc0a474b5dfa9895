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

    /// The flags that count, in their first 32 bits, which both forms share: those of a VkPipelineCreateFlags2CreateInfo, where one is
    /// chained, replace the create info's own (Vulkan specification, "Pipelines").
    ///
    /// # Safety
    /// A valid create info.
    unsafe fn flags(&self) -> vk::PipelineCreateFlags;

    /// This create info without what Vulkan ignores in it: the base of a pipeline that isn't derived.
    ///
    /// # Safety
    /// A valid create info.
    unsafe fn without_ignored(mut self) -> Self {
        // SAFETY: by contract.
        if !unsafe { self.flags() }.contains(vk::PipelineCreateFlags::DERIVATIVE) {
            *self.base().0 = vk::Pipeline::null();
        }
        self
    }

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
    ($flags:ident) => {
        fn next(&self) -> *const c_void {
            self.p_next
        }

        unsafe fn flags(&self) -> vk::PipelineCreateFlags {
            // SAFETY: by contract.
            vk::PipelineCreateFlags::from_raw(unsafe { flags::$flags(self) } as u32)
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
    common!(compute_pipeline_create_info_flags);

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
    common!(graphics_pipeline_create_info_flags);

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
    common!(ray_tracing_pipeline_create_info_khr_flags);

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
        let base = ash::vk::Handle::from_raw(7);
        let info = vk::ComputePipelineCreateInfo::default().base_pipeline_handle(base);
        // SAFETY: create infos whose chains are valid.
        unsafe {
            assert_eq!(info.flags(F::DERIVATIVE).without_ignored().base_pipeline_handle, base);
            let derived = F2::DERIVATIVE | F2::EARLY_RETURN_ON_FAILURE;
            let mut wide = vk::PipelineCreateFlags2CreateInfoKHR::default().flags(derived);
            let i = info.push_next(&mut wide);
            assert!(CreateInfo::flags(&i) == F::DERIVATIVE | F::EARLY_RETURN_ON_FAILURE);
            assert_eq!(i.without_ignored().base_pipeline_handle, base);
            let mut none = vk::PipelineCreateFlags2CreateInfoKHR::default();
            let i = info.flags(F::DERIVATIVE | F::FAIL_ON_PIPELINE_COMPILE_REQUIRED).push_next(&mut none);
            assert!(CreateInfo::flags(&i) == F::empty());
            assert_eq!(i.without_ignored().base_pipeline_handle, vk::Pipeline::null());
        }
    }
}
