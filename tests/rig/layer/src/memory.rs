//! Device memory that a descriptor shows: a memfd underneath, or the driver's own device file.

use std::collections::HashMap;
use std::ffi::{c_int, c_void};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::sync::OnceLock;

use ash::vk;
use parking_lot::Mutex;

use crate::chain::{self, Device};
use crate::memory_types::importable;
use crate::physical::real_memory_properties;
use crate::{device_file, host_trace, memory_types};

/// Larger than any driver's minImportedHostPointerAlignment, and the coarsest host page.
const STEP: u64 = 64 << 10;

/// A mapped memfd.
struct File {
    fd: OwnedFd,
    base: *mut c_void,
    len: usize,
}

/// What shows a piece of device memory.
enum Backing {
    File(File),
    /// The driver's own mapping of a device file, at this address.
    Device(usize),
}

// SAFETY: shared memory that only the driver touches.
unsafe impl Send for File {}

impl Drop for File {
    fn drop(&mut self) {
        // SAFETY: mapped by `map` with this length.
        unsafe { libc::munmap(self.base, self.len) };
    }
}

fn backings() -> &'static Mutex<HashMap<vk::DeviceMemory, Backing>> {
    static MAP: OnceLock<Mutex<HashMap<vk::DeviceMemory, Backing>>> = OnceLock::new();
    MAP.get_or_init(Mutex::default)
}

/// Maps a file at a multiple of the step, as hosts with such pages would.
fn map(fd: OwnedFd, len: u64) -> Option<File> {
    let (len, step) = (usize::try_from(len).ok()?, usize::try_from(STEP).ok()?);
    let room = len.checked_add(step)?;
    let (nobody, anywhere) = (libc::PROT_NONE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE);
    // SAFETY: a new mapping, which nobody uses.
    let reserved = unsafe { libc::mmap(std::ptr::null_mut(), room, nobody, anywhere, -1, 0) };
    if reserved == libc::MAP_FAILED {
        return None;
    }
    let before = reserved.addr().next_multiple_of(step) - reserved.addr();
    let at = reserved.wrapping_byte_add(before);
    let (both, shared) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_FIXED);
    // SAFETY: the file takes a part of what was reserved, and what is left of that is given back: `room` is larger than both.
    let base = unsafe {
        let base = libc::mmap(at, len, both, shared, fd.as_raw_fd(), 0);
        if base == libc::MAP_FAILED {
            libc::munmap(reserved, room);
            return None;
        }
        if before > 0 {
            libc::munmap(reserved, before);
        }
        libc::munmap(at.wrapping_byte_add(len), step - before);
        base
    };
    Some(File { fd, base, len })
}

fn new_file(len: u64) -> Option<OwnedFd> {
    // SAFETY: a fresh descriptor that nobody else owns.
    unsafe {
        let fd = libc::memfd_create(c"hesper-test-memory".as_ptr(), libc::MFD_CLOEXEC);
        if fd < 0 {
            return None;
        }
        let fd = OwnedFd::from_raw_fd(fd);
        (libc::ftruncate(fd.as_raw_fd(), i64::try_from(len).ok()?) == 0).then_some(fd)
    }
}

pub unsafe extern "system" fn allocate_memory(
    device: vk::Device,
    info: *const vk::MemoryAllocateInfo,
    allocator: *const vk::AllocationCallbacks,
    to: *mut vk::DeviceMemory,
) -> vk::Result {
    // SAFETY: called with valid arguments.
    unsafe {
        let Some(d) = chain::device(device) else { return vk::Result::ERROR_INITIALIZATION_FAILED };
        // What this layer does for that is the host's share, too.
        let _span = host_trace::span("host vkAllocateMemory");
        if host_trace::only() {
            return (d.v1_0.allocate_memory)(device, info, allocator, to);
        }
        let Some(i) = chain::instance_of(d.physical) else { return vk::Result::ERROR_INITIALIZATION_FAILED };
        let properties = real_memory_properties(&i, d.physical);
        let real = memory_types::real(&properties, (*info).memory_type_index);
        let wanted = vk::MemoryAllocateInfo { memory_type_index: real.index, ..*info };
        if real.is_devices_own {
            return (d.v1_0.allocate_memory)(device, &wanted, allocator, to);
        }
        if let Some(result) = allocate_mapped(&d, &properties, device, &wanted, allocator, to) {
            return result;
        }
        if importable(&properties) & (1u32.checked_shl(wanted.memory_type_index).unwrap_or(0)) == 0 {
            return (d.v1_0.allocate_memory)(device, &wanted, allocator, to);
        }
        // Keep what goes with a host pointer; exports, imports and dedicated allocations don't.
        let (mut flags, mut priority, mut imported) = (None, None, None);
        let mut p: *const vk::BaseInStructure = wanted.p_next.cast();
        while !p.is_null() {
            match (*p).s_type {
                vk::StructureType::MEMORY_ALLOCATE_FLAGS_INFO => flags = Some(*p.cast::<vk::MemoryAllocateFlagsInfo>()),
                vk::StructureType::MEMORY_PRIORITY_ALLOCATE_INFO_EXT => {
                    priority = Some(*p.cast::<vk::MemoryPriorityAllocateInfoEXT>());
                }
                vk::StructureType::IMPORT_MEMORY_FD_INFO_KHR => {
                    imported = Some((*p.cast::<vk::ImportMemoryFdInfoKHR>()).fd)
                }
                _ => {}
            }
            p = (*p).p_next;
        }
        let heap = properties.memory_types[wanted.memory_type_index as usize].heap_index as usize;
        let len = wanted.allocation_size.checked_next_multiple_of(STEP).unwrap_or(u64::MAX);
        if len > properties.memory_heaps[heap].size {
            return vk::Result::ERROR_OUT_OF_DEVICE_MEMORY;
        }
        // An import takes the descriptor over.
        let file = imported.map(|fd| OwnedFd::from_raw_fd(fd)).or_else(|| new_file(len));
        let Some(backing) = file.and_then(|f| map(f, len)) else { return vk::Result::ERROR_OUT_OF_HOST_MEMORY };
        let mut host = vk::ImportMemoryHostPointerInfoEXT {
            handle_type: vk::ExternalMemoryHandleTypeFlags::HOST_ALLOCATION_EXT,
            p_host_pointer: backing.base,
            ..Default::default()
        };
        if let Some(f) = &mut flags {
            f.p_next = host.p_next;
            host.p_next = std::ptr::from_ref(f).cast();
        }
        if let Some(f) = &mut priority {
            f.p_next = host.p_next;
            host.p_next = std::ptr::from_ref(f).cast();
        }
        let real = vk::MemoryAllocateInfo {
            p_next: (&raw const host).cast(),
            allocation_size: len,
            memory_type_index: wanted.memory_type_index,
            ..Default::default()
        };
        let result = (d.v1_0.allocate_memory)(device, &real, allocator, to);
        if result == vk::Result::SUCCESS {
            backings().lock().insert(*to, Backing::File(backing));
        }
        result
    }
}

/// Allocates memory that the driver maps from a device file; `None` where it doesn't, or for imports.
unsafe fn allocate_mapped(
    d: &Device,
    properties: &vk::PhysicalDeviceMemoryProperties,
    device: vk::Device,
    info: *const vk::MemoryAllocateInfo,
    allocator: *const vk::AllocationCallbacks,
    to: *mut vk::DeviceMemory,
) -> Option<vk::Result> {
    // SAFETY: valid arguments of vkAllocateMemory.
    let mut asked = unsafe { *info };
    let kind = properties.memory_types.get(asked.memory_type_index as usize)?;
    if !device_file::caught() || !kind.property_flags.contains(vk::MemoryPropertyFlags::HOST_VISIBLE) {
        return None;
    }
    // SAFETY: valid arguments of vkAllocateMemory; the export is taken out of the chain for the length of the call.
    unsafe {
        let mut before: *mut vk::BaseOutStructure = (&raw mut asked).cast();
        let mut export = None;
        while let Some(next) = (*before).p_next.as_mut() {
            match next.s_type {
                vk::StructureType::IMPORT_MEMORY_FD_INFO_KHR => return None,
                vk::StructureType::EXPORT_MEMORY_ALLOCATE_INFO => {
                    export = Some((before, (*before).p_next));
                    (*before).p_next = next.p_next;
                }
                _ => before = next,
            }
        }
        asked.allocation_size = device_file::rounded(asked.allocation_size).unwrap_or(u64::MAX);
        let result = (d.v1_0.allocate_memory)(device, &asked, allocator, to);
        if let Some((before, export)) = export {
            (*before).p_next = export;
        }
        if result != vk::Result::SUCCESS {
            return Some(result);
        }
        let mut base = std::ptr::null_mut();
        let flags = vk::MemoryMapFlags::empty();
        let mapped = (d.v1_0.map_memory)(device, *to, 0, vk::WHOLE_SIZE, flags, &mut base);
        if mapped == vk::Result::SUCCESS && device_file::shows(base) {
            backings().lock().insert(*to, Backing::Device(base as usize));
            return Some(result);
        }
        (d.v1_0.free_memory)(device, *to, allocator);
        *to = vk::DeviceMemory::null();
        None
    }
}

pub unsafe extern "system" fn free_memory(
    device: vk::Device,
    memory: vk::DeviceMemory,
    allocator: *const vk::AllocationCallbacks,
) {
    // SAFETY: called with valid arguments. The driver lets go before the memory is unmapped.
    unsafe {
        let Some(d) = chain::device(device) else { return };
        let backing = backings().lock().remove(&memory);
        (d.v1_0.free_memory)(device, memory, allocator);
        drop(backing);
    }
}

pub unsafe extern "system" fn get_memory_fd(
    _: vk::Device,
    info: *const vk::MemoryGetFdInfoKHR,
    to: *mut c_int,
) -> vk::Result {
    // SAFETY: called with valid arguments.
    unsafe {
        let shown = match backings().lock().get(&(*info).memory) {
            Some(Backing::File(file)) => file.fd.try_clone().ok(),
            Some(Backing::Device(base)) => device_file::export(*base as *mut c_void),
            None => None,
        };
        match shown {
            Some(fd) => {
                *to = fd.into_raw_fd();
                vk::Result::SUCCESS
            }
            None => vk::Result::ERROR_TOO_MANY_OBJECTS,
        }
    }
}

pub unsafe extern "system" fn get_memory_fd_properties(
    device: vk::Device,
    _: vk::ExternalMemoryHandleTypeFlags,
    _: c_int,
    to: *mut vk::MemoryFdPropertiesKHR,
) -> vk::Result {
    // SAFETY: called with valid arguments.
    unsafe {
        let Some(i) = chain::device(device).and_then(|d| chain::instance_of(d.physical)) else {
            return vk::Result::ERROR_INITIALIZATION_FAILED;
        };
        let Some(d) = chain::device(device) else { return vk::Result::ERROR_INITIALIZATION_FAILED };
        (*to).memory_type_bits = importable(&real_memory_properties(&i, d.physical));
    }
    vk::Result::SUCCESS
}
