//! Objects for the calls' arguments. Each call of these makes another one, so that no call stands in another one's way.

use ash::vk;

use crate::entry_points::keep::{SEVERAL, keep};
use crate::entry_points::world::{World, instance};
use crate::generated::calls as info;

/// What can't be made here would be found by the parts that test it.
const MADE: &str = "a valid object is made";

/// Methods that make an object by its command and the generated info.
macro_rules! made_by {
    ($($name:ident: $ty:ident, $create:ident, $info:ident;)*) => {
        impl World {
            $(pub fn $name(&mut self) -> vk::$ty {
                // SAFETY: a valid device and info.
                unsafe {
                    let info = info::$info(self);
                    self.d.$create(&info, None).expect(MADE)
                }
            })*
        }
    };
}

made_by! {
    fence: Fence, create_fence, fence_create_info;
    semaphore: Semaphore, create_semaphore, semaphore_create_info;
    event: Event, create_event, event_create_info;
    device_memory: DeviceMemory, allocate_memory, memory_allocate_info;
    unbound_buffer: Buffer, create_buffer, buffer_create_info;
    unbound_image: Image, create_image, image_create_info;
    buffer_view: BufferView, create_buffer_view, buffer_view_create_info;
    image_view: ImageView, create_image_view, image_view_create_info;
    sampler: Sampler, create_sampler, sampler_create_info;
    sampler_ycbcr_conversion: SamplerYcbcrConversion, create_sampler_ycbcr_conversion, sampler_ycbcr_conversion_create_info;
    shader_module: ShaderModule, create_shader_module, shader_module_create_info;
    pipeline_cache: PipelineCache, create_pipeline_cache, pipeline_cache_create_info;
    pipeline_layout: PipelineLayout, create_pipeline_layout, pipeline_layout_create_info;
    descriptor_set_layout: DescriptorSetLayout, create_descriptor_set_layout, descriptor_set_layout_create_info;
    descriptor_pool: DescriptorPool, create_descriptor_pool, descriptor_pool_create_info;
    descriptor_update_template: DescriptorUpdateTemplate, create_descriptor_update_template, descriptor_update_template_create_info;
    render_pass: RenderPass, create_render_pass, render_pass_create_info;
    framebuffer: Framebuffer, create_framebuffer, framebuffer_create_info;
    command_pool: CommandPool, create_command_pool, command_pool_create_info;
    query_pool: QueryPool, create_query_pool, query_pool_create_info;
    private_data_slot: PrivateDataSlot, create_private_data_slot, private_data_slot_create_info;
}

impl World {
    pub fn instance(&self) -> vk::Instance {
        self.i.handle()
    }

    pub fn physical_device(&self) -> vk::PhysicalDevice {
        self.p
    }

    pub fn device(&self) -> vk::Device {
        self.d.handle()
    }

    pub fn queue(&self) -> vk::Queue {
        // SAFETY: the device has one queue of this family.
        unsafe { self.d.get_device_queue(self.family, 0) }
    }

    /// An instance for vkDestroyInstance.
    pub fn other_instance(&self) -> vk::Instance {
        // SAFETY: a loaded library.
        unsafe { instance(&self.entry) }.expect(MADE).handle()
    }

    /// A device for vkDestroyDevice.
    pub fn other_device(&mut self) -> vk::Device {
        // SAFETY: a valid device and info.
        unsafe {
            let info = info::device_create_info(self);
            self.i.create_device(self.p, &info, None).expect(MADE).handle()
        }
    }

    pub fn image_usage(&self) -> vk::ImageUsageFlags {
        use vk::ImageUsageFlags as U;
        let usage = U::TRANSFER_SRC | U::TRANSFER_DST | U::SAMPLED | U::COLOR_ATTACHMENT;
        if self.has(ash::ext::host_image_copy::NAME) { usage | U::HOST_TRANSFER_EXT } else { usage }
    }

    pub fn buffer_usage(&self) -> vk::BufferUsageFlags {
        use vk::BufferUsageFlags as U;
        let mut usage = U::TRANSFER_SRC | U::TRANSFER_DST | U::UNIFORM_TEXEL_BUFFER | U::STORAGE_BUFFER;
        usage |= U::INDEX_BUFFER | U::VERTEX_BUFFER | U::INDIRECT_BUFFER | U::SHADER_DEVICE_ADDRESS;
        for (extension, more) in [
            (ash::khr::acceleration_structure::NAME, U::ACCELERATION_STRUCTURE_STORAGE_KHR),
            (ash::khr::ray_tracing_pipeline::NAME, U::SHADER_BINDING_TABLE_KHR),
            (ash::ext::conditional_rendering::NAME, U::CONDITIONAL_RENDERING_EXT),
            (
                ash::ext::transform_feedback::NAME,
                U::TRANSFORM_FEEDBACK_BUFFER_EXT | U::TRANSFORM_FEEDBACK_COUNTER_BUFFER_EXT,
            ),
        ] {
            if self.has(extension) {
                usage |= more;
            }
        }
        usage
    }

    /// Memory for buffers whose addresses are asked for.
    pub fn addressed_memory(&mut self) -> vk::DeviceMemory {
        // SAFETY: a valid device and info.
        unsafe {
            let flags = vk::MemoryAllocateFlags::DEVICE_ADDRESS;
            let mut flags = vk::MemoryAllocateFlagsInfo::default().flags(flags);
            let info = info::memory_allocate_info(self).push_next(&mut flags);
            self.d.allocate_memory(&info, None).expect(MADE)
        }
    }

    /// Memory that may leave the process.
    pub fn exported_memory(&mut self) -> vk::DeviceMemory {
        let kind = vk::ExternalMemoryHandleTypeFlags::OPAQUE_FD;
        let mut export = vk::ExportMemoryAllocateInfo::default().handle_types(kind);
        // SAFETY: a valid device and info.
        unsafe {
            let info = info::memory_allocate_info(self).push_next(&mut export);
            self.d.allocate_memory(&info, None).expect(MADE)
        }
    }

    pub fn buffer(&mut self) -> vk::Buffer {
        let (buffer, memory) = (self.unbound_buffer(), self.addressed_memory());
        // SAFETY: new objects of this device.
        unsafe { self.d.bind_buffer_memory(buffer, memory, 0) }.expect(MADE);
        buffer
    }

    pub fn image(&mut self) -> vk::Image {
        self.image_with(|_| {})
    }

    /// An image of another kind.
    pub fn image_with(&mut self, change: impl FnOnce(&mut vk::ImageCreateInfo)) -> vk::Image {
        // SAFETY: a valid device and info; new objects.
        unsafe {
            let mut info = info::image_create_info(self);
            change(&mut info);
            let image = self.d.create_image(&info, None).expect(MADE);
            let needs = self.d.get_image_memory_requirements(image);
            let allocation = vk::MemoryAllocateInfo { allocation_size: needs.size, ..info::memory_allocate_info(self) };
            let memory = self.d.allocate_memory(&allocation, None).expect(MADE);
            self.d.bind_image_memory(image, memory, 0).expect(MADE);
            image
        }
    }

    pub fn depth_image(&mut self) -> vk::Image {
        self.image_with(|i| {
            i.format = vk::Format::D32_SFLOAT;
            i.usage = vk::ImageUsageFlags::TRANSFER_DST | vk::ImageUsageFlags::DEPTH_STENCIL_ATTACHMENT;
        })
    }

    /// Those of an image.
    pub fn corners(&self) -> [vk::Offset3D; 2] {
        [vk::Offset3D::default(), vk::Offset3D { x: 16, y: 16, z: 1 }]
    }

    pub fn mapped_memory(&mut self) -> vk::DeviceMemory {
        let memory = self.device_memory();
        // SAFETY: new memory, which is visible.
        unsafe { self.d.map_memory(memory, 0, vk::WHOLE_SIZE, vk::MemoryMapFlags::empty()) }.expect(MADE);
        memory
    }

    pub fn device_address(&mut self) -> vk::DeviceAddress {
        let info = vk::BufferDeviceAddressInfo::default().buffer(self.buffer());
        // SAFETY: a bound buffer, which may be asked for its address.
        unsafe { self.d.get_buffer_device_address(&info) }
    }

    pub fn address(&mut self) -> vk::DeviceOrHostAddressKHR {
        vk::DeviceOrHostAddressKHR { device_address: self.device_address() }
    }

    pub fn const_address(&mut self) -> vk::DeviceOrHostAddressConstKHR {
        vk::DeviceOrHostAddressConstKHR { device_address: self.device_address() }
    }

    /// Where a shader that casts rays could be named.
    pub fn region(&mut self) -> vk::StridedDeviceAddressRegionKHR {
        vk::StridedDeviceAddressRegionKHR { device_address: self.device_address(), stride: 64, size: 64 }
    }

    /// Two storage buffers, as the shader takes them.
    pub fn bindings(&self) -> *mut vk::DescriptorSetLayoutBinding<'static> {
        let binding = |n| {
            let binding = vk::DescriptorSetLayoutBinding::default().binding(n).descriptor_count(1);
            binding.descriptor_type(vk::DescriptorType::STORAGE_BUFFER).stage_flags(vk::ShaderStageFlags::COMPUTE)
        };
        keep([binding(0), binding(1)]).cast()
    }

    pub fn descriptor_set(&mut self) -> vk::DescriptorSet {
        // SAFETY: a pool with room for all that the calls take.
        unsafe {
            let mut info = info::descriptor_set_allocate_info(self);
            info.descriptor_pool = self.shared.descriptor_pool;
            let set = self.d.allocate_descriptor_sets(&info).expect(MADE)[0];
            let buffers = [info::descriptor_buffer_info(self), info::descriptor_buffer_info(self)];
            let kind = vk::DescriptorType::STORAGE_BUFFER;
            let write = vk::WriteDescriptorSet::default().dst_set(set).descriptor_type(kind);
            let writes = [0, 1].map(|n| write.dst_binding(n).buffer_info(&buffers[n as usize..=n as usize]));
            self.d.update_descriptor_sets(&writes, &[]);
            set
        }
    }

    /// A template of pushed descriptors.
    pub fn push_template(&mut self) -> vk::DescriptorUpdateTemplate {
        // SAFETY: a valid device and info.
        unsafe {
            let mut info = info::descriptor_update_template_create_info(self);
            info.template_type = vk::DescriptorUpdateTemplateType::PUSH_DESCRIPTORS_KHR;
            info.pipeline_bind_point = vk::PipelineBindPoint::COMPUTE;
            info.pipeline_layout = self.shared.push_layout;
            self.d.create_descriptor_update_template(&info, None).expect(MADE)
        }
    }

    /// A pool of some queries of a kind, ready for use.
    pub fn query_pool_of(&mut self, kind: vk::QueryType) -> vk::QueryPool {
        let info = vk::QueryPoolCreateInfo::default().query_type(kind).query_count(SEVERAL as u32);
        // SAFETY: a valid device and info.
        unsafe {
            let pool = self.d.create_query_pool(&info, None).expect(MADE);
            self.d.reset_query_pool(pool, 0, SEVERAL as u32);
            pool
        }
    }

    pub fn timeline(&mut self) -> vk::Semaphore {
        let mut kind = vk::SemaphoreTypeCreateInfo::default().semaphore_type(vk::SemaphoreType::TIMELINE);
        // SAFETY: a valid device and info.
        unsafe { self.d.create_semaphore(&vk::SemaphoreCreateInfo::default().push_next(&mut kind), None) }.expect(MADE)
    }

    /// Signalled when what was held up is done.
    pub fn held_fence(&self) -> vk::Fence {
        self.shared.held_fence
    }

    pub fn held_semaphore(&self) -> vk::Semaphore {
        self.shared.hold
    }

    pub fn acceleration_structure_khr(&mut self) -> vk::AccelerationStructureKHR {
        let loader = ash::khr::acceleration_structure::Device::new(&self.i, &self.d);
        // SAFETY: a valid device and info; the device has the extension.
        unsafe {
            let info = info::acceleration_structure_create_info_khr(self);
            loader.create_acceleration_structure(&info, None).expect(MADE)
        }
    }

    pub fn deferred_operation_khr(&mut self) -> vk::DeferredOperationKHR {
        let loader = ash::khr::deferred_host_operations::Device::new(&self.i, &self.d);
        // SAFETY: a valid device; it has the extension.
        unsafe { loader.create_deferred_operation(None) }.expect(MADE)
    }

    pub fn debug_utils_messenger_ext(&mut self) -> vk::DebugUtilsMessengerEXT {
        let loader = ash::ext::debug_utils::Instance::new(&self.entry, &self.i);
        // SAFETY: a valid instance, which has the extension.
        unsafe {
            let info = info::debug_utils_messenger_create_info_ext(self);
            loader.create_debug_utils_messenger(&info, None).expect(MADE)
        }
    }

    pub fn queue_in_label(&self) -> vk::Queue {
        let loader = ash::ext::debug_utils::Device::new(&self.i, &self.d);
        let label = vk::DebugUtilsLabelEXT::default().label_name(c"label");
        // SAFETY: a valid queue; the instance has the extension.
        unsafe { loader.queue_begin_debug_utils_label(self.queue(), &label) };
        self.queue()
    }

    pub fn surface_khr(&mut self) -> vk::SurfaceKHR {
        let loader = ash::ext::headless_surface::Instance::new(&self.entry, &self.i);
        // SAFETY: a valid instance, which has the extension, and an info.
        unsafe { loader.create_headless_surface(&vk::HeadlessSurfaceCreateInfoEXT::default(), None) }.expect(MADE)
    }

    pub fn swapchain_khr(&mut self) -> vk::SwapchainKHR {
        let loader = ash::khr::swapchain::Device::new(&self.i, &self.d);
        // SAFETY: a valid device, which has the extension, and an info.
        unsafe {
            let info = info::swapchain_create_info_khr(self);
            loader.create_swapchain(&info, None).expect(MADE)
        }
    }

    /// A swapchain whose first image the program has.
    pub fn swapchain_with_image(&mut self) -> vk::SwapchainKHR {
        let swapchain = self.swapchain_khr();
        let loader = ash::khr::swapchain::Device::new(&self.i, &self.d);
        let fence = self.fence();
        // SAFETY: a valid device and swapchain, and a new fence.
        let (image, _) = unsafe { loader.acquire_next_image(swapchain, 0, vk::Semaphore::null(), fence) }.expect(MADE);
        assert_eq!(image, 0, "the first image of a new swapchain");
        swapchain
    }
}
