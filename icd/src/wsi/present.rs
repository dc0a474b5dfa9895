//! vkQueuePresentKHR: the queue copies each image, behind what the present waits for, unless the guest reads the image where it is; the thread of its swapchain
//! shows the picture, or the program's own (`presenter`).

use std::time::{Duration, Instant};

use ash::vk;

use crate::base::chain::{find, find_tagged, slice};
use crate::base::object::Part;
use crate::submission::queue::Queue;
use crate::submission::sparse::own_fence;
use crate::submission::submit::queue_submit;
use crate::sync::fence_wait::wait_for_fences;
use crate::wsi::acquire::{alive, optimal};
use crate::wsi::capabilities::MODES;
use crate::wsi::lease::Lease;
use crate::wsi::presentation::Present;
use crate::wsi::swapchain::{self, Swapchain};

/// VkPresentId2KHR, which has the members of VkPresentIdKHR.
const PRESENT_ID_2: vk::StructureType = vk::StructureType::from_raw(1_000_479_001);

/// How long presenting waits for pictures that the program's window goes with (`Window::goes_with_pictures`): what the program itself
/// still holds up must not hold the program up. Later pictures may show what is said of the window after them.
const TOGETHER: Duration = Duration::from_secs(1);

/// Nanoseconds until then.
fn left(end: Instant) -> u64 {
    u64::try_from(end.saturating_duration_since(Instant::now()).as_nanos()).unwrap_or(u64::MAX)
}

/// What the structs in a present's chain say of each swapchain; empty where there is no such struct.
struct Details<'a> {
    ids: &'a [u64],
    modes: &'a [vk::PresentModeKHR],
    fences: &'a [vk::Fence],
}

impl Details<'_> {
    /// # Safety
    /// A valid info with its chain.
    unsafe fn of(info: &vk::PresentInfoKHR<'_>) -> Self {
        // SAFETY: the info's chain, and arrays of the structs' lengths.
        unsafe {
            let id2 = find_tagged(info.p_next, PRESENT_ID_2).map(|p| &*p.cast::<vk::PresentIdKHR>());
            let ids = id2.or_else(|| find::<vk::PresentIdKHR>(info.p_next));
            let modes = find::<vk::SwapchainPresentModeInfoEXT>(info.p_next);
            let fences = find::<vk::SwapchainPresentFenceInfoEXT>(info.p_next);
            Self {
                ids: ids.map_or(&[], |i| slice(i.p_present_ids, i.swapchain_count)),
                modes: modes.map_or(&[], |i| slice(i.p_present_modes, i.swapchain_count)),
                fences: fences.map_or(&[], |i| slice(i.p_fences, i.swapchain_count)),
            }
        }
    }
}

pub unsafe fn queue_present_khr(queue: vk::Queue, info: *const vk::PresentInfoKHR) -> vk::Result {
    // SAFETY: a valid queue, and a valid struct with its chain and arrays.
    let (q, info, details) = unsafe { (Queue::of(queue), &*info, Details::of(&*info)) };
    // SAFETY: a valid device.
    if let Err(e) = unsafe { alive(q.device) } {
        if !info.p_results.is_null() {
            // SAFETY: an output array of the struct's length.
            (0..info.swapchain_count as usize).for_each(|i| unsafe { info.p_results.add(i).write(e) });
        }
        return e;
    }
    // SAFETY: arrays of the struct's lengths.
    let (mut waits, swapchains, indices) = unsafe {
        (
            slice(info.p_wait_semaphores, info.wait_semaphore_count),
            slice(info.p_swapchains, info.swapchain_count),
            slice(info.p_image_indices, info.swapchain_count),
        )
    };
    let mut worst = vk::Result::SUCCESS;
    let end = Instant::now() + TOGETHER;
    for (i, (swapchain, index)) in swapchains.iter().zip(indices).enumerate() {
        let id = details.ids.get(i).copied().unwrap_or(0);
        let mode = details.modes.get(i).copied().filter(|m| MODES.contains(m));
        // Later ones are behind the waits of the first one, whose second scope includes what is submitted later.
        let result = match swapchain::get(*swapchain) {
            Some(s) => {
                // Where there are several, the copies of all are on their way before one is waited for.
                let together = Some(end).filter(|_| swapchains.len() == 1 && s.surface.window.goes_with_pictures());
                // SAFETY: a valid queue, and semaphores of the present.
                unsafe { present(queue, q, s, *index, id, mode, &mut waits, together) }
            }
            None => Err(vk::Result::ERROR_OUT_OF_DATE_KHR),
        };
        let result = result.map_or_else(|e| e, optimal);
        if !info.p_results.is_null() {
            // SAFETY: an output array of the struct's length.
            unsafe { info.p_results.add(i).write(result) };
        }
        worst = worse(worst, result);
    }
    // What the present waits for is waited for, whatever became of the swapchains (Vulkan specification, vkQueuePresentKHR).
    // SAFETY: as above; a fence of the program's, which this present signals.
    unsafe {
        if !waits.is_empty() {
            worst = worse(worst, submit(queue, waits, &[], vk::Fence::null()));
        }
        for fence in details.fences.iter().filter(|f| **f != vk::Fence::null()) {
            worst = worse(worst, queue_submit(queue, 0, std::ptr::null(), *fence));
        }
    }
    let presented = swapchains.iter().zip(indices).filter_map(|(s, index)| Some((swapchain::get(*s)?, *index)));
    for (swapchain, index) in presented.filter(|(s, _)| s.surface.window.goes_with_pictures()) {
        // SAFETY: a valid device.
        swapchain.images.settle(index, left(end), || unsafe { alive(q.device) });
    }
    worst
}

/// The one of two results that a program has to hear of rather.
fn worse(a: vk::Result, b: vk::Result) -> vk::Result {
    let weight = |r: vk::Result| match r {
        vk::Result::SUCCESS => 0,
        vk::Result::SUBOPTIMAL_KHR => 1,
        vk::Result::ERROR_OUT_OF_DATE_KHR => 2,
        vk::Result::ERROR_SURFACE_LOST_KHR => 3,
        vk::Result::ERROR_DEVICE_LOST => 5,
        _ => 4,
    };
    if weight(b) > weight(a) { b } else { a }
}

/// Presents one image, and takes the semaphores that were waited for out of `waits`; whether the last picture fitted. Waits for the copy until `together`, where that
/// is a time.
///
/// # Safety
/// A valid queue, and semaphores that it may wait for.
unsafe fn present(
    queue: vk::Queue,
    q: &Queue,
    s: &Swapchain,
    index: u32,
    id: u64,
    mode: Option<vk::PresentModeKHR>,
    waits: &mut &[vk::Semaphore],
    together: Option<Instant>,
) -> Result<bool, vk::Result> {
    let fits = s.images.take(index)?;
    // SAFETY: by contract.
    match unsafe { copy(queue, q, s, index, waits) } {
        Ok((lease, copied)) => {
            let mode = {
                let mut own = s.mode.lock();
                *own = mode.unwrap_or(*own);
                *own
            };
            let mut present = Present { index, id, mode, queue, copied, lease };
            if let Some(together) = together {
                // The program waits for this picture in any case (`settle`), so its thread waits for the copy, too, and shows the picture, if it can: that takes
                // one hand-over less than by the thread that shows pictures, and that one has to ask again what has become of the copy.
                // SAFETY: a valid device, and a fence in nobody else's hands, whose submission was sent.
                let ended = unsafe { wait_for_fences(q.device, 1, &copied, vk::TRUE, left(together)) };
                if ended == vk::Result::SUCCESS {
                    present = match s.presenter.show_now(present) {
                        Ok(()) => return Ok(fits),
                        Err(present) => present,
                    };
                }
            }
            s.images.present(present);
            Ok(fits)
        }
        Err(e) => {
            s.images.hand_back(index);
            Err(e)
        }
    }
}

/// Has the queue copy an image into a buffer that nobody has; returns the buffer's lease, and the fence that is signalled afterwards.
///
/// # Safety
/// As [`present`].
unsafe fn copy(
    queue: vk::Queue,
    q: &Queue,
    s: &Swapchain,
    index: u32,
    waits: &mut &[vk::Semaphore],
) -> Result<(Lease, vk::Fence), vk::Result> {
    let picture = s.pictures.get(index as usize).ok_or(vk::Result::ERROR_VALIDATION_FAILED_EXT)?;
    // There is one for each image that the screen has (`handover`).
    let lease = s.presenter.buffers.lease(index as usize).ok_or(vk::Result::ERROR_OUT_OF_DEVICE_MEMORY)?;
    // SAFETY: by contract; the fence is in nobody else's hands.
    unsafe {
        let copy = picture.copy(q.device, q.family, &s.presenter.buffers, &lease)?;
        let copied = own_fence(q)?;
        match submit(queue, waits, copy.as_slice(), copied) {
            vk::Result::SUCCESS => {
                *waits = &[];
                Ok((lease, copied))
            }
            e => {
                q.fences.lock().push(copied);
                Err(e)
            }
        }
    }
}

/// Submits command buffers behind semaphores.
///
/// # Safety
/// A valid queue, and objects that may be submitted to it.
unsafe fn submit(
    queue: vk::Queue,
    waits: &[vk::Semaphore],
    buffers: &[vk::CommandBuffer],
    fence: vk::Fence,
) -> vk::Result {
    let stages = vec![vk::PipelineStageFlags::ALL_COMMANDS; waits.len()];
    let batch = vk::SubmitInfo::default().wait_semaphores(waits).wait_dst_stage_mask(&stages).command_buffers(buffers);
    // SAFETY: by contract, and pointers to locals.
    unsafe { queue_submit(queue, 1, &batch, fence) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_result_is_told() {
        use vk::Result as R;
        let order = [
            R::SUCCESS,
            R::SUBOPTIMAL_KHR,
            R::ERROR_OUT_OF_DATE_KHR,
            R::ERROR_SURFACE_LOST_KHR,
            R::ERROR_OUT_OF_HOST_MEMORY,
            R::ERROR_DEVICE_LOST,
        ];
        for pair in order.windows(2) {
            assert_eq!((worse(pair[0], pair[1]), worse(pair[1], pair[0])), (pair[1], pair[1]));
        }
    }
}
