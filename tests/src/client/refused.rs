//! Pipelines that the host's compiler can't make: the program is told, at the creation or when the pipeline is bound, and
//! goes on. For a host whose test layer refuses shaders with the entry point `refused`.

use anyhow::{Result, bail, ensure};
use ash::vk;

use crate::gpu::Gpu;
use crate::shaders::{Pipeline, SCALE};

pub fn run() -> Result<()> {
    let gpu = Gpu::new()?;
    let d = &gpu.device;
    let code = ash::util::read_spv(&mut std::io::Cursor::new(SCALE))?;
    // SAFETY: handles of this device; what can't be made is never submitted.
    unsafe {
        let shader = d.create_shader_module(&vk::ShaderModuleCreateInfo::default().code(&code), None)?;
        let kind = vk::DescriptorType::STORAGE_BUFFER;
        let good = gpu.scale(3, vk::DescriptorSetLayoutCreateFlags::empty(), kind)?;
        let stage = vk::PipelineShaderStageCreateInfo::default().stage(vk::ShaderStageFlags::COMPUTE);
        let info =
            [vk::ComputePipelineCreateInfo::default().stage(stage.module(shader).name(c"refused")).layout(good.layout)];
        let create = || d.create_compute_pipelines(vk::PipelineCache::null(), &info, None).map_err(|(_, e)| e);
        let use_it = |pipeline| {
            gpu.record(|cmd| {
                d.cmd_bind_pipeline(cmd, vk::PipelineBindPoint::COMPUTE, pipeline);
                d.cmd_dispatch(cmd, 1, 1, 1);
            })
        };
        let is_refusal = |e: vk::Result| e == vk::Result::ERROR_OUT_OF_DEVICE_MEMORY;

        // The recording thread is told when it binds at the latest; used twice, destroyed used, destroyed unused.
        match create() {
            Err(e) => ensure!(is_refusal(e), "the creation ended with {e:?}"),
            Ok(made) => {
                for _ in 0..2 {
                    let e = use_it(made[0]).err().and_then(|e| e.downcast_ref::<vk::Result>().copied());
                    ensure!(e.is_some_and(is_refusal), "a pipeline that isn't there was recorded: {e:?}");
                }
                failed_recordings(&gpu, &good, made[0])?;
                d.destroy_pipeline(made[0], None);
                d.destroy_pipeline(create()?[0], None);
                // Left to the device's destruction.
                create()?;
            }
        }
        // A thread that doesn't record is told at once.
        let told = std::thread::scope(|s| s.spawn(|| create().err()).join());
        ensure!(matches!(told, Ok(Some(e)) if is_refusal(e)), "another thread's creation: {told:?}");

        // The others of an array are there all the same, up to one that asks for an early return.
        let early = info[0].flags(vk::PipelineCreateFlags::EARLY_RETURN_ON_FAILURE);
        let fine = info[0].stage(stage.module(shader).name(c"main")).flags(vk::PipelineCreateFlags::ALLOW_DERIVATIVES);
        let derived = |i| fine.flags(vk::PipelineCreateFlags::DERIVATIVE).base_pipeline_index(i);
        for (infos, there) in [
            ([fine, info[0], fine, derived(0)], [true, false, true, true]),
            ([fine, early, fine, derived(0)], [true, false, false, false]),
            ([early, fine, fine, derived(2)], [false; 4]),
            ([fine, fine, info[0], derived(1)], [true, true, false, true]),
        ] {
            let Err((made, e)) = d.create_compute_pipelines(vk::PipelineCache::null(), &infos, None) else {
                bail!("an array with one that is refused is there");
            };
            let null = vk::Pipeline::null();
            ensure!(is_refusal(e) && made.iter().map(|p| *p != null).eq(there), "an array ended with {e:?}: {made:?}");
            for pipeline in made {
                if pipeline != null {
                    use_it(pipeline)?;
                }
                d.destroy_pipeline(pipeline, None);
            }
        }

        // Nothing is lost, and pipelines that are made and destroyed at once do no harm.
        let buffers = [gpu.buffer(64)?, gpu.buffer(64)?];
        buffers[0].fill(|i| i);
        buffers[1].fill(|_| 0);
        for factor in 10..110 {
            gpu.free_pipeline(gpu.scale(factor, vk::DescriptorSetLayoutCreateFlags::empty(), kind)?);
        }
        let pool = gpu.descriptor_pool(1, kind)?;
        let set = gpu.set(pool, good.set_layout, &[&buffers[0], &buffers[1]])?;
        gpu.run(|cmd| gpu.cmd_scale(cmd, &good, set, 64, 0))?;
        ensure!((0..64).all(|i| buffers[1].get(i) == 3 * i as u32), "the device computes wrongly afterwards");
        d.destroy_shader_module(shader, None);
    }
    println!("ok refused");
    Ok(())
}

/// A command buffer whose recording failed half-way is begun anew, and holds what is recorded then.
unsafe fn failed_recordings(gpu: &Gpu, good: &Pipeline, refused: vk::Pipeline) -> Result<()> {
    let (d, point) = (&gpu.device, vk::PipelineBindPoint::COMPUTE);
    let target = gpu.buffer(64)?;
    // SAFETY: handles of this device; what failed is never submitted.
    unsafe {
        let info = vk::CommandBufferAllocateInfo::default().command_pool(gpu.pool).command_buffer_count(1);
        let cmd = d.allocate_command_buffers(&info)?[0];
        // From what the host hasn't been shown yet to what it surely has.
        for commands in [1, 100, 10_000] {
            d.begin_command_buffer(cmd, &vk::CommandBufferBeginInfo::default())?;
            d.cmd_bind_pipeline(cmd, point, good.pipeline);
            for i in 0..commands {
                d.cmd_fill_buffer(cmd, target.buffer, 0, vk::WHOLE_SIZE, i);
            }
            d.cmd_bind_pipeline(cmd, point, refused);
            let ended = d.end_command_buffer(cmd);
            ensure!(ended.is_err(), "a recording of {commands} commands with a pipeline that isn't there");
            target.fill(|_| 0);
            d.begin_command_buffer(cmd, &vk::CommandBufferBeginInfo::default())?;
            d.cmd_fill_buffer(cmd, target.buffer, 0, vk::WHOLE_SIZE, commands);
            gpu.barrier(cmd);
            d.end_command_buffer(cmd)?;
            gpu.submit(&[cmd])?;
            target.expect("a command buffer whose recording failed before", |_| commands)?;
        }
        d.free_command_buffers(gpu.pool, &[cmd]);
    }
    gpu.free(target);
    Ok(())
}
