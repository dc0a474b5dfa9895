//! What recording costs, and writing descriptors.

#![expect(clippy::undocumented_unsafe_blocks, reason = "recording, with handles of the bench's own device")]

use std::time::Instant;

use anyhow::Result;
use ash::vk;

use super::measure::{Bench, row, time};

impl Bench<'_> {
    /// Nanoseconds of one recorded command, from the first to the last of many; the recording's begin and end aside.
    pub fn recording(&self) -> Result<()> {
        const N: u32 = 20_000;
        let (d, point) = (&self.gpu.device, vk::PipelineBindPoint::COMPUTE);
        let (layout, set, pipeline) = (self.pipeline.layout, [self.set], self.pipeline.pipeline);
        let push = [7u8; 8];
        let copy = [vk::BufferCopy { src_offset: 0, dst_offset: 0, size: 256 }];
        let memory = [vk::MemoryBarrier::default()
            .src_access_mask(vk::AccessFlags::SHADER_WRITE)
            .dst_access_mask(vk::AccessFlags::SHADER_READ)];
        let stage = vk::PipelineStageFlags::COMPUTE_SHADER;
        type Command<'c> = &'c dyn Fn(vk::CommandBuffer);
        let dispatch: Command = &|c| unsafe { d.cmd_dispatch(c, 1, 1, 1) };
        let constants: Command =
            &|c| unsafe { d.cmd_push_constants(c, layout, vk::ShaderStageFlags::COMPUTE, 0, &push) };
        let sets: Command = &|c| unsafe { d.cmd_bind_descriptor_sets(c, point, layout, 0, &set, &[]) };
        let barrier: Command =
            &|c| unsafe { d.cmd_pipeline_barrier(c, stage, stage, vk::DependencyFlags::empty(), &memory, &[], &[]) };
        let copies: Command = &|c| unsafe { d.cmd_copy_buffer(c, self.a.buffer, self.b.buffer, &copy) };
        for (name, command) in [
            ("vkCmdDispatch", dispatch),
            ("vkCmdPushConstants", constants),
            ("vkCmdBindDescriptorSets", sets),
            ("vkCmdPipelineBarrier", barrier),
            ("vkCmdCopyBuffer", copies),
        ] {
            let mut times = Vec::new();
            for _ in 0..7 {
                let buffer = self.gpu.record(|cmd| {
                    // SAFETY: as above.
                    unsafe {
                        d.cmd_bind_pipeline(cmd, point, pipeline);
                        d.cmd_bind_descriptor_sets(cmd, point, layout, 0, &set, &[]);
                    }
                    let start = Instant::now();
                    for _ in 0..N {
                        command(cmd);
                    }
                    times.push(start.elapsed().as_nanos() as f64 / f64::from(N));
                })?;
                // SAFETY: never submitted.
                unsafe { d.free_command_buffers(self.gpu.pool, &[buffer]) };
                // So that the next round starts with everything read.
                self.drain()?;
            }
            times.sort_by(f64::total_cmp);
            row(name, times[times.len() / 2], "ns");
        }
        Ok(())
    }

    pub fn descriptors(&self) -> Result<()> {
        const N: u32 = 2000;
        let d = &self.gpu.device;
        let infos =
            [&self.a, &self.b].map(|b| [vk::DescriptorBufferInfo::default().buffer(b.buffer).range(vk::WHOLE_SIZE)]);
        let write = |i: usize| {
            let write = vk::WriteDescriptorSet::default().dst_set(self.set).dst_binding(i as u32);
            write.descriptor_type(vk::DescriptorType::STORAGE_BUFFER).buffer_info(&infos[i])
        };
        let writes = [write(0), write(1)];
        let ns = time(9, N, || {
            for _ in 0..N {
                // SAFETY: handles of this device; nothing uses the set.
                unsafe { d.update_descriptor_sets(&writes, &[]) };
            }
            self.drain()
        })?;
        row("vkUpdateDescriptorSets, 2 writes", ns, "ns");
        self.sets(vk::DescriptorPoolCreateFlags::empty(), 1, "vkAllocateDescriptorSets, 1 set")?;
        self.sets(vk::DescriptorPoolCreateFlags::empty(), 64, "vkAllocateDescriptorSets, 64 sets")?;
        self.sets(
            vk::DescriptorPoolCreateFlags::FREE_DESCRIPTOR_SET,
            1,
            "vkAllocateDescriptorSets and vkFreeDescriptorSets",
        )
    }

    /// Allocates so many sets a call from a pool that is emptied when it is full, or that they are given back to.
    fn sets(&self, flags: vk::DescriptorPoolCreateFlags, each: u32, name: &str) -> Result<()> {
        const CALLS: u32 = 64;
        const N: u32 = 1024;
        let d = &self.gpu.device;
        let (kind, sets) = (vk::DescriptorType::STORAGE_BUFFER, CALLS * each);
        let sizes = [vk::DescriptorPoolSize { ty: kind, descriptor_count: 2 * sets }];
        let info = vk::DescriptorPoolCreateInfo::default().max_sets(sets).pool_sizes(&sizes).flags(flags);
        let layouts = vec![self.pipeline.set_layout; each as usize];
        // SAFETY: handles of this device; nothing uses the sets.
        unsafe {
            let pool = d.create_descriptor_pool(&info, None)?;
            let info = vk::DescriptorSetAllocateInfo::default().descriptor_pool(pool).set_layouts(&layouts);
            let ns = time(9, N, || {
                for i in 0..N {
                    let sets = d.allocate_descriptor_sets(&info)?;
                    if !flags.is_empty() {
                        d.free_descriptor_sets(pool, &sets)?;
                    } else if i % CALLS == CALLS - 1 {
                        d.reset_descriptor_pool(pool, vk::DescriptorPoolResetFlags::empty())?;
                    }
                }
                self.drain()
            })?;
            d.destroy_descriptor_pool(pool, None);
            row(name, ns / 1e3, "us");
        }
        Ok(())
    }
}
