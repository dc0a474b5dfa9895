//! A worker's life: programs come in, reports go out.

use std::io::{stdin, stdout};

use anyhow::{Context, Result};
use ash::vk;

use super::device::{Gpu, Loaded};
use super::handles::Handles;
use super::image_objects::Images;
use super::thread::{Shared, Thread};
use crate::wire::{self, Hello, Note, Place, Report, Seen, Task};

/// Runs programs from standard input until it ends.
///
/// # Errors
/// Without a device, and when the tester is gone.
pub fn serve() -> Result<()> {
    let (mut from, mut to) = (stdin().lock(), stdout().lock());
    let mut loaded = Loaded::new()?;
    let (facts, device) = loaded.facts();
    wire::send(&mut to, &Hello { facts, device })?;
    while let Some(task) = wire::receive::<Task>(&mut from).context("reading a program")? {
        super::poison::set(task.poison);
        if task.fresh_instance {
            loaded.renew()?;
        }
        let report = run(&loaded, &task);
        wire::send(&mut to, &report).context("sending a report")?;
    }
    Ok(())
}

fn run(loaded: &Loaded, task: &Task) -> Report {
    let gpu = match Gpu::new(loaded) {
        Ok(gpu) => gpu,
        Err(e) => {
            let seen = Seen::Ended(format!("making the device: {e:#}"));
            return Report { notes: vec![Note { at: Place::default(), seen }], calls: 1 };
        }
    };
    let shared =
        Shared { gpu, handles: Handles::new(), images: Images::default(), drawing: std::sync::OnceLock::new() };
    let mut thread = Thread::new(&shared, Place::default());
    let done = thread.run(&task.steps);
    let (mut notes, mut calls) = (std::mem::take(&mut thread.notes), thread.calls + 14);
    drop(thread);
    // What is lost stays where it is: the worker won't be used any more.
    if done.is_err() {
        return Report { notes, calls };
    }
    // SAFETY: all work has ended.
    unsafe {
        if let Err(e) = shared.gpu.device.device_wait_idle() {
            notes.push(Note { at: Place::default(), seen: Seen::Ended(format!("vkDeviceWaitIdle at the end: {e:?}")) });
            return Report { notes, calls };
        }
        calls += destroy_all(&shared);
        shared.gpu.destroy();
    }
    Report { notes, calls }
}

/// Destroys every object that is left; returns how many.
unsafe fn destroy_all(shared: &Shared) -> u64 {
    let (d, h) = (&shared.gpu.device, &shared.handles);
    let mut count = 0;
    let mut all = |n: usize| count += n as u64;
    // SAFETY: by contract all work has ended.
    unsafe {
        all(h.pools.drain::<vk::CommandPool>().into_iter().map(|o| d.destroy_command_pool(o, None)).count());
        all(h.buffers.drain::<vk::Buffer>().into_iter().map(|o| d.destroy_buffer(o, None)).count());
        all(shared.images.forget(d, |_| true) as usize);
        all(h.images.drain::<vk::Image>().into_iter().map(|o| d.destroy_image(o, None)).count());
        all(h.image_memories.drain::<vk::DeviceMemory>().into_iter().map(|o| d.free_memory(o, None)).count());
        all(h.memories.drain::<vk::DeviceMemory>().into_iter().map(|o| d.free_memory(o, None)).count());
        all(h.fences.drain::<vk::Fence>().into_iter().map(|o| d.destroy_fence(o, None)).count());
        all(h.events.drain::<vk::Event>().into_iter().map(|o| d.destroy_event(o, None)).count());
        all(h.semaphores.drain::<vk::Semaphore>().into_iter().map(|o| d.destroy_semaphore(o, None)).count());
        all(h.pipelines.drain::<vk::Pipeline>().into_iter().map(|o| d.destroy_pipeline(o, None)).count());
        all(h.set_pools.drain::<vk::DescriptorPool>().into_iter().map(|o| d.destroy_descriptor_pool(o, None)).count());
        all(h.queries.drain::<vk::QueryPool>().into_iter().map(|o| d.destroy_query_pool(o, None)).count());
        if let Some(Ok(drawing)) = shared.drawing.get() {
            all(drawing.destroy(d) as usize);
        }
    }
    count
}
