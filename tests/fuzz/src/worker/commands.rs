//! Command pools and recordings.

use ash::vk;

use super::device::pipeline_layout;
use super::poison;
use super::submissions::query_flags;
use super::thread::{Ended, Thread};
use crate::command::{Bind, Command, Id, Region};
use crate::step::Step;

impl Thread<'_> {
    pub fn recording_step(&mut self, step: &Step) -> Result<(), Ended> {
        let (d, h) = (&self.shared.gpu.device, &self.shared.handles);
        // SAFETY: the planner's steps are valid usage of this device's handles.
        unsafe {
            match step {
                Step::CreatePool { pool, family, resets, primaries, secondaries } => {
                    use vk::CommandPoolCreateFlags as F;
                    let flags = if *resets { F::RESET_COMMAND_BUFFER } else { F::TRANSIENT };
                    let info = vk::CommandPoolCreateInfo::default().queue_family_index(*family).flags(flags);
                    let made = d.create_command_pool(&info, None);
                    let handle = self.must("vkCreateCommandPool", made)?;
                    h.pools.set(*pool, handle);
                    for (slots, level) in
                        [(primaries, vk::CommandBufferLevel::PRIMARY), (secondaries, vk::CommandBufferLevel::SECONDARY)]
                    {
                        if slots.is_empty() {
                            continue;
                        }
                        let info = vk::CommandBufferAllocateInfo::default()
                            .command_pool(handle)
                            .level(level)
                            .command_buffer_count(slots.len() as u32);
                        let made = d.allocate_command_buffers(&info);
                        for (slot, cb) in slots.iter().zip(self.must("vkAllocateCommandBuffers", made)?) {
                            h.cbs.set(*slot, cb);
                        }
                    }
                }
                Step::ResetPool { pool, release } => {
                    use vk::CommandPoolResetFlags as F;
                    let flags = if *release { F::RELEASE_RESOURCES } else { F::empty() };
                    let done = d.reset_command_pool(h.pools.get(*pool), flags);
                    self.must("vkResetCommandPool", done)?;
                }
                Step::TrimPool { pool } => {
                    d.trim_command_pool(h.pools.get(*pool), vk::CommandPoolTrimFlags::empty());
                    self.called(1);
                }
                Step::DestroyPool { pool } => {
                    d.destroy_command_pool(h.pools.take(*pool), None);
                    self.called(1);
                }
                Step::ResetBuffer { cb, release } => {
                    use vk::CommandBufferResetFlags as F;
                    let flags = if *release { F::RELEASE_RESOURCES } else { F::empty() };
                    let done = d.reset_command_buffer(h.cbs.get(*cb), flags);
                    self.must("vkResetCommandBuffer", done)?;
                }
                Step::Record { cb, secondary, once, simultaneous, commands } => {
                    use vk::CommandBufferUsageFlags as F;
                    let cb: vk::CommandBuffer = h.cbs.get(*cb);
                    let mut flags = F::empty();
                    if *once {
                        flags |= F::ONE_TIME_SUBMIT;
                    }
                    if *simultaneous {
                        flags |= F::SIMULTANEOUS_USE;
                    }
                    let inherited = vk::CommandBufferInheritanceInfo {
                        // Only what continues a render pass has these.
                        render_pass: poison::handle(),
                        subpass: poison::count(),
                        framebuffer: poison::handle(),
                        ..Default::default()
                    };
                    let info = vk::CommandBufferBeginInfo {
                        flags,
                        p_inheritance_info: if *secondary { &inherited } else { self.edge.bad() },
                        ..Default::default()
                    };
                    let done = d.begin_command_buffer(cb, &info);
                    self.must("vkBeginCommandBuffer", done)?;
                    for command in commands {
                        self.command(cb, command)?;
                    }
                    let done = d.end_command_buffer(cb);
                    self.must("vkEndCommandBuffer", done)?;
                    for template in std::mem::take(&mut self.templates) {
                        d.destroy_descriptor_update_template(template, None);
                        self.called(1);
                    }
                    for layout in std::mem::take(&mut self.passing) {
                        d.destroy_pipeline_layout(layout, None);
                        self.called(1);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    #[allow(clippy::too_many_lines)]
    unsafe fn command(&mut self, cb: vk::CommandBuffer, command: &Command) -> Result<(), Ended> {
        let (gpu, h) = (&self.shared.gpu, &self.shared.handles);
        let d = &gpu.device;
        self.called(1);
        // SAFETY: by the plan.
        unsafe {
            match command {
                Command::Copy { from, to, regions, second_form } => self.copy(cb, *from, *to, regions, *second_form),
                Command::Update { to, at, size, seed } => {
                    let bytes = poison::bytes(*seed, *size as usize);
                    let bytes = std::slice::from_raw_parts(self.edge.array(&bytes), bytes.len());
                    d.cmd_update_buffer(cb, h.buffers.get(*to), *at, bytes);
                }
                Command::Fill { to, at, size, value } => {
                    d.cmd_fill_buffer(cb, h.buffers.get(*to), *at, size.unwrap_or(vk::WHOLE_SIZE), *value);
                }
                Command::BindAndDispatch { pipeline, bind, count, add, constants_only_once, passing_layout } => {
                    let pushed = matches!(bind, Bind::Push(..));
                    let layout = if *passing_layout {
                        let made = pipeline_layout(d, gpu.set_layouts[usize::from(pushed)]);
                        self.must("vkCreatePipelineLayout", made)?
                    } else {
                        gpu.layouts[usize::from(pushed)]
                    };
                    let point = vk::PipelineBindPoint::COMPUTE;
                    d.cmd_bind_pipeline(cb, point, h.pipelines.get(*pipeline));
                    match bind {
                        Bind::Set(set) => d.cmd_bind_descriptor_sets(cb, point, layout, 0, &[h.sets.get(*set)], &[]),
                        Bind::Push(from, to, how) => self.push(cb, layout, *from, *to, *how)?,
                    }
                    let constants: Vec<u8> = [*count, *add].iter().flat_map(|v| v.to_le_bytes()).collect();
                    let constants = std::slice::from_raw_parts(self.edge.array(&constants), 8);
                    let stage = vk::ShaderStageFlags::COMPUTE;
                    if *constants_only_once {
                        d.cmd_push_constants(cb, layout, stage, 0, constants);
                    } else {
                        d.cmd_push_constants(cb, layout, stage, 0, &constants[..4]);
                        d.cmd_push_constants(cb, layout, stage, 4, &constants[4..]);
                    }
                    if *passing_layout {
                        self.passing.push(layout);
                    }
                    d.cmd_dispatch(cb, count.div_ceil(64), 1, 1);
                    self.called(4);
                }
                Command::Barrier { style } => self.barrier(cb, *style),
                Command::SetEvent { event, second_form } => {
                    let event = h.events.get(*event);
                    if *second_form {
                        let order = [full2()];
                        let info = vk::DependencyInfo::default().memory_barriers(&order);
                        d.cmd_set_event2(cb, event, &info);
                    } else {
                        d.cmd_set_event(cb, event, vk::PipelineStageFlags::ALL_COMMANDS);
                    }
                }
                Command::ResetEvent { event } => {
                    d.cmd_reset_event(cb, h.events.get(*event), vk::PipelineStageFlags::ALL_COMMANDS);
                }
                Command::WaitEvent { event, host } => {
                    use vk::PipelineStageFlags as S;
                    let before = if *host { S::HOST } else { S::ALL_COMMANDS };
                    let events = [h.events.get(*event)];
                    (d.fp_v1_0().cmd_wait_events)(
                        cb,
                        1,
                        self.edge.array(&events),
                        before,
                        S::ALL_COMMANDS,
                        0,
                        self.edge.bad(),
                        0,
                        self.edge.bad(),
                        0,
                        self.edge.bad(),
                    );
                }
                Command::BeginQuery { pool, query } => {
                    d.cmd_begin_query(cb, h.queries.get(*pool), *query, vk::QueryControlFlags::empty());
                }
                Command::EndQuery { pool, query } => d.cmd_end_query(cb, h.queries.get(*pool), *query),
                Command::Timestamp { pool, query, second_form } => {
                    let pool = h.queries.get(*pool);
                    if *second_form {
                        d.cmd_write_timestamp2(cb, vk::PipelineStageFlags2::ALL_COMMANDS, pool, *query);
                    } else {
                        d.cmd_write_timestamp(cb, vk::PipelineStageFlags::BOTTOM_OF_PIPE, pool, *query);
                    }
                }
                Command::ResetQueries { pool, first, count } => {
                    d.cmd_reset_query_pool(cb, h.queries.get(*pool), *first, *count);
                }
                Command::CopyResults { pool, first, count, to, at, stride, asked } => {
                    let (pool, to) = (h.queries.get(*pool), h.buffers.get(*to));
                    d.cmd_copy_query_pool_results(cb, pool, *first, *count, to, *at, *stride, query_flags(*asked));
                }
                Command::Execute { cb: inner } => d.cmd_execute_commands(cb, &[h.cbs.get(*inner)]),
                Command::Image(command) => self.image_command(cb, command)?,
                Command::Pass(pass) => self.pass(cb, pass)?,
                Command::Draws { image, draws, stride, indexed, offset } => {
                    self.draws(cb, *image, draws, *stride, *indexed, *offset)?;
                }
            }
        }
        Ok(())
    }

    unsafe fn copy(&mut self, cb: vk::CommandBuffer, from: Id, to: Id, regions: &[Region], second_form: bool) {
        let (d, h) = (&self.shared.gpu.device, &self.shared.handles);
        let (from, to): (vk::Buffer, vk::Buffer) = (h.buffers.get(from), h.buffers.get(to));
        // SAFETY: by the plan.
        unsafe {
            if second_form {
                let regions: Vec<_> = regions
                    .iter()
                    .map(|r| vk::BufferCopy2::default().src_offset(r.from).dst_offset(r.to).size(r.size))
                    .collect();
                let regions = std::slice::from_raw_parts(self.edge.array(&regions), regions.len());
                d.cmd_copy_buffer2(
                    cb,
                    &vk::CopyBufferInfo2::default().src_buffer(from).dst_buffer(to).regions(regions),
                );
            } else {
                let regions: Vec<_> = regions
                    .iter()
                    .map(|r| vk::BufferCopy { src_offset: r.from, dst_offset: r.to, size: r.size })
                    .collect();
                let regions = std::slice::from_raw_parts(self.edge.array(&regions), regions.len());
                d.cmd_copy_buffer(cb, from, to, regions);
            }
        }
    }

    /// Everything before, and the host's next look, comes before everything after.
    unsafe fn barrier(&mut self, cb: vk::CommandBuffer, style: u8) {
        use vk::{AccessFlags as A, PipelineStageFlags as S};
        let d = &self.shared.gpu.device;
        // SAFETY: by the plan.
        unsafe {
            if style % 2 == 1 {
                let order = [full2()];
                let info = vk::DependencyInfo {
                    memory_barrier_count: 1,
                    p_memory_barriers: order.as_ptr(),
                    p_buffer_memory_barriers: self.edge.bad(),
                    p_image_memory_barriers: self.edge.bad(),
                    ..Default::default()
                };
                d.cmd_pipeline_barrier2(cb, &info);
                return;
            }
            let order = vk::MemoryBarrier::default()
                .src_access_mask(A::MEMORY_WRITE)
                .dst_access_mask(A::MEMORY_READ | A::MEMORY_WRITE | A::HOST_READ);
            (d.fp_v1_0().cmd_pipeline_barrier)(
                cb,
                S::ALL_COMMANDS,
                S::ALL_COMMANDS | S::HOST,
                vk::DependencyFlags::empty(),
                1,
                &order,
                0,
                self.edge.bad(),
                0,
                self.edge.bad(),
            );
        }
    }
}

fn full2() -> vk::MemoryBarrier2<'static> {
    use vk::{AccessFlags2 as A, PipelineStageFlags2 as S};
    vk::MemoryBarrier2::default()
        .src_stage_mask(S::ALL_COMMANDS)
        .src_access_mask(A::MEMORY_WRITE)
        .dst_stage_mask(S::ALL_COMMANDS | S::HOST)
        .dst_access_mask(A::MEMORY_READ | A::MEMORY_WRITE | A::HOST_READ)
}
