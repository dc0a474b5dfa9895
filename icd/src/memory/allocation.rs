//! VkDeviceMemory: allocation, and mapping through blobs (WIRE.md 6).

use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

use ash::vk;
use ash::vk::Handle;
use hesper_encoder::generated::{reply, request};
use hesper_winsys::{BlobFlags, Error, Mapping, Resource};
use once_cell::sync::OnceCell;

use crate::base::chain::{find, find_tagged};
use crate::base::forwarding::{result_of, result_of_error};
use crate::base::object::{self, Part};
use crate::base::slab::Slab;
use crate::generated::forward;
use crate::memory::device::Device;
use crate::memory::freed::{KEPT_PIECE, Kept};

/// What is known of an allocation.
pub struct Memory {
    size: vk::DeviceSize,
    host_visible: bool,
    /// Whether the processor reads it fast.
    cached: bool,
    /// Whether the program sees it now, or shares it with others.
    mapped: AtomicBool,
    shared: bool,
    /// The type, for pieces that may be kept when they are freed.
    kept_as: Option<u32>,
    /// Whether it is kept: a second free must not keep it twice.
    freed: AtomicBool,
    blob: OnceCell<Blob>,
}

/// The mapping is made once and kept until the memory is freed: it costs calls to the host.
struct Blob {
    mapping: Mapping,
    // Unmapped before it is given back.
    _resource: Resource,
}

static MEMORIES: Slab<Memory> = Slab::new(2);

/// Gives back what was kept.
pub unsafe fn forget_freed(device: vk::Device) {
    // SAFETY: a valid device; what was kept is used by nobody.
    unsafe {
        for memory in Device::of(device).freed.take_all() {
            give_back(device, memory);
        }
    }
}

unsafe fn give_back(device: vk::Device, memory: vk::DeviceMemory) {
    // The guest's mapping and its hold on the resource go first; the host keeps the memory until it has run the command.
    if MEMORIES.remove(memory).is_some() {
        // SAFETY: by valid usage of vkFreeMemory.
        unsafe { forward::free_memory(device, memory, ptr::null()) };
    }
}

pub unsafe fn allocate_memory(
    device: vk::Device,
    p_info: *const vk::MemoryAllocateInfo,
    allocator: *const vk::AllocationCallbacks,
    to: *mut vk::DeviceMemory,
) -> vk::Result {
    // SAFETY: by valid usage.
    unsafe {
        let d = Device::of(device);
        let mut info = *p_info;
        *to = vk::DeviceMemory::null();
        let Some(host_visible) = d.physical().host_visible(info.memory_type_index) else {
            return vk::Result::ERROR_UNKNOWN;
        };
        // No driver gives more than its heap; asking might take the host down with it.
        let heap = d.physical().memory.memory_types.get(info.memory_type_index as usize).map_or(0, |t| t.heap_index);
        let heap_size = d.physical().memory.memory_heaps.get(heap as usize).map_or(0, |h| h.size);
        if info.allocation_size > heap_size {
            return vk::Result::ERROR_OUT_OF_DEVICE_MEMORY;
        }
        let dedicated = find::<vk::MemoryDedicatedAllocateInfo>(info.p_next)
            .is_some_and(|d| d.buffer != vk::Buffer::null() || d.image != vk::Image::null());
        let size = info.allocation_size;
        // The blob over it is as large as the host's page demands, and the memory behind must be no smaller. A
        // dedicated allocation's size is its image's or buffer's.
        if host_visible && !dedicated {
            let step = d.connection().winsys.alignment();
            info.allocation_size = size.checked_next_multiple_of(step).unwrap_or(size).max(size);
        }
        // What stands in the chain makes a piece special.
        let plain = info.p_next.is_null() && size <= KEPT_PIECE;
        if plain && let Some(memory) = d.freed.take(size, info.memory_type_index) {
            if let Some(m) = MEMORIES.get(memory) {
                m.freed.store(false, Ordering::Relaxed);
            }
            *to = memory;
            return vk::Result::SUCCESS;
        }
        let kept_as = plain.then_some(info.memory_type_index);
        let memory = Memory {
            size,
            host_visible,
            cached: d.physical().memory_flags(info.memory_type_index).contains(vk::MemoryPropertyFlags::HOST_CACHED),
            mapped: AtomicBool::new(false),
            shared: shared(info.p_next),
            kept_as,
            freed: AtomicBool::new(false),
            blob: OnceCell::new(),
        };
        let Some(id) = MEMORIES.insert(memory) else { return vk::Result::ERROR_OUT_OF_HOST_MEMORY };
        let mut handle = vk::DeviceMemory::from_raw(id);
        let out = &raw mut handle;
        // The host may refuse, and says so only in a reply.
        let ask = |out: *mut vk::DeviceMemory| {
            result_of(d.connection().call(
                reply::allocate_memory_size(device, &info, allocator, out),
                |w| request::allocate_memory(w, 1, device, &info, allocator, out),
                |r| reply::allocate_memory(r, device, &info, allocator, out),
            ))
        };
        let mut result = ask(out);
        if matches!(result, vk::Result::ERROR_OUT_OF_DEVICE_MEMORY | vk::Result::ERROR_OUT_OF_HOST_MEMORY) {
            // It may be what is kept here that is missing there.
            forget_freed(device);
            out.write(vk::DeviceMemory::from_raw(id));
            result = ask(out);
        }
        if result == vk::Result::SUCCESS {
            *to = vk::DeviceMemory::from_raw(id);
        } else {
            MEMORIES.remove(vk::DeviceMemory::from_raw(id));
        }
        result
    }
}

/// Whether others may see memory that is allocated with this chain.
unsafe fn shared(next: *const c_void) -> bool {
    use vk::StructureType as S;
    let shares = [S::EXPORT_MEMORY_ALLOCATE_INFO, S::IMPORT_MEMORY_FD_INFO_KHR, S::IMPORT_MEMORY_HOST_POINTER_INFO_EXT];
    // SAFETY: by valid usage of vkAllocateMemory.
    shares.into_iter().any(|tag| unsafe { find_tagged(next.cast_mut(), tag) }.is_some())
}

/// Copies from memory that the program has mapped now and that is fast to read, if it is such.
pub fn read(memory: vk::DeviceMemory, offset: vk::DeviceSize, to: &mut [u8]) -> bool {
    let mapped = |m: &&Memory| m.cached && m.mapped.load(Ordering::Relaxed);
    let blob = MEMORIES.get(memory).filter(mapped).and_then(|m| m.blob.get());
    blob.zip(usize::try_from(offset).ok()).is_some_and(|(blob, offset)| blob.mapping.read(offset, to))
}

/// Whether the memory's type lets the program map it.
pub fn is_host_visible(memory: vk::DeviceMemory) -> bool {
    MEMORIES.get(memory).is_some_and(|m| m.host_visible)
}

/// Whether only this device's work and mapping it could tell what the memory holds.
pub fn out_of_sight(memory: vk::DeviceMemory) -> bool {
    MEMORIES.get(memory).is_some_and(|m| !m.shared && !m.mapped.load(Ordering::Relaxed))
}

pub unsafe fn free_memory(device: vk::Device, memory: vk::DeviceMemory, _: *const vk::AllocationCallbacks) {
    let Some(m) = MEMORIES.get(memory).filter(|m| !m.freed.swap(true, Ordering::Relaxed)) else { return };
    // SAFETY: by valid usage nobody uses the memory any more.
    unsafe {
        if let Some(pending) = Device::of(device).pending.get() {
            pending.before_freeing(device, memory);
        }
        m.mapped.store(false, Ordering::Relaxed);
        match m.kept_as {
            Some(memory_type) => {
                let kept = Kept { memory, size: m.size, memory_type };
                for old in Device::of(device).freed.keep(kept) {
                    give_back(device, old);
                }
            }
            None => give_back(device, memory),
        }
    }
}

unsafe fn map(
    device: vk::Device,
    memory: vk::DeviceMemory,
    m: &Memory,
    offset: vk::DeviceSize,
    size: vk::DeviceSize,
) -> Result<*mut c_void, vk::Result> {
    let failed = vk::Result::ERROR_MEMORY_MAP_FAILED;
    if !m.host_visible {
        return Err(failed);
    }
    // Of two threads that map at the same time, one makes the blob and the other waits.
    // SAFETY: a valid device.
    let blob = m.blob.get_or_try_init(|| unsafe { make_blob(device, memory, m) }).map_err(|e| match e {
        Error::Lost(_) => result_of_error(&e),
        _ => map_failed(&e),
    })?;
    let size = if size == vk::WHOLE_SIZE { m.size.saturating_sub(offset) } else { size };
    let inside = offset.checked_add(size).is_some_and(|end| end <= m.size);
    let at = usize::try_from(offset).ok().zip(usize::try_from(size).ok());
    let p = at.filter(|_| inside).and_then(|(o, s)| blob.mapping.at(o, s)).ok_or(failed)?;
    Ok(p.cast())
}

fn map_failed(e: &Error) -> vk::Result {
    crate::base::log::error!("mapping memory failed: {e}");
    match e {
        Error::OutOfHostMemory => vk::Result::ERROR_OUT_OF_HOST_MEMORY,
        Error::OutOfDeviceMemory => vk::Result::ERROR_OUT_OF_DEVICE_MEMORY,
        _ => vk::Result::ERROR_MEMORY_MAP_FAILED,
    }
}

unsafe fn make_blob(device: vk::Device, memory: vk::DeviceMemory, m: &Memory) -> Result<Blob, Error> {
    // SAFETY: a valid device.
    let connection = unsafe { object::get(device) }.connection();
    connection.ring.check()?;
    // The allocation's reply has come, so the context knows the memory: nothing to wait for.
    let resource = connection.winsys.create_blob(memory.as_raw(), m.size, BlobFlags::MAPPABLE, &[])?;
    let mapping = connection.winsys.map(&resource)?;
    Ok(Blob { mapping, _resource: resource })
}

pub unsafe fn map_memory(
    device: vk::Device,
    memory: vk::DeviceMemory,
    offset: vk::DeviceSize,
    size: vk::DeviceSize,
    _: vk::MemoryMapFlags,
    to: *mut *mut c_void,
) -> vk::Result {
    // SAFETY: by valid usage.
    unsafe {
        *to = ptr::null_mut();
        let Some(m) = MEMORIES.get(memory) else { return vk::Result::ERROR_MEMORY_MAP_FAILED };
        // In this order: from now on nothing is put off that writes the memory, and then what was put off is carried out.
        m.mapped.store(true, Ordering::Relaxed);
        if let Some(pending) = Device::of(device).pending.get() {
            pending.before_mapping(device, memory);
        }
        match map(device, memory, m, offset, size) {
            Ok(p) => {
                *to = p;
                vk::Result::SUCCESS
            }
            Err(e) => {
                m.mapped.store(false, Ordering::Relaxed);
                e
            }
        }
    }
}

pub unsafe fn map_memory2(device: vk::Device, info: *const vk::MemoryMapInfoKHR, to: *mut *mut c_void) -> vk::Result {
    // SAFETY: by valid usage.
    unsafe { map_memory(device, (*info).memory, (*info).offset, (*info).size, vk::MemoryMapFlags::empty(), to) }
}

/// The mapping stays: making it anew would cost calls to the host.
pub unsafe fn unmap_memory(_: vk::Device, memory: vk::DeviceMemory) {
    if let Some(m) = MEMORIES.get(memory) {
        m.mapped.store(false, Ordering::Relaxed);
    }
}

pub unsafe fn unmap_memory2(device: vk::Device, info: *const vk::MemoryUnmapInfoKHR) -> vk::Result {
    // SAFETY: by valid usage.
    unsafe { unmap_memory(device, (*info).memory) };
    vk::Result::SUCCESS
}

// All memory that can be mapped is coherent (see `physical_device`), so there is nothing to flush.

pub unsafe fn flush_mapped_memory_ranges(_: vk::Device, _: u32, _: *const vk::MappedMemoryRange) -> vk::Result {
    vk::Result::SUCCESS
}

pub unsafe fn invalidate_mapped_memory_ranges(_: vk::Device, _: u32, _: *const vk::MappedMemoryRange) -> vk::Result {
    vk::Result::SUCCESS
}
