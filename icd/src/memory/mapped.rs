//! Mapped memory: where the kernel wants it or where the program does, and flushes (WIRE.md 6).

use std::ffi::c_void;
use std::num::NonZeroUsize;
use std::ptr;
use std::sync::atomic::Ordering;

use ash::vk;
use hesper_winsys::{Error, Mapping};

use crate::base::chain::find;
use crate::base::forwarding::result_of_error;
use crate::base::log::error;
use crate::base::object::{self, Part};
use crate::memory::allocation::{self, Memory};
use crate::memory::device::Device;
use crate::memory::pending::Observer;

const FAILED: vk::Result = vk::Result::ERROR_MEMORY_MAP_FAILED;

pub unsafe fn map_memory(
    device: vk::Device,
    memory: vk::DeviceMemory,
    offset: vk::DeviceSize,
    size: vk::DeviceSize,
    _: vk::MemoryMapFlags,
    to: *mut *mut c_void,
) -> vk::Result {
    let Some(m) = allocation::get(memory) else { return FAILED };
    // In this order: from now on nothing is put off that writes the memory, and then what was put off is carried out.
    m.mapped.store(true, Ordering::Relaxed);
    // SAFETY: a valid device.
    let d = unsafe { Device::of(device) };
    // Most memory has been mapped before, while nothing is pending.
    if let Some(base) = m.addresses.own()
        && d.pending.get().is_none_or(Observer::is_quiet_for_mapping)
        && d.posted_copies.is_quiet()
        && let Some(p) = m.at(base, offset, size)
    {
        // SAFETY: the output parameter.
        unsafe { to.write(p.cast()) };
        return vk::Result::SUCCESS;
    }
    // SAFETY: handed on, and the memory of this handle.
    unsafe { map_at_length(device, memory, m, offset, size, to) }
}

/// Maps memory that is marked as mapped, where that takes more than a look; apart, and with no more parameters than there are registers for, so that the short
/// way is short.
///
/// # Safety
/// As [`map_to`].
#[inline(never)]
unsafe fn map_at_length(
    device: vk::Device,
    memory: vk::DeviceMemory,
    m: &Memory,
    offset: vk::DeviceSize,
    size: vk::DeviceSize,
    to: *mut *mut c_void,
) -> vk::Result {
    // SAFETY: by contract.
    unsafe { map_to(device, memory, m, to, |base| m.at(base, offset, size).ok_or(FAILED)) }
}

/// Maps memory that is marked as mapped. `place` tells what the program gets, and is given where the driver's own mapping starts.
///
/// # Safety
/// A valid device, the memory of this handle, and the output parameter.
unsafe fn map_to(
    device: vk::Device,
    memory: vk::DeviceMemory,
    m: &Memory,
    to: *mut *mut c_void,
    place: impl FnOnce(*mut u8) -> Result<*mut u8, vk::Result>,
) -> vk::Result {
    // SAFETY: by contract.
    let p = unsafe { before_mapping(device, memory).and_then(|()| own(device, memory, m)).and_then(place) };
    if p.is_err() {
        m.mapped.store(false, Ordering::Relaxed);
    }
    // SAFETY: the output parameter.
    unsafe { to.write(p.unwrap_or(ptr::null_mut()).cast()) };
    p.err().unwrap_or(vk::Result::SUCCESS)
}

/// Carries out what was put off that writes memory which is marked as mapped, and waits for what nobody has waited for.
///
/// # Errors
/// What waiting fails with.
///
/// # Safety
/// A valid device and its memory.
unsafe fn before_mapping(device: vk::Device, memory: vk::DeviceMemory) -> Result<(), vk::Result> {
    // SAFETY: valid by contract.
    let d = unsafe { Device::of(device) };
    if let Some(pending) = d.pending.get() {
        // SAFETY: as above.
        unsafe { pending.before_mapping(device, memory) };
    }
    d.posted_copies.settle(d.connection()).map_err(|e| map_failed(&e))
}

/// Where the driver's own mapping starts, which is made for the first vkMapMemory.
///
/// # Safety
/// A valid device, and the memory of this handle.
unsafe fn own(device: vk::Device, memory: vk::DeviceMemory, m: &Memory) -> Result<*mut u8, vk::Result> {
    if !m.host_visible {
        return Err(FAILED);
    }
    // SAFETY: valid by contract.
    m.addresses.own_or(|| unsafe { make_own(device, memory, m) }).map_err(|e| map_failed(&e))
}

/// Maps a memory, whose blob is made where there is none yet. A blob that can't be mapped is kept for the next vkMapMemory.
///
/// # Safety
/// A valid device, and the memory of this handle.
unsafe fn make_own(device: vk::Device, memory: vk::DeviceMemory, m: &Memory) -> Result<Mapping, Error> {
    // SAFETY: valid by contract.
    let connection = unsafe { object::get(device) }.connection();
    connection.check()?;
    // SAFETY: valid by contract.
    let make = || unsafe { connection.winsys.map(m.blob(device, memory)?) };
    // The window that the host shows memory in is finite, and freed memory that is kept stays in it.
    let mapping = connection.room.with(make, |made| !matches!(made, Ok(_) | Err(Error::Lost(_))))?;
    // What the program is given lies inside of the memory, and so inside of the mapping.
    if (mapping.len() as vk::DeviceSize) < m.size {
        return Err(Error::Refused("a blob that is smaller than its memory".into()));
    }
    Ok(mapping)
}

fn map_failed(e: &Error) -> vk::Result {
    if matches!(e, Error::Lost(_)) {
        return result_of_error(e);
    }
    error!("mapping memory failed: {e}");
    match e {
        Error::OutOfHostMemory => vk::Result::ERROR_OUT_OF_HOST_MEMORY,
        Error::OutOfDeviceMemory => vk::Result::ERROR_OUT_OF_DEVICE_MEMORY,
        _ => FAILED,
    }
}

/// Finds out whether the host has made the blob of memory that is about to leave, as far as can be told: only mapping tells, and a blob that isn't there
/// ends the context of who imports it.
///
/// # Errors
/// What mapping fails with.
///
/// # Safety
/// A valid device, whose memory this is.
pub unsafe fn check_blob(device: vk::Device, memory: vk::DeviceMemory) -> Result<(), vk::Result> {
    match allocation::get(memory).filter(|m| m.host_visible && !m.imported) {
        // SAFETY: by contract.
        Some(m) => unsafe { own(device, memory, m) }.map(drop),
        None => Ok(()),
    }
}

pub unsafe fn map_memory2(device: vk::Device, info: *const vk::MemoryMapInfoKHR, to: *mut *mut c_void) -> vk::Result {
    // SAFETY: a valid struct.
    let info = unsafe { &*info };
    if info.flags.contains(vk::MemoryMapFlags::PLACED_EXT) {
        // SAFETY: handed on.
        return unsafe { map_placed(device, info, to) };
    }
    // SAFETY: the parameters of vkMapMemory.
    unsafe { map_memory(device, info.memory, info.offset, info.size, info.flags, to) }
}

/// Maps memory at an address that the program has picked (VK_EXT_map_memory_placed), beside the driver's own mapping.
///
/// # Safety
/// As vkMapMemory2: the program owns the range of addresses.
unsafe fn map_placed(device: vk::Device, info: &vk::MemoryMapInfoKHR<'_>, to: *mut *mut c_void) -> vk::Result {
    // SAFETY: the output parameter, a valid device, and the info's chain.
    let (winsys, placed) = unsafe {
        to.write(ptr::null_mut());
        (&object::get(device).connection().winsys, find::<vk::MemoryMapPlacedInfoEXT>(info.p_next))
    };
    let Some(m) = allocation::get(info.memory) else { return FAILED };
    // The kernel maps whole blobs alone, and those have whole steps: a range of its own size is all that may be replaced.
    let step = winsys.alignment();
    let whole = info.offset == 0 && (info.size == vk::WHOLE_SIZE || info.size == m.size) && m.size.is_multiple_of(step);
    let at = placed.and_then(|p| NonZeroUsize::new(p.p_placed_address.addr()));
    let Some(at) = at.filter(|at| whole && (at.get() as vk::DeviceSize).is_multiple_of(step)) else { return FAILED };
    // A second one would take the first one's place.
    if m.addresses.are_placed() || !winsys.maps_again() {
        return FAILED;
    }
    m.mapped.store(true, Ordering::Relaxed);
    // The driver's own mapping shows first that there is something to map: what the program has at the address may be gone once the kernel was asked.
    let place = |_| {
        // SAFETY: a valid device, and the memory of this handle.
        let blob = unsafe { m.blob(device, info.memory) }.map_err(|e| map_failed(&e))?;
        if blob.size() != m.size {
            return Err(FAILED);
        }
        // SAFETY: the range is the program's to replace, by contract.
        let mapping = unsafe { winsys.map_at(blob, at) }.map_err(|e| {
            let _ = map_failed(&e);
            FAILED
        })?;
        let base = mapping.base();
        m.addresses.place(mapping);
        Ok(base)
    };
    // SAFETY: handed on, and the memory of this handle.
    unsafe { map_to(device, info.memory, m, to, place) }
}

/// The driver's own mapping stays: making it anew would cost calls to the host.
pub unsafe fn unmap_memory(_: vk::Device, memory: vk::DeviceMemory) {
    if let Some(m) = allocation::get(memory) {
        m.mapped.store(false, Ordering::Relaxed);
        m.addresses.unplace();
    }
}

pub unsafe fn unmap_memory2(device: vk::Device, info: *const vk::MemoryUnmapInfoKHR) -> vk::Result {
    // SAFETY: a valid struct.
    let info = unsafe { &*info };
    if info.flags.contains(vk::MemoryUnmapFlagsKHR::RESERVE_EXT) {
        // SAFETY: handed on.
        return unsafe { reserve(device, info.memory) };
    }
    // SAFETY: the parameters of vkUnmapMemory.
    unsafe { unmap_memory(device, info.memory) };
    vk::Result::SUCCESS
}

/// Unmaps memory, and leaves the range where the program has seen it reserved for the program.
///
/// # Safety
/// A valid device and its memory, which the program has mapped.
unsafe fn reserve(device: vk::Device, memory: vk::DeviceMemory) -> vk::Result {
    // SAFETY: a valid device.
    let (d, winsys) = unsafe { (Device::of(device), &object::get(device).connection().winsys) };
    let mapped = |m: &&Memory| m.mapped.load(Ordering::Relaxed) && winsys.maps_again();
    let Some(m) = allocation::get(memory).filter(mapped) else { return FAILED };
    m.mapped.store(false, Ordering::Relaxed);
    let reserved = if m.addresses.are_placed() {
        m.addresses.reserve_placed()
    } else {
        // The range of the driver's own mapping becomes the program's, and the next vkMapMemory makes another one.
        if let Some(pending) = d.pending.get() {
            // SAFETY: a valid device.
            unsafe { pending.told.after_unmapping(device) };
        }
        m.addresses.reserve_own()
    };
    let Err(e) = reserved else { return vk::Result::SUCCESS };
    // It is still mapped, and something may have been put off meanwhile.
    m.mapped.store(true, Ordering::Relaxed);
    // SAFETY: a valid device and its memory, which is marked as mapped.
    let settled = unsafe { before_mapping(device, memory) };
    settled.err().unwrap_or(e)
}

// All memory that can be mapped is coherent (see `physical_device`), so there is nothing to flush.

pub unsafe fn flush_mapped_memory_ranges(_: vk::Device, _: u32, _: *const vk::MappedMemoryRange) -> vk::Result {
    vk::Result::SUCCESS
}

pub unsafe fn invalidate_mapped_memory_ranges(_: vk::Device, _: u32, _: *const vk::MappedMemoryRange) -> vk::Result {
    vk::Result::SUCCESS
}
