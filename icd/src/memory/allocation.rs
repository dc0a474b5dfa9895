//! VkDeviceMemory: allocation, and blobs over it (WIRE.md 6).

use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

use ash::vk;
use ash::vk::Handle;
use hesper_encoder::generated::{reply, request};
use hesper_winsys::{BlobFlags, Error, Resource};
use once_cell::sync::OnceCell;

use crate::base::chain::{find, find_tagged};
use crate::base::forwarding::{result_of, result_of_error};
use crate::base::object::{self, Part};
use crate::base::room::Kept;
use crate::base::slab::{Kind, Slab};
use crate::generated::forward;
use crate::memory::addresses::Addresses;
use crate::memory::device::Device;
use crate::memory::freed::{KEPT_PIECE, Piece};
use crate::memory::import::Import;
use crate::physical::device_extensions::MEMORY_FD;
use crate::physical::handle_types::HostChain;

/// What is known of an allocation. What every vkMapMemory and vkFreeMemory looks at comes first, so that it lies in one cache line.
#[repr(C)]
pub struct Memory {
    pub size: vk::DeviceSize,
    /// Whether the program sees it now. Relaxed: a thread that maps memory while another one puts off a write to it is kept apart by the fences of
    /// [`pending`](super::pending), and all others by the program.
    pub mapped: AtomicBool,
    pub host_visible: bool,
    /// Whether the processor reads it fast.
    cached: bool,
    shared: bool,
    pub imported: bool,
    /// Whether it is kept: a second free must not keep it twice. Relaxed: who gets the memory next finds it under the lock of what is kept.
    freed: AtomicBool,
    /// The type, for pieces that may be kept when they are freed.
    kept_as: Option<u32>,
    /// How a blob over it will be used.
    flags: BlobFlags,
    /// Where it lies in this process. Ends before what it maps.
    pub addresses: Addresses,
    /// The blob over the memory, of which the host makes no second one; or what the memory was imported from.
    resource: OnceCell<Resource>,
}

/// Bytes of the page that most hosts have.
const ORDINARY_PAGE: vk::DeviceSize = 4096;

static MEMORIES: Slab<Memory> = Slab::new(Kind::DeviceMemory);

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
    if let Some(m) = MEMORIES.remove(memory) {
        // Mapping a blob waits until the host has made it. One that wasn't mapped may still be on its way, by another road.
        if m.resource.get().is_some() && m.addresses.own().is_none() && !m.imported {
            // SAFETY: valid by contract. A lost host makes and frees nothing.
            let _ = unsafe { object::get(device) }.connection().ring.roundtrip();
        }
        drop(m);
        // SAFETY: by contract, and no other call has removed it.
        unsafe { forward::free_memory(device, memory, ptr::null()) };
    }
}

/// Whether freed memory may take the place of a new allocation: what stands in the chain makes a piece special.
#[inline]
fn is_plain(info: &vk::MemoryAllocateInfo<'_>) -> bool {
    info.p_next.is_null() && info.allocation_size <= KEPT_PIECE
}

/// Freed memory that takes the place of a new allocation, if some is kept that may.
#[inline]
pub fn reuse(d: &Device, info: &vk::MemoryAllocateInfo<'_>) -> Option<vk::DeviceMemory> {
    // Kept memory has passed before what `allocate_anew` looks at.
    let memory =
        Some(info).filter(|i| is_plain(i)).and_then(|i| d.freed.reuse(i.allocation_size, i.memory_type_index))?;
    if let Some(m) = MEMORIES.get(memory) {
        m.freed.store(false, Ordering::Relaxed);
    }
    Some(memory)
}

pub unsafe fn allocate_memory(
    device: vk::Device,
    info: *const vk::MemoryAllocateInfo,
    allocator: *const vk::AllocationCallbacks,
    to: *mut vk::DeviceMemory,
) -> vk::Result {
    // SAFETY: a valid device, create info and output parameter; handed on.
    unsafe {
        match reuse(Device::of(device), &*info) {
            Some(memory) => {
                to.write(memory);
                vk::Result::SUCCESS
            }
            None => allocate_anew(device, info, allocator, to),
        }
    }
}

/// Has the host allocate memory; apart, so that the way of kept memory is short.
///
/// # Safety
/// As vkAllocateMemory.
#[inline(never)]
pub unsafe fn allocate_anew(
    device: vk::Device,
    info: *const vk::MemoryAllocateInfo,
    allocator: *const vk::AllocationCallbacks,
    to: *mut vk::DeviceMemory,
) -> vk::Result {
    // SAFETY: a valid device and create info; the info's chain isn't changed.
    let (d, mut info) = unsafe { (Device::of(device), *info) };
    let plain = is_plain(&info);
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
    // SAFETY: the chain of a valid struct.
    let exported =
        unsafe { find::<vk::ExportMemoryAllocateInfo>(info.p_next) }.is_some_and(|e| !e.handle_types.is_empty());
    // The host would come to its end (`device_extensions`).
    if exported && !physical.offers(MEMORY_FD) {
        return vk::Result::ERROR_INVALID_EXTERNAL_HANDLE;
    }
    // SAFETY: a valid device and create info.
    let import = match unsafe { Import::of(device, &info) } {
        Ok(import) => import,
        Err(e) => return e,
    };
    if import.is_none() && (host_visible || exported) && (!dedicated || step > ORDINARY_PAGE) {
        info.allocation_size = size.checked_next_multiple_of(step).unwrap_or(size).max(size);
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
        addresses: Addresses::default(),
        resource: OnceCell::new(),
        flags: flags(host_visible, exported),
        imported: import.is_some(),
    };
    // SAFETY: the chain of a valid struct.
    let for_host = unsafe { HostChain::of(info.p_next) };
    if let Some(chain) = &for_host {
        info.p_next = chain.first();
    }
    let from = import.as_ref().map(|i| i.link(info.p_next));
    if let Some(from) = &from {
        info.p_next = ptr::from_ref(from).cast();
    }
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
    let (result, made) = unsafe { (MEMORIES.create(memory, to, ask), *to) };
    let Some(m) = MEMORIES.get(made).filter(|_| result == vk::Result::SUCCESS) else { return result };
    if let Some(import) = import {
        // Nobody else knows the handle yet.
        let _ = m.resource.set(import.taken());
    } else if exported
        // SAFETY: a valid device, whose memory this is.
        && let Err(e) = unsafe { m.blob(device, made) }
    {
        // SAFETY: the memory that was just made, of which nobody else knows; the output parameter.
        unsafe {
            give_back(device, made);
            to.write(vk::DeviceMemory::null());
        }
        return result_of_error(&e);
    }
    result
}

/// How a blob over memory will be used.
fn flags(host_visible: bool, exported: bool) -> BlobFlags {
    match (host_visible, exported) {
        (_, false) => BlobFlags::MAPPABLE,
        (true, true) => BlobFlags::MAPPABLE | BlobFlags::SHAREABLE,
        (false, true) => BlobFlags::SHAREABLE,
    }
}

/// The resource of memory that may be exported.
pub fn exportable(memory: vk::DeviceMemory) -> Option<&'static Resource> {
    MEMORIES.get(memory).filter(|m| m.imported || m.flags.0 & BlobFlags::SHAREABLE.0 != 0)?.resource.get()
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

/// What is known of a memory; nothing of a stale handle.
#[inline]
pub fn get(memory: vk::DeviceMemory) -> Option<&'static Memory> {
    MEMORIES.get(memory)
}

/// Copies from memory that the program has mapped now and that is fast to read, if it is such.
///
/// # Safety
/// The caller keeps whoever implements [`Pending`](super::pending::Pending) from coming back from `after_unmapping` until the copy is made.
pub unsafe fn read(memory: vk::DeviceMemory, offset: vk::DeviceSize, to: &mut [u8]) -> bool {
    let Some(m) = MEMORIES.get(memory).filter(|m| m.cached && m.mapped.load(Ordering::Relaxed)) else { return false };
    let Some(from) = m.addresses.own().and_then(|base| m.at(base, offset, to.len() as vk::DeviceSize)) else {
        return false;
    };
    // SAFETY: `at` has found the source inside the mapping, which stays as long as the memory is mapped, and by contract until the copy is made;
    // `to` is borrowed exclusively, so it lies elsewhere.
    unsafe { ptr::copy_nonoverlapping(from, to.as_mut_ptr(), to.len()) };
    true
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
    m.addresses.unplace();
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
    /// Whether the program has freed it, and the driver keeps it.
    pub fn is_freed(&self) -> bool {
        self.freed.load(Ordering::Relaxed)
    }

    /// Where a range of the memory lies, if it lies in the memory, that starts at `base` in this process.
    #[inline]
    pub fn at(&self, base: *mut u8, offset: vk::DeviceSize, size: vk::DeviceSize) -> Option<*mut u8> {
        let size = if size == vk::WHOLE_SIZE { self.size.saturating_sub(offset) } else { size };
        let inside = offset.checked_add(size).is_some_and(|end| end <= self.size);
        usize::try_from(offset).ok().filter(|_| inside).map(|offset| base.wrapping_add(offset))
    }

    /// The blob over it, or what it was imported from.
    ///
    /// # Errors
    /// What making a blob fails with.
    ///
    /// # Safety
    /// A valid device, whose memory this is.
    pub unsafe fn blob(&self, device: vk::Device, memory: vk::DeviceMemory) -> Result<&Resource, Error> {
        // SAFETY: valid by contract.
        let winsys = &unsafe { object::get(device) }.connection().winsys;
        // The allocation's reply has come, so the context knows the memory: nothing to wait for.
        self.resource.get_or_try_init(|| winsys.create_blob(memory.as_raw(), self.size, self.flags, &[]))
    }
}
