//! A compiler that takes its time holds up those who need its pipelines, and nobody else. For a host whose test layer makes the
//! compiler slow, and ends when something is destroyed that the compiler still reads.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ash::vk;

use crate::gpu::Gpu;
use crate::pipelines::computes;
use crate::shaders::{Pipeline, SCALE, scale_constants};

const KIND: vk::DescriptorType = vk::DescriptorType::STORAGE_BUFFER;

pub fn run(milliseconds: u64) -> Result<()> {
    let slow = Duration::from_millis(milliseconds);
    let gpu = Gpu::new()?;
    let none = vk::DescriptorSetLayoutCreateFlags::empty();
    let model = gpu.scale(3, none, KIND)?;
    computes(&gpu, &model, model.pipeline, 3, "the first pipeline")?;

    // Another thread, while this one's pipeline compiles.
    let start = Instant::now();
    let (compiled, longest) = with_busy_thread(&gpu, || {
        let pipeline = gpu.scale(4, none, KIND)?;
        // Long enough that the other thread meets the compiler.
        std::thread::sleep(slow / 2);
        Ok(pipeline)
    })?;
    computes(&gpu, &compiled, compiled.pipeline, 4, "a pipeline that another thread didn't wait for")?;
    ensure!(start.elapsed() >= slow, "the host's compiler isn't slow: {:?}", start.elapsed());
    let (call, longest) = longest;
    ensure!(longest < slow / 4, "another thread's {call} took {longest:?} while a pipeline compiled");
    gpu.free_pipeline(compiled);

    let d = &gpu.device;
    // SAFETY: handles of this device; of what is destroyed early Vulkan says that it may be.
    unsafe {
        // Everything that a creation names may go as soon as it returns.
        let made = gpu.scale(5, none, KIND)?;
        d.destroy_shader_module(made.shader, None);
        d.destroy_pipeline_layout(made.layout, None);
        d.destroy_descriptor_set_layout(made.set_layout, None);
        computes(&gpu, &model, made.pipeline, 5, "a pipeline whose layout is gone")?;
        d.destroy_pipeline(made.pipeline, None);

        // The same without a use of the pipeline: destroyed while it compiles, or left to the device.
        for destroyed in [true, false] {
            let made = gpu.scale(6, none, KIND)?;
            if destroyed {
                gpu.free_pipeline(made);
            } else {
                d.destroy_shader_module(made.shader, None);
                d.destroy_pipeline_layout(made.layout, None);
                d.destroy_descriptor_set_layout(made.set_layout, None);
            }
        }

        // A cache has what was compiled before it is asked.
        let code = ash::util::read_spv(&mut std::io::Cursor::new(SCALE))?;
        let shader = d.create_shader_module(&vk::ShaderModuleCreateInfo::default().code(&code), None)?;
        let (entries, constants) = scale_constants(7);
        let special = vk::SpecializationInfo::default().map_entries(&entries).data(&constants);
        let stage = vk::PipelineShaderStageCreateInfo::default()
            .stage(vk::ShaderStageFlags::COMPUTE)
            .specialization_info(&special)
            .name(c"main");
        let info = [vk::ComputePipelineCreateInfo::default().stage(stage.module(shader)).layout(model.layout)];
        let cache = d.create_pipeline_cache(&vk::PipelineCacheCreateInfo::default(), None)?;
        let start = Instant::now();
        let made = d.create_compute_pipelines(cache, &info, None).map_err(|(_, e)| e)?;
        d.get_pipeline_cache_data(cache)?;
        ensure!(start.elapsed() >= slow, "a cache's data came after {:?}, before the pipeline", start.elapsed());
        d.destroy_pipeline(made[0], None);
        let made = d.create_compute_pipelines(cache, &info, None).map_err(|(_, e)| e)?;
        d.destroy_pipeline_cache(cache, None);
        d.destroy_shader_module(shader, None);
        computes(&gpu, &model, made[0], 7, "a pipeline whose cache is gone")?;
    }
    several_at_once(&gpu, &model, slow)?;
    println!("ok slow-compiler");
    Ok(())
}

/// Pipelines that are created as a recording comes to bind them are compiled at the same time, however long the recording is.
fn several_at_once(gpu: &Gpu, model: &Pipeline, slow: Duration) -> Result<()> {
    const FACTORS: [u32; 4] = [11, 12, 13, 14];
    // More commands than a driver keeps in one piece.
    const MORE: u32 = 3_000;
    let d = &gpu.device;
    let none = vk::DescriptorSetLayoutCreateFlags::empty();
    let (from, to) = (gpu.buffer(256)?, FACTORS.map(|_| gpu.buffer(256)));
    let to = to.into_iter().collect::<Result<Vec<_>>>()?;
    from.fill(|i| i + 1);
    to.iter().for_each(|b| b.fill(|_| 0));
    let pool = gpu.descriptor_pool(4, KIND)?;
    let sets = to.iter().map(|b| gpu.set(pool, model.set_layout, &[&from, b])).collect::<Result<Vec<_>>>()?;

    // A recording that is dropped while its pipeline compiles, which is destroyed then.
    let dropped = gpu.scale(10, none, KIND)?;
    // SAFETY: handles of this device; nothing of this is submitted.
    unsafe {
        let once = vk::CommandBufferUsageFlags::ONE_TIME_SUBMIT;
        let cmd = gpu.record_in(gpu.pool, once, |_| ())?;
        d.reset_command_buffer(cmd, vk::CommandBufferResetFlags::empty())?;
        d.begin_command_buffer(cmd, &vk::CommandBufferBeginInfo::default())?;
        gpu.cmd_scale(cmd, &dropped, sets[0], 256, 0);
        d.reset_command_buffer(cmd, vk::CommandBufferResetFlags::empty())?;
        gpu.free_pipeline(dropped);
        d.free_command_buffers(gpu.pool, &[cmd]);
    }

    let (start, mut recorded, mut made) = (Instant::now(), Duration::ZERO, Vec::new());
    gpu.run(|cmd| {
        for (factor, set) in FACTORS.into_iter().zip(&sets) {
            let Ok(pipeline) = gpu.scale(factor, none, KIND) else { continue };
            gpu.cmd_scale(cmd, &pipeline, *set, 256, 0);
            for i in 0..MORE {
                let push: Vec<u8> = [256, i].iter().flat_map(|v: &u32| v.to_le_bytes()).collect();
                // SAFETY: recording into a begun command buffer.
                unsafe { d.cmd_push_constants(cmd, pipeline.layout, vk::ShaderStageFlags::COMPUTE, 0, &push) };
            }
            made.push(pipeline);
        }
        gpu.barrier(cmd);
        recorded = start.elapsed();
    })?;
    let all = start.elapsed();
    ensure!(made.len() == FACTORS.len(), "pipelines can't be made");
    for (factor, b) in FACTORS.into_iter().zip(&to) {
        ensure!((0..256).all(|i| b.get(i) == factor * (i as u32 + 1)), "factor {factor}: it computes wrongly");
    }
    ensure!(all >= slow, "pipelines were there after {all:?}, before they were compiled");
    ensure!(all < 2 * slow, "pipelines took {all:?}, of which recording {recorded:?}, and not the time of one");
    made.into_iter().for_each(|p| gpu.free_pipeline(p));
    // SAFETY: waited for.
    unsafe { d.destroy_descriptor_pool(pool, None) };
    to.into_iter().chain([from]).for_each(|b| gpu.free(b));
    Ok(())
}

/// Runs `f` while another thread allocates, maps, and asks fences; the longest call of that thread, too.
fn with_busy_thread<R>(gpu: &Gpu, f: impl FnOnce() -> Result<R>) -> Result<(R, (&'static str, Duration))> {
    let (begun, over) = (AtomicBool::new(false), AtomicBool::new(false));
    std::thread::scope(|s| {
        let busy = s.spawn(|| {
            let mut longest = ("nothing", Duration::ZERO);
            let mut round = 0;
            while !over.load(Ordering::Acquire) {
                for (call, time) in calls(gpu, round)? {
                    if time > longest.1 {
                        longest = (call, time);
                    }
                }
                round += 1;
                begun.store(true, Ordering::Release);
            }
            Ok::<_, anyhow::Error>(longest)
        });
        while !begun.load(Ordering::Acquire) && !busy.is_finished() {
            std::thread::yield_now();
        }
        let result = f();
        over.store(true, Ordering::Release);
        let longest = busy.join().map_err(|_| anyhow::anyhow!("a thread panicked"))??;
        Ok((result?, longest))
    })
}

/// Calls that need the host, and how long they took.
fn calls(gpu: &Gpu, round: u64) -> Result<[(&'static str, Duration); 3]> {
    let d = &gpu.device;
    let flags = vk::MemoryPropertyFlags::HOST_VISIBLE | vk::MemoryPropertyFlags::HOST_COHERENT;
    let kind = gpu.memory_type(u32::MAX, flags)?;
    // SAFETY: handles of this device.
    unsafe {
        // Of another size each time, so that no driver has it already.
        let info = vk::MemoryAllocateInfo::default().allocation_size(65536 + 4096 * round).memory_type_index(kind);
        let start = Instant::now();
        let memory = d.allocate_memory(&info, None).context("vkAllocateMemory")?;
        let allocated = start.elapsed();
        let start = Instant::now();
        let map: *mut u8 = d.map_memory(memory, 0, vk::WHOLE_SIZE, vk::MemoryMapFlags::empty())?.cast();
        let mapped = start.elapsed();
        map.write_volatile(1);
        d.free_memory(memory, None);
        let fence = d.create_fence(&vk::FenceCreateInfo::default().flags(vk::FenceCreateFlags::SIGNALED), None)?;
        let start = Instant::now();
        ensure!(d.get_fence_status(fence)?, "a fence that was created signalled isn't");
        let asked = start.elapsed();
        d.destroy_fence(fence, None);
        Ok([("vkAllocateMemory", allocated), ("vkMapMemory", mapped), ("vkGetFenceStatus", asked)])
    }
}
