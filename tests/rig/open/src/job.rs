//! A whole job of the first device: it fills a buffer, and a shader computes another from it. Instance, device, memory, pipeline, descriptors,
//! recording, submission, fence, mapping.

use anyhow::{Context, Result, ensure};
use ash::{Device, Entry, Instance, vk};

use crate::buffer::Buffer;

const WORDS: usize = 4096;
const WORD: u32 = 0x4865_7370;
/// `to[i] = from[i] * FACTOR + add` (tests/shaders/scale.comp).
const SCALE: &[u8] = include_bytes!("../../../shaders/generated/scale.comp.spv");
const FACTOR: u32 = 3;
const ADD: u32 = 7;
/// Invocations of a work group.
const GROUP: u32 = 64;
/// Nanoseconds; emulated processors are slow.
const LONG: u64 = 30_000_000_000;

/// The device's name.
pub fn run(entry: &Entry) -> Result<String> {
    let application = vk::ApplicationInfo::default().api_version(vk::API_VERSION_1_1);
    let info = vk::InstanceCreateInfo::default().application_info(&application);
    // SAFETY: what `info` points at is still there.
    let instance = unsafe { entry.create_instance(&info, None) }.context("vkCreateInstance")?;
    let done = with_instance(&instance);
    // SAFETY: all that was made of it has ended.
    unsafe { instance.destroy_instance(None) };
    done
}

fn with_instance(instance: &Instance) -> Result<String> {
    // SAFETY: a valid instance.
    let all = unsafe { instance.enumerate_physical_devices() }.context("vkEnumeratePhysicalDevices")?;
    let physical = *all.first().context("there is no device")?;
    // SAFETY: a valid device.
    let properties = unsafe { instance.get_physical_device_properties(physical) };
    let queues = [vk::DeviceQueueCreateInfo::default().queue_priorities(&[1.0])];
    let info = vk::DeviceCreateInfo::default().queue_create_infos(&queues);
    // SAFETY: every device has a queue family 0 with a queue in it.
    let device = unsafe { instance.create_device(physical, &info, None) }.context("vkCreateDevice")?;
    // SAFETY: a valid device.
    let memory = unsafe { instance.get_physical_device_memory_properties(physical) };
    let done = with_device(&device, memory.memory_types_as_slice());
    // SAFETY: nobody uses the device or what was made of it any more; all of it has ended unless something failed.
    unsafe { device.destroy_device(None) };
    done?;
    Ok(properties.device_name_as_c_str()?.to_string_lossy().into_owned())
}

fn with_device(device: &Device, types: &[vk::MemoryType]) -> Result<()> {
    let (from, to) = (Buffer::new(device, types, WORDS)?, Buffer::new(device, types, WORDS)?);
    // SAFETY: valid parameters of valid objects, in a valid order; the one submission has ended before its memory is read and its objects go.
    unsafe {
        let shader = Shader::new(device)?;
        let pool_sizes = [vk::DescriptorPoolSize { ty: vk::DescriptorType::STORAGE_BUFFER, descriptor_count: 2 }];
        let info = vk::DescriptorPoolCreateInfo::default().max_sets(1).pool_sizes(&pool_sizes);
        let descriptors = device.create_descriptor_pool(&info, None).context("vkCreateDescriptorPool")?;
        let layouts = [shader.set];
        let info = vk::DescriptorSetAllocateInfo::default().descriptor_pool(descriptors).set_layouts(&layouts);
        let sets = device.allocate_descriptor_sets(&info).context("vkAllocateDescriptorSets")?;
        let whole = [&from, &to].map(|b| vk::DescriptorBufferInfo::default().buffer(b.buffer).range(vk::WHOLE_SIZE));
        let write = vk::WriteDescriptorSet::default().dst_set(sets[0]).buffer_info(&whole);
        device.update_descriptor_sets(&[write.descriptor_type(vk::DescriptorType::STORAGE_BUFFER)], &[]);

        let pool = device.create_command_pool(&vk::CommandPoolCreateInfo::default(), None)?;
        let info = vk::CommandBufferAllocateInfo::default().command_pool(pool).command_buffer_count(1);
        let commands = device.allocate_command_buffers(&info).context("vkAllocateCommandBuffers")?;
        device.begin_command_buffer(commands[0], &vk::CommandBufferBeginInfo::default())?;
        device.cmd_fill_buffer(commands[0], from.buffer, 0, vk::WHOLE_SIZE, WORD);
        barrier(device, commands[0], vk::PipelineStageFlags::TRANSFER, vk::PipelineStageFlags::COMPUTE_SHADER);
        device.cmd_bind_pipeline(commands[0], vk::PipelineBindPoint::COMPUTE, shader.pipeline);
        device.cmd_bind_descriptor_sets(commands[0], vk::PipelineBindPoint::COMPUTE, shader.layout, 0, &sets, &[]);
        let push = bytes([WORDS as u32, ADD]);
        device.cmd_push_constants(commands[0], shader.layout, vk::ShaderStageFlags::COMPUTE, 0, &push);
        device.cmd_dispatch(commands[0], (WORDS as u32).div_ceil(GROUP), 1, 1);
        let all = vk::PipelineStageFlags::TRANSFER | vk::PipelineStageFlags::COMPUTE_SHADER;
        barrier(device, commands[0], all, vk::PipelineStageFlags::HOST);
        device.end_command_buffer(commands[0]).context("vkEndCommandBuffer")?;

        let fence = device.create_fence(&vk::FenceCreateInfo::default(), None)?;
        let submit = vk::SubmitInfo::default().command_buffers(&commands);
        device.queue_submit(device.get_device_queue(0, 0), &[submit], fence).context("vkQueueSubmit")?;
        device.wait_for_fences(&[fence], true, LONG).context("vkWaitForFences")?;
        let wrong = from.count_others(device, WORD)?;
        ensure!(wrong == 0, "{wrong} of {WORDS} words aren't what the device was told to write");
        let wrong = to.count_others(device, WORD.wrapping_mul(FACTOR).wrapping_add(ADD))?;
        ensure!(wrong == 0, "{wrong} of {WORDS} words aren't what the shader computes");

        device.destroy_fence(fence, None);
        device.destroy_command_pool(pool, None);
        device.destroy_descriptor_pool(descriptors, None);
        shader.destroy(device);
        from.free(device);
        to.free(device);
    }
    Ok(())
}

/// Makes what one stage wrote visible to another.
///
/// # Safety
/// The commands are being recorded.
unsafe fn barrier(
    device: &Device,
    commands: vk::CommandBuffer,
    from: vk::PipelineStageFlags,
    to: vk::PipelineStageFlags,
) {
    let memory = [vk::MemoryBarrier::default()
        .src_access_mask(vk::AccessFlags::MEMORY_WRITE)
        .dst_access_mask(vk::AccessFlags::MEMORY_READ)];
    // SAFETY: by contract.
    unsafe { device.cmd_pipeline_barrier(commands, from, to, vk::DependencyFlags::empty(), &memory, &[], &[]) };
}

fn bytes(words: [u32; 2]) -> Vec<u8> {
    words.iter().flat_map(|w| w.to_ne_bytes()).collect()
}

/// The shader's pipeline, and what it is made of.
struct Shader {
    set: vk::DescriptorSetLayout,
    layout: vk::PipelineLayout,
    module: vk::ShaderModule,
    pipeline: vk::Pipeline,
}

impl Shader {
    fn new(device: &Device) -> Result<Self> {
        let code = ash::util::read_spv(&mut std::io::Cursor::new(SCALE))?;
        let stage = vk::ShaderStageFlags::COMPUTE;
        let binding = |number| {
            let binding = vk::DescriptorSetLayoutBinding::default().binding(number).descriptor_count(1);
            binding.descriptor_type(vk::DescriptorType::STORAGE_BUFFER).stage_flags(stage)
        };
        let bindings = [binding(0), binding(1)];
        let entry = |id| vk::SpecializationMapEntry::default().constant_id(id).offset(id * 4).size(4);
        let (entries, constants) = ([entry(0), entry(1)], bytes([GROUP, FACTOR]));
        let special = vk::SpecializationInfo::default().map_entries(&entries).data(&constants);
        // SAFETY: valid parameters of a valid device.
        unsafe {
            let info = vk::DescriptorSetLayoutCreateInfo::default().bindings(&bindings);
            let set = device.create_descriptor_set_layout(&info, None).context("vkCreateDescriptorSetLayout")?;
            let (sets, push) = ([set], [vk::PushConstantRange::default().size(8).stage_flags(stage)]);
            let info = vk::PipelineLayoutCreateInfo::default().set_layouts(&sets).push_constant_ranges(&push);
            let layout = device.create_pipeline_layout(&info, None).context("vkCreatePipelineLayout")?;
            let info = vk::ShaderModuleCreateInfo::default().code(&code);
            let module = device.create_shader_module(&info, None).context("vkCreateShaderModule")?;
            let stage = vk::PipelineShaderStageCreateInfo::default().stage(stage).module(module).name(c"main");
            let stage = stage.specialization_info(&special);
            let info = [vk::ComputePipelineCreateInfo::default().stage(stage).layout(layout)];
            let made = device.create_compute_pipelines(vk::PipelineCache::null(), &info, None);
            let pipeline = made.map_err(|(_, e)| e).context("vkCreateComputePipelines")?[0];
            Ok(Self { set, layout, module, pipeline })
        }
    }

    /// # Safety
    /// The device has ended its work with it.
    unsafe fn destroy(self, device: &Device) {
        // SAFETY: nobody uses it any more, by contract.
        unsafe {
            device.destroy_pipeline(self.pipeline, None);
            device.destroy_shader_module(self.module, None);
            device.destroy_pipeline_layout(self.layout, None);
            device.destroy_descriptor_set_layout(self.set, None);
        }
    }
}
