//! The kernel's calls, each wrapped once (Linux, include/uapi/drm/virtgpu_drm.h; WIRE.md 8.3).

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use drm::buffer;
use drm::control::Device as _;
use nix::errno::Errno;
use nix::libc::c_int;

use crate::Error;

/// Parameters of a device (WIRE.md 8.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Param {
    Features3d = 1,
    CapsetQueryFix = 2,
    ResourceBlob = 3,
    HostVisible = 4,
    CrossDevice = 5,
    ContextInit = 6,
    SupportedCapsetIds = 7,
    BlobAlignment = 9,
}

/// Blobs of the host (`VIRTGPU_BLOB_MEM_HOST3D`).
const BLOB_MEM_HOST3D: u32 = 2;
/// The submission names a timeline (`VIRTGPU_EXECBUF_RING_IDX`).
const EXECBUF_RING_IDX: u32 = 4;
/// Context parameters (`VIRTGPU_CONTEXT_PARAM_*`).
const CONTEXT_CAPSET_ID: u64 = 1;
const CONTEXT_NUM_RINGS: u64 = 2;

#[repr(C)]
#[derive(Default)]
struct Map {
    offset: u64,
    handle: u32,
    pad: u32,
}

#[repr(C)]
#[derive(Default)]
struct Execbuffer {
    flags: u32,
    size: u32,
    command: u64,
    bo_handles: u64,
    num_bo_handles: u32,
    fence_fd: i32,
    ring_idx: u32,
    syncobj_stride: u32,
    num_in_syncobjs: u32,
    num_out_syncobjs: u32,
    in_syncobjs: u64,
    out_syncobjs: u64,
}

#[repr(C)]
struct GetParam {
    param: u64,
    value: u64,
}

#[repr(C)]
#[derive(Default)]
struct ResourceInfo {
    bo_handle: u32,
    res_handle: u32,
    size: u32,
    blob_mem: u32,
}

#[repr(C)]
#[derive(Default)]
struct GetCaps {
    cap_set_id: u32,
    cap_set_ver: u32,
    addr: u64,
    size: u32,
    pad: u32,
}

#[repr(C)]
#[derive(Default)]
struct CreateBlob {
    blob_mem: u32,
    blob_flags: u32,
    bo_handle: u32,
    res_handle: u32,
    size: u64,
    pad: u32,
    cmd_size: u32,
    cmd: u64,
    blob_id: u64,
}

#[repr(C)]
struct ContextInit {
    num_params: u32,
    pad: u32,
    params: u64,
}

#[repr(C)]
struct ContextParam {
    param: u64,
    value: u64,
}

nix::ioctl_readwrite!(map, b'd', 0x41, Map);
nix::ioctl_readwrite!(execbuffer, b'd', 0x42, Execbuffer);
nix::ioctl_readwrite!(getparam, b'd', 0x43, GetParam);
nix::ioctl_readwrite!(resource_info, b'd', 0x45, ResourceInfo);
nix::ioctl_readwrite!(get_caps, b'd', 0x49, GetCaps);
nix::ioctl_readwrite!(create_blob, b'd', 0x4a, CreateBlob);
nix::ioctl_readwrite!(context_init, b'd', 0x4b, ContextInit);

/// An open render node.
#[derive(Debug)]
pub struct Node(File);

impl AsFd for Node {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl drm::Device for Node {}
impl drm::control::Device for Node {}

/// Asks again when a signal came in between.
fn retry(what: &str, mut call: impl FnMut() -> nix::Result<c_int>) -> Result<(), Error> {
    loop {
        match call() {
            Ok(_) => return Ok(()),
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            Err(e) => return Err(Error::os(what, e)),
        }
    }
}

fn of_io(what: &str, e: &io::Error) -> Error {
    Error::os(what, e.raw_os_error().map_or(Errno::UnknownErrno, Errno::from_raw))
}

impl Node {
    /// Takes over an open file.
    pub fn new(file: File) -> Self {
        Self(file)
    }

    fn fd(&self) -> c_int {
        self.0.as_raw_fd()
    }

    /// A parameter; nothing if the kernel doesn't know it or the device doesn't offer it.
    pub fn param(&self, param: Param) -> Option<u64> {
        // The kernel writes 32 bits.
        let mut value = 0u64;
        let mut ask = GetParam { param: param as u64, value: (&raw mut value) as u64 };
        // SAFETY: `ask` has the layout of the kernel's struct, which writes 4 bytes to where it points: `value`, which has 8 and outlives
        // the call.
        retry("asking for a parameter", || unsafe { getparam(self.fd(), &raw mut ask) }).ok()?;
        Some(value)
    }

    /// Copies a capset into `bytes`; an older host fills less.
    pub fn capset(&self, id: u32, bytes: &mut [u8]) -> Result<(), Error> {
        let mut ask =
            GetCaps { cap_set_id: id, addr: bytes.as_mut_ptr() as u64, size: bytes.len() as u32, ..Default::default() };
        // SAFETY: `ask` has the layout of the kernel's struct, which writes at most `size` bytes to `addr`: no more than `bytes` has.
        retry("asking for the Venus capset", || unsafe { get_caps(self.fd(), &raw mut ask) })
    }

    /// Makes this file's context, with `rings` timelines.
    pub fn context(&self, capset: u32, rings: u32) -> Result<(), Error> {
        let params = [
            ContextParam { param: CONTEXT_CAPSET_ID, value: capset.into() },
            ContextParam { param: CONTEXT_NUM_RINGS, value: rings.into() },
        ];
        let mut ask = ContextInit { num_params: params.len() as u32, pad: 0, params: params.as_ptr() as u64 };
        // SAFETY: `ask` has the layout of the kernel's struct, which reads `num_params` entries: all that `params` has.
        retry("making a context", || unsafe { context_init(self.fd(), &raw mut ask) })
    }

    /// Makes a blob after the context has run `before`; returns the kernel's handle and the host's id.
    pub fn create_blob(&self, id: u64, size: u64, flags: u32, before: &[u8]) -> Result<(u32, u32), Error> {
        let mut ask = CreateBlob {
            blob_mem: BLOB_MEM_HOST3D,
            blob_flags: flags,
            size,
            cmd_size: before.len() as u32,
            cmd: if before.is_empty() { 0 } else { before.as_ptr() as u64 },
            blob_id: id,
            ..Default::default()
        };
        // SAFETY: `ask` has the layout of the kernel's struct, which copies `cmd_size` bytes from `cmd`: all that `before` has.
        retry("making a blob", || unsafe { create_blob(self.fd(), &raw mut ask) })?;
        Ok((ask.bo_handle, ask.res_handle))
    }

    /// Where to map a handle's memory in this file.
    pub fn map_offset(&self, bo: u32) -> Result<u64, Error> {
        let mut ask = Map { handle: bo, ..Default::default() };
        // SAFETY: `ask` has the layout of the kernel's struct, and holds no pointers.
        retry("preparing to map a blob", || unsafe { map(self.fd(), &raw mut ask) })?;
        Ok(ask.offset)
    }

    /// Has the context run `commands`, on its own timeline.
    pub fn execute(&self, commands: &[u8]) -> Result<(), Error> {
        let mut ask = Execbuffer {
            flags: EXECBUF_RING_IDX,
            size: commands.len() as u32,
            command: commands.as_ptr() as u64,
            fence_fd: -1,
            ..Default::default()
        };
        // SAFETY: `ask` has the layout of the kernel's struct, which copies `size` bytes from `command`: all that `commands` has; the
        // other pointers are null and their counts 0.
        retry("submitting commands", || unsafe { execbuffer(self.fd(), &raw mut ask) })
    }

    /// The host's id of a handle's resource. (The size that the kernel tells with it has only 32 bits.)
    pub fn resource(&self, bo: u32) -> Result<u32, Error> {
        let mut ask = ResourceInfo { bo_handle: bo, ..Default::default() };
        // SAFETY: `ask` has the layout of the kernel's struct, and holds no pointers.
        retry("asking for a resource", || unsafe { resource_info(self.fd(), &raw mut ask) })?;
        Ok(ask.res_handle)
    }

    /// A dma-buf of a handle.
    pub fn export(&self, bo: u32) -> Result<OwnedFd, Error> {
        let handle = std::num::NonZeroU32::new(bo).map(buffer::Handle::from).ok_or(Error::Unsupported("handle 0"))?;
        self.buffer_to_prime_fd(handle, drm::CLOEXEC | drm::RDWR).map_err(|e| of_io("exporting a dma-buf", &e))
    }

    /// The handle of a dma-buf; the same one each time for the same memory.
    pub fn import(&self, fd: BorrowedFd<'_>) -> Result<u32, Error> {
        self.prime_fd_to_buffer(fd).map(u32::from).map_err(|e| of_io("importing a dma-buf", &e))
    }

    /// Forgets a handle.
    pub fn close(&self, bo: u32) {
        if let Some(handle) = std::num::NonZeroU32::new(bo) {
            // Only a handle that isn't there can fail.
            let _ = self.close_buffer(handle.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sizes of virtgpu_drm.h's structs, which are part of the ioctl numbers.
    #[test]
    fn structs_are_the_kernels() {
        assert_eq!(size_of::<Map>(), 16);
        assert_eq!(size_of::<Execbuffer>(), 64);
        assert_eq!(size_of::<GetParam>(), 16);
        assert_eq!(size_of::<ResourceInfo>(), 16);
        assert_eq!(size_of::<GetCaps>(), 24);
        assert_eq!(size_of::<CreateBlob>(), 48);
        assert_eq!(size_of::<ContextInit>(), 16);
    }

    #[test]
    fn a_file_that_is_no_device_refuses() {
        let node = Node::new(File::open("/dev/null").unwrap());
        assert_eq!(node.param(Param::Features3d), None);
        assert!(node.context(4, 64).is_err());
        assert!(node.execute(&[0; 4]).is_err());
        assert!(node.export(0).is_err());
    }
}
