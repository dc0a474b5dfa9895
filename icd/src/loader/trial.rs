//! A shader that the driver runs as its own program, on a device of its own (`physical::sm_builtins`).

use std::ptr;

use ash::vk;

use crate::base::object::Part;
use crate::device::logical_device::{self, Device};
use crate::loader::procs;
use crate::physical::physical_device::PhysicalDevice;

const SHADER: &[u8] = include_bytes!("../../shaders/generated/multiprocessors.comp.spv");

/// Runs the shader.
///
/// # Safety
/// A valid physical device.
pub unsafe fn multiprocessors(physical: vk::PhysicalDevice) -> Option<[u32; 2]> {
    // SAFETY: all handles are made here and valid.
    unsafe {
        let d = PhysicalDevice::of(physical);
        let compute = |f: &vk::QueueFamilyProperties| f.queue_flags.contains(vk::QueueFlags::COMPUTE);
        let family = d.families.iter().position(compute)? as u32;
        let priority = [1.0];
        let queues = [vk::DeviceQueueCreateInfo::default().queue_family_index(family).queue_priorities(&priority)];
        let info = vk::DeviceCreateInfo::default().queue_create_infos(&queues);
        let mut handle = vk::Device::null();
        if logical_device::create_device(physical, &info, ptr::null(), &mut handle) != vk::Result::SUCCESS {
            return None;
        }
        // A compiler that refuses the shader is no error that anybody should read of.
        Device::of(handle).recorders.wait_always();
        let entry = |name: &std::ffi::CStr| {
            procs::get_device_proc_addr(handle, name.as_ptr()).map_or(ptr::null(), |f| f as *const std::ffi::c_void)
        };
        let program = ash::Device::load_with(entry, handle);
        let told = run(&program, d, family).ok();
        // Destroyed with everything that was made on it: the host keeps count.
        program.destroy_device(None);
        told
    }
}

/// The two words that the shader writes.
unsafe fn run(program: &ash::Device, d: &PhysicalDevice, family: u32) -> Result<[u32; 2], vk::Result> {
    use vk::{DescriptorType as D, ShaderStageFlags as S};
    let bind_point = vk::PipelineBindPoint::COMPUTE;
    // SAFETY: handles of one device, made and destroyed here, the queue idle before.
    unsafe {
        let info = vk::BufferCreateInfo::default().size(64).usage(vk::BufferUsageFlags::STORAGE_BUFFER);
        let buffer = program.create_buffer(&info, None)?;
        let needs = program.get_buffer_memory_requirements(buffer);
        let kind = (0..32).find(|i| needs.memory_type_bits & (1 << i) != 0 && d.host_visible(*i) == Some(true));
        let kind = kind.ok_or(vk::Result::ERROR_FEATURE_NOT_PRESENT)?;
        let info = vk::MemoryAllocateInfo::default().allocation_size(needs.size).memory_type_index(kind);
        let memory = program.allocate_memory(&info, None)?;
        program.bind_buffer_memory(buffer, memory, 0)?;
        let words: *mut [u32; 2] = program.map_memory(memory, 0, vk::WHOLE_SIZE, vk::MemoryMapFlags::empty())?.cast();
        words.write_volatile([0; 2]);

        let binding = [vk::DescriptorSetLayoutBinding::default()
            .descriptor_type(D::STORAGE_BUFFER)
            .descriptor_count(1)
            .stage_flags(S::COMPUTE)];
        let info = vk::DescriptorSetLayoutCreateInfo::default().bindings(&binding);
        let layouts = [program.create_descriptor_set_layout(&info, None)?];
        let info = vk::PipelineLayoutCreateInfo::default().set_layouts(&layouts);
        let layout = program.create_pipeline_layout(&info, None)?;
        let code: Vec<u32> =
            SHADER.chunks_exact(4).map(|w| w.iter().rev().fold(0, |a, b| a << 8 | u32::from(*b))).collect();
        let shader = program.create_shader_module(&vk::ShaderModuleCreateInfo::default().code(&code), None)?;
        let stage = vk::PipelineShaderStageCreateInfo::default().stage(S::COMPUTE).module(shader).name(c"main");
        let info = [vk::ComputePipelineCreateInfo::default().stage(stage).layout(layout)];
        let made = program.create_compute_pipelines(vk::PipelineCache::null(), &info, None).map_err(|(_, e)| e)?;
        let pipeline = made.first().copied().unwrap_or_default();

        let sizes = [vk::DescriptorPoolSize { ty: D::STORAGE_BUFFER, descriptor_count: 1 }];
        let info = vk::DescriptorPoolCreateInfo::default().max_sets(1).pool_sizes(&sizes);
        let pool = program.create_descriptor_pool(&info, None)?;
        let info = vk::DescriptorSetAllocateInfo::default().descriptor_pool(pool).set_layouts(&layouts);
        let sets = program.allocate_descriptor_sets(&info)?;
        let whole = [vk::DescriptorBufferInfo::default().buffer(buffer).range(vk::WHOLE_SIZE)];
        let write = vk::WriteDescriptorSet::default()
            .dst_set(sets.first().copied().unwrap_or_default())
            .descriptor_type(D::STORAGE_BUFFER)
            .buffer_info(&whole);
        program.update_descriptor_sets(&[write], &[]);

        let info = vk::CommandPoolCreateInfo::default().queue_family_index(family);
        let commands = program.create_command_pool(&info, None)?;
        let info = vk::CommandBufferAllocateInfo::default().command_pool(commands).command_buffer_count(1);
        let buffers = program.allocate_command_buffers(&info)?;
        let cmd = buffers.first().copied().unwrap_or_default();
        program.begin_command_buffer(cmd, &vk::CommandBufferBeginInfo::default())?;
        program.cmd_bind_pipeline(cmd, bind_point, pipeline);
        program.cmd_bind_descriptor_sets(cmd, bind_point, layout, 0, &sets, &[]);
        program.cmd_dispatch(cmd, 1, 1, 1);
        program.end_command_buffer(cmd)?;
        let queue = program.get_device_queue(family, 0);
        let submit = [vk::SubmitInfo::default().command_buffers(&buffers)];
        program.queue_submit(queue, &submit, vk::Fence::null())?;
        program.queue_wait_idle(queue)?;
        let told = words.read_volatile();

        program.destroy_command_pool(commands, None);
        program.destroy_descriptor_pool(pool, None);
        program.destroy_pipeline(pipeline, None);
        program.destroy_shader_module(shader, None);
        program.destroy_pipeline_layout(layout, None);
        for l in layouts {
            program.destroy_descriptor_set_layout(l, None);
        }
        program.destroy_buffer(buffer, None);
        program.free_memory(memory, None);
        Ok(told)
    }
}
