//! VkDeviceMemory: allocation, and mapping through blobs (WIRE.md 6).

use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

use ash::vk;
use ash::vk::Handle;
use hesper_encoder::generated::{reply, request};
use hesper_winsys::{BlobFlags, Error, Mapping, Resource};
use once_cell::sync::OnceCell;
use parking_lot::Mutex;

use crate::base::chain::{find, find_tagged};
use crate::base::forwarding::{result_of, result_of_error};
use crate::base::object::{self, Part};
use crate::base::room::Kept;
use crate::base::slab::Slab;
use crate::generated::forward;
use crate::memory::device::Device;
use crate::memory::freed::{KEPT_PIECE, Piece};
use crate::memory::pending::Observer;

/// What is known of an allocation.
pub struct Memory {
    size: vk::DeviceSize,
    host_visible: bool,
    /// Whether the processor reads it fast.
    cached: bool,
    /// Whether the program sees it now. Relaxed: a thread that maps memory while another one puts off a write to it is kept apart by the fences of
    /// [`pending`](super::pending), and all others by the program.
    mapped: AtomicBool,
    shared: bool,
    /// The type, for pieces that may be kept when they are freed.
    kept_as: Option<u32>,
    /// Whether it is kept: a second free must not keep it twice. Relaxed: who gets the memory next finds it under the lock of what is kept.
    freed: AtomicBool,
    blob: OnceCell<Blob>,
    /// A blob that couldn't be mapped yet.
    unmapped: Mutex<Option<Resource>>,
}

/// The mapping is made once and kept until the memory is freed: it costs calls to the host.
struct Blob {
    mapping: Mapping,
    // Unmapped before it is given back.
    _resource: Resource,
}

/// Bytes of the page that most hosts have.
const ORDINARY_PAGE: vk::DeviceSize = 4096;

static MEMORIES: Slab<Memory> = Slab::new(2);

/// The freed memory of a device, which its connection gives back where the host runs short of room.
pub struct FreedMemory(pub vk::Device);

impl Kept for FreedMemory {
    fn give_back(&self) -> bool {
        // SAFETY: vkDestroyDevice has the connection forget this struct first, so the device is alive.
        unsafe { forget_freed(self.0) }
    }
}

/// Gives back what was kept; false where there was nothing.
///
/// # Safety
/// A valid device.
pub unsafe fn forget_freed(device: vk::Device) -> bool {
    // SAFETY: valid by contract.
    let freed = unsafe { Device::of(device) }.freed.empty();
    for memory in &freed {
        // SAFETY: the device's own; the program has freed it, and nobody can get it any more.
        unsafe { give_back(device, *memory) };
    }
    !freed.is_empty()
}

/// Has the host free memory.
///
/// # Safety
/// A valid device and its memory, which nobody uses.
unsafe fn give_back(device: vk::Device, memory: vk::DeviceMemory) {
    // The guest's mapping and its hold on the resource go first; the host keeps the memory until it has run the command.
    if MEMORIES.remove(memory).is_some() {
        // SAFETY: by contract, and no other call has removed it.
        unsafe { forward::free_memory(device, memory, ptr::null()) };
    }
}

pub unsafe fn allocate_memory(
    device: vk::Device,
    info: *const vk::MemoryAllocateInfo,
    allocator: *const vk::AllocationCallbacks,
    to: *mut vk::DeviceMemory,
) -> vk::Result {
    // SAFETY: a valid device and create info; the info's chain isn't changed.
    let (d, mut info) = unsafe { (Device::of(device), *info) };
    // SAFETY: the output parameter.
    unsafe { to.write(vk::DeviceMemory::null()) };
    let physical = d.physical();
    let memory_type = info.memory_type_index;
    let Some((host_visible, heap_size)) = physical.host_visible(memory_type).zip(physical.heap_size(memory_type))
    else {
        return vk::Result::ERROR_UNKNOWN;
    };
    // No driver gives more than its heap; asking might take the host down with it.
    if info.allocation_size > heap_size {
        return vk::Result::ERROR_OUT_OF_DEVICE_MEMORY;
    }
    // SAFETY: the chain of a valid struct.
    let dedicated = unsafe { find::<vk::MemoryDedicatedAllocateInfo>(info.p_next) }
        .is_some_and(|d| d.buffer != vk::Buffer::null() || d.image != vk::Image::null());
    let size = info.allocation_size;
    // The blob over it is as large as the host's page demands, and the memory behind must be no smaller. A dedicated allocation's size is its
    // image's or buffer's, and hosts with ordinary pages round that up themselves; where pages are larger, mapping the memory goes before.
    let step = d.connection().winsys.alignment();
    if host_visible && (!dedicated || step > ORDINARY_PAGE) {
        info.allocation_size = size.checked_next_multiple_of(step).unwrap_or(size).max(size);
    }
    // What stands in the chain makes a piece special.
    let plain = info.p_next.is_null() && size <= KEPT_PIECE;
    if plain && let Some(memory) = d.freed.reuse(size, memory_type) {
        if let Some(m) = MEMORIES.get(memory) {
            m.freed.store(false, Ordering::Relaxed);
        }
        // SAFETY: the output parameter.
        unsafe { to.write(memory) };
        return vk::Result::SUCCESS;
    }
    let memory = Memory {
        size,
        host_visible,
        cached: physical.reads_fast(memory_type),
        mapped: AtomicBool::new(false),
        // SAFETY: the chain of a valid struct.
        shared: unsafe { shared(info.p_next) },
        kept_as: plain.then_some(memory_type),
        freed: AtomicBool::new(false),
        blob: OnceCell::new(),
        unmapped: Mutex::new(None),
    };
    // The host may refuse, and says so only in a reply.
    // SAFETY: the encoder and the decoder read and write what the parameters point at, and the local copy of the create info.
    let ask = || unsafe {
        result_of(d.connection().call(
            reply::allocate_memory_size(device, &info, allocator, to),
            |w| request::allocate_memory(w, 1, device, &info, allocator, to),
            |r| reply::allocate_memory(r, device, &info, allocator, to),
        ))
    };
    // SAFETY: the output parameter.
    unsafe { MEMORIES.create(memory, to, ask) }
}

/// Whether others may see memory that is allocated with this chain.
///
/// # Safety
/// Null or a valid chain.
unsafe fn shared(next: *const c_void) -> bool {
    use vk::StructureType as S;
    let shares = [S::EXPORT_MEMORY_ALLOCATE_INFO, S::IMPORT_MEMORY_FD_INFO_KHR, S::IMPORT_MEMORY_HOST_POINTER_INFO_EXT];
    // SAFETY: valid by contract.
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
    // SAFETY: a valid device.
    let d = unsafe { Device::of(device) };
    if let Some(pending) = d.pending.get() {
        // SAFETY: the device's memory, alive until now.
        unsafe { pending.before_freeing(device, memory) };
    }
    m.mapped.store(false, Ordering::Relaxed);
    let gone = match m.kept_as {
        Some(memory_type) => d.freed.keep(Piece { memory, size: m.size, memory_type }),
        None => vec![memory],
    };
    for memory in gone {
        // SAFETY: the device's own, freed by the program and kept no longer.
        unsafe { give_back(device, memory) };
    }
}

impl Memory {
    /// Where a range of the memory lies in this process, if it lies in the memory.
    fn at(&self, blob: &Blob, offset: vk::DeviceSize, size: vk::DeviceSize) -> Option<*mut c_void> {
        let size = if size == vk::WHOLE_SIZE { self.size.saturating_sub(offset) } else { size };
        let inside = offset.checked_add(size).is_some_and(|end| end <= self.size);
        let at = usize::try_from(offset).ok().zip(usize::try_from(size).ok());
        at.filter(|_| inside).and_then(|(o, s)| blob.mapping.at(o, s)).map(<*mut u8>::cast)
    }

    /// The blob, which is made for the first mapping.
    ///
    /// # Safety
    /// A valid device, whose memory this is.
    unsafe fn blob(&self, device: vk::Device, memory: vk::DeviceMemory) -> Result<&Blob, vk::Result> {
        if !self.host_visible {
            return Err(vk::Result::ERROR_MEMORY_MAP_FAILED);
        }
        // Of two threads that map at the same time, one makes the blob and the other waits.
        // SAFETY: valid by contract.
        self.blob.get_or_try_init(|| unsafe { make_blob(device, memory, self) }).map_err(|e| map_failed(&e))
    }
}

fn map_failed(e: &Error) -> vk::Result {
    if matches!(e, Error::Lost(_)) {
        return result_of_error(e);
    }
    crate::base::log::error!("mapping memory failed: {e}");
    match e {
        Error::OutOfHostMemory => vk::Result::ERROR_OUT_OF_HOST_MEMORY,
        Error::OutOfDeviceMemory => vk::Result::ERROR_OUT_OF_DEVICE_MEMORY,
        _ => vk::Result::ERROR_MEMORY_MAP_FAILED,
    }
}

/// Makes the blob of a memory and maps it.
///
/// A blob that can't be mapped is kept for the next vkMapMemory: the host makes no second one of the same memory.
///
/// # Safety
/// A valid device.
unsafe fn make_blob(device: vk::Device, memory: vk::DeviceMemory, m: &Memory) -> Result<Blob, Error> {
    // SAFETY: valid by contract.
    let connection = unsafe { object::get(device) }.connection();
    connection.ring.check()?;
    let make = || {
        let mut unmapped = m.unmapped.lock();
        let resource = match unmapped.take() {
            Some(resource) => resource,
            // The allocation's reply has come, so the context knows the memory: nothing to wait for.
            None => connection.winsys.create_blob(memory.as_raw(), m.size, BlobFlags::MAPPABLE, &[])?,
        };
        match connection.winsys.map(&resource) {
            Ok(mapping) => Ok(Blob { mapping, _resource: resource }),
            Err(e) => {
                *unmapped = Some(resource);
                Err(e)
            }
        }
    };
    // The window that the host shows memory in is finite, and freed memory that is kept stays in it.
    connection.room.with(make, |made| !matches!(made, Ok(_) | Err(Error::Lost(_))))
}

pub unsafe fn map_memory(
    device: vk::Device,
    memory: vk::DeviceMemory,
    offset: vk::DeviceSize,
    size: vk::DeviceSize,
    _: vk::MemoryMapFlags,
    to: *mut *mut c_void,
) -> vk::Result {
    let Some(m) = MEMORIES.get(memory) else { return vk::Result::ERROR_MEMORY_MAP_FAILED };
    // In this order: from now on nothing is put off that writes the memory, and then what was put off is carried out.
    m.mapped.store(true, Ordering::Relaxed);
    // SAFETY: a valid device.
    let pending = unsafe { Device::of(device) }.pending.get();
    // Most memory has been mapped before, while nothing is pending.
    if let Some(blob) = m.blob.get()
        && pending.is_none_or(Observer::is_quiet_for_mapping)
        && let Some(p) = m.at(blob, offset, size)
    {
        // SAFETY: the output parameter.
        unsafe { to.write(p) };
        return vk::Result::SUCCESS;
    }
    // SAFETY: handed on, and the memory of this handle.
    unsafe { map_at_length(device, memory, m, offset, size, to) }
}

/// Maps memory that is marked as mapped, where that takes more than a look; apart, so that the short way is short.
#[inline(never)]
unsafe fn map_at_length(
    device: vk::Device,
    memory: vk::DeviceMemory,
    m: &Memory,
    offset: vk::DeviceSize,
    size: vk::DeviceSize,
    to: *mut *mut c_void,
) -> vk::Result {
    // SAFETY: a valid device.
    if let Some(pending) = unsafe { Device::of(device) }.pending.get() {
        // SAFETY: the device's memory, marked as mapped.
        unsafe { pending.before_mapping(device, memory) };
    }
    let failed = vk::Result::ERROR_MEMORY_MAP_FAILED;
    // SAFETY: a valid device and its memory.
    let p = unsafe { m.blob(device, memory) }.and_then(|blob| m.at(blob, offset, size).ok_or(failed));
    if p.is_err() {
        m.mapped.store(false, Ordering::Relaxed);
    }
    // SAFETY: the output parameter.
    unsafe { to.write(p.unwrap_or(ptr::null_mut())) };
    p.err().unwrap_or(vk::Result::SUCCESS)
}

pub unsafe fn map_memory2(device: vk::Device, info: *const vk::MemoryMapInfoKHR, to: *mut *mut c_void) -> vk::Result {
    // SAFETY: a valid struct, and the parameters of vkMapMemory.
    unsafe { map_memory(device, (*info).memory, (*info).offset, (*info).size, vk::MemoryMapFlags::empty(), to) }
}

/// The mapping stays: making it anew would cost calls to the host.
pub unsafe fn unmap_memory(_: vk::Device, memory: vk::DeviceMemory) {
    if let Some(m) = MEMORIES.get(memory) {
        m.mapped.store(false, Ordering::Relaxed);
    }
}

pub unsafe fn unmap_memory2(device: vk::Device, info: *const vk::MemoryUnmapInfoKHR) -> vk::Result {
    // SAFETY: a valid struct.
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
