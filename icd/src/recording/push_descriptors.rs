//! Descriptors that are recorded instead of written into sets (VK_KHR_push_descriptor).

use std::ffi::c_void;

use ash::vk;
use hesper_encoder::generated::request;

use crate::base::chain::slice;
use crate::descriptors::write::Copies;
use crate::descriptors::{pipeline_layout, update_template};
use crate::generated::record;
use crate::recording::command_buffer::record;

pub unsafe fn cmd_push_descriptor_set(
    command_buffer: vk::CommandBuffer,
    point: vk::PipelineBindPoint,
    layout: vk::PipelineLayout,
    set: u32,
    n: u32,
    writes: *const vk::WriteDescriptorSet,
) {
    // SAFETY: the array is as long as the command says, and its copies live until it is encoded.
    unsafe {
        let immutable = pipeline_layout::pushed(layout, set, std::ptr::null());
        let without = Copies::of(slice(writes, n), |w| immutable.as_ref().is_some_and(|i| i.contains(&w.dst_binding)));
        let writes = without.as_ref().map_or(writes, |c| c.as_ptr().cast());
        record(command_buffer, |w| {
            request::cmd_push_descriptor_set(w, 0, command_buffer, point, layout, set, n, writes)
        });
    }
}

pub unsafe fn cmd_push_descriptor_set2(command_buffer: vk::CommandBuffer, info: *const vk::PushDescriptorSetInfoKHR) {
    // SAFETY: as above, with the array of the command's struct.
    unsafe {
        let mut info = *info;
        let immutable = pipeline_layout::pushed(info.layout, info.set, info.p_next);
        let writes = slice(info.p_descriptor_writes, info.descriptor_write_count);
        let without = Copies::of(writes, |w| immutable.as_ref().is_some_and(|i| i.contains(&w.dst_binding)));
        if let Some(c) = &without {
            info.p_descriptor_writes = c.as_ptr();
        }
        record::cmd_push_descriptor_set2(command_buffer, &info);
    }
}

pub unsafe fn cmd_push_descriptor_set_with_template(
    command_buffer: vk::CommandBuffer,
    template: vk::DescriptorUpdateTemplate,
    layout: vk::PipelineLayout,
    set: u32,
    data: *const c_void,
) {
    let Some(t) = update_template::template(template) else { return };
    // SAFETY: `data` holds what the template's entries say (vkCmdPushDescriptorSetWithTemplate).
    let e = unsafe { update_template::expand(t, vk::DescriptorSet::null(), data) };
    let (n, writes) = (e.writes.len() as u32, e.writes.as_ptr());
    // SAFETY: this thread records; `e` holds the writes and what they point at until they are encoded.
    unsafe { cmd_push_descriptor_set(command_buffer, t.point, layout, set, n, writes) };
}

pub unsafe fn cmd_push_descriptor_set_with_template2(
    command_buffer: vk::CommandBuffer,
    info: *const vk::PushDescriptorSetWithTemplateInfoKHR,
) {
    // SAFETY: the command's struct.
    let i = unsafe { &*info };
    // SAFETY: the struct's members are the parameters of vkCmdPushDescriptorSetWithTemplate.
    unsafe {
        cmd_push_descriptor_set_with_template(command_buffer, i.descriptor_update_template, i.layout, i.set, i.p_data);
    }
}
