//! A device with one queue, buffers that the processor sees, and work that is waited for.

use anyhow::{Context, Result, ensure};
use ash::{Device, Entry, Instance, vk};

/// Nanoseconds that a submission may take; the process that started this one loses its patience later.
const LONG: u64 = 10_000_000_000;

/// An instance of the newest version up to 1.3 that the loader knows.
pub fn instance(entry: &Entry) -> Result<Instance> {
    // SAFETY: no preconditions.
    let version = unsafe { entry.try_enumerate_instance_version() }?.unwrap_or(vk::API_VERSION_1_0);
    ensure!(version >= vk::API_VERSION_1_1, "the loader knows Vulkan 1.0 alone");
    let application = vk::ApplicationInfo::default().application_name(c"hesper doctor");
    let application = application.api_version(version.min(vk::API_VERSION_1_3));
    let info = vk::InstanceCreateInfo::default().application_info(&application);
    // SAFETY: what `info` points at lives through the call.
    unsafe { entry.create_instance(&info, None) }.context("vkCreateInstance")
}

/// The device with this place in the list of all.
pub fn physical_device(instance: &Instance, at: usize) -> Result<vk::PhysicalDevice> {
    // SAFETY: a valid instance.
    let all = unsafe { instance.enumerate_physical_devices() }.context("vkEnumeratePhysicalDevices")?;
    all.get(at).copied().context("the device has gone")
}

/// A device that work can be given to.
pub struct Gpu {
    pub device: Device,
    queue: vk::Queue,
    types: Vec<vk::MemoryType>,
    pool: vk::CommandPool,
    fence: vk::Fence,
}

impl Gpu {
    /// Makes a device with the first queue that computes.
    pub fn new(instance: &Instance, physical: vk::PhysicalDevice) -> Result<Self> {
        // SAFETY: a valid physical device.
        let families = unsafe { instance.get_physical_device_queue_family_properties(physical) };
        let family = families.iter().position(|f| f.queue_flags.contains(vk::QueueFlags::COMPUTE));
        let family = family.context("no queue of the device computes")? as u32;
        let queues = [vk::DeviceQueueCreateInfo::default().queue_family_index(family).queue_priorities(&[1.0])];
        let info = vk::DeviceCreateInfo::default().queue_create_infos(&queues);
        // SAFETY: a family of the device's, with at least one queue.
        let device = unsafe { instance.create_device(physical, &info, None) }.context("vkCreateDevice")?;
        // SAFETY: a valid physical device.
        let types =
            unsafe { instance.get_physical_device_memory_properties(physical) }.memory_types_as_slice().to_vec();
        // SAFETY: the queue was asked for above.
        let queue = unsafe { device.get_device_queue(family, 0) };
        let info = vk::CommandPoolCreateInfo::default()
            .queue_family_index(family)
            .flags(vk::CommandPoolCreateFlags::RESET_COMMAND_BUFFER);
        // SAFETY: valid parameters of a valid device.
        let pool = unsafe { device.create_command_pool(&info, None) }.context("vkCreateCommandPool")?;
        // SAFETY: valid parameters of a valid device.
        let fence = unsafe { device.create_fence(&vk::FenceCreateInfo::default(), None) }.context("vkCreateFence")?;
        Ok(Self { device, queue, types, pool, fence })
    }

    /// A command buffer with what `record` puts into it.
    pub fn record(&self, record: impl FnOnce(&Device, vk::CommandBuffer)) -> Result<vk::CommandBuffer> {
        let info = vk::CommandBufferAllocateInfo::default().command_pool(self.pool).command_buffer_count(1);
        // SAFETY: the pool is used by this thread alone.
        let commands = unsafe { self.device.allocate_command_buffers(&info) }.context("vkAllocateCommandBuffers")?;
        let commands = *commands.first().context("no command buffer")?;
        // SAFETY: the command buffer is new.
        unsafe { self.device.begin_command_buffer(commands, &vk::CommandBufferBeginInfo::default()) }?;
        record(&self.device, commands);
        // What any command has written, the processor sees.
        let barrier = [vk::MemoryBarrier::default()
            .src_access_mask(vk::AccessFlags::MEMORY_WRITE)
            .dst_access_mask(vk::AccessFlags::HOST_READ)];
        let (from, to) = (vk::PipelineStageFlags::ALL_COMMANDS, vk::PipelineStageFlags::HOST);
        // SAFETY: the command buffer is being recorded.
        unsafe {
            self.device.cmd_pipeline_barrier(commands, from, to, vk::DependencyFlags::empty(), &barrier, &[], &[]);
        }
        // SAFETY: it has been begun above.
        unsafe { self.device.end_command_buffer(commands) }.context("vkEndCommandBuffer")?;
        Ok(commands)
    }

    /// Submits a command buffer and waits for its end.
    pub fn run(&self, commands: vk::CommandBuffer) -> Result<()> {
        let commands = [commands];
        let submit = [vk::SubmitInfo::default().command_buffers(&commands)];
        // SAFETY: the command buffer was recorded and isn't at work: each run is waited for.
        unsafe { self.device.queue_submit(self.queue, &submit, self.fence) }.context("vkQueueSubmit")?;
        // SAFETY: the fence is the submission's.
        unsafe { self.device.wait_for_fences(&[self.fence], true, LONG) }.context("vkWaitForFences")?;
        // SAFETY: it has been signalled, and nobody uses it.
        unsafe { self.device.reset_fences(&[self.fence]) }.context("vkResetFences")
    }

    /// Frees a command buffer that isn't at work.
    pub fn forget(&self, commands: vk::CommandBuffer) {
        // SAFETY: the command buffer is of this pool, and each run was waited for.
        unsafe { self.device.free_command_buffers(self.pool, &[commands]) };
    }

    /// Ends it, with all its work done.
    pub fn destroy(self) {
        // SAFETY: each run was waited for; the buffers have been freed.
        unsafe {
            self.device.destroy_fence(self.fence, None);
            self.device.destroy_command_pool(self.pool, None);
            self.device.destroy_device(None);
        }
    }
}

/// A buffer of 32-bit words, mapped.
pub struct Words {
    pub buffer: vk::Buffer,
    memory: vk::DeviceMemory,
    at: *mut u32,
    count: usize,
}

impl Words {
    /// A buffer of `count` words for copies and shaders, in the first memory that is host-visible and coherent.
    pub fn new(gpu: &Gpu, count: usize) -> Result<Self> {
        let usage = vk::BufferUsageFlags::TRANSFER_SRC
            | vk::BufferUsageFlags::TRANSFER_DST
            | vk::BufferUsageFlags::STORAGE_BUFFER;
        let info = vk::BufferCreateInfo::default().size(count as u64 * 4).usage(usage);
        // SAFETY: valid parameters of a valid device.
        let buffer = unsafe { gpu.device.create_buffer(&info, None) }.context("vkCreateBuffer")?;
        // SAFETY: a buffer of the device's.
        let needs = unsafe { gpu.device.get_buffer_memory_requirements(buffer) };
        let wanted = vk::MemoryPropertyFlags::HOST_VISIBLE | vk::MemoryPropertyFlags::HOST_COHERENT;
        let fits = |(i, t): &(usize, &vk::MemoryType)| {
            needs.memory_type_bits & 1 << i != 0 && t.property_flags.contains(wanted)
        };
        let (index, _) = gpu.types.iter().enumerate().find(fits).context("no memory of the device's can be mapped")?;
        let info = vk::MemoryAllocateInfo::default().allocation_size(needs.size).memory_type_index(index as u32);
        // SAFETY: the type is one of the device's.
        let memory = unsafe { gpu.device.allocate_memory(&info, None) }.context("vkAllocateMemory")?;
        // SAFETY: the memory is as large as the buffer needs, and of a type that it takes.
        unsafe { gpu.device.bind_buffer_memory(buffer, memory, 0) }.context("vkBindBufferMemory")?;
        // SAFETY: host-visible memory that isn't mapped.
        let at = unsafe { gpu.device.map_memory(memory, 0, vk::WHOLE_SIZE, vk::MemoryMapFlags::empty()) };
        Ok(Self { buffer, memory, at: at.context("vkMapMemory")?.cast(), count })
    }

    /// Writes all words: `word(i)` each. The device isn't at work on it.
    pub fn write(&self, word: impl Fn(u32) -> u32) {
        for i in 0..self.count {
            // SAFETY: the mapping has so many words, and lives as long as the buffer.
            unsafe { self.at.add(i).write(word(i as u32)) };
        }
    }

    /// How many words aren't `word(i)`. The device isn't at work on it.
    pub fn others(&self, word: impl Fn(u32) -> u32) -> usize {
        // SAFETY: the mapping has so many words, and lives as long as the buffer.
        (0..self.count).filter(|i| unsafe { self.at.add(*i).read() } != word(*i as u32)).count()
    }

    /// Bytes.
    pub fn size(&self) -> u64 {
        self.count as u64 * 4
    }

    /// Frees it. The device isn't at work on it.
    pub fn free(self, gpu: &Gpu) {
        // SAFETY: each run of the device's was waited for.
        unsafe {
            gpu.device.destroy_buffer(self.buffer, None);
            gpu.device.free_memory(self.memory, None);
        }
    }
}
