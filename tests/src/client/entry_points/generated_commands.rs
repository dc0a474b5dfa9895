//! Objects that commands are generated from (VK_EXT_device_generated_commands).

use std::ffi::{CStr, c_void};
use std::ptr;

use ash::vk;
use hesper_encoder::generated::types;

use crate::entry_points::keep::keep;
use crate::entry_points::world::World;
use crate::generated::calls as info;
use crate::loader::function;

const MADE: &str = "a valid object is made";
/// VK_PIPELINE_CREATE_2_INDIRECT_BINDABLE_BIT_EXT.
const INDIRECT_BINDABLE: vk::PipelineCreateFlags2KHR = vk::PipelineCreateFlags2KHR::from_raw(1 << 38);

/// A command that makes an object of a device.
type Create<I, H> =
    unsafe extern "system" fn(vk::Device, *const I, *const vk::AllocationCallbacks, *mut H) -> vk::Result;

impl World {
    /// A pipeline that computes, and may stand in an execution set.
    pub fn bindable_pipeline(&mut self) -> vk::Pipeline {
        let mut wide = vk::PipelineCreateFlags2CreateInfoKHR::default().flags(INDIRECT_BINDABLE);
        // SAFETY: a valid device and info.
        unsafe {
            let info = info::compute_pipeline_create_info(self).push_next(&mut wide);
            self.d.create_compute_pipelines(vk::PipelineCache::null(), &[info], None).expect(MADE)[0]
        }
    }

    /// A link that names a pipeline, for commands that are generated without an execution set.
    pub fn named_pipeline(&mut self) -> *const c_void {
        let pipeline = self.bindable_pipeline();
        keep(types::GeneratedCommandsPipelineInfoEXT { pipeline, ..Default::default() }).cast_const().cast()
    }

    pub fn indirect_commands_layout_ext(&mut self) -> types::IndirectCommandsLayoutEXT {
        // SAFETY: a valid info.
        let info = unsafe { info::indirect_commands_layout_create_info_ext(self) };
        // SAFETY: the function of this name has this type.
        unsafe { self.make(c"vkCreateIndirectCommandsLayoutEXT", &info) }
    }

    pub fn indirect_execution_set_ext(&mut self) -> types::IndirectExecutionSetEXT {
        // SAFETY: a valid info.
        let info = unsafe { info::indirect_execution_set_create_info_ext(self) };
        // SAFETY: the function of this name has this type.
        unsafe { self.make(c"vkCreateIndirectExecutionSetEXT", &info) }
    }

    /// Makes an object by a command that ash doesn't know.
    ///
    /// # Safety
    /// The command's name and a valid info.
    unsafe fn make<I, H: Default>(&self, name: &CStr, info: &I) -> H {
        let mut made = H::default();
        // SAFETY: by contract.
        unsafe {
            let create: Create<I, H> = function(&self.i, &self.d, name).expect(MADE);
            create(self.d.handle(), info, ptr::null(), &mut made).result().expect(MADE);
        }
        made
    }
}
