//! What other drivers take as it comes, or stop at: this is for Hesper alone.

use std::io::{BufRead as _, Write as _, stdin, stdout};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ash::vk;

use crate::pause::pause;

use super::stage::{Chain, FORMAT, PATIENCE, Stage};
use super::together;

const FIFO: vk::PresentModeKHR = vk::PresentModeKHR::FIFO;

pub fn run() -> Result<()> {
    let stage = Stage::new()?.context("the device has no VK_KHR_swapchain")?;
    ensure!(stage.present_wait.is_some(), "presents can't be waited for");
    for mode in stage.modes()? {
        frames(&stage, mode).with_context(|| format!("{mode:?}"))?;
    }
    timeouts(&stage)?;
    retired(&stage)?;
    refused(&stage)?;
    usages(&stage)?;
    stale(&stage)?;
    maintenance(&stage)?;
    aliased(&stage)?;
    held_up(&stage)?;
    together::run(&stage)?;
    // Left to the device's end.
    stage.chain([8, 8], FIFO, None)?;
    Ok(())
}

/// Presents until the host has died, which happens after `ready` is printed and before the line of input that is waited for.
pub fn lost() -> Result<()> {
    let stage = Stage::new()?.context("the device has no VK_KHR_swapchain")?;
    let wait = stage.present_wait.as_ref().context("presents can't be waited for")?;
    let chain = stage.chain([64, 64], FIFO, None)?;
    stage.frame(&chain, Some(1))?;
    let fence = stage.fence()?;
    println!("ready");
    stdout().flush()?;
    stdin().lock().read_line(&mut String::new())?;
    let start = Instant::now();
    // Acquiring and presenting or what comes between them fails.
    while start.elapsed() < Duration::from_secs(20) && matches!(stage.try_frame(&chain, None, [1.0; 4]), Ok(Ok(_))) {}
    let took = start.elapsed();
    ensure!(took < Duration::from_secs(5), "noticed after {took:?}");
    let lost = vk::Result::ERROR_DEVICE_LOST;
    // SAFETY: a valid swapchain, and a fence that isn't signalled.
    let got = unsafe { stage.swapchains.acquire_next_image(chain.handle, PATIENCE, vk::Semaphore::null(), fence) };
    ensure!(got == Err(lost), "acquired {got:?}");
    let shown = stage.present(&chain, 0, &[], None);
    ensure!(shown == Err(lost), "presented {shown:?}");
    let (chains, mut results) = ([chain.handle; 2], [vk::Result::SUCCESS; 2]);
    let info = vk::PresentInfoKHR::default().swapchains(&chains).image_indices(&[0, 1]).results(&mut results);
    // SAFETY: valid handles, and images that a driver has to refuse.
    let shown = unsafe { stage.swapchains.queue_present(stage.queue, &info) };
    ensure!(shown == Err(lost) && results == [lost; 2], "presented {shown:?}, {results:?}");
    // SAFETY: a valid swapchain.
    let waited = unsafe { wait.wait_for_present(chain.handle, 7, PATIENCE) };
    ensure!(waited == Err(lost), "waited: {waited:?}");
    ensure!(stage.chain([32, 32], FIFO, Some(&chain)).is_err(), "a swapchain on a lost device");
    ensure!(start.elapsed() < Duration::from_secs(5), "all after {:?}", start.elapsed());
    // SAFETY: a lost device, on which nothing runs.
    unsafe { stage.swapchains.destroy_swapchain(chain.handle, None) };
    println!("ok lost-screen");
    Ok(())
}

/// Makes COUNT swapchains after each other, and presents on each; four quarters with a pause after each.
pub fn cycles(count: u32) -> Result<()> {
    let stage = Stage::new()?.context("the device has no VK_KHR_swapchain")?;
    for quarter in 1..=4 {
        for _ in 0..count / 4 {
            let chain = stage.chain([120, 80], vk::PresentModeKHR::MAILBOX, None)?;
            stage.frame(&chain, Some(1))?;
            stage.frame(&chain, None)?;
            stage.end(chain)?;
        }
        pause(&format!("quarter {quarter}"))?;
    }
    Ok(())
}

/// A swapchain's images go round, every one of them is used, and each present can be waited for.
fn frames(stage: &Stage, mode: vk::PresentModeKHR) -> Result<()> {
    let chain = stage.chain([96, 64], mode, None)?;
    let wait = stage.present_wait.as_ref().context("presents can't be waited for")?;
    let mut used = vec![0u32; chain.images.len()];
    for id in (3..).step_by(3).take(24) {
        let index = stage.frame(&chain, Some(id))?;
        *used.get_mut(index as usize).context("an index of no image")? += 1;
        // SAFETY: a valid swapchain; the present with this number is on its way.
        unsafe { wait.wait_for_present(chain.handle, id - 1, PATIENCE) }.context("vkWaitForPresentKHR")?;
    }
    // SAFETY: as above; nothing has this number.
    let never = unsafe { wait.wait_for_present(chain.handle, 1000, 2_000_000) };
    ensure!(never == Err(vk::Result::TIMEOUT), "a present that never was: {never:?}");
    ensure!(used.iter().all(|n| *n > 0), "images that were never handed out: {used:?}");
    stage.end(chain)
}

/// NOT_READY where nobody waited, and TIMEOUT where somebody did.
fn timeouts(stage: &Stage) -> Result<()> {
    let chain = stage.chain([16, 16], FIFO, None)?;
    for _ in 0..chain.images.len() {
        stage.acquire(&chain, 0)?;
    }
    for (timeout, expected) in [(0, vk::Result::NOT_READY), (1, vk::Result::TIMEOUT), (4_000_000, vk::Result::TIMEOUT)]
    {
        let got = acquire(stage, &chain, timeout)?;
        ensure!(got == Err(expected), "within {timeout} ns: {got:?}");
    }
    stage.end(chain)
}

/// A retired swapchain hands out no image, and shows those that it has handed out.
fn retired(stage: &Stage) -> Result<()> {
    let old = stage.chain([16, 16], FIFO, None)?;
    let index = stage.acquire(&old, PATIENCE)?;
    let info = stage.info([16, 16], FIFO)?;
    // SAFETY: refused, since the surface has a swapchain.
    let second = unsafe { stage.swapchains.create_swapchain(&info, None) };
    ensure!(second == Err(vk::Result::ERROR_NATIVE_WINDOW_IN_USE_KHR), "a second swapchain: {second:?}");
    let new = stage.chain([24, 24], FIFO, Some(&old))?;
    for timeout in [0, PATIENCE] {
        let got = acquire(stage, &old, timeout)?;
        ensure!(got == Err(vk::Result::ERROR_OUT_OF_DATE_KHR), "a retired swapchain's image: {got:?}");
    }
    stage.draw_and_present(&old, index, vk::Semaphore::null(), Some(1))?;
    let twice = stage.info([16, 16], FIFO)?.old_swapchain(old.handle);
    // SAFETY: refused, since another swapchain has the surface.
    let twice = unsafe { stage.swapchains.create_swapchain(&twice, None) };
    ensure!(twice == Err(vk::Result::ERROR_NATIVE_WINDOW_IN_USE_KHR), "retired twice: {twice:?}");
    stage.frame(&new, Some(1))?;
    stage.end(old)?;
    stage.frame(&new, Some(2))?;
    stage.end(new)
}

/// What can't be is refused, and nothing comes of it.
fn refused(stage: &Stage) -> Result<()> {
    let info = || stage.info([16, 16], FIFO);
    let can = vk::Result::ERROR_INITIALIZATION_FAILED;
    for (what, info) in [
        ("no image", info()?.min_image_count(0)),
        ("too many images", info()?.min_image_count(u32::MAX)),
        ("a depth format", info()?.image_format(vk::Format::D32_SFLOAT)),
        ("no width", info()?.image_extent(vk::Extent2D { width: 0, height: 16 })),
        ("a height of no image", info()?.image_extent(vk::Extent2D { width: 16, height: u32::MAX })),
        ("two layers", info()?.image_array_layers(2)),
        ("a mode of nobody's", info()?.present_mode(vk::PresentModeKHR::from_raw(77))),
        ("a color space", info()?.image_color_space(vk::ColorSpaceKHR::HDR10_ST2084_EXT)),
        ("a depth attachment", info()?.image_usage(vk::ImageUsageFlags::DEPTH_STENCIL_ATTACHMENT)),
        ("protected images", info()?.flags(vk::SwapchainCreateFlagsKHR::PROTECTED)),
    ] {
        // SAFETY: for the driver to refuse.
        let made = unsafe { stage.swapchains.create_swapchain(&info, None) };
        ensure!(made == Err(can), "{what}: {made:?}");
    }
    stage.end(stage.chain([16, 16], FIFO, None).context("after refusals")?)
}

/// A surface tells of every usage that one of its formats has, and each of its formats is held to its own.
fn usages(stage: &Stage) -> Result<()> {
    // SAFETY: valid handles.
    let (can, formats) = unsafe {
        (
            stage.surfaces.get_physical_device_surface_capabilities(stage.physical, stage.surface)?,
            stage.surfaces.get_physical_device_surface_formats(stage.physical, stage.surface)?,
        )
    };
    for usage in [vk::ImageUsageFlags::STORAGE, vk::ImageUsageFlags::SAMPLED, vk::ImageUsageFlags::TRANSFER_SRC] {
        let mut any = false;
        for format in formats.iter().map(|f| f.format) {
            let (kind, tiling) = (vk::ImageType::TYPE_2D, vk::ImageTiling::OPTIMAL);
            let none = vk::ImageCreateFlags::empty();
            let (instance, physical) = (&stage.instance, stage.physical);
            // SAFETY: a valid device.
            let alone = unsafe {
                instance.get_physical_device_image_format_properties(physical, format, kind, tiling, usage, none)
            };
            let info = stage.info([16, 16], FIFO)?.image_format(format).image_usage(usage);
            // SAFETY: a valid info, or such that the driver has to refuse.
            let made = unsafe { stage.swapchains.create_swapchain(&info, None) };
            ensure!(made.is_ok() == alone.is_ok(), "{usage:?} of {format:?}: {made:?}, and {alone:?} elsewhere");
            if let Ok(chain) = made {
                // SAFETY: nothing has used it.
                unsafe { stage.swapchains.destroy_swapchain(chain, None) };
                any = true;
            }
        }
        ensure!(can.supported_usage_flags.contains(usage) == any, "{usage:?}: {:?}", can.supported_usage_flags);
    }
    Ok(())
}

/// Handles of what is gone, images that the program doesn't have.
fn stale(stage: &Stage) -> Result<()> {
    let chain = stage.chain([16, 16], FIFO, None)?;
    for index in [0, 1, 999, u32::MAX] {
        let shown = stage.present(&chain, index, &[], None);
        ensure!(shown == Err(vk::Result::ERROR_VALIDATION_FAILED_EXT), "image {index} of the driver's: {shown:?}");
    }
    let index = stage.acquire(&chain, PATIENCE)?;
    stage.draw_and_present(&chain, index, vk::Semaphore::null(), None)?;
    let gone = Chain { handle: chain.handle, images: chain.images.clone() };
    stage.end(chain)?;
    let shown = stage.present(&gone, 0, &[], None);
    ensure!(shown == Err(vk::Result::ERROR_OUT_OF_DATE_KHR), "a swapchain that is gone: {shown:?}");
    let got = acquire(stage, &gone, PATIENCE)?;
    ensure!(got == Err(vk::Result::ERROR_OUT_OF_DATE_KHR), "a swapchain that is gone: {got:?}");
    Ok(())
}

/// Acquires an image with a fence that nobody waits for.
fn acquire(stage: &Stage, chain: &Chain, timeout: u64) -> Result<Result<(u32, bool), vk::Result>> {
    let fence = stage.fence()?;
    // SAFETY: a swapchain for the driver to judge, and a new fence.
    unsafe {
        let got = stage.swapchains.acquire_next_image(chain.handle, timeout, vk::Semaphore::null(), fence);
        stage.device.destroy_fence(fence, None);
        Ok(got)
    }
}

/// VK_EXT_swapchain_maintenance1: images are given back unseen, presents signal fences and change the mode.
fn maintenance(stage: &Stage) -> Result<()> {
    let more = ash::ext::swapchain_maintenance1::Device::new(&stage.instance, &stage.device);
    let chain = stage.chain([16, 16], FIFO, None)?;
    let mut indices: Vec<u32> = Vec::new();
    for _ in 0..chain.images.len() {
        indices.push(stage.acquire(&chain, PATIENCE)?);
    }
    let release = |indices: &[u32]| {
        let info = vk::ReleaseSwapchainImagesInfoEXT::default().swapchain(chain.handle).image_indices(indices);
        // SAFETY: a valid swapchain, and images for the driver to judge.
        unsafe { more.release_swapchain_images(&info) }
    };
    let invalid = Err(vk::Result::ERROR_VALIDATION_FAILED_EXT);
    ensure!(release(&[indices[0], indices[0]]) == invalid && release(&[77]) == invalid, "released what isn't held");
    ensure!(release(&indices) == Ok(()) && release(&indices) == invalid, "released all, once");
    for mode in stage.modes()? {
        let index = stage.acquire(&chain, PATIENCE)?;
        let (chains, images, modes, fences) = ([chain.handle], [index], [mode], [stage.fence()?]);
        let cmd = [stage.clear(chain.images[index as usize], [1.0; 4])?];
        let mut with_mode = vk::SwapchainPresentModeInfoEXT::default().present_modes(&modes);
        let mut with_fence = vk::SwapchainPresentFenceInfoEXT::default().fences(&fences);
        let mut results = [vk::Result::ERROR_UNKNOWN];
        let info = vk::PresentInfoKHR::default().swapchains(&chains).image_indices(&images).results(&mut results);
        // SAFETY: handles of this device; the fence is waited for before it goes.
        unsafe {
            let submit = vk::SubmitInfo::default().command_buffers(&cmd);
            stage.device.queue_submit(stage.queue, &[submit], vk::Fence::null())?;
            let info = info.push_next(&mut with_mode).push_next(&mut with_fence);
            stage.swapchains.queue_present(stage.queue, &info).context("vkQueuePresentKHR")?;
            stage.device.wait_for_fences(&fences, true, PATIENCE).context("a present's fence")?;
            stage.device.destroy_fence(fences[0], None);
        }
        ensure!(results == [vk::Result::SUCCESS], "{results:?}");
    }
    stage.end(chain)
}

/// An image of the program's own in a swapchain's memory (VkImageSwapchainCreateInfoKHR).
fn aliased(stage: &Stage) -> Result<()> {
    let chain = stage.chain([16, 16], FIFO, None)?;
    let mut of = vk::ImageSwapchainCreateInfoKHR::default().swapchain(chain.handle);
    let info = vk::ImageCreateInfo::default()
        .image_type(vk::ImageType::TYPE_2D)
        .format(FORMAT)
        .extent(vk::Extent3D { width: 16, height: 16, depth: 1 })
        .mip_levels(1)
        .array_layers(1)
        .samples(vk::SampleCountFlags::TYPE_1)
        .usage(vk::ImageUsageFlags::COLOR_ATTACHMENT | vk::ImageUsageFlags::TRANSFER_DST)
        .push_next(&mut of);
    // SAFETY: handles of this device; the image goes when the queue is idle.
    unsafe {
        let image = stage.device.create_image(&info, None)?;
        let bind = |index| {
            let mut to = vk::BindImageMemorySwapchainInfoKHR::default().swapchain(chain.handle).image_index(index);
            stage.device.bind_image_memory2(&[vk::BindImageMemoryInfo::default().image(image).push_next(&mut to)])
        };
        ensure!(bind(99).is_err(), "bound to no image");
        let index = stage.acquire(&chain, PATIENCE)?;
        bind(index).context("vkBindImageMemory2")?;
        let drawn = Chain { handle: chain.handle, images: vec![image; chain.images.len()] };
        stage.draw_and_present(&drawn, index, vk::Semaphore::null(), Some(1))?;
        stage.device.destroy_image(image, None);
    }
    stage.end(chain)
}

/// While the queue is held up by what the program does later, an image can be acquired, and its fence is signalled.
fn held_up(stage: &Stage) -> Result<()> {
    let chain = stage.chain([16, 16], FIFO, None)?;
    // SAFETY: handles of this device; the event is set before the queue is waited for.
    unsafe {
        let event = stage.device.create_event(&vk::EventCreateInfo::default(), None)?;
        let cmd = stage.waiting(event)?;
        let submit = [vk::SubmitInfo::default().command_buffers(std::slice::from_ref(&cmd))];
        stage.device.queue_submit(stage.queue, &submit, vk::Fence::null())?;
        let acquired = stage.acquire(&chain, 1_000_000_000).context("while the queue waits");
        stage.device.set_event(event)?;
        stage.draw_and_present(&chain, acquired?, vk::Semaphore::null(), Some(1))?;
        stage.device.destroy_event(event, None);
    }
    stage.end(chain)
}
