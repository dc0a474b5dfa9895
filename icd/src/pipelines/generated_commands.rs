//! VK_EXT_device_generated_commands: what names pipelines, which have to be there when the host hears of them.

use std::ffi::c_void;

use ash::vk;
use hesper_encoder::bits::link;
use hesper_encoder::generated::types;

use crate::base::chain::slice;
use crate::base::forwarding::empty;
use crate::generated::forward;
use crate::pipelines::compiling::settle;

/// Settles the pipeline that a chain names, where commands are generated for one and not for an execution set.
///
/// # Errors
/// What the host said of a pipeline that isn't there.
///
/// # Safety
/// `next` must be null or the valid chain of a VkGeneratedCommandsInfoEXT or VkGeneratedCommandsMemoryRequirementsInfoEXT.
pub unsafe fn settle_in(next: *const c_void) -> Result<(), vk::Result> {
    let s_type = types::GeneratedCommandsPipelineInfoEXT::default().s_type.as_raw();
    // SAFETY: a valid chain by contract, whose link with this sType is this struct.
    let named =
        unsafe { link(next.cast(), s_type).map(|l| (*l.cast::<types::GeneratedCommandsPipelineInfoEXT>()).pipeline) };
    named.map_or(Ok(()), settle)
}

pub unsafe fn get_generated_commands_memory_requirements_ext(
    device: vk::Device,
    info: *const types::GeneratedCommandsMemoryRequirementsInfoEXT,
    to: *mut vk::MemoryRequirements2,
) {
    // SAFETY: a valid struct with its chain, and the output parameter.
    unsafe {
        match settle_in((*info).p_next) {
            Ok(()) => forward::get_generated_commands_memory_requirements_ext(device, info, to),
            // The command has no other way to say that nobody knows.
            Err(_) => empty(to),
        }
    }
}

pub unsafe fn create_indirect_execution_set_ext(
    device: vk::Device,
    info: *const types::IndirectExecutionSetCreateInfoEXT,
    allocator: *const vk::AllocationCallbacks,
    to: *mut types::IndirectExecutionSetEXT,
) -> vk::Result {
    let pipelines = types::IndirectExecutionSetInfoTypeEXT::INDIRECT_EXECUTION_SET_INFO_TYPE_PIPELINES_EXT;
    // SAFETY: a valid struct, whose type says which member of the union points at something.
    let of_pipelines = unsafe { if (*info).ty == pipelines { (*info).info.p_pipeline_info.as_ref() } else { None } };
    if let Some(Err(e)) = of_pipelines.map(|p| settle(p.initial_pipeline)) {
        // SAFETY: the output parameter.
        unsafe { to.write(types::IndirectExecutionSetEXT::default()) };
        return e;
    }
    // SAFETY: the entry point's own arguments.
    unsafe { forward::create_indirect_execution_set_ext(device, info, allocator, to) }
}

pub unsafe fn update_indirect_execution_set_pipeline_ext(
    device: vk::Device,
    set: types::IndirectExecutionSetEXT,
    n: u32,
    writes: *const types::WriteIndirectExecutionSetPipelineEXT,
) {
    // The place of a pipeline that isn't there, which was said on stderr, keeps what it has: the command can't fail.
    // SAFETY: an array of that length.
    let there: Vec<_> = unsafe { slice(writes, n) }.iter().filter(|w| settle(w.pipeline).is_ok()).copied().collect();
    if !there.is_empty() {
        let (n, writes) = (there.len() as u32, there.as_ptr());
        // SAFETY: the entry point's own arguments, and a list that lives until the call is over.
        unsafe { forward::update_indirect_execution_set_pipeline_ext(device, set, n, writes) };
    }
}
