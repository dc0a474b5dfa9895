//! Four queues of two families: work that waits for work of other queues, submitted before or after it, and for the program.

use std::time::Duration;

use anyhow::{Result, ensure};
use ash::vk;

use crate::gpu::{Buffer, Gpu, PATIENCE};
use crate::{synchronized_queues, uploads};

const WORDS: usize = 1024;
const ALL: vk::PipelineStageFlags2 = vk::PipelineStageFlags2::ALL_COMMANDS;

pub fn run() -> Result<()> {
    let gpu = Gpu::new()?;
    let q = Queues::new(&gpu)?;
    binary(&q)?;
    before_their_signals(&q)?;
    several_batches(&q)?;
    ownership(&q, false)?;
    ownership(&q, true)?;
    shared(&q)?;
    idle(&q)?;
    uploads::other_queues(&gpu)?;
    q.end();
    synchronized_queues::run(&gpu)?;
    println!("ok queues");
    Ok(())
}

/// A queue, and a pool for its family.
#[derive(Clone, Copy)]
struct Queue {
    queue: vk::Queue,
    family: u32,
    pool: vk::CommandPool,
}

struct Queues<'a> {
    gpu: &'a Gpu,
    /// The first two of one family, the others of another.
    all: [Queue; 4],
    fence: vk::Fence,
}

impl<'a> Queues<'a> {
    fn new(gpu: &'a Gpu) -> Result<Self> {
        let list: Vec<(vk::Queue, u32)> = [(gpu.queue, gpu.family)].iter().chain(&gpu.others).copied().collect();
        let families: Vec<u32> = list.iter().map(|(_, family)| *family).collect();
        ensure!(
            families.len() >= 4 && families[0] == families[1] && families[2] == families[3],
            "two families of two queues each are needed, here are {families:?}"
        );
        ensure!((1..4).all(|i| list[..i].iter().all(|(q, _)| *q != list[i].0)), "queues with one handle: {list:?}");
        // SAFETY: a valid device.
        unsafe {
            let again = vk::DeviceQueueInfo2::default().queue_family_index(families[3]).queue_index(1);
            ensure!(gpu.device.get_device_queue2(&again) == list[3].0, "a queue's handle isn't always the same");
            let queue = |(queue, family): (vk::Queue, u32)| -> Result<Queue> {
                let info = vk::CommandPoolCreateInfo::default().queue_family_index(family);
                Ok(Queue { queue, family, pool: gpu.device.create_command_pool(&info, None)? })
            };
            let all = [queue(list[0])?, queue(list[1])?, queue(list[2])?, queue(list[3])?];
            Ok(Self { gpu, all, fence: gpu.device.create_fence(&vk::FenceCreateInfo::default(), None)? })
        }
    }

    fn end(self) {
        // SAFETY: everything has been waited for.
        unsafe {
            self.gpu.device.destroy_fence(self.fence, None);
            for q in self.all {
                self.gpu.device.destroy_command_pool(q.pool, None);
            }
        }
    }

    fn record(&self, on: Queue, record: impl FnOnce(vk::CommandBuffer)) -> Result<vk::CommandBuffer> {
        self.gpu.record_in(on.pool, vk::CommandBufferUsageFlags::empty(), record)
    }

    /// A copy of all of `from` that what comes before and after is ordered with.
    fn copy(&self, on: Queue, from: &Buffer, to: &Buffer) -> Result<vk::CommandBuffer> {
        let region = vk::BufferCopy { src_offset: 0, dst_offset: 0, size: from.size };
        self.record(on, |cmd| {
            self.gpu.barrier(cmd);
            // SAFETY: recording; inside of both buffers.
            unsafe { self.gpu.device.cmd_copy_buffer(cmd, from.buffer, to.buffer, &[region]) };
            self.gpu.barrier(cmd);
        })
    }

    fn semaphore(&self, kind: vk::SemaphoreType) -> Result<vk::Semaphore> {
        let mut kind = vk::SemaphoreTypeCreateInfo::default().semaphore_type(kind);
        // SAFETY: a valid device.
        unsafe { Ok(self.gpu.device.create_semaphore(&vk::SemaphoreCreateInfo::default().push_next(&mut kind), None)?) }
    }

    /// One batch by vkQueueSubmit2.
    fn submit(
        &self,
        on: Queue,
        wait: Option<(vk::Semaphore, u64)>,
        work: Option<vk::CommandBuffer>,
        signal: Option<(vk::Semaphore, u64)>,
        fence: vk::Fence,
    ) -> Result<()> {
        let (waits, signals): (Vec<_>, Vec<_>) =
            (wait.into_iter().map(at).collect(), signal.into_iter().map(at).collect());
        let work: Vec<_> = work.into_iter().map(|b| vk::CommandBufferSubmitInfo::default().command_buffer(b)).collect();
        let batch = vk::SubmitInfo2::default()
            .wait_semaphore_infos(&waits)
            .signal_semaphore_infos(&signals)
            .command_buffer_infos(&work);
        // SAFETY: handles of this device.
        unsafe { Ok(self.gpu.device.queue_submit2(on.queue, &[batch], fence)?) }
    }

    fn host_signals(&self, timeline: vk::Semaphore, value: u64) -> Result<()> {
        let info = vk::SemaphoreSignalInfo::default().semaphore(timeline).value(value);
        // SAFETY: handles of this device.
        unsafe { Ok(self.gpu.device.signal_semaphore(&info)?) }
    }

    fn expect_value(&self, timeline: vk::Semaphore, value: u64) -> Result<()> {
        // SAFETY: handles of this device.
        let now = unsafe { self.gpu.device.get_semaphore_counter_value(timeline)? };
        ensure!(now == value, "the timeline is at {now}, not {value}");
        Ok(())
    }

    /// Fails if the fence is signalled already.
    fn expect_held(&self) -> Result<()> {
        // SAFETY: handles of this device.
        unsafe {
            ensure!(!self.gpu.device.get_fence_status(self.fence)?, "a fence is signalled before its time");
            let wait = self.gpu.device.wait_for_fences(&[self.fence], true, 10_000_000);
            ensure!(wait == Err(vk::Result::TIMEOUT), "a wait before its time: {wait:?}");
        }
        Ok(())
    }

    fn wait(&self) -> Result<()> {
        // SAFETY: handles of this device.
        unsafe {
            self.gpu.device.wait_for_fences(&[self.fence], true, PATIENCE)?;
            Ok(self.gpu.device.reset_fences(&[self.fence])?)
        }
    }
}

fn at((semaphore, value): (vk::Semaphore, u64)) -> vk::SemaphoreSubmitInfo<'static> {
    vk::SemaphoreSubmitInfo::default().semaphore(semaphore).value(value).stage_mask(ALL)
}

/// A binary semaphore whose signal waits for a timeline that a third queue signals last.
fn binary(q: &Queues) -> Result<()> {
    let (d, [a, b, c, _]) = (&q.gpu.device, q.all);
    let (from, to) = (q.gpu.buffer(WORDS)?, q.gpu.buffer(WORDS)?);
    let (handed, begin) = (q.semaphore(vk::SemaphoreType::BINARY)?, q.semaphore(vk::SemaphoreType::TIMELINE)?);
    let work = q.copy(b, &from, &to)?;
    for round in 1..=3u32 {
        from.fill(|i| i ^ round);
        to.fill(|_| 0);
        let now = u64::from(round) * 2;
        q.submit(a, Some((begin, now)), None, Some((handed, 0)), vk::Fence::null())?;
        q.submit(b, Some((handed, 0)), Some(work), None, q.fence)?;
        q.expect_held()?;
        to.expect("work that waits for a semaphore", |_| 0)?;
        q.submit(c, None, None, Some((begin, now)), vk::Fence::null())?;
        q.wait()?;
        to.expect("work behind a binary semaphore", |i| i ^ round)?;
        q.expect_value(begin, now)?;
    }
    // SAFETY: waited for.
    unsafe {
        d.device_wait_idle()?;
        d.destroy_semaphore(handed, None);
        d.destroy_semaphore(begin, None);
    }
    [from, to].into_iter().for_each(|b| q.gpu.free(b));
    Ok(())
}

/// Each queue waits for the one that is submitted to after it; the program starts the last one.
fn before_their_signals(q: &Queues) -> Result<()> {
    let d = &q.gpu.device;
    let buffers = (0..5).map(|_| q.gpu.buffer(WORDS)).collect::<Result<Vec<Buffer>>>()?;
    let timeline = q.semaphore(vk::SemaphoreType::TIMELINE)?;
    buffers.iter().for_each(|b| b.fill(|_| 0));
    buffers[0].fill(|i| i * 3 + 1);
    for (i, queue) in q.all.into_iter().enumerate().rev() {
        let work = q.copy(queue, &buffers[i], &buffers[i + 1])?;
        let fence = if i == 3 { q.fence } else { vk::Fence::null() };
        let value = i as u64 + 1;
        q.submit(queue, Some((timeline, value)), Some(work), Some((timeline, value + 1)), fence)?;
    }
    q.expect_held()?;
    q.expect_value(timeline, 0)?;
    q.host_signals(timeline, 1)?;
    q.wait()?;
    buffers[4].expect("a chain of four queues", |i| i * 3 + 1)?;
    let (semaphores, values) = ([timeline], [5]);
    // SAFETY: handles of this device, waited for.
    unsafe {
        d.wait_semaphores(&vk::SemaphoreWaitInfo::default().semaphores(&semaphores).values(&values), PATIENCE)?;
        d.device_wait_idle()?;
        d.destroy_semaphore(timeline, None);
    }
    buffers.into_iter().for_each(|b| q.gpu.free(b));
    Ok(())
}

/// Two submissions of two batches each, by vkQueueSubmit, whose batches wait for each other in turns.
fn several_batches(q: &Queues) -> Result<()> {
    let (d, [_, a, _, b]) = (&q.gpu.device, q.all);
    let buffers = (0..4).map(|_| q.gpu.buffer(WORDS)).collect::<Result<Vec<Buffer>>>()?;
    let timeline = [q.semaphore(vk::SemaphoreType::TIMELINE)?];
    buffers.iter().for_each(|b| b.fill(|_| 0));
    buffers[0].fill(|i| i + 77);
    let copies = [(a, 0), (b, 1), (a, 2)].map(|(on, i)| q.copy(on, &buffers[i], &buffers[i + 1]));
    let [first, second, third] = copies;
    let (one, two, three) = ([first?], [second?], [third?]);
    let stage = [vk::PipelineStageFlags::ALL_COMMANDS];
    let values: [[u64; 1]; 5] = [[0], [1], [2], [3], [4]];
    let value = |wait: usize, signal: usize| {
        let info = vk::TimelineSemaphoreSubmitInfo::default();
        info.wait_semaphore_values(&values[wait]).signal_semaphore_values(&values[signal])
    };
    let (mut from_b, mut to_a, mut begin, mut end) = (value(1, 2), value(0, 3), value(0, 1), value(3, 4));
    let batch = || vk::SubmitInfo::default().signal_semaphores(&timeline);
    let waiting = || batch().wait_semaphores(&timeline).wait_dst_stage_mask(&stage);
    // SAFETY: handles of this device, waited for.
    unsafe {
        // The fence of a submission ends with its last batch, which does nothing and waits for nothing.
        let second = [waiting().command_buffers(&two).push_next(&mut from_b), batch().push_next(&mut to_a)];
        d.queue_submit(b.queue, &second, q.fence)?;
        q.expect_held()?;
        let first = [
            batch().command_buffers(&one).push_next(&mut begin),
            waiting().command_buffers(&three).push_next(&mut end),
        ];
        d.queue_submit(a.queue, &first, vk::Fence::null())?;
        q.wait()?;
        let wanted = [4];
        d.wait_semaphores(&vk::SemaphoreWaitInfo::default().semaphores(&timeline).values(&wanted), PATIENCE)?;
        d.device_wait_idle()?;
        d.destroy_semaphore(timeline[0], None);
    }
    buffers[3].expect("batches in turns", |i| i + 77)?;
    buffers.into_iter().for_each(|b| q.gpu.free(b));
    Ok(())
}

/// One family fills a buffer and hands it to the other, which copies it out and hands it back.
fn ownership(q: &Queues, second_form: bool) -> Result<()> {
    let (d, [a, _, _, b]) = (&q.gpu.device, q.all);
    let (far, down) = (q.gpu.buffer(WORDS)?, q.gpu.buffer(WORDS)?);
    let done = q.semaphore(vk::SemaphoreType::TIMELINE)?;
    let hand = |cmd, from: u32, to: u32| {
        let (reads, writes) = (vk::AccessFlags::MEMORY_READ, vk::AccessFlags::MEMORY_WRITE);
        let stage = vk::PipelineStageFlags::ALL_COMMANDS;
        if second_form {
            let barrier = [vk::BufferMemoryBarrier2::default()
                .src_stage_mask(ALL)
                .dst_stage_mask(ALL)
                .src_access_mask(vk::AccessFlags2::MEMORY_WRITE)
                .dst_access_mask(vk::AccessFlags2::MEMORY_READ | vk::AccessFlags2::MEMORY_WRITE)
                .src_queue_family_index(from)
                .dst_queue_family_index(to)
                .buffer(far.buffer)
                .size(vk::WHOLE_SIZE)];
            // SAFETY: recording.
            unsafe { d.cmd_pipeline_barrier2(cmd, &vk::DependencyInfo::default().buffer_memory_barriers(&barrier)) };
            return;
        }
        let barrier = [vk::BufferMemoryBarrier::default()
            .src_access_mask(writes)
            .dst_access_mask(reads | writes)
            .src_queue_family_index(from)
            .dst_queue_family_index(to)
            .buffer(far.buffer)
            .size(vk::WHOLE_SIZE)];
        // SAFETY: recording.
        unsafe { d.cmd_pipeline_barrier(cmd, stage, stage, vk::DependencyFlags::empty(), &[], &barrier, &[]) };
    };
    let region = [vk::BufferCopy { src_offset: 0, dst_offset: 0, size: far.size }];
    for round in 0..4u32 {
        down.fill(|_| 0);
        let fill = q.record(a, |cmd| {
            if round > 0 {
                hand(cmd, b.family, a.family);
            }
            // SAFETY: recording; inside of the buffer.
            unsafe { d.cmd_fill_buffer(cmd, far.buffer, 0, vk::WHOLE_SIZE, 0x1000 + round) };
            hand(cmd, a.family, b.family);
        })?;
        let look = q.record(b, |cmd| {
            hand(cmd, a.family, b.family);
            // SAFETY: recording; inside of both buffers.
            unsafe { d.cmd_copy_buffer(cmd, far.buffer, down.buffer, &region) };
            hand(cmd, b.family, a.family);
            q.gpu.barrier(cmd);
        })?;
        let now = u64::from(round) * 2;
        // The one that waits is submitted first.
        q.submit(b, Some((done, now + 1)), Some(look), Some((done, now + 2)), q.fence)?;
        q.submit(a, Some((done, now)), Some(fill), Some((done, now + 1)), vk::Fence::null())?;
        q.wait()?;
        down.expect("what another family owned", |_| 0x1000 + round)?;
    }
    // SAFETY: waited for.
    unsafe {
        d.device_wait_idle()?;
        d.destroy_semaphore(done, None);
    }
    [far, down].into_iter().for_each(|b| q.gpu.free(b));
    Ok(())
}

/// A buffer that both families may use at any time.
fn shared(q: &Queues) -> Result<()> {
    let (d, [a, _, b, _]) = (&q.gpu.device, q.all);
    let (families, size) = ([a.family, b.family], WORDS as u64 * 4);
    let down = q.gpu.buffer(WORDS)?;
    down.fill(|_| 0);
    let done = q.semaphore(vk::SemaphoreType::BINARY)?;
    // SAFETY: handles of this device, waited for.
    unsafe {
        let info = vk::BufferCreateInfo::default()
            .size(size)
            .usage(vk::BufferUsageFlags::TRANSFER_SRC | vk::BufferUsageFlags::TRANSFER_DST)
            .sharing_mode(vk::SharingMode::CONCURRENT)
            .queue_family_indices(&families);
        let buffer = d.create_buffer(&info, None)?;
        let needs = d.get_buffer_memory_requirements(buffer);
        let kind = q.gpu.memory_type(needs.memory_type_bits, vk::MemoryPropertyFlags::empty())?;
        let info = vk::MemoryAllocateInfo::default().allocation_size(needs.size).memory_type_index(kind);
        let memory = d.allocate_memory(&info, None)?;
        d.bind_buffer_memory(buffer, memory, 0)?;
        let fill = q.record(a, |cmd| d.cmd_fill_buffer(cmd, buffer, 0, vk::WHOLE_SIZE, 0x5a5a))?;
        let region = [vk::BufferCopy { src_offset: 0, dst_offset: 0, size }];
        let look = q.record(b, |cmd| {
            d.cmd_copy_buffer(cmd, buffer, down.buffer, &region);
            q.gpu.barrier(cmd);
        })?;
        q.submit(a, None, Some(fill), Some((done, 0)), vk::Fence::null())?;
        q.submit(b, Some((done, 0)), Some(look), None, q.fence)?;
        q.wait()?;
        d.device_wait_idle()?;
        d.destroy_buffer(buffer, None);
        d.free_memory(memory, None);
        d.destroy_semaphore(done, None);
    }
    down.expect("a buffer of two families", |_| 0x5a5a)?;
    q.gpu.free(down);
    Ok(())
}

/// vkQueueWaitIdle and vkDeviceWaitIdle wait for work that waits for the program, and the former for nobody else's.
fn idle(q: &Queues) -> Result<()> {
    let (d, [a, b, c, _]) = (&q.gpu.device, q.all);
    let (from, to) = (q.gpu.buffer(WORDS)?, q.gpu.buffer(WORDS)?);
    let begin = q.semaphore(vk::SemaphoreType::TIMELINE)?;
    let work = q.copy(c, &from, &to)?;
    for (value, whole_device) in [(1, false), (2, true)] {
        from.fill(|i| i + value as u32);
        to.fill(|_| 0);
        q.submit(c, Some((begin, value)), Some(work), None, vk::Fence::null())?;
        q.submit(a, None, None, None, q.fence)?;
        // SAFETY: handles of this device; each queue is used by one thread.
        unsafe {
            d.queue_wait_idle(a.queue)?;
            d.queue_wait_idle(b.queue)?;
            ensure!(d.get_fence_status(q.fence)?, "a fence isn't signalled on an idle queue");
            d.reset_fences(&[q.fence])?;
            to.expect("work that waits for the program", |_| 0)?;
            std::thread::scope(|s| {
                let waiter = s.spawn(|| if whole_device { d.device_wait_idle() } else { d.queue_wait_idle(c.queue) });
                std::thread::sleep(Duration::from_millis(30));
                let early = waiter.is_finished();
                q.host_signals(begin, value)?;
                waiter.join().map_err(|_| vk::Result::ERROR_UNKNOWN)??;
                ensure!(!early, "a queue was idle before its work could begin");
                Ok(())
            })?;
        }
        to.expect("an idle queue's work", |i| i + value as u32)?;
    }
    // SAFETY: waited for.
    unsafe {
        d.device_wait_idle()?;
        d.destroy_semaphore(begin, None);
    }
    [from, to].into_iter().for_each(|b| q.gpu.free(b));
    Ok(())
}
