//! Swapchains of a surface without a window: acquiring, presenting, changing the size, in every mode.

pub mod bad_days;
mod card;
pub mod display;
mod display_place;
pub mod screenshot;
mod stage;
pub mod strict;
mod together;
pub mod wayland;
mod wayland_place;
mod wayland_short;
pub mod window;

use anyhow::{Context, Result, ensure};
use ash::vk;

use stage::Stage;

/// Frames in each mode.
const FRAMES: u32 = 24;

pub fn run() -> Result<()> {
    let Some(stage) = Stage::new()? else {
        println!("left out: the device has no VK_KHR_swapchain");
        return Ok(());
    };
    let modes = stage.modes()?;
    ensure!(modes.contains(&vk::PresentModeKHR::FIFO), "FIFO is missing: {modes:?}");
    for mode in modes {
        frames(&stage, mode).with_context(|| format!("{mode:?}"))?;
    }
    timeouts(&stage)?;
    resizes(&stage)
}

/// Frame after frame, in images that the swapchain has.
fn frames(stage: &Stage, mode: vk::PresentModeKHR) -> Result<()> {
    let chain = stage.chain([96, 64], mode, None)?;
    for _ in 0..FRAMES {
        stage.frame(&chain, None)?;
    }
    stage.end(chain)
}

/// With all images in the program's hands, acquiring comes back in time.
fn timeouts(stage: &Stage) -> Result<()> {
    let chain = stage.chain([32, 32], vk::PresentModeKHR::FIFO, None)?;
    let mut held = Vec::new();
    for _ in 0..chain.images.len() {
        held.push(stage.acquire(&chain, stage::PATIENCE)?);
    }
    let start = std::time::Instant::now();
    for timeout in [0, 3_000_000] {
        let fence = stage.fence()?;
        // SAFETY: a valid swapchain, and a fence that isn't signalled.
        let got = unsafe { stage.swapchains.acquire_next_image(chain.handle, timeout, vk::Semaphore::null(), fence) };
        // Which of the two comes when, not all drivers agree on.
        let none = [Err(vk::Result::NOT_READY), Err(vk::Result::TIMEOUT)].contains(&got);
        ensure!(none, "acquired {got:?} within {timeout} ns with all images held");
        // SAFETY: nothing will signal it.
        unsafe { stage.device.destroy_fence(fence, None) };
    }
    ensure!(start.elapsed().as_millis() >= 3, "a timeout came after {:?}", start.elapsed());
    for index in held {
        stage.draw_and_present(&chain, index, vk::Semaphore::null(), None)?;
    }
    let index = stage.acquire(&chain, stage::PATIENCE).context("after all were presented")?;
    stage.draw_and_present(&chain, index, vk::Semaphore::null(), None)?;
    stage.end(chain)
}

/// A new swapchain of another size takes the surface over, again and again.
fn resizes(stage: &Stage) -> Result<()> {
    let mut chain = stage.chain([16, 16], vk::PresentModeKHR::FIFO, None)?;
    for step in 0..12 {
        stage.frame(&chain, None)?;
        let side = |n: u32| 16 + (step * n) % 61;
        let new = stage.chain([side(17), side(23)], vk::PresentModeKHR::FIFO, Some(&chain))?;
        stage.end(std::mem::replace(&mut chain, new))?;
    }
    stage.frame(&chain, None)?;
    stage.end(chain)
}
