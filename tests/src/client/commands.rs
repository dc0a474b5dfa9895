//! Command buffers: long ones, secondary ones, reuse and reset; queries and events inside them.

use anyhow::{Result, ensure};
use ash::vk;

use crate::gpu::{Gpu, PATIENCE};
use crate::shaders::TALLY;
use crate::{recordings, results};

pub fn run() -> Result<()> {
    let gpu = Gpu::new()?;
    long(&gpu)?;
    secondary_and_reuse(&gpu)?;
    queries(&gpu)?;
    queries_again(&gpu)?;
    results::run(&gpu)?;
    recordings::run(&gpu)?;
    events(&gpu)
}

/// More commands than any buffer between here and the host holds, with large ones among them.
fn long(gpu: &Gpu) -> Result<()> {
    let kind = vk::DescriptorType::STORAGE_BUFFER;
    let (tally, bulk) = (gpu.buffer(2)?, gpu.buffer(16 << 10)?);
    let pipeline = gpu.pipeline(TALLY, 1, 0, vk::DescriptorSetLayoutCreateFlags::empty(), kind, None)?;
    let pool = gpu.descriptor_pool(1, kind)?;
    let set = gpu.set(pool, pipeline.set_layout, &[&tally])?;
    tally.fill(|_| 0);
    bulk.fill(|_| 0);
    let rounds = 5_000u32;
    gpu.run(|cmd| {
        let point = vk::PipelineBindPoint::COMPUTE;
        // SAFETY: recording; ranges lie inside the buffers.
        unsafe {
            gpu.device.cmd_bind_pipeline(cmd, point, pipeline.pipeline);
            for i in 0..rounds {
                gpu.device.cmd_bind_descriptor_sets(cmd, point, pipeline.layout, 0, &[set], &[]);
                gpu.device.cmd_dispatch(cmd, 1, 1, 1);
                if i.is_multiple_of(500) {
                    // The largest update that there is.
                    let bytes: Vec<u8> = (0..16u32 << 10).flat_map(|w| (w ^ i).to_le_bytes()).collect();
                    gpu.barrier(cmd);
                    gpu.device.cmd_update_buffer(cmd, bulk.buffer, 0, &bytes);
                }
            }
        }
        gpu.barrier(cmd);
    })?;
    ensure!(tally.get(1) == rounds, "{} of {rounds} dispatches ran", tally.get(1));
    bulk.expect("the last large update", |w| w ^ (rounds - 500))?;
    // SAFETY: waited for.
    unsafe { gpu.device.destroy_descriptor_pool(pool, None) };
    gpu.free_pipeline(pipeline);
    gpu.free(tally);
    gpu.free(bulk);
    Ok(())
}

/// A secondary command buffer run twice by a primary one, which is submitted again, reset, and recorded anew.
fn secondary_and_reuse(gpu: &Gpu) -> Result<()> {
    let kind = vk::DescriptorType::STORAGE_BUFFER;
    let tally = gpu.buffer(2)?;
    let pipeline = gpu.pipeline(TALLY, 1, 0, vk::DescriptorSetLayoutCreateFlags::empty(), kind, None)?;
    let pool = gpu.descriptor_pool(1, kind)?;
    let set = gpu.set(pool, pipeline.set_layout, &[&tally])?;
    tally.fill(|_| 0);
    let dispatch = |cmd, groups| {
        let point = vk::PipelineBindPoint::COMPUTE;
        // SAFETY: recording.
        unsafe {
            gpu.device.cmd_bind_pipeline(cmd, point, pipeline.pipeline);
            gpu.device.cmd_bind_descriptor_sets(cmd, point, pipeline.layout, 0, &[set], &[]);
            gpu.device.cmd_dispatch(cmd, groups, 1, 1);
        }
    };
    // SAFETY: handles of this device; nothing is reset while it is in use.
    unsafe {
        let info = vk::CommandBufferAllocateInfo::default()
            .command_pool(gpu.pool)
            .level(vk::CommandBufferLevel::SECONDARY)
            .command_buffer_count(1);
        let secondary = gpu.device.allocate_command_buffers(&info)?[0];
        let inherited = vk::CommandBufferInheritanceInfo::default();
        let usage = vk::CommandBufferUsageFlags::SIMULTANEOUS_USE;
        gpu.device.begin_command_buffer(
            secondary,
            &vk::CommandBufferBeginInfo::default().inheritance_info(&inherited).flags(usage),
        )?;
        dispatch(secondary, 3);
        gpu.device.end_command_buffer(secondary)?;

        let primary = gpu.record(|cmd| {
            gpu.device.cmd_execute_commands(cmd, &[secondary, secondary]);
            gpu.barrier(cmd);
        })?;
        gpu.submit(&[primary])?;
        gpu.submit(&[primary])?;
        ensure!(tally.get(1) == 12, "twice two times three groups are {}", tally.get(1));

        // Begun anew without a reset, given up in the middle, and begun once more.
        gpu.device.begin_command_buffer(primary, &vk::CommandBufferBeginInfo::default())?;
        dispatch(primary, 1000);
        gpu.device.reset_command_buffer(primary, vk::CommandBufferResetFlags::empty())?;
        gpu.device.begin_command_buffer(primary, &vk::CommandBufferBeginInfo::default())?;
        dispatch(primary, 1);
        gpu.barrier(primary);
        gpu.device.end_command_buffer(primary)?;
        gpu.submit(&[primary])?;
        ensure!(tally.get(1) == 13, "after a reset {} groups have run, not 13", tally.get(1));

        gpu.device.reset_command_pool(gpu.pool, vk::CommandPoolResetFlags::RELEASE_RESOURCES)?;
        gpu.device.begin_command_buffer(primary, &vk::CommandBufferBeginInfo::default())?;
        gpu.device.end_command_buffer(primary)?;
        gpu.submit(&[primary])?;
        ensure!(tally.get(1) == 13, "an empty command buffer ran something");
        gpu.device.free_command_buffers(gpu.pool, &[primary, secondary]);
        gpu.device.destroy_descriptor_pool(pool, None);
    }
    gpu.free_pipeline(pipeline);
    gpu.free(tally);
    Ok(())
}

/// Bits of a timestamp on the queue; 0 where there are none.
fn timestamp_bits(gpu: &Gpu) -> u32 {
    // SAFETY: a valid device of this instance.
    let families = unsafe { gpu.instance.get_physical_device_queue_family_properties(gpu.physical) };
    families[gpu.family as usize].timestamp_valid_bits
}

/// Timestamps that grow, results with and without waiting, and resets from the host.
fn queries(gpu: &Gpu) -> Result<()> {
    // SAFETY: handles of this device.
    unsafe {
        if timestamp_bits(gpu) == 0 {
            println!("no timestamps here");
            return Ok(());
        }
        let info = vk::QueryPoolCreateInfo::default().query_type(vk::QueryType::TIMESTAMP).query_count(4);
        let pool = gpu.device.create_query_pool(&info, None)?;
        let results = gpu.buffer(8)?;
        results.fill(|_| 0);
        gpu.device.reset_query_pool(pool, 0, 4);
        let mut early = [0u64; 2];
        let asked = gpu.device.get_query_pool_results(pool, 0, &mut early, vk::QueryResultFlags::TYPE_64);
        ensure!(asked == Err(vk::Result::NOT_READY), "queries that nobody wrote: {asked:?}");
        gpu.run(|cmd| {
            for i in 0..4 {
                gpu.device.cmd_write_timestamp(cmd, vk::PipelineStageFlags::ALL_COMMANDS, pool, i);
                gpu.device.cmd_fill_buffer(cmd, results.buffer, 0, vk::WHOLE_SIZE, i);
                gpu.barrier(cmd);
            }
            let flags = vk::QueryResultFlags::TYPE_64 | vk::QueryResultFlags::WAIT;
            gpu.device.cmd_copy_query_pool_results(cmd, pool, 0, 4, results.buffer, 0, 8, flags);
            gpu.barrier(cmd);
        })?;
        let mut times = [0u64; 4];
        gpu.device.get_query_pool_results(
            pool,
            0,
            &mut times,
            vk::QueryResultFlags::TYPE_64 | vk::QueryResultFlags::WAIT,
        )?;
        ensure!(times.is_sorted() && times[0] > 0, "timestamps don't grow: {times:?}");
        for (i, t) in times.iter().enumerate() {
            let copied = u64::from(results.get(2 * i)) | u64::from(results.get(2 * i + 1)) << 32;
            ensure!(copied == *t, "timestamp {i} is {t}, copied as {copied}");
        }
        let mut short = [[0u64; 2]; 4];
        let flags = vk::QueryResultFlags::TYPE_64 | vk::QueryResultFlags::WITH_AVAILABILITY;
        gpu.device.get_query_pool_results(pool, 0, &mut short, flags)?;
        ensure!(short.iter().zip(times).all(|(s, t)| *s == [t, 1]), "timestamps with availability: {short:?}");
        gpu.device.destroy_query_pool(pool, None);
        gpu.free(results);
    }
    Ok(())
}

/// Command buffers that reset and write timestamps, submitted again and again: results are never those of the time before,
/// however the end was seen, and reading them twice gives the same.
fn queries_again(gpu: &Gpu) -> Result<()> {
    let d = &gpu.device;
    // SAFETY: handles of this device; each submission has ended before the next one.
    unsafe {
        if timestamp_bits(gpu) == 0 {
            return Ok(());
        }
        let info = vk::QueryPoolCreateInfo::default().query_type(vk::QueryType::TIMESTAMP).query_count(2);
        let pool = d.create_query_pool(&info, None)?;
        let stages = vk::PipelineStageFlags::ALL_COMMANDS;
        let primary = gpu.record(|cmd| {
            d.cmd_reset_query_pool(cmd, pool, 0, 2);
            d.cmd_write_timestamp(cmd, stages, pool, 0);
            d.cmd_write_timestamp(cmd, stages, pool, 1);
        })?;
        let info = vk::CommandBufferAllocateInfo::default()
            .command_pool(gpu.pool)
            .level(vk::CommandBufferLevel::SECONDARY)
            .command_buffer_count(1);
        let inner = d.allocate_command_buffers(&info)?;
        let inherited = vk::CommandBufferInheritanceInfo::default();
        d.begin_command_buffer(inner[0], &vk::CommandBufferBeginInfo::default().inheritance_info(&inherited))?;
        d.cmd_reset_query_pool(inner[0], pool, 0, 2);
        d.end_command_buffer(inner[0])?;
        let outer = gpu.record(|cmd| {
            d.cmd_execute_commands(cmd, &inner);
            d.cmd_write_timestamp(cmd, stages, pool, 0);
            d.cmd_write_timestamp(cmd, stages, pool, 1);
        })?;
        let fence = d.create_fence(&vk::FenceCreateInfo::default(), None)?;
        let mut kind = vk::SemaphoreTypeCreateInfo::default().semaphore_type(vk::SemaphoreType::TIMELINE);
        let timeline = [d.create_semaphore(&vk::SemaphoreCreateInfo::default().push_next(&mut kind), None)?];
        let mut before = 0;
        for i in 1..=24u64 {
            let (buffers, values) = ([if i % 2 == 0 { primary } else { outer }], [i]);
            let mut signal = vk::TimelineSemaphoreSubmitInfo::default().signal_semaphore_values(&values);
            let submit = vk::SubmitInfo::default().command_buffers(&buffers).signal_semaphores(&timeline);
            d.queue_submit(gpu.queue, &[submit.push_next(&mut signal)], fence)?;
            // Early looks give what there is; the program must not take them for the new ones, but the driver might.
            let mut early = [0u64; 2];
            let _ = d.get_query_pool_results(pool, 0, &mut early, vk::QueryResultFlags::TYPE_64);
            match i % 4 {
                0 => d.wait_for_fences(&[fence], true, PATIENCE)?,
                1 => d.device_wait_idle()?,
                2 => while !d.get_fence_status(fence)? {},
                _ => d.wait_semaphores(
                    &vk::SemaphoreWaitInfo::default().semaphores(&timeline).values(&values),
                    PATIENCE,
                )?,
            }
            let mut times = [[0u64; 2]; 2];
            for to in &mut times {
                d.get_query_pool_results(pool, 0, to, vk::QueryResultFlags::TYPE_64)?;
            }
            ensure!(times[0] == times[1] && times[0].is_sorted(), "round {i}: {times:?}");
            ensure!(times[0][0] > before, "round {i} gives the timestamps of an earlier one: {times:?} after {before}");
            before = times[0][1];
            d.wait_for_fences(&[fence], true, PATIENCE)?;
            d.reset_fences(&[fence])?;
        }
        d.reset_query_pool(pool, 0, 2);
        let mut none = [0u64; 2];
        let asked = d.get_query_pool_results(pool, 0, &mut none, vk::QueryResultFlags::TYPE_64);
        ensure!(asked == Err(vk::Result::NOT_READY), "queries after the host's reset: {asked:?}");
        d.free_command_buffers(gpu.pool, &[primary, outer, inner[0]]);
        d.destroy_semaphore(timeline[0], None);
        d.destroy_fence(fence, None);
        d.destroy_query_pool(pool, None);
    }
    Ok(())
}

/// Events set by the host and by the GPU.
fn events(gpu: &Gpu) -> Result<()> {
    // SAFETY: handles of this device.
    unsafe {
        let event = gpu.device.create_event(&vk::EventCreateInfo::default(), None)?;
        ensure!(!gpu.device.get_event_status(event)?, "a new event is set");
        gpu.device.set_event(event)?;
        ensure!(gpu.device.get_event_status(event)?, "the host's set event isn't");
        gpu.device.reset_event(event)?;
        ensure!(!gpu.device.get_event_status(event)?, "the host's reset event is set");
        gpu.run(|cmd| gpu.device.cmd_set_event(cmd, event, vk::PipelineStageFlags::ALL_COMMANDS))?;
        ensure!(gpu.device.get_event_status(event)?, "the GPU's set event isn't");
        gpu.run(|cmd| gpu.device.cmd_reset_event(cmd, event, vk::PipelineStageFlags::ALL_COMMANDS))?;
        ensure!(!gpu.device.get_event_status(event)?, "the GPU's reset event is set");

        // One submission sets, the next waits; both are in flight together.
        let fence = gpu.device.create_fence(&vk::FenceCreateInfo::default(), None)?;
        let stages = vk::PipelineStageFlags::ALL_COMMANDS;
        let set = gpu.record(|cmd| gpu.device.cmd_set_event(cmd, event, stages))?;
        let wait = gpu.record(|cmd| gpu.device.cmd_wait_events(cmd, &[event], stages, stages, &[], &[], &[]))?;
        let (first, second) = ([set], [wait]);
        let submits =
            [vk::SubmitInfo::default().command_buffers(&first), vk::SubmitInfo::default().command_buffers(&second)];
        gpu.device.queue_submit(gpu.queue, &submits, fence)?;
        gpu.device.wait_for_fences(&[fence], true, PATIENCE)?;
        gpu.device.free_command_buffers(gpu.pool, &[set, wait]);
        gpu.device.destroy_fence(fence, None);
        gpu.device.destroy_event(event, None);
    }
    Ok(())
}
