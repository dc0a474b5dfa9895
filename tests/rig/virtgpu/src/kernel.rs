//! The kernel's interface as programs call it (Linux, include/uapi/drm/drm.h and virtgpu_drm.h): numbers and structs.

use std::ffi::{c_int, c_ulong, c_void};

use nix::errno::Errno;

/// What a program asks for, with its struct.
pub enum Request<'a> {
    Version(&'a mut Version),
    GemClose(&'a mut GemClose),
    PrimeHandleToFd(&'a mut PrimeHandle),
    PrimeFdToHandle(&'a mut PrimeHandle),
    Map(&'a mut Map),
    Execbuffer(&'a mut Execbuffer),
    GetParam(&'a mut GetParam),
    ResourceInfo(&'a mut ResourceInfo),
    GetCaps(&'a mut GetCaps),
    CreateBlob(&'a mut CreateBlob),
    ContextInit(&'a mut ContextInit),
    /// Another one, of this device or of all files.
    Other,
}

impl Request<'_> {
    /// Reads a request's number: the device's letter and the call's number in its lowest 16 bits.
    ///
    /// # Safety
    /// As ioctl(2): the argument is the struct that the number demands, as long as the call lasts, and whatever the struct points at is as
    /// long as it says.
    pub unsafe fn of(request: c_ulong, argument: *mut c_void) -> Self {
        if request >> 8 & 0xff != c_ulong::from(b'd') {
            return Self::Other;
        }
        // SAFETY: the number tells the struct's type, by contract.
        unsafe {
            match request & 0xff {
                0x00 => Self::Version(&mut *argument.cast()),
                0x09 => Self::GemClose(&mut *argument.cast()),
                0x2d => Self::PrimeHandleToFd(&mut *argument.cast()),
                0x2e => Self::PrimeFdToHandle(&mut *argument.cast()),
                0x41 => Self::Map(&mut *argument.cast()),
                0x42 => Self::Execbuffer(&mut *argument.cast()),
                0x43 => Self::GetParam(&mut *argument.cast()),
                0x45 => Self::ResourceInfo(&mut *argument.cast()),
                0x49 => Self::GetCaps(&mut *argument.cast()),
                0x4a => Self::CreateBlob(&mut *argument.cast()),
                0x4b => Self::ContextInit(&mut *argument.cast()),
                _ => Self::Other,
            }
        }
    }
}

#[repr(C)]
pub struct Version {
    numbers: [c_int; 3],
    name_len: usize,
    name: *mut u8,
    date_len: usize,
    date: *mut u8,
    desc_len: usize,
    desc: *mut u8,
}

impl Version {
    /// Answers with the driver's name, and no other text.
    pub fn answer(&mut self, name: &str) {
        // SAFETY: the program has room for `name_len` bytes there.
        unsafe { std::ptr::copy_nonoverlapping(name.as_ptr(), self.name, name.len().min(self.name_len)) };
        (self.name_len, self.date_len, self.desc_len) = (name.len(), 0, 0);
    }
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
    size: u32,
    command: u64,
    pub bo_handles: u64,
    pub num_bo_handles: u32,
    pub fence_fd: i32,
    pub ring_idx: u32,
    pub syncobjs: [u32; 7],
}

impl Execbuffer {
    pub fn commands(&self) -> &[u8] {
        // SAFETY: the program's commands are as long as it says.
        unsafe { bytes(self.command, self.size) }
    }
}

/// `VIRTGPU_EXECBUF_RING_IDX`.
pub const EXECBUF_RING_IDX: u32 = 4;

#[repr(C)]
pub struct GetParam {
    pub param: u64,
    value: *mut u32,
}

impl GetParam {
    pub fn answer(&mut self, value: u32) {
        // SAFETY: the program has room for a number there, and more.
        unsafe { self.value.write(value) };
    }
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
    to: *mut u8,
    size: u32,
    pub pad: u32,
}

impl GetCaps {
    /// Answers with what there is room for of some bytes.
    pub fn answer(&mut self, all: &[u8]) {
        // SAFETY: the program has room for `size` bytes there.
        unsafe { std::ptr::copy_nonoverlapping(all.as_ptr(), self.to, all.len().min(self.size as usize)) };
    }

    /// Zeros behind the first bytes.
    pub fn cut(&mut self, kept: usize) {
        let kept = kept.min(self.size as usize);
        // SAFETY: the program has room for `size` bytes there.
        unsafe { std::ptr::write_bytes(self.to.add(kept), 0, self.size as usize - kept) };
    }
}

#[repr(C)]
pub struct CreateBlob {
    pub blob_mem: u32,
    pub flags: u32,
    pub handle: u32,
    pub resource: u32,
    pub size: u64,
    pub pad: u32,
    command_size: u32,
    command: u64,
    pub id: u64,
}

impl CreateBlob {
    /// What the context shall run before.
    pub fn commands(&self) -> &[u8] {
        // SAFETY: the program's commands are as long as it says.
        unsafe { bytes(self.command, self.command_size) }
    }
}

/// `VIRTGPU_BLOB_MEM_HOST3D`.
pub const BLOB_MEM_HOST3D: u32 = 2;

#[repr(C)]
pub struct ContextInit {
    count: u32,
    pad: u32,
    params: *const [u64; 2],
}

impl ContextInit {
    /// The number of timelines that is asked for, if one is (`VIRTGPU_CONTEXT_PARAM_NUM_RINGS`).
    pub fn rings(&self) -> Option<u64> {
        const NUM_RINGS: u64 = 2;
        // SAFETY: the program's parameters are as many as it counts.
        let params = unsafe { std::slice::from_raw_parts(self.params, self.count as usize) };
        params.iter().find(|[param, _]| *param == NUM_RINGS).map(|[_, value]| *value)
    }
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

/// The kernel's own answer.
///
/// # Safety
/// As ioctl(2).
pub unsafe fn ioctl(fd: c_int, request: c_ulong, argument: *mut c_void) -> Result<c_int, Errno> {
    // SAFETY: by contract.
    Errno::result(unsafe { libc::syscall(libc::SYS_ioctl, fd, request, argument) }).map(|r| r as c_int)
}
