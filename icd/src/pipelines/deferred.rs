//! VkDeferredOperationKHR: nothing is deferred, so an operation is over as soon as it is made.

use ash::vk;
use ash::vk::Handle;

use crate::base::slab::fresh_id;

pub unsafe fn create_deferred_operation_khr(
    _: vk::Device,
    _: *const vk::AllocationCallbacks,
    to: *mut vk::DeferredOperationKHR,
) -> vk::Result {
    // SAFETY: `to` is the output parameter of vkCreateDeferredOperationKHR.
    unsafe { to.write(vk::DeferredOperationKHR::from_raw(fresh_id())) };
    vk::Result::SUCCESS
}

pub unsafe fn destroy_deferred_operation_khr(
    _: vk::Device,
    _: vk::DeferredOperationKHR,
    _: *const vk::AllocationCallbacks,
) {
}

pub unsafe fn get_deferred_operation_max_concurrency_khr(_: vk::Device, _: vk::DeferredOperationKHR) -> u32 {
    0
}

pub unsafe fn get_deferred_operation_result_khr(_: vk::Device, _: vk::DeferredOperationKHR) -> vk::Result {
    vk::Result::SUCCESS
}

pub unsafe fn deferred_operation_join_khr(_: vk::Device, _: vk::DeferredOperationKHR) -> vk::Result {
    vk::Result::SUCCESS
}
