//! The work itself: memory, pipelines, command buffers, submissions, waits, queries, each result looked at.

use std::os::fd::AsFd;
use std::time::Duration;

use anyhow::Result;
use ash::{Instance, vk};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::data::{self, Data, WORDS};
use super::journal::{Failed, Journal};
use super::objects::{Objects, made};
use super::pipeline::{self, Pipeline};

/// Longer than anything takes, but for hosts that are stopped.
const PATIENCE: u64 = 600_000_000_000;

/// How often the program dispatches.
#[derive(Clone, Copy, Debug)]
pub struct Rounds {
    pub count: u32,
    /// Between two of them. A program that rests ends early when it is told to.
    pub pause: Duration,
}

impl Rounds {
    /// Rests; whether the program is to end.
    fn rest(self) -> bool {
        if self.pause.is_zero() {
            return false;
        }
        let stdin = std::io::stdin();
        let mut fds = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
        let timeout = PollTimeout::try_from(self.pause).unwrap_or(PollTimeout::MAX);
        poll(&mut fds, timeout).is_ok_and(|n| n > 0)
    }
}

/// Makes a device, works with it, and destroys what was made.
pub fn run(
    instance: &Instance,
    physical: vk::PhysicalDevice,
    journal: &mut Journal,
    rounds: Rounds,
) -> Result<Result<(), Failed>> {
    // SAFETY: valid arguments.
    let (memory, family) = unsafe {
        let families = journal.plain("vkGetPhysicalDeviceQueueFamilyProperties", || {
            instance.get_physical_device_queue_family_properties(physical)
        });
        let found = families.iter().position(|f| f.queue_flags.contains(vk::QueueFlags::COMPUTE));
        let Some(family) = found else {
            return Ok(Err(journal.fail("no queue family", vk::Result::ERROR_UNKNOWN)));
        };
        let memory = journal
            .plain("vkGetPhysicalDeviceMemoryProperties", || instance.get_physical_device_memory_properties(physical));
        (memory, family as u32)
    };
    journal.phase("device")?;
    let queues = [vk::DeviceQueueCreateInfo::default().queue_family_index(family).queue_priorities(&[1.0])];
    let mut features12 = vk::PhysicalDeviceVulkan12Features::default().timeline_semaphore(true);
    let info = vk::DeviceCreateInfo::default().queue_create_infos(&queues).push_next(&mut features12);
    // SAFETY: valid arguments.
    let device = journal.call("vkCreateDevice", || unsafe { instance.create_device(physical, &info, None) });
    let Ok(device) = device else { return Ok(Err(Failed)) };
    let mut objects = Objects::of(device);
    let done = with_device(&mut objects, &memory, family, journal, rounds);
    journal.phase("end")?;
    objects.end(journal);
    done
}

fn with_device(
    objects: &mut Objects,
    memory: &vk::PhysicalDeviceMemoryProperties,
    family: u32,
    journal: &mut Journal,
    rounds: Rounds,
) -> Result<Result<(), Failed>> {
    journal.phase("memory")?;
    let Ok(data) = data::make(objects, memory, journal) else { return Ok(Err(Failed)) };
    journal.phase("pipelines")?;
    let Ok(pipeline) = pipeline::make(objects, &data, journal) else { return Ok(Err(Failed)) };
    journal.phase("work")?;
    let Ok(queries) = rounds_of(objects, &data, &pipeline, family, journal, rounds) else { return Ok(Err(Failed)) };
    journal.phase("results")?;
    Ok(results(objects, queries, journal))
}

fn rounds_of(
    objects: &mut Objects,
    data: &Data,
    pipeline: &Pipeline,
    family: u32,
    journal: &mut Journal,
    rounds: Rounds,
) -> Result<vk::QueryPool, Failed> {
    let flags = vk::CommandPoolCreateFlags::RESET_COMMAND_BUFFER;
    let info = vk::CommandPoolCreateInfo::default().queue_family_index(family).flags(flags);
    let pool = made!(
        objects,
        journal,
        "vkCreateCommandPool",
        create_command_pool(&info),
        "vkDestroyCommandPool",
        destroy_command_pool
    );
    let info = vk::QueryPoolCreateInfo::default().query_type(vk::QueryType::TIMESTAMP).query_count(2);
    let queries = made!(
        objects,
        journal,
        "vkCreateQueryPool",
        create_query_pool(&info),
        "vkDestroyQueryPool",
        destroy_query_pool
    );
    let fence = made!(
        objects,
        journal,
        "vkCreateFence",
        create_fence(&vk::FenceCreateInfo::default()),
        "vkDestroyFence",
        destroy_fence
    );
    let mut kind = vk::SemaphoreTypeCreateInfo::default().semaphore_type(vk::SemaphoreType::TIMELINE);
    let info = vk::SemaphoreCreateInfo::default().push_next(&mut kind);
    let timeline =
        made!(objects, journal, "vkCreateSemaphore", create_semaphore(&info), "vkDestroySemaphore", destroy_semaphore);
    let info = vk::CommandBufferAllocateInfo::default().command_pool(pool).command_buffer_count(1);
    let device = objects.device.clone();
    // SAFETY: valid handles; the command buffer isn't in use when it is begun, and the maps are `WORDS` words that the
    // device isn't using.
    unsafe {
        let buffers = journal.call("vkAllocateCommandBuffers", || device.allocate_command_buffers(&info))?;
        let cmd = buffers.first().copied().unwrap_or_default();
        let queue = journal.plain("vkGetDeviceQueue", || device.get_device_queue(family, 0));
        for round in 0..rounds.count {
            for i in 0..WORDS {
                data.from_map.add(i).write_volatile(i as u32 ^ round);
            }
            record(&device, cmd, pipeline, queries, journal, round)?;
            let values = [u64::from(round) + 1];
            let mut signal = vk::TimelineSemaphoreSubmitInfo::default().signal_semaphore_values(&values);
            let (buffers, semaphores) = ([cmd], [timeline]);
            let submit = vk::SubmitInfo::default().command_buffers(&buffers).signal_semaphores(&semaphores);
            let submit = [submit.push_next(&mut signal)];
            journal.call("vkQueueSubmit", || device.queue_submit(queue, &submit, fence))?;
            if round % 2 == 0 {
                journal.call("vkWaitForFences", || device.wait_for_fences(&[fence], true, PATIENCE))?;
            } else {
                let wait = vk::SemaphoreWaitInfo::default().semaphores(&semaphores).values(&values);
                journal.call("vkWaitSemaphores", || device.wait_semaphores(&wait, PATIENCE))?;
                journal.call("vkQueueWaitIdle", || device.queue_wait_idle(queue))?;
            }
            let status = journal.call("vkGetFenceStatus", || device.get_fence_status(fence))?;
            journal.check(status, || format!("the fence of round {round} isn't signalled after a wait for it"));
            let value = journal.call("vkGetSemaphoreCounterValue", || device.get_semaphore_counter_value(timeline))?;
            // A fence may be signalled before the timeline is.
            let least = u64::from(round) + u64::from(round % 2);
            journal.check((least..=u64::from(round) + 1).contains(&value), || {
                format!("the timeline says {value} in round {round}")
            });
            let wrong = (0..WORDS).find(|i| {
                data.to_map.add(*i).read_volatile() != (*i as u32 ^ round).wrapping_mul(3).wrapping_add(round)
            });
            journal.check(wrong.is_none(), || format!("word {wrong:?} of round {round} is wrong"));
            journal.call("vkResetFences", || device.reset_fences(&[fence]))?;
            if rounds.rest() {
                break;
            }
        }
    }
    Ok(queries)
}

/// # Safety
/// Valid handles, and a command buffer that isn't in use.
unsafe fn record(
    device: &ash::Device,
    cmd: vk::CommandBuffer,
    pipeline: &Pipeline,
    queries: vk::QueryPool,
    journal: &mut Journal,
    round: u32,
) -> Result<(), Failed> {
    let compute = vk::PipelineBindPoint::COMPUTE;
    let push: Vec<u8> = [WORDS as u32, round].into_iter().flat_map(u32::to_le_bytes).collect();
    let all = vk::AccessFlags::MEMORY_READ | vk::AccessFlags::MEMORY_WRITE;
    let barrier = [vk::MemoryBarrier::default().src_access_mask(all).dst_access_mask(all)];
    let stages = vk::PipelineStageFlags::ALL_COMMANDS | vk::PipelineStageFlags::HOST;
    // SAFETY: the caller's promise.
    unsafe {
        journal.call("vkBeginCommandBuffer", || {
            device.begin_command_buffer(cmd, &vk::CommandBufferBeginInfo::default())
        })?;
        journal.plain("vkCmd*", || {
            device.cmd_reset_query_pool(cmd, queries, 0, 2);
            device.cmd_write_timestamp(cmd, vk::PipelineStageFlags::TOP_OF_PIPE, queries, 0);
            device.cmd_bind_pipeline(cmd, compute, pipeline.pipeline);
            device.cmd_bind_descriptor_sets(cmd, compute, pipeline.layout, 0, &[pipeline.set], &[]);
            device.cmd_push_constants(cmd, pipeline.layout, vk::ShaderStageFlags::COMPUTE, 0, &push);
            device.cmd_pipeline_barrier(cmd, stages, stages, vk::DependencyFlags::empty(), &barrier, &[], &[]);
            device.cmd_dispatch(cmd, (WORDS / 64) as u32, 1, 1);
            device.cmd_pipeline_barrier(cmd, stages, stages, vk::DependencyFlags::empty(), &barrier, &[], &[]);
            device.cmd_write_timestamp(cmd, vk::PipelineStageFlags::BOTTOM_OF_PIPE, queries, 1);
        });
        journal.call("vkEndCommandBuffer", || device.end_command_buffer(cmd))
    }
}

fn results(objects: &mut Objects, queries: vk::QueryPool, journal: &mut Journal) -> Result<(), Failed> {
    let event = made!(
        objects,
        journal,
        "vkCreateEvent",
        create_event(&vk::EventCreateInfo::default()),
        "vkDestroyEvent",
        destroy_event
    );
    let cache = made!(
        objects,
        journal,
        "vkCreatePipelineCache",
        create_pipeline_cache(&vk::PipelineCacheCreateInfo::default()),
        "vkDestroyPipelineCache",
        destroy_pipeline_cache
    );
    let device = objects.device.clone();
    let mut times = [0u64; 2];
    let flags = vk::QueryResultFlags::TYPE_64 | vk::QueryResultFlags::WAIT;
    // SAFETY: valid handles; both queries have been written.
    unsafe {
        journal.call("vkGetQueryPoolResults", || device.get_query_pool_results(queries, 0, &mut times, flags))?;
        journal.check(times[0] > 0 && times[0] <= times[1], || format!("odd times {times:?}"));
        journal.call("vkSetEvent", || device.set_event(event))?;
        let set = journal.call("vkGetEventStatus", || device.get_event_status(event))?;
        journal.check(set, || "an event that was set isn't".into());
        journal.call("vkResetEvent", || device.reset_event(event))?;
        journal.call("vkGetPipelineCacheData", || device.get_pipeline_cache_data(cache))?;
        journal.call("vkDeviceWaitIdle", || device.device_wait_idle())?;
    }
    Ok(())
}
