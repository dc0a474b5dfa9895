//! Has the first device fill a buffer, and reads it: instance, device, memory, mapping, recording, submission, fence.

use anyhow::{Context, Result, ensure};
use ash::{Device, Entry, Instance, vk};

const WORDS: u64 = 4096;
const WORD: u32 = 0x4865_7370;
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
    let done = with_device(&device, &memory);
    // SAFETY: nobody uses the device or what was made of it any more; all of it has ended unless something failed.
    unsafe { device.destroy_device(None) };
    done?;
    Ok(properties.device_name_as_c_str()?.to_string_lossy().into_owned())
}

fn with_device(device: &Device, memory: &vk::PhysicalDeviceMemoryProperties) -> Result<()> {
    // SAFETY: valid parameters of valid objects, in a valid order; the one submission has ended before its memory is read.
    unsafe {
        let info = vk::BufferCreateInfo::default().size(WORDS * 4).usage(vk::BufferUsageFlags::TRANSFER_DST);
        let buffer = device.create_buffer(&info, None).context("vkCreateBuffer")?;
        let needs = device.get_buffer_memory_requirements(buffer);
        let wanted = vk::MemoryPropertyFlags::HOST_VISIBLE | vk::MemoryPropertyFlags::HOST_COHERENT;
        let fits = |(i, t): &(usize, &vk::MemoryType)| {
            needs.memory_type_bits & 1 << i != 0 && t.property_flags.contains(wanted)
        };
        let (kind, _) =
            memory.memory_types_as_slice().iter().enumerate().find(fits).context("no memory can be mapped")?;
        let info = vk::MemoryAllocateInfo::default().allocation_size(needs.size).memory_type_index(kind as u32);
        let memory = device.allocate_memory(&info, None).context("vkAllocateMemory")?;
        device.bind_buffer_memory(buffer, memory, 0).context("vkBindBufferMemory")?;

        let pool = device.create_command_pool(&vk::CommandPoolCreateInfo::default(), None)?;
        let info = vk::CommandBufferAllocateInfo::default().command_pool(pool).command_buffer_count(1);
        let commands = device.allocate_command_buffers(&info).context("vkAllocateCommandBuffers")?;
        device.begin_command_buffer(commands[0], &vk::CommandBufferBeginInfo::default())?;
        device.cmd_fill_buffer(commands[0], buffer, 0, vk::WHOLE_SIZE, WORD);
        let barrier = vk::MemoryBarrier::default()
            .src_access_mask(vk::AccessFlags::TRANSFER_WRITE)
            .dst_access_mask(vk::AccessFlags::HOST_READ);
        let (before, after) = (vk::PipelineStageFlags::TRANSFER, vk::PipelineStageFlags::HOST);
        device.cmd_pipeline_barrier(commands[0], before, after, vk::DependencyFlags::empty(), &[barrier], &[], &[]);
        device.end_command_buffer(commands[0]).context("vkEndCommandBuffer")?;

        let fence = device.create_fence(&vk::FenceCreateInfo::default(), None)?;
        let submit = vk::SubmitInfo::default().command_buffers(&commands);
        device.queue_submit(device.get_device_queue(0, 0), &[submit], fence).context("vkQueueSubmit")?;
        device.wait_for_fences(&[fence], true, LONG).context("vkWaitForFences")?;
        let at = device.map_memory(memory, 0, WORDS * 4, vk::MemoryMapFlags::empty()).context("vkMapMemory")?;
        let words = std::slice::from_raw_parts(at.cast::<u32>(), WORDS as usize);
        let wrong = words.iter().filter(|w| **w != WORD).count();
        ensure!(wrong == 0, "{wrong} of {WORDS} words aren't what the device was told to write");

        device.destroy_fence(fence, None);
        device.destroy_command_pool(pool, None);
        device.destroy_buffer(buffer, None);
        device.free_memory(memory, None);
    }
    Ok(())
}
