//! The work of a trial: of a batch of shaders each gets its part of one buffer, all are compiled at the same time, and dispatched in one
//! submission.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use ash::vk;

use crate::base::log::debug;
use crate::physical::physical_device::PhysicalDevice;
use crate::physical::probe::trial::{Run, Told};

/// How long the shaders may run. On an H100 it is a millisecond.
const PATIENCE: Duration = Duration::from_secs(2);

/// Pipelines that are made at the same time, at most.
const COMPILERS: usize = 8;

/// Where the parts of the buffer begin: multiples of this in bytes, which no device asks more than (Vulkan specification, "Required Limits",
/// minStorageBufferOffsetAlignment).
const STEP: usize = 256;

/// What the shaders need of Vulkan; destroyed whatever happens.
#[derive(Default)]
struct Objects {
    buffer: vk::Buffer,
    memory: vk::DeviceMemory,
    set_layout: vk::DescriptorSetLayout,
    layout: vk::PipelineLayout,
    pool: vk::DescriptorPool,
    commands: vk::CommandPool,
    fence: vk::Fence,
    pipelines: Vec<vk::Pipeline>,
}

/// A run's parts of the buffer in bytes: where, and how many.
struct Parts {
    given: (usize, usize),
    told: (usize, usize),
}

/// Runs the shaders on a device that has nothing else to do, from which the caller gets TIMEOUT where they don't end.
///
/// # Errors
/// What a command returned that isn't about a single shader.
pub fn run(device: &ash::Device, d: &PhysicalDevice, family: u32, runs: &[Run]) -> Result<Vec<Told>, vk::Result> {
    let mut objects = Objects::default();
    let told = work(device, d, family, runs, &mut objects);
    // What still runs uses them all.
    if told != Err(vk::Result::TIMEOUT) {
        objects.destroy(device);
    }
    told
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

fn work(
    device: &ash::Device,
    d: &PhysicalDevice,
    family: u32,
    runs: &[Run],
    o: &mut Objects,
) -> Result<Vec<Told>, vk::Result> {
    let start = Instant::now();
    let (parts, size) = parts(runs);
    // SAFETY: handles of this device, structs with their arrays, and memory that is mapped as long as it is there.
    unsafe {
        let usage = vk::BufferUsageFlags::STORAGE_BUFFER;
        o.buffer = device.create_buffer(&vk::BufferCreateInfo::default().size(size as u64).usage(usage), None)?;
        let needs = device.get_buffer_memory_requirements(o.buffer);
        let kind = (0..32).find(|i| needs.memory_type_bits & (1 << i) != 0 && d.host_visible(*i) == Some(true));
        let kind = kind.ok_or(vk::Result::ERROR_FEATURE_NOT_PRESENT)?;
        let info = vk::MemoryAllocateInfo::default().allocation_size(needs.size).memory_type_index(kind);
        o.memory = device.allocate_memory(&info, None)?;
        device.bind_buffer_memory(o.buffer, o.memory, 0)?;
        let map: *mut u8 = device.map_memory(o.memory, 0, vk::WHOLE_SIZE, vk::MemoryMapFlags::empty())?.cast();
        map.write_bytes(0, size);
        for (run, part) in runs.iter().zip(&parts) {
            map.add(part.given.0).copy_from_nonoverlapping(run.given.as_ptr(), run.given.len());
        }
        make_layouts(device, o)?;
        let sets = make_sets(device, o, &parts)?;
        let (pipelines, failed) = compiled(device, o.layout, runs);
        o.pipelines = pipelines;
        failed.map_or(Ok(()), Err)?;
        debug!("shaders compiled after {} ms", start.elapsed().as_millis());
        if o.pipelines.iter().any(|p| *p != vk::Pipeline::null()) {
            submit(device, family, &sets, o)?;
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
        Ok(runs.iter().zip(&parts).zip(&o.pipelines).map(told).collect())
    }
}

/// # Safety
/// A valid device.
unsafe fn make_layouts(device: &ash::Device, o: &mut Objects) -> Result<(), vk::Result> {
    let binding = |i| {
        vk::DescriptorSetLayoutBinding::default()
            .binding(i)
            .descriptor_type(vk::DescriptorType::STORAGE_BUFFER)
            .descriptor_count(1)
            .stage_flags(vk::ShaderStageFlags::COMPUTE)
    };
    let bindings = [binding(0), binding(1)];
    let info = vk::DescriptorSetLayoutCreateInfo::default().bindings(&bindings);
    // SAFETY: by contract, and structs with their arrays.
    unsafe {
        o.set_layout = device.create_descriptor_set_layout(&info, None)?;
        let layouts = [o.set_layout];
        o.layout =
            device.create_pipeline_layout(&vk::PipelineLayoutCreateInfo::default().set_layouts(&layouts), None)?;
    }
    Ok(())
}

/// A set for each run, with its parts of the buffer.
///
/// # Safety
/// A valid device, the buffer and the set layout.
unsafe fn make_sets(
    device: &ash::Device,
    o: &mut Objects,
    parts: &[Parts],
) -> Result<Vec<vk::DescriptorSet>, vk::Result> {
    let n = parts.len() as u32;
    let sizes = [vk::DescriptorPoolSize { ty: vk::DescriptorType::STORAGE_BUFFER, descriptor_count: 2 * n }];
    let info = vk::DescriptorPoolCreateInfo::default().max_sets(n).pool_sizes(&sizes);
    let layouts = vec![o.set_layout; parts.len()];
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

/// The pipelines of the runs, null where the host makes none, and what isn't about a single one, after which no more are made. Several threads
/// make them, as the host's compiler takes some milliseconds for each.
fn compiled(device: &ash::Device, layout: vk::PipelineLayout, runs: &[Run]) -> (Vec<vk::Pipeline>, Option<vk::Result>) {
    let next = AtomicUsize::new(0);
    let made = Mutex::new((vec![vk::Pipeline::null(); runs.len()], None));
    let compile = || {
        while let Some((at, run)) = Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|i| Some((i, runs.get(i)?))) {
            // SAFETY: a valid device and layout.
            let pipeline = made_or_refused(unsafe { pipeline(device, layout, run) });
            let mut made = made.lock().unwrap_or_else(PoisonError::into_inner);
            match (pipeline, made.0.get_mut(at)) {
                (Ok(pipeline), Some(to)) => *to = pipeline,
                (Err(e), _) => {
                    made.1 = Some(e);
                    next.store(runs.len(), Ordering::Relaxed);
                }
                _ => {}
            }
        }
    };
    // The host's processors are what counts, and nobody knows their number.
    let threads = thread::available_parallelism().map_or(2, NonZero::get).clamp(2, COMPILERS);
    thread::scope(|s| {
        for _ in 1..threads {
            // Where no thread can be started, this one does the rest.
            let _ = thread::Builder::new().spawn_scoped(s, compile);
        }
        compile();
    });
    made.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// A pipeline, or null where the host refuses its shader.
///
/// # Errors
/// Of a host that has no memory for it or is lost: that says nothing of the shader.
fn made_or_refused(made: Result<vk::Pipeline, vk::Result>) -> Result<vk::Pipeline, vk::Result> {
    match made {
        Err(
            e @ (vk::Result::ERROR_OUT_OF_HOST_MEMORY
            | vk::Result::ERROR_OUT_OF_DEVICE_MEMORY
            | vk::Result::ERROR_DEVICE_LOST),
        ) => Err(e),
        Err(_) => Ok(vk::Pipeline::null()),
        made => made,
    }
}

/// # Safety
/// A valid device and layout.
unsafe fn pipeline(device: &ash::Device, layout: vk::PipelineLayout, run: &Run) -> Result<vk::Pipeline, vk::Result> {
    let word = |w: &[u8]| w.iter().rev().fold(0, |a, b| a << 8 | u32::from(*b));
    let code: Vec<u32> = run.shader.chunks_exact(4).map(word).collect();
    let entry = |i: u32| vk::SpecializationMapEntry::default().constant_id(i).offset(4 * i).size(4);
    let entries: Vec<_> = (0..run.constants.len() as u32).map(entry).collect();
    let data: Vec<u8> = run.constants.iter().flat_map(|c| c.to_le_bytes()).collect();
    let special = vk::SpecializationInfo::default().map_entries(&entries).data(&data);
    // SAFETY: by contract, and structs with their arrays.
    unsafe {
        let shader = device.create_shader_module(&vk::ShaderModuleCreateInfo::default().code(&code), None)?;
        let stage = vk::PipelineShaderStageCreateInfo::default()
            .stage(vk::ShaderStageFlags::COMPUTE)
            .module(shader)
            .name(c"main")
            .specialization_info(&special);
        let info = [vk::ComputePipelineCreateInfo::default().stage(stage).layout(layout)];
        let made = device.create_compute_pipelines(vk::PipelineCache::null(), &info, None);
        device.destroy_shader_module(shader, None);
        made.map(|p| p.first().copied().unwrap_or_default()).map_err(|(_, e)| e)
    }
}

/// Dispatches the pipelines that are there, each with its set, and waits.
///
/// # Safety
/// A valid device and sets.
unsafe fn submit(
    device: &ash::Device,
    family: u32,
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
        for (pipeline, set) in o.pipelines.iter().zip(sets).filter(|(p, _)| **p != vk::Pipeline::null()) {
            device.cmd_bind_pipeline(cmd, bind_point, *pipeline);
            device.cmd_bind_descriptor_sets(cmd, bind_point, o.layout, 0, &[*set], &[]);
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
            for pipeline in self.pipelines {
                device.destroy_pipeline(pipeline, None);
            }
            device.destroy_pipeline_layout(self.layout, None);
            device.destroy_descriptor_set_layout(self.set_layout, None);
            device.destroy_buffer(self.buffer, None);
            device.free_memory(self.memory, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use ash::vk::Handle;

    use super::*;

    #[test]
    fn no_memory_is_no_refusal() {
        for e in [
            vk::Result::ERROR_OUT_OF_HOST_MEMORY,
            vk::Result::ERROR_OUT_OF_DEVICE_MEMORY,
            vk::Result::ERROR_DEVICE_LOST,
        ] {
            assert_eq!(made_or_refused(Err(e)), Err(e));
        }
        for e in [
            vk::Result::ERROR_UNKNOWN,
            vk::Result::ERROR_INITIALIZATION_FAILED,
            vk::Result::ERROR_INVALID_SHADER_NV,
            vk::Result::ERROR_FEATURE_NOT_PRESENT,
        ] {
            assert_eq!(made_or_refused(Err(e)), Ok(vk::Pipeline::null()));
        }
        let made = vk::Pipeline::from_raw(7);
        assert_eq!(made_or_refused(Ok(made)), Ok(made));
    }

    #[test]
    fn parts_follow_each_other_and_none_is_empty() {
        let run =
            |given, room| Run { shader: &[], constants: Vec::new(), given: vec![0; given], room, right: Vec::new() };
        let (parts, size) = parts(&[run(0, 8), run(256, 257)]);
        let all: Vec<_> = parts.iter().flat_map(|p| [p.given, p.told]).collect();
        assert_eq!((all, size), (vec![(0, 4), (256, 8), (512, 256), (768, 257)], 1280));
    }
}
