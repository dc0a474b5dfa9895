//! A virtio-gpu that isn't there: what Linux's driver answers (drivers/gpu/drm/virtio), on memory of a test server.

use std::collections::BTreeMap;
use std::ffi::c_int;
use std::os::fd::{AsRawFd, BorrowedFd, IntoRawFd};

use hesper_winsys::capset;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::stat::fstat;

use crate::host::{Host, Memory};
use crate::kernel::{BLOB_MEM_HOST3D, CreateBlob, EXECBUF_RING_IDX, Execbuffer, Request};

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
    pub fn ioctl(&mut self, request: Request<'_>) -> Result<(), Errno> {
        match request {
            Request::Version(ask) => ask.answer("virtio_gpu"),
            Request::GetParam(ask) => {
                let index = usize::try_from(ask.param).ok().and_then(|n| n.checked_sub(1));
                ask.answer(*index.and_then(|i| PARAMS.get(i)).ok_or(Errno::EINVAL)?);
            }
            Request::GetCaps(ask) if ask.id == capset::VENUS => ask.answer(&self.host.capset()),
            Request::GetCaps(_) => return Err(Errno::EINVAL),
            Request::ContextInit(ask) => self.context(ask.rings())?,
            Request::Execbuffer(ask) => self.execute(ask)?,
            Request::CreateBlob(ask) => self.create(ask)?,
            Request::Map(ask) => {
                self.blob(ask.handle)?;
                ask.offset = u64::from(ask.handle) << WINDOW;
            }
            Request::ResourceInfo(ask) => {
                let blob = self.blob(ask.handle)?;
                // The kernel's field has no room for more.
                (ask.resource, ask.size, ask.blob_mem) = (blob.memory.resource, blob.size as u32, BLOB_MEM_HOST3D);
            }
            Request::GemClose(ask) => {
                self.blobs.remove(&ask.handle).ok_or(Errno::EINVAL)?;
            }
            Request::PrimeHandleToFd(ask) => ask.fd = self.export(ask.handle, ask.flags)?,
            Request::PrimeFdToHandle(ask) => ask.handle = self.import(ask.fd)?,
            Request::Other => return Err(Errno::ENOTTY),
        }
        Ok(())
    }

    fn execute(&self, ask: &Execbuffer) -> Result<(), Errno> {
        let rings = self.rings.ok_or(Errno::EINVAL)?;
        if ask.flags & EXECBUF_RING_IDX != 0 && u64::from(ask.ring_idx) >= rings {
            return Err(Errno::EINVAL);
        }
        // Fences aren't imitated: a program that asks for one must hear that, and not be left without.
        if ask.flags & !EXECBUF_RING_IDX != 0 {
            return Err(Errno::EINVAL);
        }
        self.host.submit(ask.commands())
    }

    fn create(&mut self, ask: &mut CreateBlob) -> Result<(), Errno> {
        if self.rings.is_none() || ask.blob_mem != BLOB_MEM_HOST3D || ask.size == 0 {
            return Err(Errno::EINVAL);
        }
        let size = ask.size.checked_next_multiple_of(PAGE).ok_or(Errno::EINVAL)?;
        let memory = self.host.blob(ask.id, size, ask.flags, ask.commands())?;
        (ask.handle, ask.resource) = (self.next, memory.resource);
        self.blobs.insert(self.next, Blob { memory, size });
        self.next += 1;
        Ok(())
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
    fn import(&self, fd: c_int) -> Result<u32, Errno> {
        let which = |stat: libc::stat| (stat.st_dev, stat.st_ino);
        // SAFETY: the program keeps its file open during its call; a number that is none is refused by the look at it.
        let file = unsafe { BorrowedFd::borrow_raw(if fd < 0 { return Err(Errno::EBADF) } else { fd }) };
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
