//! Device memory that is a memfd underneath.

use std::collections::HashMap;
use std::ffi::{c_int, c_void};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::sync::OnceLock;

use ash::vk;
use parking_lot::Mutex;

use crate::chain;
use crate::physical::{importable, real_memory_properties};

/// Larger than any driver's minImportedHostPointerAlignment, and the coarsest host page.
const STEP: u64 = 64 << 10;

/// A mapped memfd.
struct Backing {
    fd: OwnedFd,
    base: *mut c_void,
    len: usize,
}

// SAFETY: shared memory that only the driver touches.
unsafe impl Send for Backing {}

impl Drop for Backing {
    fn drop(&mut self) {
        // SAFETY: mapped by `map` with this length.
        unsafe { libc::munmap(self.base, self.len) };
    }
}

fn backings() -> &'static Mutex<HashMap<vk::DeviceMemory, Backing>> {
    static MAP: OnceLock<Mutex<HashMap<vk::DeviceMemory, Backing>>> = OnceLock::new();
    MAP.get_or_init(Mutex::default)
}

fn map(fd: OwnedFd, len: u64) -> Option<Backing> {
    let len = usize::try_from(len).ok()?;
    // SAFETY: a new mapping of our own file.
    let base = unsafe {
        libc::mmap(std::ptr::null_mut(), len, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED, fd.as_raw_fd(), 0)
    };
    (base != libc::MAP_FAILED).then_some(Backing { fd, base, len })
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
        let Some(i) = chain::instance_of(d.physical) else { return vk::Result::ERROR_INITIALIZATION_FAILED };
        let properties = real_memory_properties(&i, d.physical);
        let wanted = &*info;
        if importable(&properties) & (1u32.checked_shl(wanted.memory_type_index).unwrap_or(0)) == 0 {
            return (d.v1_0.allocate_memory)(device, info, allocator, to);
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
            backings().lock().insert(*to, backing);
        }
        result
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
        match backings().lock().get(&(*info).memory).and_then(|b| b.fd.try_clone().ok()) {
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
