//! An instance and a device with all that the driver offers, and what the objects of a device share.

use std::ffi::{CStr, c_void};

use anyhow::{Context, Result};
use ash::{Device, Entry, Instance, vk};

use crate::entry_points::keep::{Output, keep};
use crate::generated::calls::{
    EXTENSIONS, FEATURES, command_pool_create_info, descriptor_pool_create_info, descriptor_set_layout_create_info,
};
use crate::loader;
use crate::shaders::SCALE;

/// The value that what is held up waits for.
const RELEASED: u64 = 2;

/// Objects that others are made from, or belong to.
#[derive(Default)]
pub struct Shared {
    pub set_layout: vk::DescriptorSetLayout,
    pub layout: vk::PipelineLayout,
    /// Its sets are pushed.
    pub push_layout: vk::PipelineLayout,
    pub descriptor_pool: vk::DescriptorPool,
    pub set: vk::DescriptorSet,
    pub command_pool: vk::CommandPool,
    pub render_pass: vk::RenderPass,
    pub framebuffer: vk::Framebuffer,
    /// Both made for the first that binds one.
    pub pipeline: vk::Pipeline,
    pub graphics_pipeline: vk::Pipeline,
    pub query_pool: vk::QueryPool,
    pub stream_query_pool: vk::QueryPool,
    /// The timeline that submitted work waits for.
    pub hold: vk::Semaphore,
    /// Signalled by that work.
    pub held_fence: vk::Fence,
}

pub struct World {
    pub entry: Entry,
    pub i: Instance,
    pub p: vk::PhysicalDevice,
    pub d: Device,
    pub family: u32,
    pub memory_type: u32,
    pub memory_size: u64,
    pub buffer_size: u64,
    pub code: Vec<u32>,
    pub shared: Shared,
    /// Where the call that is prepared answers, if it can't fail otherwise.
    pub outputs: Vec<Output>,
    /// The device's extensions.
    extensions: Vec<&'static CStr>,
}

/// A debug messenger's function that says nothing.
pub unsafe extern "system" fn ignore(
    _: vk::DebugUtilsMessageSeverityFlagsEXT,
    _: vk::DebugUtilsMessageTypeFlagsEXT,
    _: *const vk::DebugUtilsMessengerCallbackDataEXT<'_>,
    _: *mut c_void,
) -> vk::Bool32 {
    vk::FALSE
}

/// An instance with all extensions.
pub unsafe fn instance(entry: &Entry) -> Result<Instance> {
    // SAFETY: a loaded library, and values on the stack.
    unsafe {
        let offered = entry.enumerate_instance_extension_properties(None)?;
        let names: Vec<_> = offered.iter().map(|e| e.extension_name.as_ptr()).collect();
        let application = vk::ApplicationInfo::default().api_version(vk::API_VERSION_1_3);
        let info = vk::InstanceCreateInfo::default().application_info(&application);
        entry.create_instance(&info.enabled_extension_names(&names), None).context("vkCreateInstance")
    }
}

/// A device with all extensions and features.
unsafe fn device(i: &Instance, p: vk::PhysicalDevice, family: u32) -> Result<(Device, Vec<&'static CStr>)> {
    // SAFETY: valid handles; the chain is of zeroed structs of the sizes that their types have, and stays where it is.
    unsafe {
        let offered = i.enumerate_device_extension_properties(p)?;
        let there = |name: &&&CStr| offered.iter().any(|e| e.extension_name_as_c_str() == Ok(**name));
        // Vulkan's own buffer addresses exclude those of the older extension.
        let wanted = EXTENSIONS.iter().filter(|n| **n != ash::ext::buffer_device_address::NAME);
        let extensions: Vec<&CStr> = wanted.filter(there).copied().collect();
        let names: Vec<_> = extensions.iter().map(|n| n.as_ptr()).collect();
        let mut features = vk::PhysicalDeviceFeatures2::default();
        for f in &FEATURES {
            if f.extensions.is_empty() || f.extensions.iter().any(|e| extensions.contains(e)) {
                let link = vec![0u64; f.size.div_ceil(8)].leak().as_mut_ptr().cast::<vk::BaseOutStructure>();
                (*link).s_type = vk::StructureType::from_raw(f.s_type);
                (*link).p_next = features.p_next.cast();
                features.p_next = link.cast();
            }
        }
        i.get_physical_device_features2(p, &mut features);
        let queues = [vk::DeviceQueueCreateInfo::default().queue_family_index(family).queue_priorities(&[1.0])];
        let info = vk::DeviceCreateInfo::default().queue_create_infos(&queues).enabled_extension_names(&names);
        let device = i.create_device(p, &info.push_next(&mut features), None).context("vkCreateDevice")?;
        Ok((device, extensions))
    }
}

impl World {
    pub fn new() -> Result<Self> {
        let entry = loader::entry()?;
        // SAFETY: handles that were made here.
        unsafe {
            let i = instance(&entry)?;
            let p = *i.enumerate_physical_devices()?.first().context("there is no device")?;
            let families = i.get_physical_device_queue_family_properties(p);
            let family = families.iter().position(|f| f.queue_flags.contains(vk::QueueFlags::GRAPHICS));
            let family = family.context("no queue draws")? as u32;
            let (d, extensions) = device(&i, p, family)?;
            let memory = i.get_physical_device_memory_properties(p);
            let visible = vk::MemoryPropertyFlags::HOST_VISIBLE | vk::MemoryPropertyFlags::HOST_COHERENT;
            let types = memory.memory_types_as_slice();
            let kind = types.iter().position(|t| t.property_flags.contains(visible)).context("no visible memory")?;
            let mut world = Self {
                entry,
                i,
                p,
                d,
                family,
                memory_type: kind as u32,
                memory_size: 65536,
                buffer_size: 4096,
                code: ash::util::read_spv(&mut std::io::Cursor::new(SCALE))?,
                shared: Shared::default(),
                outputs: Vec::new(),
                extensions,
            };
            world.share()?;
            world.hold_up()?;
            Ok(world)
        }
    }

    /// Where a call answers: a value that it must change, but for its first `head` bytes.
    pub fn answer<T>(&mut self, value: T, head: usize) -> *mut T {
        let p = keep(value);
        self.outputs.push(Output::new(p, head));
        p
    }

    /// The same, with garbage behind the head.
    pub fn garbage<T>(&mut self, value: T, head: usize) -> *mut T {
        let p = keep(value);
        // SAFETY: inside of a new value of numbers, any of which will do.
        unsafe { p.cast::<u8>().add(head).write_bytes(0xa5, size_of::<T>() - head) };
        self.outputs.push(Output::new(p, head));
        p
    }

    /// Whether the device has an extension.
    pub fn has(&self, extension: &CStr) -> bool {
        self.extensions.contains(&extension)
    }

    /// Makes what objects share, each thing before what needs it.
    unsafe fn share(&mut self) -> Result<()> {
        // SAFETY: infos that are valid by the generator's rules.
        unsafe {
            let mut sets = descriptor_set_layout_create_info(self);
            self.shared.set_layout = self.d.create_descriptor_set_layout(&sets, None)?;
            self.shared.layout = self.pipeline_layout();
            if self.has(ash::khr::push_descriptor::NAME) {
                sets.flags = vk::DescriptorSetLayoutCreateFlags::PUSH_DESCRIPTOR_KHR;
                let pushed = [self.d.create_descriptor_set_layout(&sets, None)?];
                let info = vk::PipelineLayoutCreateInfo::default().set_layouts(&pushed);
                self.shared.push_layout = self.d.create_pipeline_layout(&info, None)?;
            }
            let mut pool = descriptor_pool_create_info(self);
            pool.flags = vk::DescriptorPoolCreateFlags::FREE_DESCRIPTOR_SET;
            pool.max_sets = 64;
            pool.p_pool_sizes =
                keep(vk::DescriptorPoolSize { ty: vk::DescriptorType::STORAGE_BUFFER, descriptor_count: 128 });
            self.shared.descriptor_pool = self.d.create_descriptor_pool(&pool, None)?;
            self.shared.set = self.descriptor_set();
            let mut pool = command_pool_create_info(self);
            pool.flags = vk::CommandPoolCreateFlags::RESET_COMMAND_BUFFER;
            self.shared.command_pool = self.d.create_command_pool(&pool, None)?;
            self.shared.render_pass = self.render_pass();
            self.shared.framebuffer = self.framebuffer();
            self.shared.query_pool = self.query_pool_of(vk::QueryType::OCCLUSION);
            if self.has(ash::ext::transform_feedback::NAME) {
                self.shared.stream_query_pool = self.query_pool_of(vk::QueryType::TRANSFORM_FEEDBACK_STREAM_EXT);
            }
            Ok(())
        }
    }

    /// Submits work that waits for [`World::release`].
    unsafe fn hold_up(&mut self) -> Result<()> {
        self.shared.hold = self.timeline();
        // SAFETY: handles of this device.
        unsafe {
            self.shared.held_fence = self.d.create_fence(&vk::FenceCreateInfo::default(), None)?;
            let (hold, values, stages) = ([self.shared.hold], [RELEASED], [vk::PipelineStageFlags::ALL_COMMANDS]);
            let mut timeline = vk::TimelineSemaphoreSubmitInfo::default().wait_semaphore_values(&values);
            let info = vk::SubmitInfo::default().wait_semaphores(&hold).wait_dst_stage_mask(&stages);
            let fence = self.shared.held_fence;
            self.d.queue_submit(self.queue(), &[info.push_next(&mut timeline)], fence).context("vkQueueSubmit")
        }
    }

    /// Lets what was held up go on.
    pub fn release(&self) -> Result<()> {
        let info = vk::SemaphoreSignalInfo::default().semaphore(self.shared.hold).value(RELEASED);
        // SAFETY: a timeline of this device.
        unsafe { self.d.signal_semaphore(&info) }.context("vkSignalSemaphore")
    }
}
