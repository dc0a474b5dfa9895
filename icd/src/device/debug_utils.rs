//! VK_EXT_debug_utils: names, tags and labels are accepted; messages are the loader's and the layers' own.

use ash::vk;
use ash::vk::Handle;

use crate::base::slab::fresh_id;

pub unsafe fn create_debug_utils_messenger_ext(
    _: vk::Instance,
    _: *const vk::DebugUtilsMessengerCreateInfoEXT,
    _: *const vk::AllocationCallbacks,
    to: *mut vk::DebugUtilsMessengerEXT,
) -> vk::Result {
    // SAFETY: the output parameter.
    unsafe { to.write(vk::DebugUtilsMessengerEXT::from_raw(fresh_id())) };
    vk::Result::SUCCESS
}

pub unsafe fn destroy_debug_utils_messenger_ext(
    _: vk::Instance,
    _: vk::DebugUtilsMessengerEXT,
    _: *const vk::AllocationCallbacks,
) {
}

pub unsafe fn submit_debug_utils_message_ext(
    _: vk::Instance,
    _: vk::DebugUtilsMessageSeverityFlagsEXT,
    _: vk::DebugUtilsMessageTypeFlagsEXT,
    _: *const vk::DebugUtilsMessengerCallbackDataEXT,
) {
}

pub unsafe fn set_debug_utils_object_name_ext(_: vk::Device, _: *const vk::DebugUtilsObjectNameInfoEXT) -> vk::Result {
    vk::Result::SUCCESS
}

pub unsafe fn set_debug_utils_object_tag_ext(_: vk::Device, _: *const vk::DebugUtilsObjectTagInfoEXT) -> vk::Result {
    vk::Result::SUCCESS
}

pub unsafe fn queue_begin_debug_utils_label_ext(_: vk::Queue, _: *const vk::DebugUtilsLabelEXT) {}

pub unsafe fn queue_end_debug_utils_label_ext(_: vk::Queue) {}

pub unsafe fn queue_insert_debug_utils_label_ext(_: vk::Queue, _: *const vk::DebugUtilsLabelEXT) {}

pub unsafe fn cmd_begin_debug_utils_label_ext(_: vk::CommandBuffer, _: *const vk::DebugUtilsLabelEXT) {}

pub unsafe fn cmd_end_debug_utils_label_ext(_: vk::CommandBuffer) {}

pub unsafe fn cmd_insert_debug_utils_label_ext(_: vk::CommandBuffer, _: *const vk::DebugUtilsLabelEXT) {}
