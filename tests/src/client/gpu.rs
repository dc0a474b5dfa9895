//! A device with one compute queue, and what every part needs of it.

use std::ffi::CStr;

use anyhow::{Context, Result, ensure};
use ash::{Device, Entry, Instance, vk};

/// `to[i] = from[i] * FACTOR + add` (tests/shaders/scale.comp).
pub const SCALE: &[u8] = include_bytes!("../../shaders/generated/scale.comp.spv");
/// Counts invocations and work groups (tests/shaders/tally.comp).
pub const TALLY: &[u8] = include_bytes!("../../shaders/generated/tally.comp.spv");

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
    // Unloads the loader, so it goes last.
    _entry: Entry,
}

/// A buffer with memory of its own; mapped where the type can be.
pub struct Buffer {
    pub buffer: vk::Buffer,
    pub memory: vk::DeviceMemory,
    pub size: u64,
    pub map: *mut u32,
}

/// A compute pipeline and what it was made from.
pub struct Pipeline {
    pub pipeline: vk::Pipeline,
    pub layout: vk::PipelineLayout,
    pub set_layout: vk::DescriptorSetLayout,
    pub shader: vk::ShaderModule,
}

impl Gpu {
    /// The first device that the loader finds.
    pub fn new() -> Result<Self> {
        // SAFETY: loads the system's Vulkan loader; every handle below is used as Vulkan demands.
        unsafe {
            let entry = Entry::load().context("loading libvulkan.so.1")?;
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
                    let info = vk::DeviceQueueCreateInfo::default().queue_family_index(*f);
                    info.queue_priorities(&priorities[..*n as usize])
                })
                .collect();
            let names = extensions(&instance, physical)?;
            let extensions: Vec<*const i8> = names.iter().map(|n| n.as_ptr()).collect();
            let mut features12 = vk::PhysicalDeviceVulkan12Features::default()
                .timeline_semaphore(true)
                .host_query_reset(true)
                .buffer_device_address(true);
            let offered = instance.get_physical_device_features(physical);
            let features = vk::PhysicalDeviceFeatures {
                sparse_binding: offered.sparse_binding,
                sparse_residency_buffer: offered.sparse_residency_buffer,
                sparse_residency_image2_d: offered.sparse_residency_image2_d,
                ..Default::default()
            };
            let mut features13 = vk::PhysicalDeviceVulkan13Features::default()
                .synchronization2(true)
                .pipeline_creation_cache_control(true);
            let maintenance5 = names.contains(&ash::khr::maintenance5::NAME);
            let mut features5 = vk::PhysicalDeviceMaintenance5FeaturesKHR::default().maintenance5(maintenance5);
            let info = vk::DeviceCreateInfo::default()
                .enabled_features(&features)
                .queue_create_infos(&queues)
                .enabled_extension_names(&extensions)
                .push_next(&mut features12)
                .push_next(&mut features13);
            let info = if maintenance5 { info.push_next(&mut features5) } else { info };
            let device = instance.create_device(physical, &info, None).context("vkCreateDevice")?;
            let queue = device.get_device_queue(family, 0);
            let others = counts
                .iter()
                .flat_map(|(f, n)| (0..*n).map(move |i| (*f, i)))
                .filter(|(f, i)| (*f, *i) != (family, 0))
                .map(|(f, i)| (device.get_device_queue(f, i), f))
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
                _entry: entry,
            })
        }
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
            | vk::BufferUsageFlags::INDIRECT_BUFFER;
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

    /// A pipeline of the scale shader with a work group of 64 and the factor `factor`; `flags` are its set layout's.
    pub fn scale(
        &self,
        factor: u32,
        flags: vk::DescriptorSetLayoutCreateFlags,
        kind: vk::DescriptorType,
    ) -> Result<Pipeline> {
        let (entries, constants) = scale_constants(factor);
        let special = vk::SpecializationInfo::default().map_entries(&entries).data(&constants);
        self.pipeline(SCALE, 2, 8, flags, kind, Some(&special))
    }

    pub fn pipeline(
        &self,
        spirv: &[u8],
        bindings: u32,
        push: u32,
        flags: vk::DescriptorSetLayoutCreateFlags,
        kind: vk::DescriptorType,
        special: Option<&vk::SpecializationInfo>,
    ) -> Result<Pipeline> {
        let code = ash::util::read_spv(&mut std::io::Cursor::new(spirv))?;
        let stage = vk::ShaderStageFlags::COMPUTE;
        let binding = |i| {
            vk::DescriptorSetLayoutBinding::default()
                .binding(i)
                .descriptor_count(1)
                .descriptor_type(kind)
                .stage_flags(stage)
        };
        let bindings: Vec<_> = (0..bindings).map(binding).collect();
        let ranges = [vk::PushConstantRange::default().size(push).stage_flags(stage)];
        // SAFETY: handles of this device.
        unsafe {
            let shader = self.device.create_shader_module(&vk::ShaderModuleCreateInfo::default().code(&code), None)?;
            let info = vk::DescriptorSetLayoutCreateInfo::default().bindings(&bindings).flags(flags);
            let set_layout = self.device.create_descriptor_set_layout(&info, None)?;
            let layouts = [set_layout];
            let mut info = vk::PipelineLayoutCreateInfo::default().set_layouts(&layouts);
            if push > 0 {
                info = info.push_constant_ranges(&ranges);
            }
            let layout = self.device.create_pipeline_layout(&info, None)?;
            let mut stage = vk::PipelineShaderStageCreateInfo::default().stage(stage).module(shader).name(c"main");
            if let Some(special) = special {
                stage = stage.specialization_info(special);
            }
            let info = [vk::ComputePipelineCreateInfo::default().stage(stage).layout(layout)];
            let made = self.device.create_compute_pipelines(vk::PipelineCache::null(), &info, None);
            let pipeline = made.map_err(|(_, e)| e).context("vkCreateComputePipelines")?[0];
            Ok(Pipeline { pipeline, layout, set_layout, shader })
        }
    }

    pub fn free_pipeline(&self, pipeline: Pipeline) {
        // SAFETY: the caller has waited for what uses it.
        unsafe {
            self.device.destroy_pipeline(pipeline.pipeline, None);
            self.device.destroy_pipeline_layout(pipeline.layout, None);
            self.device.destroy_descriptor_set_layout(pipeline.set_layout, None);
            self.device.destroy_shader_module(pipeline.shader, None);
        }
    }

    /// A pool for `sets` sets with two storage buffers each.
    pub fn descriptor_pool(&self, sets: u32, kind: vk::DescriptorType) -> Result<vk::DescriptorPool> {
        let sizes = [vk::DescriptorPoolSize { ty: kind, descriptor_count: sets * 2 }];
        // SAFETY: handles of this device.
        unsafe {
            Ok(self.device.create_descriptor_pool(
                &vk::DescriptorPoolCreateInfo::default().max_sets(sets).pool_sizes(&sizes),
                None,
            )?)
        }
    }

    /// A set with whole buffers behind its bindings.
    pub fn set(
        &self,
        pool: vk::DescriptorPool,
        layout: vk::DescriptorSetLayout,
        buffers: &[&Buffer],
    ) -> Result<vk::DescriptorSet> {
        let layouts = [layout];
        // SAFETY: handles of this device.
        unsafe {
            let set = self.device.allocate_descriptor_sets(
                &vk::DescriptorSetAllocateInfo::default().descriptor_pool(pool).set_layouts(&layouts),
            )?[0];
            for (i, b) in buffers.iter().enumerate() {
                let info = [vk::DescriptorBufferInfo::default().buffer(b.buffer).range(vk::WHOLE_SIZE)];
                let kind = vk::DescriptorType::STORAGE_BUFFER;
                let write = vk::WriteDescriptorSet::default()
                    .dst_set(set)
                    .dst_binding(i as u32)
                    .descriptor_type(kind)
                    .buffer_info(&info);
                self.device.update_descriptor_sets(&[write], &[]);
            }
            Ok(set)
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

    /// Binds and dispatches the scale shader for `count` words.
    pub fn cmd_scale(&self, cmd: vk::CommandBuffer, pipeline: &Pipeline, set: vk::DescriptorSet, count: u32, add: u32) {
        let point = vk::PipelineBindPoint::COMPUTE;
        // SAFETY: recording into a begun command buffer.
        unsafe {
            self.device.cmd_bind_pipeline(cmd, point, pipeline.pipeline);
            self.device.cmd_bind_descriptor_sets(cmd, point, pipeline.layout, 0, &[set], &[]);
            let push: Vec<u8> = [count, add].iter().flat_map(|v| v.to_le_bytes()).collect();
            self.device.cmd_push_constants(cmd, pipeline.layout, vk::ShaderStageFlags::COMPUTE, 0, &push);
            self.device.cmd_dispatch(cmd, count.div_ceil(64), 1, 1);
        }
    }
}

/// The constants of the scale shader: a work group of 64, and the factor.
pub fn scale_constants(factor: u32) -> ([vk::SpecializationMapEntry; 2], Vec<u8>) {
    let entry = |id, offset| vk::SpecializationMapEntry::default().constant_id(id).offset(offset).size(4);
    ([entry(0, 0), entry(1, 4)], [64, factor].iter().flat_map(|v: &u32| v.to_le_bytes()).collect())
}

/// What is used where it is there.
fn extensions(instance: &Instance, physical: vk::PhysicalDevice) -> Result<Vec<&'static CStr>> {
    // SAFETY: a valid physical device.
    let offered = unsafe { instance.enumerate_device_extension_properties(physical)? };
    let names: Vec<&CStr> = offered.iter().filter_map(|e| e.extension_name_as_c_str().ok()).collect();
    Ok([ash::khr::push_descriptor::NAME, ash::khr::maintenance5::NAME]
        .into_iter()
        .filter(|n| names.contains(n))
        .collect())
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

impl Buffer {
    pub fn words(&self) -> usize {
        self.size as usize / 4
    }

    /// Fills a mapped buffer with `f(i)`.
    pub fn fill(&self, f: impl Fn(u32) -> u32) {
        assert!(!self.map.is_null(), "the buffer isn't mapped");
        for i in 0..self.words() {
            // SAFETY: inside the mapping, which no GPU work touches at this time.
            unsafe { self.map.add(i).write_volatile(f(i as u32)) };
        }
    }

    /// One word of a mapped buffer.
    pub fn get(&self, i: usize) -> u32 {
        assert!(!self.map.is_null() && i < self.words(), "outside of the mapping");
        // SAFETY: checked above.
        unsafe { self.map.add(i).read_volatile() }
    }

    /// Fails unless a mapped buffer holds `f(i)` everywhere.
    pub fn expect(&self, what: &str, f: impl Fn(u32) -> u32) -> Result<()> {
        for i in 0..self.words() {
            let (found, wanted) = (self.get(i), f(i as u32));
            ensure!(found == wanted, "{what}: word {i} is {found:#x}, not {wanted:#x}");
        }
        Ok(())
    }
}
