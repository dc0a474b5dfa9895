//! The entry points of queues and semaphores.

use std::ffi::{CStr, c_int};
use std::sync::Arc;

use ash::vk;
use ash::vk::Handle;

use super::families::list;
use super::handles::number;
use super::scheduler::{Scheduler, Semaphore};
use super::work::Work;
use super::{SCHEDULERS, barriers, families, private_data};
use crate::chain;

/// The entry point of this name, if it is one that several queues change.
pub fn of(name: &[u8]) -> vk::PFN_vkVoidFunction {
    let name = name.strip_suffix(b"KHR").or(name.strip_suffix(b"EXT")).unwrap_or(name);
    intercept!(name,
        b"vkGetDeviceQueue" => get_device_queue,
        b"vkGetDeviceQueue2" => get_device_queue2,
        b"vkQueueSubmit" => queue_submit,
        b"vkQueueSubmit2" => queue_submit2,
        b"vkQueueBindSparse" => queue_bind_sparse,
        b"vkQueueWaitIdle" => queue_wait_idle,
        b"vkDeviceWaitIdle" => device_wait_idle,
        b"vkQueueBeginDebugUtilsLabel" => queue_label,
        b"vkQueueInsertDebugUtilsLabel" => queue_label,
        b"vkQueueEndDebugUtilsLabel" => queue_end_label,
        b"vkSetDebugUtilsObjectName" => set_object_name,
        b"vkSetDebugUtilsObjectTag" => set_object_tag,
        b"vkCreateSemaphore" => create_semaphore,
        b"vkDestroySemaphore" => destroy_semaphore,
        b"vkSignalSemaphore" => signal_semaphore,
        b"vkImportSemaphoreFd" => import_semaphore_fd,
        b"vkGetSemaphoreFd" => get_semaphore_fd,
        b"vkSetPrivateData" => private_data::set_private_data,
        b"vkGetPrivateData" => private_data::get_private_data,
        b"vkDestroyPrivateDataSlot" => private_data::destroy_private_data_slot,
        b"vkCreateCommandPool" => families::create_command_pool,
        b"vkCmdPipelineBarrier" => barriers::cmd_pipeline_barrier,
        b"vkCmdPipelineBarrier2" => barriers::cmd_pipeline_barrier2,
        b"vkCmdWaitEvents" => barriers::cmd_wait_events,
        b"vkCmdWaitEvents2" => barriers::cmd_wait_events2,
        b"vkCmdSetEvent2" => barriers::cmd_set_event2,
    );
    None
}

/// The queues of a device, or of the device of a queue.
unsafe fn scheduler(handle: impl Handle) -> Option<Arc<Scheduler>> {
    // SAFETY: the caller's handle is valid and dispatchable.
    unsafe { SCHEDULERS.of(handle) }
}

unsafe extern "system" fn get_device_queue(device: vk::Device, family: u32, index: u32, to: *mut vk::Queue) {
    // SAFETY: the program's device is valid, and so is where the handle goes.
    unsafe { *to = scheduler(device).map_or(vk::Queue::null(), |s| s.queue(family, index)) };
}

unsafe extern "system" fn get_device_queue2(device: vk::Device, info: *const vk::DeviceQueueInfo2, to: *mut vk::Queue) {
    // SAFETY: the program's arguments are valid.
    unsafe { get_device_queue(device, (*info).queue_family_index, (*info).queue_index, to) };
}

/// Submits batches; the fence goes with the last one, or with one that does nothing.
unsafe fn submit(queue: vk::Queue, mut work: Vec<Work>, fence: vk::Fence) -> vk::Result {
    // SAFETY: the caller's queue is valid.
    let (Some(s), number) = (unsafe { (scheduler(queue), number(queue)) }) else {
        return vk::Result::ERROR_INITIALIZATION_FAILED;
    };
    if fence != vk::Fence::null() {
        if work.is_empty() {
            work.push(Work::default());
        }
        if let Some(last) = work.last_mut() {
            last.fence = fence;
        }
    }
    s.submit(number, work)
}

unsafe extern "system" fn queue_submit(
    queue: vk::Queue,
    n: u32,
    infos: *const vk::SubmitInfo,
    fence: vk::Fence,
) -> vk::Result {
    // SAFETY: the program passes `n` valid structs and a queue of this layer's.
    unsafe { submit(queue, list(infos, n).iter().map(|i| Work::of_submit(i)).collect(), fence) }
}

unsafe extern "system" fn queue_submit2(
    queue: vk::Queue,
    n: u32,
    infos: *const vk::SubmitInfo2,
    fence: vk::Fence,
) -> vk::Result {
    // SAFETY: the program passes `n` valid structs and a queue of this layer's.
    unsafe { submit(queue, list(infos, n).iter().map(|i| Work::of_submit2(i)).collect(), fence) }
}

unsafe extern "system" fn queue_bind_sparse(
    queue: vk::Queue,
    n: u32,
    infos: *const vk::BindSparseInfo,
    fence: vk::Fence,
) -> vk::Result {
    // SAFETY: the program passes `n` valid structs and a queue of this layer's.
    unsafe { submit(queue, list(infos, n).iter().map(|i| Work::of_binds(i)).collect(), fence) }
}

unsafe extern "system" fn queue_wait_idle(queue: vk::Queue) -> vk::Result {
    // SAFETY: the program's queue is one of this layer's.
    let (Some(s), number) = (unsafe { (scheduler(queue), number(queue)) }) else {
        return vk::Result::ERROR_INITIALIZATION_FAILED;
    };
    s.wait_idle(number..number + 1)
}

unsafe extern "system" fn device_wait_idle(device: vk::Device) -> vk::Result {
    // SAFETY: the program's device is valid.
    let Some(s) = (unsafe { scheduler(device) }) else { return vk::Result::ERROR_INITIALIZATION_FAILED };
    s.wait_idle(s.all())
}

/// Labels of queues are for people who look at the real queue, which has no such parts.
unsafe extern "system" fn queue_label(_: vk::Queue, _: *const vk::DebugUtilsLabelEXT) {}

unsafe extern "system" fn queue_end_label(_: vk::Queue) {}

/// Defines functions that name an object, where that is one of the driver's.
macro_rules! named {
    ($($entry:ident($info:ident, $pfn:ident) as $name:literal;)*) => {$(
        unsafe extern "system" fn $entry(device: vk::Device, info: *const vk::$info) -> vk::Result {
            const NAME: &CStr = $name;
            // SAFETY: the program's arguments are valid, and the next one's function of this name has this type.
            unsafe {
                if (*info).object_type == vk::ObjectType::QUEUE {
                    return vk::Result::SUCCESS;
                }
                let Some(next) = chain::next_device_proc(device, NAME.as_ptr()) else {
                    return vk::Result::ERROR_INITIALIZATION_FAILED;
                };
                std::mem::transmute::<unsafe extern "system" fn(), vk::$pfn>(next)(device, info)
            }
        }
    )*};
}

named! {
    set_object_name(DebugUtilsObjectNameInfoEXT, PFN_vkSetDebugUtilsObjectNameEXT) as c"vkSetDebugUtilsObjectNameEXT";
    set_object_tag(DebugUtilsObjectTagInfoEXT, PFN_vkSetDebugUtilsObjectTagEXT) as c"vkSetDebugUtilsObjectTagEXT";
}

unsafe extern "system" fn create_semaphore(
    device: vk::Device,
    info: *const vk::SemaphoreCreateInfo,
    allocator: *const vk::AllocationCallbacks,
    to: *mut vk::Semaphore,
) -> vk::Result {
    // SAFETY: the program's arguments are valid; in its chain a tag tells the type.
    unsafe {
        let (Some(d), Some(s)) = (chain::device(device), scheduler(device)) else {
            return vk::Result::ERROR_INITIALIZATION_FAILED;
        };
        let result = (d.v1_0.create_semaphore)(device, info, allocator, to);
        if result == vk::Result::SUCCESS {
            let mut is = Semaphore::Binary { signalled: false };
            let mut p = (*info).p_next.cast::<vk::BaseInStructure>();
            while !p.is_null() {
                if (*p).s_type == vk::StructureType::SEMAPHORE_TYPE_CREATE_INFO {
                    let kind = &*p.cast::<vk::SemaphoreTypeCreateInfo>();
                    if kind.semaphore_type == vk::SemaphoreType::TIMELINE {
                        is = Semaphore::Timeline { given: kind.initial_value };
                    }
                }
                p = (*p).p_next;
            }
            s.change(|all| all.add(*to, is));
        }
        result
    }
}

unsafe extern "system" fn destroy_semaphore(
    device: vk::Device,
    semaphore: vk::Semaphore,
    allocator: *const vk::AllocationCallbacks,
) {
    // SAFETY: the program's arguments are valid, and nothing submitted names the semaphore any more.
    unsafe {
        if let (Some(d), Some(s)) = (chain::device(device), scheduler(device)) {
            s.change(|all| all.remove(semaphore));
            (d.v1_0.destroy_semaphore)(device, semaphore, allocator);
        }
    }
}

unsafe extern "system" fn signal_semaphore(device: vk::Device, info: *const vk::SemaphoreSignalInfo) -> vk::Result {
    // SAFETY: the program's arguments are valid.
    unsafe {
        let (Some(d), Some(s)) = (chain::device(device), scheduler(device)) else {
            return vk::Result::ERROR_INITIALIZATION_FAILED;
        };
        let result = (d.v1_2.signal_semaphore)(device, info);
        if result == vk::Result::SUCCESS {
            s.change(|all| all.signal((*info).semaphore, (*info).value));
        }
        result
    }
}

unsafe extern "system" fn import_semaphore_fd(
    device: vk::Device,
    info: *const vk::ImportSemaphoreFdInfoKHR,
) -> vk::Result {
    // SAFETY: the program's arguments are valid, and the next one's function of this name has this type.
    unsafe {
        let (Some(next), Some(s)) =
            (chain::next_device_proc(device, c"vkImportSemaphoreFdKHR".as_ptr()), scheduler(device))
        else {
            return vk::Result::ERROR_INITIALIZATION_FAILED;
        };
        let next = std::mem::transmute::<unsafe extern "system" fn(), vk::PFN_vkImportSemaphoreFdKHR>(next);
        let result = next(device, info);
        if result == vk::Result::SUCCESS {
            let semaphore = (*info).semaphore;
            s.change(|all| match (*info).handle_type {
                // A signal that is under way already.
                vk::ExternalSemaphoreHandleTypeFlags::SYNC_FD => all.signal(semaphore, 0),
                _ => all.add(semaphore, Semaphore::Shared),
            });
        }
        result
    }
}

unsafe extern "system" fn get_semaphore_fd(
    device: vk::Device,
    info: *const vk::SemaphoreGetFdInfoKHR,
    to: *mut c_int,
) -> vk::Result {
    // SAFETY: the program's arguments are valid, and the next one's function of this name has this type.
    unsafe {
        let (Some(next), Some(s)) =
            (chain::next_device_proc(device, c"vkGetSemaphoreFdKHR".as_ptr()), scheduler(device))
        else {
            return vk::Result::ERROR_INITIALIZATION_FAILED;
        };
        let next = std::mem::transmute::<unsafe extern "system" fn(), vk::PFN_vkGetSemaphoreFdKHR>(next);
        let result = next(device, info, to);
        if result == vk::Result::SUCCESS {
            let semaphore = (*info).semaphore;
            s.change(|all| match (*info).handle_type {
                // Takes the signal away, as a wait does.
                vk::ExternalSemaphoreHandleTypeFlags::SYNC_FD => all.consume(semaphore),
                _ => all.add(semaphore, Semaphore::Shared),
            });
        }
        result
    }
}
