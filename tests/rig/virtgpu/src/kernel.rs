//! The kernel's interface as programs call it (Linux, include/uapi/drm/drm.h and virtgpu_drm.h): numbers and structs.

use std::ffi::{c_int, c_ulong, c_void};

use nix::errno::Errno;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    Version,
    GemClose,
    PrimeHandleToFd,
    PrimeFdToHandle,
    Map,
    Execbuffer,
    GetParam,
    ResourceInfo,
    GetCaps,
    CreateBlob,
    ContextInit,
    /// Another one, of this device or of all files.
    Other,
}

impl Request {
    /// Reads a request's number: the device's letter and the call's number in its lowest 16 bits.
    pub fn of(request: c_ulong) -> Self {
        if request >> 8 & 0xff != c_ulong::from(b'd') {
            return Self::Other;
        }
        match request & 0xff {
            0x00 => Self::Version,
            0x09 => Self::GemClose,
            0x2d => Self::PrimeHandleToFd,
            0x2e => Self::PrimeFdToHandle,
            0x41 => Self::Map,
            0x42 => Self::Execbuffer,
            0x43 => Self::GetParam,
            0x45 => Self::ResourceInfo,
            0x49 => Self::GetCaps,
            0x4a => Self::CreateBlob,
            0x4b => Self::ContextInit,
            _ => Self::Other,
        }
    }
}

#[repr(C)]
pub struct Version {
    pub numbers: [c_int; 3],
    pub name_len: usize,
    pub name: *mut u8,
    pub date_len: usize,
    pub date: *mut u8,
    pub desc_len: usize,
    pub desc: *mut u8,
}

#[repr(C)]
pub struct GemClose {
    pub handle: u32,
    pub pad: u32,
}

#[repr(C)]
pub struct PrimeHandle {
    pub handle: u32,
    pub flags: u32,
    pub fd: i32,
}

#[repr(C)]
pub struct Map {
    pub offset: u64,
    pub handle: u32,
    pub pad: u32,
}

#[repr(C)]
pub struct Execbuffer {
    pub flags: u32,
    pub size: u32,
    pub command: u64,
    pub bo_handles: u64,
    pub num_bo_handles: u32,
    pub fence_fd: i32,
    pub ring_idx: u32,
    pub syncobjs: [u32; 7],
}

/// `VIRTGPU_EXECBUF_RING_IDX`.
pub const EXECBUF_RING_IDX: u32 = 4;

#[repr(C)]
pub struct GetParam {
    pub param: u64,
    pub value: *mut u32,
}

#[repr(C)]
pub struct ResourceInfo {
    pub handle: u32,
    pub resource: u32,
    pub size: u32,
    pub blob_mem: u32,
}

#[repr(C)]
pub struct GetCaps {
    pub id: u32,
    pub version: u32,
    pub to: *mut u8,
    pub size: u32,
    pub pad: u32,
}

#[repr(C)]
pub struct CreateBlob {
    pub blob_mem: u32,
    pub flags: u32,
    pub handle: u32,
    pub resource: u32,
    pub size: u64,
    pub pad: u32,
    pub command_size: u32,
    pub command: u64,
    pub id: u64,
}

/// `VIRTGPU_BLOB_MEM_HOST3D`.
pub const BLOB_MEM_HOST3D: u32 = 2;

#[repr(C)]
pub struct ContextInit {
    pub count: u32,
    pub pad: u32,
    pub params: *const [u64; 2],
}

/// `VIRTGPU_CONTEXT_PARAM_NUM_RINGS`.
pub const CONTEXT_NUM_RINGS: u64 = 2;

/// A program's struct behind a pointer.
///
/// # Safety
/// The pointer is a valid, aligned struct of this type, which nobody else looks at during the call.
pub unsafe fn at<'a, T>(argument: *mut c_void) -> &'a mut T {
    // SAFETY: by contract.
    unsafe { &mut *argument.cast::<T>() }
}

/// Bytes that a program points at.
///
/// # Safety
/// The address is 0, or that of as many bytes that can be read.
pub unsafe fn bytes<'a>(address: u64, size: u32) -> &'a [u8] {
    if address == 0 || size == 0 {
        return &[];
    }
    // SAFETY: by contract.
    unsafe { std::slice::from_raw_parts(address as usize as *const u8, size as usize) }
}

/// The context parameter `number` that a program asks for.
///
/// # Safety
/// A valid struct, with as many parameters as it counts.
pub unsafe fn context_param(ask: &ContextInit, number: u64) -> Option<u64> {
    // SAFETY: by contract.
    let params = unsafe { std::slice::from_raw_parts(ask.params, ask.count as usize) };
    params.iter().find(|[param, _]| *param == number).map(|[_, value]| *value)
}

/// The kernel's own answer.
///
/// # Safety
/// As ioctl(2).
pub unsafe fn ioctl(fd: c_int, request: c_ulong, argument: *mut c_void) -> Result<c_int, Errno> {
    // SAFETY: by contract.
    Errno::result(unsafe { libc::syscall(libc::SYS_ioctl, fd, request, argument) }).map(|r| r as c_int)
}
