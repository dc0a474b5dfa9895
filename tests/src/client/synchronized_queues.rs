//! Queues of one family, of which one is internally synchronized and the other isn't: two queues, whatever the driver makes of the flag.

use anyhow::{Context, Result, ensure};
use ash::{Device, vk};

use crate::gpu::{Gpu, INTERNALLY_SYNCHRONIZED, INTERNALLY_SYNCHRONIZED_QUEUES, PATIENCE, synchronized_queues};

/// Left out where the device doesn't offer such queues; its family must have two queues.
pub fn run(gpu: &Gpu) -> Result<()> {
    let (plain, synchronized) = (vk::DeviceQueueCreateFlags::empty(), INTERNALLY_SYNCHRONIZED);
    if !gpu.has(INTERNALLY_SYNCHRONIZED_QUEUES) {
        return Ok(());
    }
    of_both_kinds(gpu, [plain, synchronized]).context("the second one is internally synchronized")?;
    of_both_kinds(gpu, [synchronized, plain]).context("the first one is internally synchronized")
}

/// A device with a queue of each kind, asked for in this order.
fn of_both_kinds(gpu: &Gpu, kinds: [vk::DeviceQueueCreateFlags; 2]) -> Result<()> {
    let infos = kinds.map(|flags| {
        let info = vk::DeviceQueueCreateInfo::default().queue_family_index(gpu.family);
        info.flags(flags).queue_priorities(&[1.0])
    });
    let names = [INTERNALLY_SYNCHRONIZED_QUEUES.as_ptr()];
    let mut timelines = vk::PhysicalDeviceTimelineSemaphoreFeatures::default().timeline_semaphore(true);
    let mut feature = synchronized_queues();
    let info = vk::DeviceCreateInfo::default()
        .queue_create_infos(&infos)
        .enabled_extension_names(&names)
        .push_next(&mut timelines)
        .push_next(&mut feature);
    // SAFETY: a valid physical device and info; the device ends after its last use.
    unsafe {
        let device = gpu.instance.create_device(gpu.physical, &info, None).context("vkCreateDevice")?;
        let [a, b] = kinds.map(|flags| {
            let which = vk::DeviceQueueInfo2::default().queue_family_index(gpu.family).flags(flags);
            device.get_device_queue2(&which)
        });
        let worked = apart(&device, a, b).and_then(|()| apart(&device, b, a));
        // What a failed test left behind goes with it.
        device.destroy_device(None);
        worked
    }
}

/// Work on the second queue ends although the first one waits for the program.
fn apart(device: &Device, held: vk::Queue, free: vk::Queue) -> Result<()> {
    ensure!(held != vk::Queue::null() && free != vk::Queue::null() && held != free, "queues {held:?} and {free:?}");
    let mut kind = vk::SemaphoreTypeCreateInfo::default().semaphore_type(vk::SemaphoreType::TIMELINE);
    // SAFETY: handles of this device, and structs with their arrays; everything is waited for.
    unsafe {
        let begin = [device.create_semaphore(&vk::SemaphoreCreateInfo::default().push_next(&mut kind), None)?];
        let fence = || device.create_fence(&vk::FenceCreateInfo::default(), None);
        let (first, second) = (fence()?, fence()?);
        let mut value = vk::TimelineSemaphoreSubmitInfo::default().wait_semaphore_values(&[1]);
        let stages = [vk::PipelineStageFlags::ALL_COMMANDS];
        let waits = vk::SubmitInfo::default().wait_semaphores(&begin).wait_dst_stage_mask(&stages);
        device.queue_submit(held, &[waits.push_next(&mut value)], first)?;
        device.queue_submit(free, &[], second)?;
        device.wait_for_fences(&[second], true, PATIENCE).context("a queue waits for another one")?;
        ensure!(!device.get_fence_status(first)?, "work didn't wait for its semaphore");
        device.signal_semaphore(&vk::SemaphoreSignalInfo::default().semaphore(begin[0]).value(1))?;
        device.wait_for_fences(&[first], true, PATIENCE).context("work that was let go")?;
        device.device_wait_idle()?;
        [first, second].into_iter().for_each(|f| device.destroy_fence(f, None));
        device.destroy_semaphore(begin[0], None);
    }
    Ok(())
}
