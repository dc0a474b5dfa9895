//! Instance, device, and what every program has: layouts, a cache, a slot for private data.

use anyhow::{Context as _, Result, bail};
use ash::{Device, Entry, Instance, vk};

use super::poison;
use crate::facts::Facts;

/// The loader, and an instance that several programs in a row use.
pub struct Loaded {
    entry: Entry,
    pub instance: Instance,
    pub physical: vk::PhysicalDevice,
}

impl Loaded {
    /// # Errors
    /// Without a loader or a device.
    pub fn new() -> Result<Self> {
        // SAFETY: loads the system's loader, whose handles are used as Vulkan demands.
        unsafe {
            let entry = Entry::load().context("loading libvulkan.so.1")?;
            let application =
                vk::ApplicationInfo::default().application_name(c"hesper-fuzz").api_version(vk::API_VERSION_1_3);
            let info = vk::InstanceCreateInfo::default().application_info(&application);
            let instance = entry.create_instance(&info, None).context("vkCreateInstance")?;
            let physical = *instance.enumerate_physical_devices()?.first().context("there is no device")?;
            Ok(Self { entry, instance, physical })
        }
    }

    /// The same with a new instance.
    ///
    /// # Errors
    /// When the driver can't.
    pub fn renew(&mut self) -> Result<()> {
        *self = Self::new()?;
        Ok(())
    }

    /// What the device has of extensions that it needn't have.
    fn extras(&self) -> Extras {
        // SAFETY: a valid physical device. One that tells nothing has nothing.
        let shown = unsafe { self.instance.enumerate_device_extension_properties(self.physical) }.unwrap_or_default();
        let has = |name: &std::ffi::CStr| shown.iter().any(|e| e.extension_name_as_c_str() == Ok(name));
        Extras {
            host_copies: has(ash::ext::host_image_copy::NAME) && self.has_general_layout(),
            maintenance6: has(ash::khr::maintenance6::NAME),
            primitives: has(ash::ext::primitives_generated_query::NAME),
            planes: self.has_planes(),
            captures: has(ash::ext::transform_feedback::NAME),
        }
    }

    /// Whether images may have formats of several planes.
    fn has_planes(&self) -> bool {
        let mut planes = vk::PhysicalDeviceSamplerYcbcrConversionFeatures::default();
        let mut all = vk::PhysicalDeviceFeatures2::default().push_next(&mut planes);
        // SAFETY: a valid physical device, and a struct with its chain.
        unsafe { self.instance.get_physical_device_features2(self.physical, &mut all) };
        planes.sampler_ycbcr_conversion != 0
    }

    /// Whether the host's processor copies to and from VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL and _GENERAL.
    fn has_general_layout(&self) -> bool {
        let mut told = vk::PhysicalDeviceHostImageCopyPropertiesEXT::default();
        // SAFETY: a valid physical device, and arrays with as much room as is said.
        unsafe {
            let mut all = vk::PhysicalDeviceProperties2::default().push_next(&mut told);
            self.instance.get_physical_device_properties2(self.physical, &mut all);
            let mut from = vec![vk::ImageLayout::UNDEFINED; told.copy_src_layout_count as usize];
            let mut to = vec![vk::ImageLayout::UNDEFINED; told.copy_dst_layout_count as usize];
            (told.p_copy_src_layouts, told.p_copy_dst_layouts) = (from.as_mut_ptr(), to.as_mut_ptr());
            let mut all = vk::PhysicalDeviceProperties2::default().push_next(&mut told);
            self.instance.get_physical_device_properties2(self.physical, &mut all);
            let both = [vk::ImageLayout::GENERAL, vk::ImageLayout::TRANSFER_DST_OPTIMAL];
            both.iter().all(|layout| from.contains(layout) && to.contains(layout))
        }
    }

    fn queues(&self) -> Queues {
        use vk::QueueFlags as F;
        // SAFETY: a valid physical device.
        let families = unsafe { self.instance.get_physical_device_queue_family_properties(self.physical) };
        // Two of each family, so that each of two threads gets one.
        let mut queues = Vec::new();
        for (f, family) in families
            .iter()
            .enumerate()
            .filter(|(_, f)| f.queue_flags.intersects(F::GRAPHICS | F::COMPUTE | F::TRANSFER))
        {
            queues.extend((0..family.queue_count.min(2)).map(|i| (f as u32, i)));
        }
        let families =
            families.iter().map(|f| (f.queue_flags.contains(F::GRAPHICS), f.queue_flags.contains(F::COMPUTE)));
        Queues { all: queues, families: families.collect() }
    }

    /// What the planner must know, and the device's name.
    pub fn facts(&self) -> (Facts, String) {
        // SAFETY: a valid physical device.
        let properties = unsafe { self.instance.get_physical_device_properties(self.physical) };
        let name = properties.device_name_as_c_str().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let (Queues { all: queues, families }, extras) = (self.queues(), self.extras());
        let facts = Facts {
            queues,
            families,
            second_binds: extras.maintenance6,
            primitives: extras.primitives,
            captures: extras.captures,
            formats: super::formats::abilities(&self.instance, self.physical, extras.host_copies, extras.planes),
        };
        (facts, name)
    }
}

impl Drop for Loaded {
    fn drop(&mut self) {
        // SAFETY: every device has been destroyed.
        unsafe { self.instance.destroy_instance(None) };
        let _ = &self.entry;
    }
}

/// All queues, as families and indices, and for each family whether it draws and whether it computes.
struct Queues {
    all: Vec<(u32, u32)>,
    families: Vec<(bool, bool)>,
}

/// Extensions and features that a device may have.
#[derive(Clone, Copy)]
struct Extras {
    host_copies: bool,
    maintenance6: bool,
    primitives: bool,
    planes: bool,
    captures: bool,
}

/// A device and its constants.
pub struct Gpu {
    pub device: Device,
    pub queues: Vec<vk::Queue>,
    pub families: Vec<u32>,
    pub memory: vk::PhysicalDeviceMemoryProperties,
    pub push: ash::khr::push_descriptor::Device,
    /// Where the device has it.
    pub second_binds: ash::khr::maintenance6::Device,
    pub multi_draw: ash::ext::multi_draw::Device,
    /// Where the device has it.
    pub host_copies: ash::ext::host_image_copy::Device,
    /// Where the device `captures`.
    pub capture: ash::ext::transform_feedback::Device,
    pub captures: bool,
    /// Two storage buffers, in sets and pushed.
    pub set_layouts: [vk::DescriptorSetLayout; 2],
    pub layouts: [vk::PipelineLayout; 2],
    pub cache: vk::PipelineCache,
    pub private: vk::PrivateDataSlot,
}

const EXTENSIONS: [&std::ffi::CStr; 3] =
    [ash::khr::push_descriptor::NAME, ash::ext::multi_draw::NAME, ash::khr::maintenance5::NAME];

impl Gpu {
    /// # Errors
    /// When the device lacks something or the driver fails.
    pub fn new(loaded: &Loaded) -> Result<Self> {
        let Loaded { instance, physical, .. } = loaded;
        let Queues { all, .. } = loaded.queues();
        // SAFETY: handles of this instance and device.
        unsafe {
            let shown = instance.enumerate_device_extension_properties(*physical)?;
            for name in EXTENSIONS {
                if !shown.iter().any(|e| e.extension_name_as_c_str() == Ok(name)) {
                    bail!("the device has no {name:?}");
                }
            }
            let priorities = [1.0, 0.5];
            let mut families: Vec<u32> = all.iter().map(|(f, _)| *f).collect();
            families.dedup();
            let infos: Vec<_> = families
                .iter()
                .map(|f| {
                    let count = all.iter().filter(|(q, _)| q == f).count();
                    vk::DeviceQueueCreateInfo::default().queue_family_index(*f).queue_priorities(&priorities[..count])
                })
                .collect();
            let extras = loaded.extras();
            let mut names: Vec<_> = EXTENSIONS.iter().map(|n| n.as_ptr()).collect();
            let features = vk::PhysicalDeviceFeatures::default()
                .pipeline_statistics_query(true)
                .occlusion_query_precise(true)
                .independent_blend(true);
            let mut f12 = vk::PhysicalDeviceVulkan12Features::default().timeline_semaphore(true).host_query_reset(true);
            let mut f13 = vk::PhysicalDeviceVulkan13Features::default()
                .synchronization2(true)
                .private_data(true)
                .dynamic_rendering(true)
                .maintenance4(true)
                .pipeline_creation_cache_control(true);
            let mut f5 = vk::PhysicalDeviceMaintenance5FeaturesKHR::default().maintenance5(true);
            let mut draws = vk::PhysicalDeviceMultiDrawFeaturesEXT::default().multi_draw(true);
            let mut f6 = vk::PhysicalDeviceMaintenance6FeaturesKHR::default().maintenance6(true);
            let mut copies = vk::PhysicalDeviceHostImageCopyFeaturesEXT::default().host_image_copy(true);
            let mut primitives =
                vk::PhysicalDevicePrimitivesGeneratedQueryFeaturesEXT::default().primitives_generated_query(true);
            let mut planes =
                vk::PhysicalDeviceSamplerYcbcrConversionFeatures::default().sampler_ycbcr_conversion(extras.planes);
            let mut captures = vk::PhysicalDeviceTransformFeedbackFeaturesEXT::default().transform_feedback(true);
            let mut info = vk::DeviceCreateInfo::default();
            if extras.maintenance6 {
                names.push(ash::khr::maintenance6::NAME.as_ptr());
                info = info.push_next(&mut f6);
            }
            if extras.host_copies {
                names.push(ash::ext::host_image_copy::NAME.as_ptr());
                info = info.push_next(&mut copies);
            }
            if extras.primitives {
                names.push(ash::ext::primitives_generated_query::NAME.as_ptr());
                info = info.push_next(&mut primitives);
            }
            if extras.captures {
                names.push(ash::ext::transform_feedback::NAME.as_ptr());
                info = info.push_next(&mut captures);
            }
            let info = info
                .queue_create_infos(&infos)
                .enabled_extension_names(&names)
                .enabled_features(&features)
                .push_next(&mut planes)
                .push_next(&mut f12)
                .push_next(&mut f13)
                .push_next(&mut f5)
                .push_next(&mut draws);
            let device = instance.create_device(*physical, &info, None).context("vkCreateDevice")?;
            let queues = all.iter().map(|(f, i)| device.get_device_queue(*f, *i)).collect();
            let set_layouts = [false, true].map(|pushed| set_layout(&device, pushed));
            let set_layouts = [set_layouts[0]?, set_layouts[1]?];
            let layouts = set_layouts.map(|l| pipeline_layout(&device, l));
            Ok(Self {
                queues,
                families,
                memory: instance.get_physical_device_memory_properties(*physical),
                push: ash::khr::push_descriptor::Device::new(instance, &device),
                second_binds: ash::khr::maintenance6::Device::new(instance, &device),
                multi_draw: ash::ext::multi_draw::Device::new(instance, &device),
                host_copies: ash::ext::host_image_copy::Device::new(instance, &device),
                capture: ash::ext::transform_feedback::Device::new(instance, &device),
                captures: extras.captures,
                set_layouts,
                layouts: [layouts[0]?, layouts[1]?],
                cache: device.create_pipeline_cache(&vk::PipelineCacheCreateInfo::default(), None)?,
                private: device.create_private_data_slot(&vk::PrivateDataSlotCreateInfo::default(), None)?,
                device,
            })
        }
    }

    /// The type for memory that is mapped or isn't, of those in `bits`; one that could be mapped where there is no other.
    pub fn memory_type(&self, visible: bool, bits: u32) -> u32 {
        let types = self.memory.memory_types_as_slice();
        let mapped = |t: &vk::MemoryType| t.property_flags.contains(vk::MemoryPropertyFlags::HOST_VISIBLE);
        let coherent = |t: &vk::MemoryType| t.property_flags.contains(vk::MemoryPropertyFlags::HOST_COHERENT);
        let suits = |t: &vk::MemoryType| if visible { mapped(t) && coherent(t) } else { !mapped(t) };
        let mut allowed = (0..types.len()).filter(|i| bits >> i & 1 != 0);
        let found = allowed.clone().find(|i| suits(&types[*i]));
        found.or_else(|| allowed.next()).unwrap_or(0) as u32
    }

    /// Destroys the device and everything that belongs to it.
    ///
    /// # Safety
    /// Every other object has been destroyed.
    pub unsafe fn destroy(self) {
        // SAFETY: by contract.
        unsafe {
            let d = &self.device;
            d.destroy_private_data_slot(self.private, None);
            d.destroy_pipeline_cache(self.cache, None);
            self.layouts.iter().for_each(|l| d.destroy_pipeline_layout(*l, None));
            self.set_layouts.iter().for_each(|l| d.destroy_descriptor_set_layout(*l, None));
            d.destroy_device(None);
        }
    }
}

/// A layout of two storage buffers.
///
/// # Errors
/// Of the driver.
pub fn set_layout(device: &Device, pushed: bool) -> Result<vk::DescriptorSetLayout, vk::Result> {
    let edge = poison::Edge::new();
    let binding = |i| vk::DescriptorSetLayoutBinding {
        binding: i,
        descriptor_type: vk::DescriptorType::STORAGE_BUFFER,
        descriptor_count: 1,
        stage_flags: vk::ShaderStageFlags::COMPUTE,
        // Only samplers have such.
        p_immutable_samplers: edge.bad(),
        ..Default::default()
    };
    let bindings = [binding(0), binding(1)];
    let flags = if pushed {
        vk::DescriptorSetLayoutCreateFlags::PUSH_DESCRIPTOR_KHR
    } else {
        vk::DescriptorSetLayoutCreateFlags::empty()
    };
    // SAFETY: a valid device.
    unsafe {
        device.create_descriptor_set_layout(
            &vk::DescriptorSetLayoutCreateInfo::default().bindings(&bindings).flags(flags),
            None,
        )
    }
}

/// A pipeline layout with one set and eight bytes of constants.
///
/// # Errors
/// Of the driver.
pub fn pipeline_layout(device: &Device, set: vk::DescriptorSetLayout) -> Result<vk::PipelineLayout, vk::Result> {
    let (sets, constants) =
        ([set], [vk::PushConstantRange::default().size(8).stage_flags(vk::ShaderStageFlags::COMPUTE)]);
    let info = vk::PipelineLayoutCreateInfo::default().set_layouts(&sets).push_constant_ranges(&constants);
    // SAFETY: a valid device.
    unsafe { device.create_pipeline_layout(&info, None) }
}
