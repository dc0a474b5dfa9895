//! A virtio-gpu that isn't there: what Linux's driver answers (drivers/gpu/drm/virtio), on memory of a test server.

use std::collections::BTreeMap;
use std::ffi::{c_int, c_void};
use std::os::fd::{AsRawFd, BorrowedFd, IntoRawFd};

use hesper_winsys::capset;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::stat::fstat;

use crate::host::{Host, Memory};
use crate::kernel::{
    BLOB_MEM_HOST3D, CONTEXT_NUM_RINGS, ContextInit, CreateBlob, EXECBUF_RING_IDX, Execbuffer, GemClose, GetCaps,
    GetParam, Map, PrimeHandle, Request, ResourceInfo, Version, at, bytes, context_param,
};

/// Parameters 1 to 7 (WIRE.md 8.2), of which the last is the mask of capsets; others are unknown.
const PARAMS: [u32; 7] = [1, 1, 1, 1, 1, 1, 1 << capset::VENUS];
/// Timelines that a context may have.
const MAX_RINGS: u64 = 64;
const PAGE: u64 = 4096;
/// Offsets of one handle's memory for mmap: more than any memory has.
const WINDOW: u32 = 40;

struct Blob {
    memory: Memory,
    size: u64,
}

/// An open node.
pub struct Imitation {
    host: Host,
    blobs: BTreeMap<u32, Blob>,
    next: u32,
    /// Timelines of the context, once there is one.
    rings: Option<u64>,
}

impl Imitation {
    pub fn new(host: Host) -> Self {
        Self { host, blobs: BTreeMap::new(), next: 1, rings: None }
    }

    fn blob(&self, handle: u32) -> Result<&Blob, Errno> {
        self.blobs.get(&handle).ok_or(Errno::ENOENT)
    }

    /// Answers a request.
    ///
    /// # Safety
    /// The argument is what the request demands.
    pub unsafe fn ioctl(&mut self, request: Request, argument: *mut c_void) -> Result<c_int, Errno> {
        // SAFETY: each request's own struct, by contract; what it points at is as long as it says.
        unsafe {
            match request {
                Request::Version => {
                    let ask: &mut Version = at(argument);
                    let name = b"virtio_gpu";
                    std::ptr::copy_nonoverlapping(name.as_ptr(), ask.name, name.len().min(ask.name_len));
                    (ask.name_len, ask.date_len, ask.desc_len) = (name.len(), 0, 0);
                }
                Request::GetParam => {
                    let ask: &mut GetParam = at(argument);
                    let index = usize::try_from(ask.param).ok().and_then(|n| n.checked_sub(1));
                    *ask.value = *index.and_then(|i| PARAMS.get(i)).ok_or(Errno::EINVAL)?;
                }
                Request::GetCaps => {
                    let ask: &mut GetCaps = at(argument);
                    if ask.id != capset::VENUS {
                        return Err(Errno::EINVAL);
                    }
                    let all = self.host.capset();
                    std::ptr::copy_nonoverlapping(all.as_ptr(), ask.to, all.len().min(ask.size as usize));
                }
                Request::ContextInit => self.context(context_param(at::<ContextInit>(argument), CONTEXT_NUM_RINGS))?,
                Request::Execbuffer => {
                    let ask: &mut Execbuffer = at(argument);
                    let rings = self.rings.ok_or(Errno::EINVAL)?;
                    if ask.flags & EXECBUF_RING_IDX != 0 && u64::from(ask.ring_idx) >= rings {
                        return Err(Errno::EINVAL);
                    }
                    self.host.submit(bytes(ask.command, ask.size))?;
                }
                Request::CreateBlob => {
                    let ask: &mut CreateBlob = at(argument);
                    if self.rings.is_none() || ask.blob_mem != BLOB_MEM_HOST3D || ask.size == 0 {
                        return Err(Errno::EINVAL);
                    }
                    let size = ask.size.checked_next_multiple_of(PAGE).ok_or(Errno::EINVAL)?;
                    let memory = self.host.blob(ask.id, size, ask.flags, bytes(ask.command, ask.command_size))?;
                    (ask.handle, ask.resource) = (self.next, memory.resource);
                    self.blobs.insert(self.next, Blob { memory, size });
                    self.next += 1;
                }
                Request::Map => {
                    let ask: &mut Map = at(argument);
                    self.blob(ask.handle)?;
                    ask.offset = u64::from(ask.handle) << WINDOW;
                }
                Request::ResourceInfo => {
                    let ask: &mut ResourceInfo = at(argument);
                    let blob = self.blob(ask.handle)?;
                    // The kernel's field has no room for more.
                    (ask.resource, ask.size, ask.blob_mem) = (blob.memory.resource, blob.size as u32, BLOB_MEM_HOST3D);
                }
                Request::GemClose => {
                    self.blobs.remove(&at::<GemClose>(argument).handle).ok_or(Errno::EINVAL)?;
                }
                Request::PrimeHandleToFd => {
                    let ask: &mut PrimeHandle = at(argument);
                    ask.fd = self.export(ask.handle, ask.flags)?;
                }
                Request::PrimeFdToHandle => {
                    let ask: &mut PrimeHandle = at(argument);
                    ask.handle = self.import(BorrowedFd::borrow_raw(ask.fd))?;
                }
                Request::Other => return Err(Errno::ENOTTY),
            }
        }
        Ok(0)
    }

    fn context(&mut self, rings: Option<u64>) -> Result<(), Errno> {
        match (self.rings, rings.unwrap_or(0)) {
            (Some(_), _) => Err(Errno::EEXIST),
            (None, n) if n > MAX_RINGS => Err(Errno::EINVAL),
            (None, n) => {
                self.rings = Some(n);
                Ok(())
            }
        }
    }

    fn export(&self, handle: u32, flags: u32) -> Result<c_int, Errno> {
        let file = self.blob(handle)?.memory.file.as_ref().ok_or(Errno::EINVAL)?;
        let closed_at_exec = flags & libc::O_CLOEXEC as u32 != 0;
        fcntl(file, if closed_at_exec { FcntlArg::F_DUPFD_CLOEXEC(0) } else { FcntlArg::F_DUPFD(0) })
    }

    /// Memory of other devices isn't imitated.
    fn import(&self, file: BorrowedFd<'_>) -> Result<u32, Errno> {
        let which = |stat: libc::stat| (stat.st_dev, stat.st_ino);
        let wanted = which(fstat(file)?);
        let is_it = |b: &Blob| b.memory.file.as_ref().and_then(|f| fstat(f).ok()).is_some_and(|s| which(s) == wanted);
        self.blobs.iter().find(|(_, b)| is_it(b)).map(|(handle, _)| *handle).ok_or(Errno::EINVAL)
    }

    /// The file to map, and where in it.
    pub fn mapped(&self, len: u64, offset: u64) -> Result<(c_int, libc::off_t), Errno> {
        let handle = u32::try_from(offset >> WINDOW).map_err(|_| Errno::EINVAL)?;
        let blob = self.blob(handle).map_err(|_| Errno::EINVAL)?;
        let file = blob.memory.file.as_ref().ok_or(Errno::EINVAL)?;
        // Memory behind the file's end would kill the program at the first touch.
        let there = fstat(file)?.st_size;
        if offset != u64::from(handle) << WINDOW || len > blob.size || u64::try_from(there).is_ok_and(|t| t < len) {
            return Err(Errno::EINVAL);
        }
        Ok((file.as_raw_fd(), 0))
    }
}

/// The descriptor that stands for an imitated node.
///
/// # Errors
/// No room for another open file.
pub fn descriptor(closed_at_exec: bool) -> Result<c_int, Errno> {
    let flags = if closed_at_exec { MFdFlags::MFD_CLOEXEC } else { MFdFlags::empty() };
    Ok(memfd_create(c"virtio-gpu", flags)?.into_raw_fd())
}
