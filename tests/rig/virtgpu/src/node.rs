//! An open node: what its script changes and refuses, before what is behind it answers.

use std::ffi::{c_int, c_ulong, c_void};
use std::fs;
use std::sync::{Mutex, PoisonError};

use nix::errno::Errno;

use crate::dri;
use crate::host::Host;
use crate::imitation::{self, Imitation};
use crate::kernel::{self, Request};
use crate::script::{Goes, Script};

enum Behind {
    /// The kernel's node, open under this descriptor.
    Kernel(c_int),
    Imitation(Mutex<Imitation>),
}

/// An open node.
pub struct Node {
    script: Script,
    behind: Behind,
}

impl Node {
    /// Opens the node that a script of this name describes.
    ///
    /// # Errors
    /// ENOENT without a script; what the script refuses it with.
    pub fn open(name: &str, flags: c_int) -> Result<(c_int, Self), Errno> {
        let folder = dri::folder().ok_or(Errno::ENOENT)?;
        let text = fs::read_to_string(folder.join(name)).map_err(|_| Errno::ENOENT)?;
        let script = Script::parse(&text).unwrap_or_else(|why| {
            eprintln!("hesper-rig-virtgpu: {name}: {why}");
            std::process::abort()
        });
        script.allows("open")?;
        let imitation = |host| Behind::Imitation(Mutex::new(Imitation::new(host)));
        let descriptor = || imitation::descriptor(flags & libc::O_CLOEXEC != 0);
        let (fd, behind) = match &script.goes {
            Goes::Nowhere => (descriptor()?, imitation(Host::Nobody)),
            Goes::Server(socket) => {
                let host = Host::connect(socket)?;
                (descriptor()?, imitation(host))
            }
            Goes::Kernel => {
                let path = std::ffi::CString::new(format!("/dev/dri/{name}")).map_err(|_| Errno::EINVAL)?;
                // SAFETY: a string that ends with NUL.
                let opened = unsafe { libc::syscall(libc::SYS_openat, libc::AT_FDCWD, path.as_ptr(), flags) };
                let fd = Errno::result(opened)? as c_int;
                (fd, Behind::Kernel(fd))
            }
        };
        Ok((fd, Self { script, behind }))
    }

    /// Answers a request.
    ///
    /// # Safety
    /// As ioctl(2).
    pub unsafe fn ioctl(&self, request: c_ulong, argument: *mut c_void) -> Result<c_int, Errno> {
        // SAFETY: by contract.
        let asked = || unsafe { Request::of(request, argument) };
        if self.scripted(asked())? {
            return Ok(0);
        }
        let done = match &self.behind {
            // SAFETY: by contract.
            Behind::Kernel(fd) => unsafe { kernel::ioctl(*fd, request, argument) },
            Behind::Imitation(i) => i.lock().unwrap_or_else(PoisonError::into_inner).ioctl(asked()).map(|()| 0),
        };
        if let (Request::GetCaps(ask), Some(kept)) = (asked(), self.script.capset) {
            ask.cut(kept);
        }
        done
    }

    /// Whether the script has answered in place of what is behind the node.
    ///
    /// # Errors
    /// What the script refuses.
    fn scripted(&self, request: Request<'_>) -> Result<bool, Errno> {
        let script = &self.script;
        match request {
            Request::Version(ask) => {
                return Ok(script.driver.as_ref().map(|name| ask.answer(name)).is_some());
            }
            Request::GetParam(ask) => {
                let Some(answer) = script.params.get(&ask.param) else { return Ok(false) };
                ask.answer((*answer)?);
                return Ok(true);
            }
            Request::GetCaps(_) => script.allows("capset")?,
            Request::ContextInit(ask) => {
                script.allows("context")?;
                if ask.rings().zip(script.rings).is_some_and(|(asked, most)| asked > most) {
                    return Err(Errno::EINVAL);
                }
            }
            Request::CreateBlob(ask) => {
                script.allows(if ask.id == 0 { "shmem" } else { "blob" })?;
                script.allows_size(ask.size)?;
            }
            Request::Map(_) => script.allows("map")?,
            Request::PrimeHandleToFd(_) => script.allows("export")?,
            Request::PrimeFdToHandle(_) => script.allows("import")?,
            _ => {}
        }
        Ok(false)
    }

    /// The file to map in the node's place, and where in it.
    ///
    /// # Errors
    /// What the script refuses, and EINVAL for what is no memory of the node.
    pub fn mapped(&self, len: u64, offset: u64) -> Result<(c_int, libc::off_t), Errno> {
        self.script.allows("mmap")?;
        self.script.allows_size(len)?;
        match &self.behind {
            Behind::Kernel(fd) => Ok((*fd, offset as libc::off_t)),
            Behind::Imitation(i) => {
                // Where the kernel's own offsets lie is the kernel's affair.
                self.script.allows_size(offset)?;
                i.lock().unwrap_or_else(PoisonError::into_inner).mapped(len, offset)
            }
        }
    }
}
