//! A device with a surface, and what draws and presents on it.

use std::ffi::CStr;

use anyhow::{Context, Result};
use ash::{Device, Entry, Instance, khr, vk};

use crate::loader;

/// Longer than anything here takes, even emulated, in nanoseconds.
pub const PATIENCE: u64 = 60_000_000_000;

pub const FORMAT: vk::Format = vk::Format::B8G8R8A8_UNORM;

/// What is drawn where nobody looks.
const GREY: [f32; 4] = [0.5; 4];

/// Extensions that are used where they are there.
const WANTED: [&CStr; 6] = [
    khr::swapchain::NAME,
    khr::present_id::NAME,
    khr::present_wait::NAME,
    khr::swapchain_mutable_format::NAME,
    khr::incremental_present::NAME,
    ash::ext::swapchain_maintenance1::NAME,
];

pub struct Stage {
    pub instance: Instance,
    pub physical: vk::PhysicalDevice,
    pub device: Device,
    pub queue: vk::Queue,
    pub surfaces: khr::surface::Instance,
    pub surface: vk::SurfaceKHR,
    pub swapchains: khr::swapchain::Device,
    /// Where presents have numbers and can be waited for.
    pub present_wait: Option<khr::present_wait::Device>,
    pool: vk::CommandPool,
    // Unloads the loader, so it goes last.
    pub entry: Entry,
}

/// A swapchain and its images.
pub struct Chain {
    pub handle: vk::SwapchainKHR,
    pub images: Vec<vk::Image>,
}

impl Stage {
    /// The first device, with a headless surface; `None` where it has no swapchains.
    pub fn new() -> Result<Option<Self>> {
        Self::on(ash::ext::headless_surface::NAME, |entry, instance| {
            let headless = ash::ext::headless_surface::Instance::new(entry, instance);
            // SAFETY: a valid instance with the extension, and an info.
            let made = unsafe { headless.create_headless_surface(&vk::HeadlessSurfaceCreateInfoEXT::default(), None) };
            made.context("vkCreateHeadlessSurfaceEXT")
        })
    }

    /// The same with a surface that an extension of instances makes.
    pub fn on(
        extension: &'static CStr,
        make: impl FnOnce(&Entry, &Instance) -> Result<vk::SurfaceKHR>,
    ) -> Result<Option<Self>> {
        let entry = loader::entry()?;
        // SAFETY: every handle is used as Vulkan demands.
        unsafe {
            let application = vk::ApplicationInfo::default().api_version(vk::API_VERSION_1_3);
            let offered = entry.enumerate_instance_extension_properties(None)?;
            let there = |name: &&CStr| offered.iter().any(|e| e.extension_name_as_c_str() == Ok(*name));
            let mut names = vec![
                khr::surface::NAME,
                extension,
                khr::get_surface_capabilities2::NAME,
                ash::ext::surface_maintenance1::NAME,
                khr::display::NAME,
                khr::get_display_properties2::NAME,
                ash::ext::direct_mode_display::NAME,
                ash::ext::acquire_drm_display::NAME,
                ash::ext::acquire_xlib_display::NAME,
            ];
            names.sort_unstable();
            names.dedup();
            let names: Vec<_> = names.into_iter().filter(there).map(CStr::as_ptr).collect();
            let info = vk::InstanceCreateInfo::default().application_info(&application);
            let instance =
                entry.create_instance(&info.enabled_extension_names(&names), None).context("vkCreateInstance")?;
            let physical = *instance.enumerate_physical_devices()?.first().context("there is no device")?;
            let surface = make(&entry, &instance)?;
            let surfaces = khr::surface::Instance::new(&entry, &instance);
            let families = instance.get_physical_device_queue_family_properties(physical).len() as u32;
            let presents = |f: &u32| surfaces.get_physical_device_surface_support(physical, *f, surface) == Ok(true);
            let family = (0..families).find(presents).context("no queue family presents")?;

            let offered = instance.enumerate_device_extension_properties(physical)?;
            let there = |name: &&CStr| offered.iter().any(|e| e.extension_name_as_c_str() == Ok(*name));
            let extensions: Vec<&CStr> = WANTED.into_iter().filter(there).collect();
            if !extensions.contains(&khr::swapchain::NAME) {
                surfaces.destroy_surface(surface, None);
                instance.destroy_instance(None);
                return Ok(None);
            }
            let names: Vec<_> = extensions.iter().map(|n| n.as_ptr()).collect();
            let mut id = vk::PhysicalDevicePresentIdFeaturesKHR::default();
            let mut wait = vk::PhysicalDevicePresentWaitFeaturesKHR::default();
            let mut maintenance = vk::PhysicalDeviceSwapchainMaintenance1FeaturesEXT::default();
            let mut features = vk::PhysicalDeviceFeatures2::default();
            if extensions.contains(&khr::present_wait::NAME) {
                features = features.push_next(&mut id).push_next(&mut wait);
            }
            if extensions.contains(&ash::ext::swapchain_maintenance1::NAME) {
                features = features.push_next(&mut maintenance);
            }
            instance.get_physical_device_features2(physical, &mut features);
            features.features = vk::PhysicalDeviceFeatures::default();
            let queues = [vk::DeviceQueueCreateInfo::default().queue_family_index(family).queue_priorities(&[1.0])];
            let info = vk::DeviceCreateInfo::default().queue_create_infos(&queues).enabled_extension_names(&names);
            let device =
                instance.create_device(physical, &info.push_next(&mut features), None).context("vkCreateDevice")?;
            let waits = id.present_id == vk::TRUE && wait.present_wait == vk::TRUE;
            let flags = vk::CommandPoolCreateFlags::RESET_COMMAND_BUFFER;
            let pool = vk::CommandPoolCreateInfo::default().queue_family_index(family).flags(flags);
            Ok(Some(Self {
                queue: device.get_device_queue(family, 0),
                swapchains: khr::swapchain::Device::new(&instance, &device),
                present_wait: waits.then(|| khr::present_wait::Device::new(&instance, &device)),
                pool: device.create_command_pool(&pool, None)?,
                instance,
                physical,
                device,
                surfaces,
                surface,
                entry,
            }))
        }
    }

    /// How pictures may be shown.
    pub fn modes(&self) -> Result<Vec<vk::PresentModeKHR>> {
        // SAFETY: valid handles.
        Ok(unsafe { self.surfaces.get_physical_device_surface_present_modes(self.physical, self.surface)? })
    }

    /// The info of a swapchain of this size, with as many images as the surface needs at least, and one more.
    pub fn info(&self, size: [u32; 2], mode: vk::PresentModeKHR) -> Result<vk::SwapchainCreateInfoKHR<'static>> {
        // SAFETY: valid handles.
        let can = unsafe { self.surfaces.get_physical_device_surface_capabilities(self.physical, self.surface)? };
        Ok(vk::SwapchainCreateInfoKHR::default()
            .surface(self.surface)
            .min_image_count(can.min_image_count + 1)
            .image_format(FORMAT)
            .image_color_space(vk::ColorSpaceKHR::SRGB_NONLINEAR)
            .image_extent(vk::Extent2D { width: size[0], height: size[1] })
            .image_array_layers(1)
            .image_usage(vk::ImageUsageFlags::COLOR_ATTACHMENT | vk::ImageUsageFlags::TRANSFER_DST)
            .pre_transform(vk::SurfaceTransformFlagsKHR::IDENTITY)
            .composite_alpha(vk::CompositeAlphaFlagsKHR::OPAQUE)
            .present_mode(mode))
    }

    /// A swapchain that takes the surface over from `old`.
    pub fn chain(&self, size: [u32; 2], mode: vk::PresentModeKHR, old: Option<&Chain>) -> Result<Chain> {
        let info = self.info(size, mode)?.old_swapchain(old.map_or(vk::SwapchainKHR::null(), |o| o.handle));
        // SAFETY: a valid info.
        let handle = unsafe { self.swapchains.create_swapchain(&info, None) }.context("vkCreateSwapchainKHR")?;
        // SAFETY: a new swapchain.
        let images = unsafe { self.swapchains.get_swapchain_images(handle)? };
        Ok(Chain { handle, images })
    }

    /// Ends a swapchain after its work.
    pub fn end(&self, chain: Chain) -> Result<()> {
        // SAFETY: nothing uses it any more.
        unsafe {
            self.device.device_wait_idle()?;
            self.swapchains.destroy_swapchain(chain.handle, None);
        }
        Ok(())
    }

    /// A fence that isn't signalled.
    pub fn fence(&self) -> Result<vk::Fence> {
        // SAFETY: a valid device.
        Ok(unsafe { self.device.create_fence(&vk::FenceCreateInfo::default(), None)? })
    }

    /// A semaphore that isn't signalled.
    pub fn semaphore(&self) -> Result<vk::Semaphore> {
        // SAFETY: a valid device.
        Ok(unsafe { self.device.create_semaphore(&vk::SemaphoreCreateInfo::default(), None)? })
    }

    /// Acquires an image, and waits for it with a fence.
    pub fn acquire(&self, chain: &Chain, timeout: u64) -> Result<u32> {
        let fence = self.fence()?;
        // SAFETY: valid handles; the fence is waited for before it goes.
        unsafe {
            let acquired = self.swapchains.acquire_next_image(chain.handle, timeout, vk::Semaphore::null(), fence);
            let (index, _) = acquired.context("vkAcquireNextImageKHR")?;
            self.device.wait_for_fences(&[fence], true, PATIENCE).context("the fence of an acquired image")?;
            self.device.destroy_fence(fence, None);
            Ok(index)
        }
    }

    /// Acquires an image by a semaphore, draws and presents it.
    pub fn frame(&self, chain: &Chain, id: Option<u64>) -> Result<u32> {
        Ok(self.try_frame(chain, id, GREY)??.0)
    }

    /// The same in a color; what acquiring or presenting returned where that failed, and else whether either was suboptimal.
    pub fn try_frame(
        &self,
        chain: &Chain,
        id: Option<u64>,
        color: [f32; 4],
    ) -> Result<Result<(u32, bool), vk::Result>> {
        let acquired = self.semaphore()?;
        // SAFETY: valid handles; the semaphore goes when the queue is idle.
        unsafe {
            let got = self.swapchains.acquire_next_image(chain.handle, PATIENCE, acquired, vk::Fence::null());
            let shown = match got {
                Ok((index, suboptimal)) => {
                    self.try_present(chain, index, acquired, id, color)?.map(|s| (index, s || suboptimal))
                }
                Err(e) => Err(e),
            };
            self.device.destroy_semaphore(acquired, None);
            Ok(shown)
        }
    }

    /// Clears an image once `acquired` is signalled, presents it with a number, and waits until both are done.
    pub fn draw_and_present(&self, chain: &Chain, index: u32, acquired: vk::Semaphore, id: Option<u64>) -> Result<()> {
        self.try_present(chain, index, acquired, id, GREY)?.context("vkQueuePresentKHR")?;
        Ok(())
    }

    /// The same in a color; what presenting returned.
    pub fn try_present(
        &self,
        chain: &Chain,
        index: u32,
        acquired: vk::Semaphore,
        id: Option<u64>,
        color: [f32; 4],
    ) -> Result<Result<bool, vk::Result>> {
        let drawn = [self.semaphore()?];
        let cmd = [self.clear(chain.images[index as usize], color)?];
        let (waits, stages) = ([acquired], [vk::PipelineStageFlags::TRANSFER]);
        let mut submit = vk::SubmitInfo::default().command_buffers(&cmd).signal_semaphores(&drawn);
        if acquired != vk::Semaphore::null() {
            submit = submit.wait_semaphores(&waits).wait_dst_stage_mask(&stages);
        }
        // SAFETY: handles of this device, which are destroyed when the queue is idle.
        unsafe {
            self.device.queue_submit(self.queue, &[submit], vk::Fence::null()).context("vkQueueSubmit")?;
            let shown = self.present(chain, index, &drawn, id);
            self.device.queue_wait_idle(self.queue).context("vkQueueWaitIdle")?;
            self.device.free_command_buffers(self.pool, &cmd);
            self.device.destroy_semaphore(drawn[0], None);
            Ok(shown)
        }
    }

    /// Presents an image once semaphores are signalled; whether it was suboptimal.
    pub fn present(
        &self,
        chain: &Chain,
        index: u32,
        waits: &[vk::Semaphore],
        id: Option<u64>,
    ) -> Result<bool, vk::Result> {
        let (chains, indices, ids) = ([chain.handle], [index], [id.unwrap_or(0)]);
        let mut numbers = vk::PresentIdKHR::default().present_ids(&ids);
        let mut info = vk::PresentInfoKHR::default().wait_semaphores(waits).swapchains(&chains).image_indices(&indices);
        if id.is_some() && self.present_wait.is_some() {
            info = info.push_next(&mut numbers);
        }
        // SAFETY: valid handles, or such that a driver has to refuse.
        unsafe { self.swapchains.queue_present(self.queue, &info) }
    }

    /// A command buffer that waits for an event.
    pub fn waiting(&self, event: vk::Event) -> Result<vk::CommandBuffer> {
        use vk::PipelineStageFlags as S;
        // SAFETY: recording with handles of this device.
        unsafe {
            let info = vk::CommandBufferAllocateInfo::default().command_pool(self.pool).command_buffer_count(1);
            let cmd = self.device.allocate_command_buffers(&info)?[0];
            self.device.begin_command_buffer(cmd, &vk::CommandBufferBeginInfo::default())?;
            self.device.cmd_wait_events(cmd, &[event], S::HOST, S::ALL_COMMANDS, &[], &[], &[]);
            self.device.end_command_buffer(cmd)?;
            Ok(cmd)
        }
    }

    /// A command buffer that clears an image and makes it ready to be presented.
    pub fn clear(&self, image: vk::Image, color: [f32; 4]) -> Result<vk::CommandBuffer> {
        use vk::{AccessFlags as A, ImageLayout as L, PipelineStageFlags as S};
        let range =
            vk::ImageSubresourceRange::default().aspect_mask(vk::ImageAspectFlags::COLOR).level_count(1).layer_count(1);
        let turn = |from: L, to: L, before: A, after: A| {
            vk::ImageMemoryBarrier::default()
                .image(image)
                .subresource_range(range)
                .old_layout(from)
                .new_layout(to)
                .src_access_mask(before)
                .dst_access_mask(after)
                .src_queue_family_index(vk::QUEUE_FAMILY_IGNORED)
                .dst_queue_family_index(vk::QUEUE_FAMILY_IGNORED)
        };
        let begin = [turn(L::UNDEFINED, L::TRANSFER_DST_OPTIMAL, A::empty(), A::TRANSFER_WRITE)];
        let end = [turn(L::TRANSFER_DST_OPTIMAL, L::PRESENT_SRC_KHR, A::TRANSFER_WRITE, A::empty())];
        let (none, color) = (vk::DependencyFlags::empty(), vk::ClearColorValue { float32: color });
        // SAFETY: recording with handles of this device.
        unsafe {
            let info = vk::CommandBufferAllocateInfo::default().command_pool(self.pool).command_buffer_count(1);
            let cmd = self.device.allocate_command_buffers(&info)?[0];
            self.device.begin_command_buffer(cmd, &vk::CommandBufferBeginInfo::default())?;
            self.device.cmd_pipeline_barrier(cmd, S::TRANSFER, S::TRANSFER, none, &[], &[], &begin);
            self.device.cmd_clear_color_image(cmd, image, L::TRANSFER_DST_OPTIMAL, &color, &[range]);
            self.device.cmd_pipeline_barrier(cmd, S::TRANSFER, S::BOTTOM_OF_PIPE, none, &[], &[], &end);
            self.device.end_command_buffer(cmd)?;
            Ok(cmd)
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // SAFETY: the last use of everything; what a failed test left behind goes with the device.
        unsafe {
            let _ = self.device.device_wait_idle();
            self.device.destroy_command_pool(self.pool, None);
            self.device.destroy_device(None);
            self.surfaces.destroy_surface(self.surface, None);
            self.instance.destroy_instance(None);
        }
    }
}
