//! The work of a trial: of a batch of shaders each gets its part of one buffer, and all are dispatched in one submission.

use std::mem;
use std::time::{Duration, Instant};

use ash::vk;

use crate::base::log::debug;
use crate::loader::trial_pipelines::Pipelines;
use crate::physical::physical_device::PhysicalDevice;
use crate::physical::probe::trial::{Run, Shader, Told, is_shortage};

/// How long the shaders may run. On an H100 it is a millisecond.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where the parts of the buffer begin: multiples of this in bytes, which no device asks more than (Vulkan specification, "Required Limits",
/// minStorageBufferOffsetAlignment).
const STEP: usize = 256;

/// What the shaders need of Vulkan; destroyed whatever happens.
#[derive(Default)]
struct Objects {
    buffer: vk::Buffer,
    memory: vk::DeviceMemory,
    pool: vk::DescriptorPool,
    commands: vk::CommandPool,
    fence: vk::Fence,
}

/// A run's parts of the buffer in bytes: where, and how many.
struct Parts {
    given: (usize, usize),
    told: (usize, usize),
}

/// A device that has nothing else to do, and what it has compiled.
pub struct Work<'d> {
    device: &'d ash::Device,
    physical: &'d PhysicalDevice,
    family: u32,
    /// Shaders that are compiled with those of the first batch.
    ahead: Vec<Shader>,
    pipelines: Pipelines<'d>,
}

impl<'d> Work<'d> {
    pub fn new(device: &'d ash::Device, physical: &'d PhysicalDevice, family: u32, ahead: Vec<Shader>) -> Self {
        Self { device, physical, family, ahead, pipelines: Pipelines::new(device) }
    }

    /// Runs the shaders of a batch; the caller gets TIMEOUT where they don't end.
    ///
    /// # Errors
    /// What a command returned that isn't about a single shader.
    pub fn run(&mut self, runs: &[Run]) -> Result<Vec<Told>, vk::Result> {
        let start = Instant::now();
        let ahead = mem::take(&mut self.ahead);
        // Where there isn't memory for all of them, there may be for those of a batch.
        self.pipelines.compile(ahead.iter()).or_else(|e| if is_shortage(e) { Ok(()) } else { Err(e) })?;
        self.pipelines.compile(runs.iter().map(|run| &run.shader))?;
        debug!("shaders compiled after {} ms", start.elapsed().as_millis());
        let mut objects = Objects::default();
        let told = self.dispatched(runs, &mut objects);
        // What still runs uses them all.
        if told != Err(vk::Result::TIMEOUT) {
            objects.destroy(self.device);
        }
        told
    }
    fn dispatched(&self, runs: &[Run], o: &mut Objects) -> Result<Vec<Told>, vk::Result> {
        let Self { device, physical, family, pipelines, .. } = self;
        let start = Instant::now();
        let (parts, size) = parts(runs);
        let each: Vec<vk::Pipeline> = runs.iter().map(|run| pipelines.of(&run.shader)).collect();
        // SAFETY: handles of this device, structs with their arrays, and memory that is mapped as long as it is there.
        unsafe {
            let usage = vk::BufferUsageFlags::STORAGE_BUFFER;
            o.buffer = device.create_buffer(&vk::BufferCreateInfo::default().size(size as u64).usage(usage), None)?;
            let needs = device.get_buffer_memory_requirements(o.buffer);
            let kind =
                (0..32).find(|i| needs.memory_type_bits & (1 << i) != 0 && physical.host_visible(*i) == Some(true));
            let kind = kind.ok_or(vk::Result::ERROR_FEATURE_NOT_PRESENT)?;
            let info = vk::MemoryAllocateInfo::default().allocation_size(needs.size).memory_type_index(kind);
            o.memory = device.allocate_memory(&info, None)?;
            device.bind_buffer_memory(o.buffer, o.memory, 0)?;
            let map: *mut u8 = device.map_memory(o.memory, 0, vk::WHOLE_SIZE, vk::MemoryMapFlags::empty())?.cast();
            map.write_bytes(0, size);
            for (run, part) in runs.iter().zip(&parts) {
                map.add(part.given.0).copy_from_nonoverlapping(run.given.as_ptr(), run.given.len());
            }
            let sets = make_sets(device, pipelines.set_layout, o, &parts)?;
            if each.iter().any(|p| *p != vk::Pipeline::null()) {
                submit(device, *family, pipelines.layout, &each, &sets, o)?;
                debug!("shaders run after {} ms", start.elapsed().as_millis());
            }
            let told = |((run, part), pipeline): ((&Run, &Parts), &vk::Pipeline)| {
                if *pipeline == vk::Pipeline::null() {
                    return Told::Refused;
                }
                let mut bytes = vec![0; run.room];
                map.add(part.told.0).copy_to_nonoverlapping(bytes.as_mut_ptr(), run.room);
                Told::Wrote(bytes)
            };
            Ok(runs.iter().zip(&parts).zip(&each).map(told).collect())
        }
    }

    /// Ends what it has made, of which nothing runs any more.
    pub fn destroy(self) {
        self.pipelines.destroy();
    }
}

/// The parts of all runs, and the bytes of the buffer.
fn parts(runs: &[Run]) -> (Vec<Parts>, usize) {
    let mut end = 0;
    let mut part = |bytes: usize| {
        let at = end;
        end += bytes.max(4).next_multiple_of(STEP);
        (at, bytes.max(4))
    };
    let parts = runs.iter().map(|r| Parts { given: part(r.given.len()), told: part(r.room) }).collect();
    (parts, end)
}

/// A set for each run, with its parts of the buffer.
///
/// # Safety
/// A valid device, its set layout, and the buffer.
unsafe fn make_sets(
    device: &ash::Device,
    layout: vk::DescriptorSetLayout,
    o: &mut Objects,
    parts: &[Parts],
) -> Result<Vec<vk::DescriptorSet>, vk::Result> {
    let n = parts.len() as u32;
    let sizes = [vk::DescriptorPoolSize { ty: vk::DescriptorType::STORAGE_BUFFER, descriptor_count: 2 * n }];
    let info = vk::DescriptorPoolCreateInfo::default().max_sets(n).pool_sizes(&sizes);
    let layouts = vec![layout; parts.len()];
    // SAFETY: by contract, and structs with their arrays.
    unsafe {
        o.pool = device.create_descriptor_pool(&info, None)?;
        let info = vk::DescriptorSetAllocateInfo::default().descriptor_pool(o.pool).set_layouts(&layouts);
        let sets = device.allocate_descriptor_sets(&info)?;
        for (set, part) in sets.iter().zip(parts) {
            for (binding, (at, bytes)) in (0..).zip([part.given, part.told]) {
                let info = vk::DescriptorBufferInfo::default().buffer(o.buffer).offset(at as u64).range(bytes as u64);
                let info = [info];
                let write = vk::WriteDescriptorSet::default()
                    .dst_set(*set)
                    .dst_binding(binding)
                    .descriptor_type(vk::DescriptorType::STORAGE_BUFFER)
                    .buffer_info(&info);
                device.update_descriptor_sets(&[write], &[]);
            }
        }
        Ok(sets)
    }
}

/// Dispatches the pipelines that are there, each with its set, and waits.
///
/// # Safety
/// A valid device, layout, pipelines and sets.
unsafe fn submit(
    device: &ash::Device,
    family: u32,
    layout: vk::PipelineLayout,
    pipelines: &[vk::Pipeline],
    sets: &[vk::DescriptorSet],
    o: &mut Objects,
) -> Result<(), vk::Result> {
    let bind_point = vk::PipelineBindPoint::COMPUTE;
    // SAFETY: by contract, and handles made here.
    unsafe {
        o.commands =
            device.create_command_pool(&vk::CommandPoolCreateInfo::default().queue_family_index(family), None)?;
        let info = vk::CommandBufferAllocateInfo::default().command_pool(o.commands).command_buffer_count(1);
        let buffers = device.allocate_command_buffers(&info)?;
        let cmd = buffers.first().copied().unwrap_or_default();
        device.begin_command_buffer(cmd, &vk::CommandBufferBeginInfo::default())?;
        for (pipeline, set) in pipelines.iter().zip(sets).filter(|(p, _)| **p != vk::Pipeline::null()) {
            device.cmd_bind_pipeline(cmd, bind_point, *pipeline);
            device.cmd_bind_descriptor_sets(cmd, bind_point, layout, 0, &[*set], &[]);
            device.cmd_dispatch(cmd, 1, 1, 1);
        }
        let barrier = vk::MemoryBarrier::default()
            .src_access_mask(vk::AccessFlags::SHADER_WRITE)
            .dst_access_mask(vk::AccessFlags::HOST_READ);
        let (shaders, host) = (vk::PipelineStageFlags::COMPUTE_SHADER, vk::PipelineStageFlags::HOST);
        device.cmd_pipeline_barrier(cmd, shaders, host, vk::DependencyFlags::empty(), &[barrier], &[], &[]);
        device.end_command_buffer(cmd)?;
        o.fence = device.create_fence(&vk::FenceCreateInfo::default(), None)?;
        let submit = [vk::SubmitInfo::default().command_buffers(&buffers)];
        device.queue_submit(device.get_device_queue(family, 0), &submit, o.fence)?;
        device.wait_for_fences(&[o.fence], true, PATIENCE.as_nanos() as u64)
    }
}

impl Objects {
    /// Nothing uses them any more.
    fn destroy(self, device: &ash::Device) {
        // SAFETY: handles of this device, or null, which is ignored.
        unsafe {
            device.destroy_fence(self.fence, None);
            device.destroy_command_pool(self.commands, None);
            device.destroy_descriptor_pool(self.pool, None);
            device.destroy_buffer(self.buffer, None);
            device.free_memory(self.memory, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_follow_each_other_and_none_is_empty() {
        let shader = Shader { code: &[], constants: Vec::new() };
        let run = |given, room| Run { shader: shader.clone(), given: vec![0; given], room, right: Vec::new() };
        let (parts, size) = parts(&[run(0, 8), run(256, 257)]);
        let all: Vec<_> = parts.iter().flat_map(|p| [p.given, p.told]).collect();
        assert_eq!((all, size), (vec![(0, 4), (256, 8), (512, 256), (768, 257)], 1280));
    }
}
