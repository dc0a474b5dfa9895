//! A fork's child that calls Vulkan with what its parent has made, which must get errors, and with what it makes itself, which must work;
//! the parent must notice nothing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use ash::vk;
use hesper_tests::result_codes::allowed;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};

use crate::gpu::{Gpu, PATIENCE};

/// Longer than any child takes.
const LIMIT: Duration = Duration::from_secs(10);
const ROUNDS: u32 = 20;

pub fn run() -> Result<()> {
    let gpu = Gpu::new()?;
    works(&gpu)?;
    forked("alone", || inherited(&gpu).and_then(|()| works(&Gpu::new()?)))?;
    works(&gpu)?;
    // While another thread is in the driver, and may hold its locks; but not the loader's, which knows nothing of forks.
    let other = Gpu::new()?;
    let done = AtomicBool::new(false);
    std::thread::scope(|s| {
        let busy = s.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                works(&other)?;
            }
            Ok::<(), anyhow::Error>(())
        });
        let forks = (0..ROUNDS).try_for_each(|n| {
            std::thread::sleep(Duration::from_millis(3));
            forked(&format!("round {n}"), || inherited(&gpu))?;
            works(&gpu)
        });
        done.store(true, Ordering::Relaxed);
        busy.join().map_err(|_| anyhow::anyhow!("a thread panicked"))?.and(forks)
    })
}

/// A dispatch, and what it writes.
pub fn works(gpu: &Gpu) -> Result<()> {
    let word = gpu.buffer(16)?;
    gpu.run(|cmd| {
        // SAFETY: recording; inside the buffer.
        unsafe { gpu.device.cmd_fill_buffer(cmd, word.buffer, 0, vk::WHOLE_SIZE, 7) };
    })?;
    // SAFETY: 16 words that the device has written.
    let words = unsafe { std::slice::from_raw_parts(word.map, 16) };
    ensure!(words.iter().all(|w| *w == 7), "{words:?}");
    gpu.free(word);
    Ok(())
}

/// Runs `child` in a fork, which must end well and in time.
pub fn forked(what: &str, child: impl FnOnce() -> Result<()>) -> Result<()> {
    // SAFETY: the child ends with _exit, and until then calls what a program might, which is what is tested.
    match unsafe { fork() }.context("fork")? {
        ForkResult::Child => {
            let code = match child() {
                Ok(()) => 0,
                Err(e) => {
                    eprintln!("the child: {e:#}");
                    1
                }
            };
            // SAFETY: ends the process; what its parent keeps is not the child's to tidy up.
            unsafe { nix::libc::_exit(code) }
        }
        ForkResult::Parent { child } => {
            let start = Instant::now();
            loop {
                match waitpid(child, Some(WaitPidFlag::WNOHANG))? {
                    WaitStatus::StillAlive if start.elapsed() > LIMIT => {
                        kill(child, Signal::SIGKILL)?;
                        waitpid(child, None)?;
                        bail!("{what}: the child hangs");
                    }
                    WaitStatus::StillAlive => std::thread::sleep(Duration::from_millis(1)),
                    WaitStatus::Exited(_, 0) => return Ok(()),
                    other => bail!("{what}: the child ended with {other:?}"),
                }
            }
        }
    }
}

/// Calls with the parent's handles.
fn inherited(gpu: &Gpu) -> Result<()> {
    let d = &gpu.device;
    // SAFETY: handles that the parent uses; the driver must not let them be used here.
    unsafe {
        fails("vkCreateFence", d.create_fence(&vk::FenceCreateInfo::default(), None))?;
        fails("vkDeviceWaitIdle", d.device_wait_idle())?;
        fails("vkQueueSubmit", d.queue_submit(gpu.queue, &[], vk::Fence::null()))?;
        fails("vkAllocateMemory", d.allocate_memory(&vk::MemoryAllocateInfo::default().allocation_size(4096), None))?;
        fails("vkWaitSemaphores", d.wait_semaphores(&vk::SemaphoreWaitInfo::default(), PATIENCE))?;
        fails("vkResetCommandPool", d.reset_command_pool(gpu.pool, vk::CommandPoolResetFlags::empty()))?;
        let mut families = 7;
        let count = gpu.instance.fp_v1_0().get_physical_device_queue_family_properties;
        count(gpu.physical, &mut families, std::ptr::null_mut());
        ensure!(families == 0, "{families} queue families are left from before the call");
        d.destroy_command_pool(gpu.pool, None);
        d.destroy_device(None);
        gpu.instance.destroy_instance(None);
    }
    Ok(())
}

/// Whether a call failed as one on a lost device does: with ERROR_DEVICE_LOST, or with another error that tells of it where that isn't allowed.
fn fails<T>(command: &str, result: ash::prelude::VkResult<T>) -> Result<()> {
    let Err(code) = result else { bail!("{command} succeeds") };
    let lost = vk::Result::ERROR_DEVICE_LOST;
    let good = if allowed(command, lost) { code == lost } else { allowed(command, code) };
    ensure!(good && code != vk::Result::ERROR_UNKNOWN, "{command} fails with {code:?}");
    Ok(())
}
