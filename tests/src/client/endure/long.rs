//! Command buffers of very many commands: every dispatch and draw leaves a trace of its own, which is checked.

use anyhow::{Result, ensure};
use ash::vk;

use crate::gpu::{Buffer, Gpu};
use crate::pause::pause;
use crate::picture::{AREA, FORMAT, Picture, Points, SIDE};
use crate::shaders::Pipeline;

/// Commands of a dispatch: bind a set, push constants, dispatch, copy what it wrote.
const EACH: u32 = 4;
/// So many dispatches write to places of their own, so many words apart, before what they wrote is copied away.
const PLACES: u32 = 256;
const APART: u32 = 64;
const FACTOR: u32 = 3;
const SEED: u32 = 1234;
const PIXELS: u32 = SIDE * SIDE;
/// A colour tells of no more instances.
const COLOURS: u32 = 251;

struct Work<'a> {
    gpu: &'a Gpu,
    dispatches: u32,
    draws: u32,
    from: Buffer,
    to: Buffer,
    log: Buffer,
    scale: Pipeline,
    sets: Vec<vk::DescriptorSet>,
    picture: Picture,
    points: vk::Pipeline,
}

/// One command buffer, recorded with `commands` commands, submitted, checked and reset, several times; a pause when it is full, and one when it
/// is empty again.
pub fn run(commands: u32, rounds: u32) -> Result<()> {
    let gpu = Gpu::new()?;
    let kind = vk::DescriptorType::STORAGE_BUFFER;
    let scale = gpu.scale(FACTOR, vk::DescriptorSetLayoutCreateFlags::empty(), kind)?;
    let pool = gpu.descriptor_pool(PLACES, kind)?;
    let shaders = Points::new(&gpu)?;
    let formats = [FORMAT];
    let mut rendering = vk::PipelineRenderingCreateInfo::default().color_attachment_formats(&formats);
    let points = shaders.pipeline(&gpu, |info| info.p_next = (&raw mut rendering).cast())?;
    let dispatches = commands / EACH / 4 * 3;
    let (from, to) = (gpu.buffer(APART as usize)?, gpu.buffer((PLACES * APART) as usize)?);
    let bytes = u64::from(APART) * 4;
    let set = |place: u32| {
        gpu.set_of(pool, scale.set_layout, &[(&from, 0, vk::WHOLE_SIZE), (&to, u64::from(place) * bytes, bytes)])
    };
    let sets = (0..PLACES).map(set).collect::<Result<_>>()?;
    let work = Work {
        gpu: &gpu,
        dispatches,
        draws: commands - dispatches * EACH,
        from,
        to,
        log: gpu.buffer(dispatches as usize)?,
        scale,
        sets,
        picture: Picture::new(&gpu, vk::ImageCreateInfo::default())?,
        points,
    };
    let info = vk::CommandBufferAllocateInfo::default().command_pool(gpu.pool).command_buffer_count(1);
    // SAFETY: handles of this device; the command buffer is reset once its work is done.
    unsafe {
        let cmd = gpu.device.allocate_command_buffers(&info)?[0];
        for round in 0..rounds {
            gpu.device.begin_command_buffer(cmd, &vk::CommandBufferBeginInfo::default())?;
            work.record(cmd, round);
            gpu.device.end_command_buffer(cmd)?;
            gpu.submit(&[cmd])?;
            work.check(round)?;
            pause("full")?;
            gpu.device.reset_command_buffer(cmd, vk::CommandBufferResetFlags::RELEASE_RESOURCES)?;
            pause("empty")?;
        }
        gpu.device.destroy_descriptor_pool(pool, None);
        gpu.device.destroy_pipeline(work.points, None);
    }
    shaders.free(&gpu);
    work.picture.free(&gpu);
    gpu.free_pipeline(work.scale);
    for buffer in [work.from, work.to, work.log] {
        gpu.free(buffer);
    }
    Ok(())
}

impl Work<'_> {
    fn record(&self, cmd: vk::CommandBuffer, round: u32) {
        let (gpu, d, point) = (self.gpu, &self.gpu.device, vk::PipelineBindPoint::COMPUTE);
        self.from.fill(|_| SEED);
        self.log.fill(|_| 0);
        // SAFETY: recording with handles of this device; all offsets lie inside the buffers.
        unsafe {
            d.cmd_bind_pipeline(cmd, point, self.scale.pipeline);
            for first in (0..self.dispatches).step_by(PLACES as usize) {
                let some = first..self.dispatches.min(first + PLACES);
                for (n, set) in some.clone().zip(&self.sets) {
                    d.cmd_bind_descriptor_sets(cmd, point, self.scale.layout, 0, &[*set], &[]);
                    let push: Vec<u8> = [1, n ^ round].iter().flat_map(|v: &u32| v.to_le_bytes()).collect();
                    d.cmd_push_constants(cmd, self.scale.layout, vk::ShaderStageFlags::COMPUTE, 0, &push);
                    d.cmd_dispatch(cmd, 1, 1, 1);
                }
                gpu.barrier(cmd);
                for (n, place) in some.zip(0..) {
                    let (from, to) = (place * u64::from(APART) * 4, u64::from(n) * 4);
                    let region = vk::BufferCopy { src_offset: from, dst_offset: to, size: 4 };
                    d.cmd_copy_buffer(cmd, self.to.buffer, self.log.buffer, &[region]);
                }
                gpu.barrier(cmd);
            }
            self.picture.begin(gpu, cmd);
            let attachments = [self.picture.attachment()];
            let info = vk::RenderingInfo::default().render_area(AREA).layer_count(1).color_attachments(&attachments);
            d.cmd_begin_rendering(cmd, &info);
            d.cmd_bind_pipeline(cmd, vk::PipelineBindPoint::GRAPHICS, self.points);
            for n in 0..self.draws {
                d.cmd_draw(cmd, 1, 1, n % PIXELS, n / PIXELS % COLOURS);
            }
            d.cmd_end_rendering(cmd);
        }
        self.picture.end(gpu, cmd);
    }

    fn check(&self, round: u32) -> Result<()> {
        self.log.expect("the dispatches", |n| SEED * FACTOR + (n ^ round))?;
        ensure!(self.draws >= PIXELS, "fewer draws than pixels");
        // The last draw of each pixel.
        let points: Vec<_> = (0..PIXELS).map(|at| (at, (self.draws - 1 - at) / PIXELS % COLOURS)).collect();
        self.picture.expect("the draws", &points)
    }
}
