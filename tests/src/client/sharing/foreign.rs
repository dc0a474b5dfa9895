//! A dma-buf that is no GPU's memory: the kernel makes it of a program's own (Linux, include/uapi/linux/udmabuf.h).

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use anyhow::{Context, Result};
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::unistd::ftruncate;

/// `struct udmabuf_create`.
#[repr(C)]
struct Create {
    memfd: u32,
    flags: u32,
    offset: u64,
    size: u64,
}

/// `UDMABUF_FLAGS_CLOEXEC`.
const CLOSED_AT_EXEC: u32 = 1;

nix::ioctl_write_ptr!(create, b'u', 0x42, Create);

/// A dma-buf of `size` bytes, a multiple of the page; none where the kernel makes none.
pub fn dma_buf(size: u64) -> Result<Option<OwnedFd>> {
    let device = match OpenOptions::new().read(true).write(true).open("/dev/udmabuf") {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened.context("opening /dev/udmabuf")?,
    };
    let memory = memfd_create(c"foreign", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?;
    ftruncate(&memory, i64::try_from(size)?)?;
    fcntl(&memory, FcntlArg::F_ADD_SEALS(SealFlag::F_SEAL_SHRINK)).context("sealing a memfd")?;
    let ask = Create { memfd: u32::try_from(memory.as_raw_fd())?, flags: CLOSED_AT_EXEC, offset: 0, size };
    // SAFETY: `ask` has the layout of the kernel's struct, which it reads.
    let fd = unsafe { create(device.as_raw_fd(), &raw const ask) }.context("making a udmabuf")?;
    // SAFETY: the kernel has just opened a file under this number, which nobody else has.
    Ok(Some(unsafe { OwnedFd::from_raw_fd(fd) }))
}
