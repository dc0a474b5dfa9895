//! Host and device take turns over one timeline: the program writes and signals, the device works and signals, the program looks. All work is
//! submitted before any of it may begin, or while the program waits for it already; by one thread, or by one that writes and another that looks.

use std::sync::Mutex;

use anyhow::{Context, Result, anyhow, ensure};
use ash::vk;

use super::outcome::Outcome;
use crate::gpu::{Buffer, Gpu, PATIENCE};
use crate::shaders::Pipeline;

/// Words that are handed over: the pixels of an image of this side.
const SIDE: u32 = 8;
const WORDS: u32 = SIDE * SIDE;
/// Turns of a short run.
const TURNS: u32 = 16;
const FACTOR: u32 = 3;

/// What the device does with the words.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Work {
    Copy,
    Image,
    Dispatch,
}

/// When and how it is told to.
#[derive(Clone, Copy, Debug)]
enum Submitted {
    OneByOne,
    AllAtOnce,
    /// By another thread, when the program waits for it.
    Late,
}

pub fn run(times: u32) -> Result<Outcome> {
    let gpu = Gpu::new()?;
    let pipeline =
        gpu.scale(FACTOR, vk::DescriptorSetLayoutCreateFlags::empty(), vk::DescriptorType::STORAGE_BUFFER)?;
    for work in [Work::Copy, Work::Image, Work::Dispatch] {
        for submitted in [Submitted::OneByOne, Submitted::AllAtOnce, Submitted::Late] {
            for threads in [1, 2] {
                let table = Table::new(&gpu, &pipeline, work, TURNS * times)?;
                let at = || format!("{work:?}, {submitted:?}, {threads} threads");
                let done = if threads == 1 { table.one(submitted) } else { table.two(submitted) };
                if done.is_err() {
                    table.finish();
                }
                done.with_context(at)?;
                table.free();
            }
        }
    }
    gpu.free_pipeline(pipeline);
    Ok(Outcome::Passed)
}

/// Two buffers, what lies between them, and a recording for each turn.
struct Table<'a> {
    gpu: &'a Gpu,
    work: Work,
    from: Buffer,
    to: Buffer,
    image: vk::Image,
    memory: vk::DeviceMemory,
    pool: vk::DescriptorPool,
    recordings: Vec<vk::CommandBuffer>,
    timeline: vk::Semaphore,
    queue: Mutex<()>,
}
// SAFETY: the buffers' mappings are read and written by one thread at a time, in the order that the timeline gives; Vulkan's objects are used as it allows.
unsafe impl Sync for Table<'_> {}

/// What the timeline is at when the program has written for a turn, when the device has worked, and when the program has looked.
fn written(turn: u32) -> u64 {
    u64::from(turn) * 3 + 1
}
fn worked(turn: u32) -> u64 {
    written(turn) + 1
}
fn looked(turn: u32) -> u64 {
    written(turn) + 2
}

fn word(turn: u32, i: u32) -> u32 {
    ((turn + 1) << 16) | (i * 5)
}

impl<'a> Table<'a> {
    fn new(gpu: &'a Gpu, pipeline: &Pipeline, work: Work, turns: u32) -> Result<Self> {
        let d = &gpu.device;
        let (from, to) = (gpu.buffer(WORDS as usize)?, gpu.buffer(WORDS as usize)?);
        to.fill(|_| 0);
        let pool = gpu.descriptor_pool(1, vk::DescriptorType::STORAGE_BUFFER)?;
        let set = gpu.set(pool, pipeline.set_layout, &[&from, &to])?;
        let info = vk::ImageCreateInfo::default()
            .image_type(vk::ImageType::TYPE_2D)
            .format(vk::Format::R8G8B8A8_UINT)
            .extent(vk::Extent3D { width: SIDE, height: SIDE, depth: 1 })
            .mip_levels(1)
            .array_layers(1)
            .samples(vk::SampleCountFlags::TYPE_1)
            .usage(vk::ImageUsageFlags::TRANSFER_SRC | vk::ImageUsageFlags::TRANSFER_DST);
        let mut kind = vk::SemaphoreTypeCreateInfo::default().semaphore_type(vk::SemaphoreType::TIMELINE);
        // SAFETY: handles of this device.
        unsafe {
            let image = d.create_image(&info, None)?;
            let needs = d.get_image_memory_requirements(image);
            let kind_of_memory = gpu.memory_type(needs.memory_type_bits, vk::MemoryPropertyFlags::empty())?;
            let info = vk::MemoryAllocateInfo::default().allocation_size(needs.size).memory_type_index(kind_of_memory);
            let memory = d.allocate_memory(&info, None)?;
            d.bind_image_memory(image, memory, 0)?;
            let timeline = d.create_semaphore(&vk::SemaphoreCreateInfo::default().push_next(&mut kind), None)?;
            let record = |turn| {
                gpu.record(|cmd| {
                    // The program writes after the submission, which orders only what was written before.
                    gpu.barrier(cmd);
                    let all = vk::BufferCopy { size: from.size, ..Default::default() };
                    match work {
                        Work::Copy => d.cmd_copy_buffer(cmd, from.buffer, to.buffer, &[all]),
                        Work::Image => through(gpu, cmd, image, from.buffer, to.buffer),
                        Work::Dispatch => gpu.cmd_scale(cmd, pipeline, set, WORDS, turn),
                    }
                    gpu.barrier(cmd);
                })
            };
            let recordings = (0..turns).map(record).collect::<Result<_>>()?;
            let queue = Mutex::new(());
            Ok(Self { gpu, work, from, to, image, memory, pool, recordings, timeline, queue })
        }
    }

    fn free(self) {
        let d = &self.gpu.device;
        // SAFETY: everything has been waited for; the queue goes idle a moment after its last signal.
        unsafe {
            let _ = d.device_wait_idle();
            d.free_command_buffers(self.gpu.pool, &self.recordings);
            d.destroy_semaphore(self.timeline, None);
            d.destroy_descriptor_pool(self.pool, None);
            d.destroy_image(self.image, None);
            d.free_memory(self.memory, None);
        }
        self.gpu.free(self.from);
        self.gpu.free(self.to);
    }

    fn turns(&self) -> u32 {
        self.recordings.len() as u32
    }

    /// Submits the work of some turns, each of which waits for its own value.
    fn submit(&self, turns: std::ops::Range<u32>) -> Result<()> {
        let at = |value| {
            let stage = vk::PipelineStageFlags2::ALL_COMMANDS;
            [vk::SemaphoreSubmitInfo::default().semaphore(self.timeline).value(value).stage_mask(stage)]
        };
        let parts: Vec<_> = turns
            .map(|t| {
                let work = vk::CommandBufferSubmitInfo::default().command_buffer(self.recordings[t as usize]);
                (at(written(t)), [work], at(worked(t)))
            })
            .collect();
        let batches: Vec<_> = parts
            .iter()
            .map(|(wait, work, signal)| {
                vk::SubmitInfo2::default()
                    .wait_semaphore_infos(wait)
                    .command_buffer_infos(work)
                    .signal_semaphore_infos(signal)
            })
            .collect();
        let _alone = self.queue.lock().map_err(|_| anyhow!("a thread has panicked"))?;
        // SAFETY: handles of this device; the queue is this thread's while the lock is held.
        unsafe { Ok(self.gpu.device.queue_submit2(self.gpu.queue, &batches, vk::Fence::null())?) }
    }

    /// Everything that is submitted in advance.
    fn submit_early(&self, submitted: Submitted) -> Result<()> {
        match submitted {
            Submitted::OneByOne => (0..self.turns()).try_for_each(|t| self.submit(t..t + 1)),
            Submitted::AllAtOnce => self.submit(0..self.turns()),
            Submitted::Late => Ok(()),
        }
    }

    fn signal(&self, value: u64) -> Result<()> {
        let info = vk::SemaphoreSignalInfo::default().semaphore(self.timeline).value(value);
        // SAFETY: a valid semaphore, whose value grows.
        unsafe { Ok(self.gpu.device.signal_semaphore(&info)?) }
    }

    /// Waits by asking, by waiting for all or by waiting for any, in turns.
    fn wait(&self, value: u64, turn: u32) -> Result<()> {
        let d = &self.gpu.device;
        let (semaphores, values) = ([self.timeline], [value]);
        let flags = if turn % 3 == 1 { vk::SemaphoreWaitFlags::ANY } else { vk::SemaphoreWaitFlags::empty() };
        let info = vk::SemaphoreWaitInfo::default().semaphores(&semaphores).values(&values).flags(flags);
        // SAFETY: a valid semaphore.
        unsafe {
            if turn % 3 == 2 {
                let start = std::time::Instant::now();
                while d.get_semaphore_counter_value(self.timeline)? < value {
                    ensure!(start.elapsed().as_nanos() < u128::from(PATIENCE), "{value} is never reached");
                    std::thread::yield_now();
                }
            } else {
                d.wait_semaphores(&info, PATIENCE)?;
            }
            let now = d.get_semaphore_counter_value(self.timeline)?;
            ensure!(now == value, "the timeline is at {now}, and nobody may go on from {value}");
        }
        Ok(())
    }

    /// Has all work run that was submitted: the device would wait for it at its end.
    fn finish(&self) {
        // SAFETY: a valid semaphore.
        let now = || unsafe { self.gpu.device.get_semaphore_counter_value(self.timeline) };
        for turn in 0..self.turns() {
            if now().is_ok_and(|now| now < written(turn)) {
                let _ = self.signal(written(turn));
            }
            let (semaphores, values) = ([self.timeline], [worked(turn)]);
            let info = vk::SemaphoreWaitInfo::default().semaphores(&semaphores).values(&values);
            // SAFETY: as above; work that was never submitted is given up after a second.
            if unsafe { self.gpu.device.wait_semaphores(&info, 1_000_000_000) }.is_err() {
                return;
            }
        }
    }

    fn look(&self, turn: u32) -> Result<()> {
        self.to.expect(&format!("turn {turn}"), |i| match self.work {
            Work::Dispatch => word(turn, i) * FACTOR + turn,
            _ => word(turn, i),
        })
    }

    /// Fails if the device has touched anything before its turn.
    fn untouched(&self, turn: u32) -> Result<()> {
        if turn == 0 { self.to.expect("before the first turn", |_| 0) } else { self.look(turn - 1) }
    }

    /// One thread writes and looks; work that is submitted late another one submits.
    fn one(&self, submitted: Submitted) -> Result<()> {
        self.submit_early(submitted)?;
        for turn in 0..self.turns() {
            self.untouched(turn)?;
            self.from.fill(|i| word(turn, i));
            self.signal(written(turn))?;
            std::thread::scope(|s| {
                let late = matches!(submitted, Submitted::Late).then(|| s.spawn(move || self.submit(turn..turn + 1)));
                self.wait(worked(turn), turn)?;
                late.map_or(Ok(()), |thread| thread.join().map_err(|_| anyhow!("the thread that submits panicked"))?)
            })?;
            self.look(turn)?;
            self.signal(looked(turn))?;
        }
        Ok(())
    }

    /// One thread writes and signals, and submits what is late; the other looks and signals.
    fn two(&self, submitted: Submitted) -> Result<()> {
        self.submit_early(submitted)?;
        std::thread::scope(|s| {
            let looks = s.spawn(|| {
                (0..self.turns()).try_for_each(|turn| {
                    self.wait(worked(turn), turn)?;
                    self.look(turn)?;
                    self.signal(looked(turn))
                })
            });
            for turn in 0..self.turns() {
                if turn > 0 {
                    self.wait(looked(turn - 1), turn)?;
                }
                self.untouched(turn)?;
                self.from.fill(|i| word(turn, i));
                self.signal(written(turn))?;
                if matches!(submitted, Submitted::Late) {
                    self.submit(turn..turn + 1)?;
                }
            }
            looks.join().map_err(|_| anyhow!("the thread that looks panicked"))?
        })
    }
}

/// Copies words into an image, and from there.
fn through(gpu: &Gpu, cmd: vk::CommandBuffer, image: vk::Image, from: vk::Buffer, to: vk::Buffer) {
    let color = vk::ImageAspectFlags::COLOR;
    let layers = vk::ImageSubresourceLayers { aspect_mask: color, layer_count: 1, ..Default::default() };
    let extent = vk::Extent3D { width: SIDE, height: SIDE, depth: 1 };
    let region = [vk::BufferImageCopy { image_subresource: layers, image_extent: extent, ..Default::default() }];
    let range = vk::ImageSubresourceRange { aspect_mask: color, level_count: 1, layer_count: 1, ..Default::default() };
    let all = vk::AccessFlags::MEMORY_READ | vk::AccessFlags::MEMORY_WRITE;
    let general = vk::ImageLayout::GENERAL;
    let barrier = vk::ImageMemoryBarrier::default()
        .image(image)
        .new_layout(general)
        .src_access_mask(all)
        .dst_access_mask(all)
        .subresource_range(range);
    let (stages, none) = (vk::PipelineStageFlags::ALL_COMMANDS, vk::DependencyFlags::empty());
    // SAFETY: recording with handles of this device.
    unsafe {
        gpu.device.cmd_pipeline_barrier(cmd, stages, stages, none, &[], &[], &[barrier]);
        gpu.device.cmd_copy_buffer_to_image(cmd, from, image, general, &region);
        gpu.barrier(cmd);
        gpu.device.cmd_copy_image_to_buffer(cmd, image, general, to, &region);
    }
}
