//! One present of several swapchains, and what surfaces say of themselves: for Hesper alone, as `strict`.

use std::ptr;

use anyhow::{Context, Result, ensure};
use ash::{khr, vk};

use super::stage::{Chain, PATIENCE, Stage};

/// VkSurfaceCapabilitiesPresentId2KHR and VkSurfaceCapabilitiesPresentWait2KHR, a head and a VkBool32 each, which ash doesn't know yet.
const ID_2: vk::StructureType = vk::StructureType::from_raw(1_000_479_000);
const WAIT_2: vk::StructureType = vk::StructureType::from_raw(1_000_480_000);

pub fn run(stage: &Stage) -> Result<()> {
    presented(stage)?;
    told(stage)
}

/// Two swapchains are presented at once, and a third image that nobody has: each has its own result, and the semaphores are waited for.
fn presented(stage: &Stage) -> Result<()> {
    let headless = ash::ext::headless_surface::Instance::new(&stage.entry, &stage.instance);
    // SAFETY: a valid instance, which has the extension; handles that are destroyed when nothing uses them.
    unsafe {
        let surface = headless.create_headless_surface(&vk::HeadlessSurfaceCreateInfoEXT::default(), None)?;
        let first = stage.chain([20, 30], vk::PresentModeKHR::FIFO, None)?;
        let info = stage.info([50, 40], vk::PresentModeKHR::MAILBOX)?.surface(surface);
        let handle = stage.swapchains.create_swapchain(&info, None)?;
        let second = Chain { handle, images: stage.swapchains.get_swapchain_images(handle)? };
        for round in 0..6 {
            let indices = [stage.acquire(&first, PATIENCE)?, stage.acquire(&second, PATIENCE)?];
            let cmd = [(&first, indices[0]), (&second, indices[1])]
                .map(|(chain, index)| stage.clear(chain.images[index as usize], [1.0, 0.0, 0.0, 1.0]));
            let [a, b] = cmd;
            let (cmd, drawn) = ([a?, b?], [stage.semaphore()?]);
            let submit = vk::SubmitInfo::default().command_buffers(&cmd).signal_semaphores(&drawn);
            stage.device.queue_submit(stage.queue, &[submit], vk::Fence::null())?;
            let chains = [first.handle, second.handle, first.handle];
            let images = [indices[0], indices[1], 77];
            // The one that can't be is in front, in between or behind.
            let order = [[0, 1, 2], [0, 2, 1], [2, 0, 1]][round % 3];
            let (chains, images) = (order.map(|i| chains[i]), order.map(|i| images[i]));
            let mut results = [vk::Result::ERROR_UNKNOWN; 3];
            let info = vk::PresentInfoKHR::default().wait_semaphores(&drawn).swapchains(&chains);
            let info = info.image_indices(&images).results(&mut results);
            let worst = stage.swapchains.queue_present(stage.queue, &info);
            let refused = vk::Result::ERROR_VALIDATION_FAILED_EXT;
            let expected = order.map(|i| if i == 2 { refused } else { vk::Result::SUCCESS });
            ensure!(results == expected && worst == Err(refused), "round {round}: {results:?}, {worst:?}");
            stage.device.queue_wait_idle(stage.queue).context("the semaphore was waited for")?;
            stage.device.destroy_semaphore(drawn[0], None);
        }
        stage.end(first)?;
        stage.end(second)?;
        stage.surfaces.destroy_surface(surface, None);
    }
    Ok(())
}

/// The structs of VK_KHR_get_surface_capabilities2 that extensions add.
fn told(stage: &Stage) -> Result<()> {
    let loader = khr::get_surface_capabilities2::Instance::new(&stage.entry, &stage.instance);
    let mut mode = vk::SurfacePresentModeEXT::default().present_mode(vk::PresentModeKHR::FIFO);
    let info = vk::PhysicalDeviceSurfaceInfo2KHR::default().surface(stage.surface).push_next(&mut mode);
    let mut modes = [vk::PresentModeKHR::default(); 8];
    let mut compatible = vk::SurfacePresentModeCompatibilityEXT::default().present_modes(&mut modes);
    let mut scaling = vk::SurfacePresentScalingCapabilitiesEXT::default();
    let mut protected = vk::SurfaceProtectedCapabilitiesKHR::default().supports_protected(true);
    // Structs of the same members as those that ash lacks.
    let flag = |s_type| vk::SurfaceProtectedCapabilitiesKHR { s_type, p_next: ptr::null_mut(), ..Default::default() };
    let (mut id, mut wait) = (flag(ID_2), flag(WAIT_2));
    let mut all = vk::SurfaceCapabilities2KHR::default();
    all = all.push_next(&mut compatible).push_next(&mut scaling).push_next(&mut protected);
    all = all.push_next(&mut id).push_next(&mut wait);
    // SAFETY: valid handles and structs with their chains.
    unsafe { loader.get_physical_device_surface_capabilities2(stage.physical, &info, &mut all)? };
    let plain = all.surface_capabilities;
    let count = compatible.present_mode_count as usize;
    let yes = (id.supports_protected, wait.supports_protected, protected.supports_protected);
    ensure!(yes == (vk::TRUE, vk::TRUE, vk::FALSE), "{yes:?}");
    ensure!(modes.get(..count) == Some(&stage.modes()?[..]), "compatible modes: {modes:?}");
    ensure!(scaling.supported_present_scaling.is_empty(), "scaling: {:?}", scaling.supported_present_scaling);
    // SAFETY: as above.
    let can = unsafe { stage.surfaces.get_physical_device_surface_capabilities(stage.physical, stage.surface)? };
    ensure!(can.max_image_extent == plain.max_image_extent && can.supported_usage_flags == plain.supported_usage_flags);
    // SAFETY: as above.
    let formats = unsafe { stage.surfaces.get_physical_device_surface_formats(stage.physical, stage.surface)? };
    ensure!(formats.iter().any(|f| f.format == super::stage::FORMAT), "formats: {formats:?}");
    Ok(())
}
