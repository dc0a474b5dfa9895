//! A device with one compute queue, and what every part needs of it.

use std::ffi::CStr;

use anyhow::{Context, Result, ensure};
use ash::{Device, Entry, Instance, vk};

pub use crate::buffer::Buffer;
use crate::loader;

pub const MULTI_DRAW: &CStr = ash::ext::multi_draw::NAME;
/// Mappings at addresses of the program's choice.
pub const MAP_MEMORY_PLACED: &CStr = ash::ext::map_memory_placed::NAME;
/// Queues that several threads use at the same time.
pub const INTERNALLY_SYNCHRONIZED_QUEUES: &CStr = c"VK_KHR_internally_synchronized_queues";
/// VK_DEVICE_QUEUE_CREATE_INTERNALLY_SYNCHRONIZED_BIT_KHR.
pub const INTERNALLY_SYNCHRONIZED: vk::DeviceQueueCreateFlags = vk::DeviceQueueCreateFlags::from_raw(1 << 2);

/// What sharing with other processes takes.
const SHARING: [&CStr; 5] = [
    ash::khr::external_memory_fd::NAME,
    ash::ext::external_memory_dma_buf::NAME,
    ash::khr::external_semaphore_fd::NAME,
    ash::khr::external_fence_fd::NAME,
    ash::ext::queue_family_foreign::NAME,
];

/// Longer than anything here takes, even emulated.
pub const PATIENCE: u64 = 60_000_000_000;

pub struct Gpu {
    pub instance: Instance,
    pub physical: vk::PhysicalDevice,
    pub device: Device,
    pub queue: vk::Queue,
    pub family: u32,
    /// Further queues, with their families: up to two of each family.
    pub others: Vec<(vk::Queue, u32)>,
    pub properties: vk::PhysicalDeviceProperties,
    pub memory: vk::PhysicalDeviceMemoryProperties,
    pub pool: vk::CommandPool,
    /// Whether VK_KHR_maintenance5 is there, and enabled.
    pub maintenance5: bool,
    extensions: Vec<&'static CStr>,
    // Unloads the loader, so it goes last.
    pub entry: Entry,
}

/// An extension that is used where it is offered, with the struct of its features.
pub type More<'a> = (&'static CStr, Option<&'a mut dyn vk::ExtendsDeviceCreateInfo>);

impl Gpu {
    /// The first device that is found.
    pub fn new() -> Result<Self> {
        Self::made(Vec::new(), vk::DeviceQueueCreateFlags::empty())
    }

    /// The same with further extensions.
    pub fn with(more: Vec<More>) -> Result<Self> {
        Self::made(more, vk::DeviceQueueCreateFlags::empty())
    }

    /// The same, with queues of this kind.
    pub fn with_queues(flags: vk::DeviceQueueCreateFlags) -> Result<Self> {
        Self::made(Vec::new(), flags)
    }

    fn made(more: Vec<More>, flags: vk::DeviceQueueCreateFlags) -> Result<Self> {
        let entry = loader::entry()?;
        // SAFETY: every handle is used as Vulkan demands.
        unsafe {
            let application =
                vk::ApplicationInfo::default().application_name(c"hesper-client").api_version(vk::API_VERSION_1_3);
            let info = vk::InstanceCreateInfo::default().application_info(&application);
            let instance = entry.create_instance(&info, None).context("vkCreateInstance")?;
            let physical = *instance.enumerate_physical_devices()?.first().context("there is no device")?;
            let properties = instance.get_physical_device_properties(physical);
            let families = instance.get_physical_device_queue_family_properties(physical);
            let family = families
                .iter()
                .position(|f| f.queue_flags.contains(vk::QueueFlags::COMPUTE))
                .context("no compute queue")? as u32;
            let works = vk::QueueFlags::COMPUTE | vk::QueueFlags::GRAPHICS | vk::QueueFlags::TRANSFER;
            let priorities = [1.0, 1.0];
            // Two queues of each family that can copy.
            let counts: Vec<(u32, u32)> = (0u32..)
                .zip(&families)
                .filter(|(_, f)| f.queue_flags.intersects(works))
                .map(|(i, f)| (i, f.queue_count.min(2)))
                .collect();
            let queues: Vec<_> = counts
                .iter()
                .map(|(f, n)| {
                    let info = vk::DeviceQueueCreateInfo::default().queue_family_index(*f).flags(flags);
                    info.queue_priorities(&priorities[..*n as usize])
                })
                .collect();
            let further: Vec<&'static CStr> = more.iter().map(|(name, _)| *name).collect();
            let extensions = extensions(&instance, physical, &further)?;
            let names: Vec<_> = extensions.iter().map(|n| n.as_ptr()).collect();
            let mut multi_draw = vk::PhysicalDeviceMultiDrawFeaturesEXT::default().multi_draw(true);
            let mut features12 = vk::PhysicalDeviceVulkan12Features::default()
                .timeline_semaphore(true)
                .imageless_framebuffer(true)
                .host_query_reset(true)
                .buffer_device_address(true);
            if extensions.contains(&ash::khr::cooperative_matrix::NAME) {
                features12 = features12.shader_float16(true).shader_int8(true).storage_buffer8_bit_access(true);
                features12 = features12.vulkan_memory_model(true).vulkan_memory_model_device_scope(true);
            }
            let mut features13 = vk::PhysicalDeviceVulkan13Features::default()
                .synchronization2(true)
                .dynamic_rendering(true)
                .private_data(true)
                .maintenance4(true)
                .pipeline_creation_cache_control(true);
            let maintenance5 = extensions.contains(&ash::khr::maintenance5::NAME);
            let mut features5 = vk::PhysicalDeviceMaintenance5FeaturesKHR::default().maintenance5(maintenance5);
            let offered = instance.get_physical_device_features(physical);
            let features = vk::PhysicalDeviceFeatures {
                pipeline_statistics_query: offered.pipeline_statistics_query,
                sample_rate_shading: offered.sample_rate_shading,
                shader_storage_buffer_array_dynamic_indexing: offered.shader_storage_buffer_array_dynamic_indexing,
                shader_uniform_buffer_array_dynamic_indexing: offered.shader_uniform_buffer_array_dynamic_indexing,
                sparse_binding: offered.sparse_binding,
                sparse_residency_buffer: offered.sparse_residency_buffer,
                sparse_residency_image2_d: offered.sparse_residency_image2_d,
                ..Default::default()
            };
            let mut info = vk::DeviceCreateInfo::default()
                .enabled_features(&features)
                .queue_create_infos(&queues)
                .enabled_extension_names(&names)
                .push_next(&mut features12)
                .push_next(&mut features13);
            if maintenance5 {
                info = info.push_next(&mut features5);
            }
            let mut host_copies = vk::PhysicalDeviceHostImageCopyFeaturesEXT::default().host_image_copy(true);
            if extensions.contains(&ash::ext::host_image_copy::NAME) {
                info = info.push_next(&mut host_copies);
            }
            let mut placed = vk::PhysicalDeviceMapMemoryPlacedFeaturesEXT::default();
            if extensions.contains(&MAP_MEMORY_PLACED) {
                let mut offered = vk::PhysicalDeviceFeatures2::default().push_next(&mut placed);
                instance.get_physical_device_features2(physical, &mut offered);
                placed.p_next = std::ptr::null_mut();
                info = info.push_next(&mut placed);
            }
            if extensions.contains(&MULTI_DRAW) {
                info = info.push_next(&mut multi_draw);
            }
            for (name, features) in more {
                if let Some(features) = features.filter(|_| extensions.contains(&name)) {
                    info = info.push_next(features);
                }
            }
            let mut synchronized = synchronized_queues();
            if flags.contains(INTERNALLY_SYNCHRONIZED) {
                info = info.push_next(&mut synchronized);
            }
            let device = instance.create_device(physical, &info, None).context("vkCreateDevice")?;
            let queue_of = |family, index| {
                let which = vk::DeviceQueueInfo2::default().flags(flags).queue_family_index(family).queue_index(index);
                device.get_device_queue2(&which)
            };
            let queue = queue_of(family, 0);
            let others = counts
                .iter()
                .flat_map(|(f, n)| (0..*n).map(move |i| (*f, i)))
                .filter(|(f, i)| (*f, *i) != (family, 0))
                .map(|(f, i)| (queue_of(f, i), f))
                .collect();
            let memory = instance.get_physical_device_memory_properties(physical);
            let flags = vk::CommandPoolCreateFlags::RESET_COMMAND_BUFFER;
            let pool = device.create_command_pool(
                &vk::CommandPoolCreateInfo::default().queue_family_index(family).flags(flags),
                None,
            )?;
            Ok(Self {
                instance,
                physical,
                device,
                queue,
                family,
                others,
                properties,
                memory,
                pool,
                maintenance5,
                extensions,
                entry,
            })
        }
    }

    /// Whether the device was made with an extension.
    pub fn has(&self, extension: &CStr) -> bool {
        self.extensions.contains(&extension)
    }

    /// The driver's own name.
    pub fn driver_name(&self) -> Result<String> {
        let mut driver = vk::PhysicalDeviceDriverProperties::default();
        let mut all = vk::PhysicalDeviceProperties2::default().push_next(&mut driver);
        // SAFETY: a valid physical device, and a struct with its chain.
        unsafe { self.instance.get_physical_device_properties2(self.physical, &mut all) };
        Ok(driver.driver_name_as_c_str().context("the driver's name")?.to_string_lossy().into_owned())
    }

    /// The first memory type of those in `bits` that has `flags`.
    pub fn memory_type(&self, bits: u32, flags: vk::MemoryPropertyFlags) -> Result<u32> {
        let types = self.memory.memory_types_as_slice();
        let found = (0..types.len()).find(|i| bits >> i & 1 == 1 && types[*i].property_flags.contains(flags));
        found.map(|i| i as u32).with_context(|| format!("no memory type with {flags:?}"))
    }

    /// A storage buffer of `words` 32-bit words in host-visible, coherent memory.
    pub fn buffer(&self, words: usize) -> Result<Buffer> {
        let flags = vk::MemoryPropertyFlags::HOST_VISIBLE | vk::MemoryPropertyFlags::HOST_COHERENT;
        self.buffer_in(words, |bits| self.memory_type(bits, flags))
    }

    /// A storage buffer in the memory type that `choose` takes from those allowed.
    pub fn buffer_in(&self, words: usize, choose: impl FnOnce(u32) -> Result<u32>) -> Result<Buffer> {
        let size = words as u64 * 4;
        let usage = vk::BufferUsageFlags::STORAGE_BUFFER
            | vk::BufferUsageFlags::TRANSFER_SRC
            | vk::BufferUsageFlags::TRANSFER_DST
            | vk::BufferUsageFlags::INDIRECT_BUFFER
            | vk::BufferUsageFlags::INDEX_BUFFER;
        // SAFETY: handles of this device; the mapping is used within the buffer's size.
        unsafe {
            let buffer = self.device.create_buffer(&vk::BufferCreateInfo::default().size(size).usage(usage), None)?;
            let needs = self.device.get_buffer_memory_requirements(buffer);
            ensure!(
                needs.size >= size && needs.alignment.is_power_of_two() && needs.memory_type_bits != 0,
                "odd requirements {needs:?}"
            );
            let kind = choose(needs.memory_type_bits)?;
            let info = vk::MemoryAllocateInfo::default().allocation_size(needs.size).memory_type_index(kind);
            let memory = self.device.allocate_memory(&info, None).context("vkAllocateMemory")?;
            self.device.bind_buffer_memory(buffer, memory, 0)?;
            let visible =
                self.memory.memory_types[kind as usize].property_flags.contains(vk::MemoryPropertyFlags::HOST_VISIBLE);
            let map = match visible {
                true => self
                    .device
                    .map_memory(memory, 0, vk::WHOLE_SIZE, vk::MemoryMapFlags::empty())
                    .context("vkMapMemory")?
                    .cast(),
                false => std::ptr::null_mut(),
            };
            Ok(Buffer { buffer, memory, size, map })
        }
    }

    pub fn free(&self, buffer: Buffer) {
        // SAFETY: the caller has waited for what uses it.
        unsafe {
            self.device.destroy_buffer(buffer.buffer, None);
            self.device.free_memory(buffer.memory, None);
        }
    }

    /// A primary command buffer that `record` has filled.
    pub fn record(&self, record: impl FnOnce(vk::CommandBuffer)) -> Result<vk::CommandBuffer> {
        self.record_in(self.pool, vk::CommandBufferUsageFlags::empty(), record)
    }

    pub fn record_in(
        &self,
        pool: vk::CommandPool,
        usage: vk::CommandBufferUsageFlags,
        record: impl FnOnce(vk::CommandBuffer),
    ) -> Result<vk::CommandBuffer> {
        // SAFETY: handles of this device; the pool is this thread's.
        unsafe {
            let info = vk::CommandBufferAllocateInfo::default().command_pool(pool).command_buffer_count(1);
            let buffer = self.device.allocate_command_buffers(&info)?[0];
            self.device.begin_command_buffer(buffer, &vk::CommandBufferBeginInfo::default().flags(usage))?;
            record(buffer);
            self.device.end_command_buffer(buffer).context("vkEndCommandBuffer")?;
            Ok(buffer)
        }
    }

    /// Records, submits, waits, frees.
    pub fn run(&self, record: impl FnOnce(vk::CommandBuffer)) -> Result<()> {
        let buffer = self.record(record)?;
        self.submit(&[buffer])?;
        // SAFETY: it has been waited for.
        unsafe { self.device.free_command_buffers(self.pool, &[buffer]) };
        Ok(())
    }

    /// Submits and waits with a fence.
    pub fn submit(&self, buffers: &[vk::CommandBuffer]) -> Result<()> {
        // SAFETY: handles of this device.
        unsafe {
            let fence = self.device.create_fence(&vk::FenceCreateInfo::default(), None)?;
            let submit = [vk::SubmitInfo::default().command_buffers(buffers)];
            self.device.queue_submit(self.queue, &submit, fence).context("vkQueueSubmit")?;
            self.device.wait_for_fences(&[fence], true, PATIENCE).context("vkWaitForFences")?;
            self.device.destroy_fence(fence, None);
        }
        Ok(())
    }

    /// Makes what shaders and transfers wrote visible to whatever comes next.
    pub fn barrier(&self, cmd: vk::CommandBuffer) {
        let all = vk::AccessFlags::MEMORY_READ | vk::AccessFlags::MEMORY_WRITE;
        let barrier = [vk::MemoryBarrier::default().src_access_mask(all).dst_access_mask(all)];
        let stages = vk::PipelineStageFlags::ALL_COMMANDS | vk::PipelineStageFlags::HOST;
        // SAFETY: recording into a begun command buffer.
        unsafe {
            self.device.cmd_pipeline_barrier(cmd, stages, stages, vk::DependencyFlags::empty(), &barrier, &[], &[])
        };
    }
}

/// VkPhysicalDeviceInternallySynchronizedQueuesFeaturesKHR with its member set, which ash doesn't know yet: in a struct with one member, too.
pub fn synchronized_queues() -> vk::PhysicalDevicePrivateDataFeatures<'static> {
    let mut feature = vk::PhysicalDevicePrivateDataFeatures::default().private_data(true);
    feature.s_type = vk::StructureType::from_raw(1_000_504_000);
    feature
}

/// What is used where it is there.
fn extensions(
    instance: &Instance,
    physical: vk::PhysicalDevice,
    further: &[&'static CStr],
) -> Result<Vec<&'static CStr>> {
    // SAFETY: a valid physical device.
    let offered = unsafe { instance.enumerate_device_extension_properties(physical)? };
    let names: Vec<&CStr> = offered.iter().filter_map(|e| e.extension_name_as_c_str().ok()).collect();
    let used = [
        ash::khr::push_descriptor::NAME,
        ash::khr::maintenance5::NAME,
        ash::ext::calibrated_timestamps::NAME,
        ash::ext::host_image_copy::NAME,
        ash::khr::map_memory2::NAME,
        MAP_MEMORY_PLACED,
        INTERNALLY_SYNCHRONIZED_QUEUES,
        MULTI_DRAW,
    ];
    Ok(used.into_iter().chain(SHARING).chain(further.iter().copied()).filter(|n| names.contains(n)).collect())
}

impl Drop for Gpu {
    fn drop(&mut self) {
        // SAFETY: the last use of the device; what a failed test left behind goes with it.
        unsafe {
            let _ = self.device.device_wait_idle();
            self.device.destroy_command_pool(self.pool, None);
            self.device.destroy_device(None);
            self.instance.destroy_instance(None);
        }
    }
}
