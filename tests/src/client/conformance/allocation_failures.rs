//! The program's own allocator (VkAllocationCallbacks) refuses the n-th allocation of vkCreateInstance or vkCreateDevice, for every n: the call says
//! VK_ERROR_OUT_OF_HOST_MEMORY or does without, nothing is kept, and the next call works.

use std::alloc::Layout;
use std::collections::HashMap;
use std::ffi::c_void;
use std::sync::Mutex;

use anyhow::{Context, Result, anyhow, ensure};
use ash::{Entry, Instance, vk};

use super::outcome::Outcome;
use crate::loader;

/// More allocations than any loader or driver makes for one call.
const MOST: u64 = 20_000;
/// In a short run, every so many allocations are refused one by one.
const STEP: u64 = 13;

pub fn run(times: u32) -> Result<Outcome> {
    let entry = loader::entry()?;
    let step = if times > 1 { 1 } else { STEP };
    let of_instances = refuse_each(step, |heap| {
        let made = instance(&entry, Some(&heap.callbacks()));
        heap.refuse(None)?;
        match made {
            // SAFETY: an instance without anything in it, made with this allocator.
            Ok(instance) => unsafe { instance.destroy_instance(Some(&heap.callbacks())) },
            Err(e) => ensure!(e == vk::Result::ERROR_OUT_OF_HOST_MEMORY, "it says {e}"),
        }
        Ok(())
    })
    .context("vkCreateInstance")?;
    let instance = instance(&entry, None)?;
    // SAFETY: a valid instance, destroyed after its last use.
    let of_devices = unsafe {
        let physical = *instance.enumerate_physical_devices()?.first().context("there is no device")?;
        let made = refuse_each(step, |heap| device(&instance, physical, heap)).context("vkCreateDevice")?;
        instance.destroy_instance(None);
        made
    };
    println!("allocations: {of_instances} for an instance, {of_devices} for a device");
    Ok(Outcome::Passed)
}

fn instance(entry: &Entry, callbacks: Option<&vk::AllocationCallbacks>) -> Result<Instance, vk::Result> {
    let application = vk::ApplicationInfo::default().api_version(vk::API_VERSION_1_3);
    let info = vk::InstanceCreateInfo::default().application_info(&application);
    // SAFETY: a valid struct, and an allocator that outlives the instance.
    unsafe { entry.create_instance(&info, callbacks) }
}

/// Makes a device, has it work a little, and destroys it.
fn device(instance: &Instance, physical: vk::PhysicalDevice, heap: &Heap) -> Result<()> {
    let queues = [vk::DeviceQueueCreateInfo::default().queue_priorities(&[1.0])];
    let info = vk::DeviceCreateInfo::default().queue_create_infos(&queues);
    let callbacks = heap.callbacks();
    // SAFETY: handles made here, and an allocator that outlives them.
    unsafe {
        let made = instance.create_device(physical, &info, Some(&callbacks));
        heap.refuse(None)?;
        let device = match made {
            Ok(device) => device,
            Err(vk::Result::ERROR_OUT_OF_HOST_MEMORY) => return Ok(()),
            Err(e) => anyhow::bail!("it says {e}"),
        };
        let idle = device.queue_wait_idle(device.get_device_queue(0, 0));
        device.destroy_device(Some(&callbacks));
        Ok(idle?)
    }
}

/// Has `work` run with an allocator that refuses its first allocation, then the second and so on (or every `step`-th of them), until it has not refused
/// any; returns how many there are.
fn refuse_each(step: u64, work: impl Fn(&Heap) -> Result<()>) -> Result<u64> {
    let heap = Heap::default();
    // What is kept for good is kept by the first call.
    work(&heap)?;
    ensure!(heap.alive()? == 0, "{} allocations are kept", heap.alive()?);
    for n in (0..MOST).step_by(step as usize) {
        let before = heap.asked()?;
        heap.refuse(Some(before + n))?;
        let done = work(&heap).with_context(|| format!("allocation {n} was refused"));
        heap.refuse(None)?;
        done?;
        ensure!(heap.alive()? == 0, "allocation {n} was refused, and {} are kept", heap.alive()?);
        ensure!(heap.with(|s| s.strays)? == 0, "memory that was never allocated is freed");
        if !heap.with(|s| std::mem::take(&mut s.refused))? {
            return Ok(heap.asked()? - before);
        }
    }
    anyhow::bail!("more than {MOST} allocations")
}

/// An allocator that knows what it has given out.
#[derive(Default)]
struct Heap {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    alive: HashMap<usize, Layout>,
    /// Allocations so far.
    asked: u64,
    /// Which of them is refused.
    refuse: Option<u64>,
    /// Whether it was.
    refused: bool,
    /// Frees of what wasn't given out.
    strays: u64,
}

impl Heap {
    fn callbacks(&self) -> vk::AllocationCallbacks<'_> {
        vk::AllocationCallbacks::default()
            .user_data(std::ptr::from_ref(self).cast_mut().cast())
            .pfn_allocation(Some(allocate))
            .pfn_reallocation(Some(reallocate))
            .pfn_free(Some(free))
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> Result<T> {
        Ok(work(&mut *self.state.lock().map_err(|_| anyhow!("a callback has panicked"))?))
    }

    fn refuse(&self, nth: Option<u64>) -> Result<()> {
        self.with(|s| s.refuse = nth)
    }

    fn asked(&self) -> Result<u64> {
        self.with(|s| s.asked)
    }

    fn alive(&self) -> Result<usize> {
        self.with(|s| s.alive.len())
    }
}

impl State {
    /// Memory full of a pattern, or null where this one is refused.
    fn allocate(&mut self, size: usize, alignment: usize) -> *mut c_void {
        self.asked += 1;
        if self.refuse == Some(self.asked - 1) {
            self.refused = true;
            return std::ptr::null_mut();
        }
        let Ok(layout) = Layout::from_size_align(size.max(1), alignment) else { return std::ptr::null_mut() };
        // SAFETY: a layout of at least one byte; the bytes are the new allocation's.
        unsafe {
            let memory = std::alloc::alloc(layout);
            if !memory.is_null() {
                memory.write_bytes(0xcd, layout.size());
                self.alive.insert(memory.addr(), layout);
            }
            memory.cast()
        }
    }

    fn free(&mut self, memory: *mut c_void) {
        match self.alive.remove(&memory.addr()) {
            // SAFETY: allocated with this layout, and freed once.
            Some(layout) => unsafe { std::alloc::dealloc(memory.cast(), layout) },
            None => self.strays += 1,
        }
    }
}

/// The heap behind a callback's user data, if no callback has panicked.
///
/// # Safety
/// The user data of [`Heap::callbacks`], whose heap is alive.
unsafe fn locked<'a>(heap: *mut c_void) -> Option<std::sync::MutexGuard<'a, State>> {
    // SAFETY: a living heap, by contract, which is only ever shared.
    unsafe { (*heap.cast::<Heap>()).state.lock().ok() }
}

unsafe extern "system" fn allocate(
    heap: *mut c_void,
    size: usize,
    alignment: usize,
    _: vk::SystemAllocationScope,
) -> *mut c_void {
    // SAFETY: Vulkan calls back with the user data of `Heap::callbacks`, and nothing that was made with the heap outlives the heap.
    unsafe { locked(heap) }.map_or(std::ptr::null_mut(), |mut s| s.allocate(size, alignment))
}

unsafe extern "system" fn reallocate(
    heap: *mut c_void,
    old: *mut c_void,
    size: usize,
    alignment: usize,
    _: vk::SystemAllocationScope,
) -> *mut c_void {
    // SAFETY: Vulkan calls back with the user data of `Heap::callbacks`, and nothing that was made with the heap outlives the heap.
    let Some(mut state) = (unsafe { locked(heap) }) else { return std::ptr::null_mut() };
    if old.is_null() {
        return state.allocate(size, alignment);
    }
    if size == 0 {
        state.free(old);
        return std::ptr::null_mut();
    }
    let new = state.allocate(size, alignment);
    if !new.is_null() {
        let kept = state.alive.get(&old.addr()).map_or(0, |layout| layout.size().min(size));
        // SAFETY: both have as many bytes, and aren't the same.
        unsafe { new.cast::<u8>().copy_from_nonoverlapping(old.cast(), kept) };
        state.free(old);
    }
    new
}

unsafe extern "system" fn free(heap: *mut c_void, memory: *mut c_void) {
    if !memory.is_null() {
        // SAFETY: Vulkan calls back with the user data of `Heap::callbacks`, and nothing that was made with the heap outlives the heap.
        unsafe { locked(heap) }.into_iter().for_each(|mut s| s.free(memory));
    }
}
