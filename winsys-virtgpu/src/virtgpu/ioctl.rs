//! The kernel's calls, each wrapped once (Linux, include/uapi/drm/virtgpu_drm.h; WIRE.md 8.3).

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::errno::Errno;
use nix::libc::c_int;

use crate::{Error, SyncFile};

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
pub const BLOB_MEM_HOST3D: u32 = 2;
/// Flags of a submission (`VIRTGPU_EXECBUF_*`): it waits for a sync_file, it yields one, it names a timeline.
const EXECBUF_FENCE_FD_IN: u32 = 1;
const EXECBUF_FENCE_FD_OUT: u32 = 2;
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
#[derive(Clone, Copy)]
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
pub struct Node {
    file: File,
    /// How many timelines of the context a submission can name. Relaxed: set once, before anybody submits.
    timelines: AtomicU32,
}

impl AsFd for Node {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// What the kernel knows of a handle's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// The host's id.
    pub resource: u32,
    /// Bytes, modulo 2^32.
    pub size: u32,
    /// `VIRTGPU_BLOB_MEM_*`; 0 for what is no blob.
    pub blob_mem: u32,
}

/// Asks again when a signal came in between.
pub(super) fn retry<T>(what: &str, call: impl FnMut() -> nix::Result<T>) -> Result<T, Error> {
    uninterrupted(call).map_err(|e| Error::os(what, e))
}

/// The same, for calls whose errors have a meaning of their own.
pub(super) fn uninterrupted<T>(mut call: impl FnMut() -> nix::Result<T>) -> nix::Result<T> {
    loop {
        match call() {
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            answer => return answer,
        }
    }
}

impl Node {
    /// Takes over an open file.
    pub fn new(file: File) -> Self {
        Self { file, timelines: AtomicU32::new(0) }
    }

    fn fd(&self) -> c_int {
        self.file.as_raw_fd()
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
        retry("asking for the Venus capset", || unsafe { get_caps(self.fd(), &raw mut ask) }).map(drop)
    }

    /// Makes this file's context, with up to `timelines` timelines; with one, or none that a submission can name, where the kernel refuses
    /// that many. The timelines of queues are the host's own affair, and need none of the kernel's (WIRE.md 7.1).
    ///
    /// # Errors
    /// What the kernel refuses of a context with no demands but its kind.
    pub fn context(&self, capset: u32, timelines: u32) -> Result<(), Error> {
        let kind = ContextParam { param: CONTEXT_CAPSET_ID, value: capset.into() };
        for value in [timelines, 1] {
            let params = [kind, ContextParam { param: CONTEXT_NUM_RINGS, value: value.into() }];
            if self.init(&params).is_ok() {
                self.timelines.store(value, Ordering::Relaxed);
                return Ok(());
            }
        }
        self.init(&[kind])
    }

    /// How many timelines of the context a submission can name.
    pub fn timelines(&self) -> u32 {
        self.timelines.load(Ordering::Relaxed)
    }

    fn init(&self, params: &[ContextParam]) -> Result<(), Error> {
        let mut ask = ContextInit { num_params: params.len() as u32, pad: 0, params: params.as_ptr() as u64 };
        // SAFETY: `ask` has the layout of the kernel's struct, which reads `num_params` entries: all that `params` has.
        retry("making a context", || unsafe { context_init(self.fd(), &raw mut ask) }).map(drop)
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

    /// Has the context run `commands`, on its own timeline where it has any.
    pub fn execute(&self, commands: &[u8]) -> Result<(), Error> {
        self.submit(commands, 0, None, 0).map(drop)
    }

    /// A sync_file that is signalled when everything has ended that the host was told to do on the queue with this timeline; on the context's own,
    /// timeline 0, when the context has run what was submitted before (WIRE.md 7.1, 8.5). The kernel tells the host only once `after` has been
    /// signalled, for which the call waits.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where the kernel gives the context no such timeline: its other ones tell nothing of the queue. What the kernel refuses,
    /// such as no room for another open file.
    pub fn fence(&self, timeline: u32, after: Option<&SyncFile>) -> Result<SyncFile, Error> {
        if timeline >= self.timelines.load(Ordering::Relaxed) {
            return Err(Error::Unsupported("a fence of a timeline that the kernel doesn't give the context"));
        }
        let fd = self.submit(&[], timeline, after, EXECBUF_FENCE_FD_OUT)?;
        if fd < 0 {
            return Err(Error::Refused("the kernel has made no sync_file".into()));
        }
        // SAFETY: the kernel has just opened a file under this number, which nobody else has.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) }.into())
    }

    /// Submits commands; the number of the sync_file, where `flags` ask for one.
    fn submit(&self, commands: &[u8], timeline: u32, after: Option<&SyncFile>, flags: u32) -> Result<c_int, Error> {
        let named = if self.timelines.load(Ordering::Relaxed) > 0 { EXECBUF_RING_IDX } else { 0 };
        let waits = if after.is_some() { EXECBUF_FENCE_FD_IN } else { 0 };
        retry("submitting commands", || {
            // Anew for each attempt: the kernel may have written to it.
            let mut ask = Execbuffer {
                flags: flags | named | waits,
                size: commands.len() as u32,
                command: if commands.is_empty() { 0 } else { commands.as_ptr() as u64 },
                fence_fd: after.map_or(-1, |file| file.as_fd().as_raw_fd()),
                ring_idx: timeline,
                ..Default::default()
            };
            // SAFETY: `ask` has the layout of the kernel's struct, which copies `size` bytes from `command`: all that `commands` has; the
            // other pointers are null and their counts 0.
            unsafe { execbuffer(self.fd(), &raw mut ask) }.map(|_| ask.fence_fd)
        })
    }

    /// What the kernel knows of a handle's memory.
    pub fn resource(&self, bo: u32) -> Result<Known, Error> {
        let mut ask = ResourceInfo { bo_handle: bo, ..Default::default() };
        // SAFETY: `ask` has the layout of the kernel's struct, and holds no pointers.
        retry("asking for a resource", || unsafe { resource_info(self.fd(), &raw mut ask) })?;
        Ok(Known { resource: ask.res_handle, size: ask.size, blob_mem: ask.blob_mem })
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
        assert_eq!(
            node.fence(1, None).unwrap_err(),
            Error::Unsupported("a fence of a timeline that the kernel doesn't give the context")
        );
        assert!(node.resource(1).is_err());
    }
}
