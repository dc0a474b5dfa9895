//! VkBuffer: made without waiting once the host has told what buffers of its kind need.

use std::sync::OnceLock;

use ash::vk;
use hesper_encoder::generated::{reply, request};

use crate::base::forwarding::{done, post, result_of};
use crate::base::object::Part;
use crate::base::slab::{Kind, Slab};
use crate::generated::forward;
use crate::memory::device::Device;
use crate::memory::requirements::{BufferKind, Requirements};
use crate::physical::handle_types::HostChain;

/// What is known of a buffer.
#[derive(Default)]
struct Buffer {
    needs: OnceLock<Requirements>,
    /// The memory that it lies in, and where.
    bound: OnceLock<(vk::DeviceMemory, vk::DeviceSize)>,
}

static BUFFERS: Slab<Buffer> = Slab::new(Kind::Buffer);

/// Notes what memory a buffer lies in.
pub fn bound(buffer: vk::Buffer, memory: vk::DeviceMemory, offset: vk::DeviceSize) {
    // A second time is no valid usage.
    let _ = BUFFERS.get(buffer).map(|b| b.bound.set((memory, offset)));
}

/// The memory that a buffer lies in, and where.
pub fn place(buffer: vk::Buffer) -> Option<(vk::DeviceMemory, vk::DeviceSize)> {
    BUFFERS.get(buffer)?.bound.get().copied()
}

pub unsafe fn create_buffer(
    device: vk::Device,
    info: *const vk::BufferCreateInfo,
    allocator: *const vk::AllocationCallbacks,
    to: *mut vk::Buffer,
) -> vk::Result {
    // SAFETY: a valid device and create info.
    let (d, i) = unsafe { (Device::of(device), &*info) };
    let mut shared = d.shared(i);
    // SAFETY: the info's chain.
    let for_host = unsafe { HostChain::of(i.p_next) };
    if let Some(chain) = &for_host {
        shared.p_next = chain.first();
    }
    let info = &raw const shared;
    // What stands in the chain may change the answer.
    let kind = i.p_next.is_null().then_some(BufferKind { flags: i.flags.as_raw(), usage: i.usage.as_raw() });
    // A size that no buffer may have is for the host to refuse, and a refusal needs a reply.
    let known = kind.filter(|_| i.size <= d.physical().max_buffer_size).and_then(|k| d.buffers.get(&k));
    let known = known.and_then(|r| rounded(&r, i.size));
    let buffer = Buffer { needs: known.map_or_else(OnceLock::new, OnceLock::from), bound: OnceLock::new() };
    // SAFETY: the encoders and the decoder read and write what the parameters of vkCreateBuffer point at.
    let tell = || unsafe {
        match known {
            Some(_) => done(post(device, |w| request::create_buffer(w, 0, device, info, allocator, to))),
            None => result_of(d.connection().call(
                reply::create_buffer_size(device, info, allocator, to),
                |w| request::create_buffer(w, 1, device, info, allocator, to),
                |r| reply::create_buffer(r, device, info, allocator, to),
            )),
        }
    };
    // SAFETY: `to` is the output parameter.
    let (result, buffer) = unsafe { (BUFFERS.create(buffer, to, tell), *to) };
    if result == vk::Result::SUCCESS && known.is_none() {
        let which = vk::BufferMemoryRequirementsInfo2 { buffer, ..Default::default() };
        // SAFETY: a buffer that was just made, and a struct to write into.
        let told = Requirements::ask(|p| unsafe { forward::get_buffer_memory_requirements2(device, &which, p) });
        // Nobody else knows the handle yet.
        let _ = BUFFERS.get(buffer).map(|b| b.needs.set(told));
        if let Some(kind) = kind {
            d.buffers.put(kind, told);
        }
    }
    result
}

/// The requirements of a buffer of `size` bytes, from those of another of its kind.
fn rounded(of_kind: &Requirements, size: vk::DeviceSize) -> Option<Requirements> {
    let mut r = *of_kind;
    r.memory.size = size.checked_next_multiple_of(r.memory.alignment)?;
    Some(r)
}

pub unsafe fn destroy_buffer(device: vk::Device, buffer: vk::Buffer, allocator: *const vk::AllocationCallbacks) {
    // SAFETY: a valid device.
    if let Some(pending) = unsafe { Device::of(device) }.pending.get() {
        // SAFETY: the device's buffer, or null.
        unsafe { pending.before_destroying(device, buffer) };
    }
    if BUFFERS.remove(buffer).is_some() {
        // SAFETY: a buffer that was alive until now.
        unsafe { forward::destroy_buffer(device, buffer, allocator) };
    }
}

pub unsafe fn get_device_buffer_memory_requirements(
    device: vk::Device,
    info: *const vk::DeviceBufferMemoryRequirements,
    to: *mut vk::MemoryRequirements2,
) {
    // SAFETY: a valid device, and a question whose create info is valid.
    let (d, mut question) = unsafe { (Device::of(device), *info) };
    // SAFETY: as above.
    let mut shared = d.shared(unsafe { &*question.p_create_info });
    // SAFETY: the chain of a valid struct.
    let for_host = unsafe { HostChain::of(shared.p_next) };
    if let Some(chain) = &for_host {
        shared.p_next = chain.first();
    }
    question.p_create_info = &shared;
    // SAFETY: the entry point's parameters, and a question that outlives the call.
    unsafe { forward::get_device_buffer_memory_requirements(device, &question, to) };
}

pub unsafe fn get_buffer_memory_requirements(_: vk::Device, buffer: vk::Buffer, to: *mut vk::MemoryRequirements) {
    let needs = BUFFERS.get(buffer).and_then(|b| b.needs.get()).map(|r| r.memory);
    // SAFETY: `to` is the output parameter.
    unsafe { to.write(needs.unwrap_or_default()) };
}

pub unsafe fn get_buffer_memory_requirements2(
    device: vk::Device,
    info: *const vk::BufferMemoryRequirementsInfo2,
    to: *mut vk::MemoryRequirements2,
) {
    // SAFETY: a valid input struct.
    let known = BUFFERS.get(unsafe { (*info).buffer }).and_then(|b| b.needs.get());
    // SAFETY: a valid output struct and chain.
    let answered = known.is_some_and(|r| unsafe { r.answer(to) });
    if !answered {
        // SAFETY: the command's own parameters.
        unsafe { forward::get_buffer_memory_requirements2(device, info, to) };
    }
}
