//! An open node: what its script changes and refuses, before what is behind it answers.

use std::ffi::{c_int, c_ulong, c_void};
use std::fs;
use std::sync::{Mutex, PoisonError};

use nix::errno::Errno;

use crate::dri;
use crate::host::Host;
use crate::imitation::{self, Imitation};
use crate::kernel::{self, CONTEXT_NUM_RINGS, ContextInit, CreateBlob, GetCaps, GetParam, Request, Version, at};
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
        let kind = Request::of(request);
        // SAFETY: by contract.
        unsafe {
            if let Some(answer) = self.scripted(kind, argument) {
                return answer;
            }
            let done = match &self.behind {
                Behind::Kernel(fd) => kernel::ioctl(*fd, request, argument),
                Behind::Imitation(i) => i.lock().unwrap_or_else(PoisonError::into_inner).ioctl(kind, argument),
            };
            if kind == Request::GetCaps
                && let Some(kept) = self.script.capset
            {
                let ask: &mut GetCaps = at(argument);
                let (size, kept) = (ask.size as usize, kept.min(ask.size as usize));
                std::ptr::write_bytes(ask.to.add(kept), 0, size - kept);
            }
            done
        }
    }

    /// What the script answers in place of what is behind the node; nothing where that shall answer.
    ///
    /// # Safety
    /// As ioctl(2).
    unsafe fn scripted(&self, kind: Request, argument: *mut c_void) -> Option<Result<c_int, Errno>> {
        let script = &self.script;
        // SAFETY: each request's own struct, by contract; what it points at is as long as it says.
        let allowed = unsafe {
            match kind {
                Request::Version => {
                    let (name, ask) = (script.driver.as_ref()?, at::<Version>(argument));
                    std::ptr::copy_nonoverlapping(name.as_ptr(), ask.name, name.len().min(ask.name_len));
                    (ask.name_len, ask.date_len, ask.desc_len) = (name.len(), 0, 0);
                    return Some(Ok(0));
                }
                Request::GetParam => {
                    let ask: &mut GetParam = at(argument);
                    return Some(script.params.get(&ask.param)?.map(|answer| {
                        *ask.value = answer;
                        0
                    }));
                }
                Request::GetCaps => script.allows("capset"),
                Request::ContextInit => {
                    let asked = kernel::context_param(at::<ContextInit>(argument), CONTEXT_NUM_RINGS);
                    let too_many = asked.zip(script.rings).is_some_and(|(asked, most)| asked > most);
                    script.allows("context").and(if too_many { Err(Errno::EINVAL) } else { Ok(()) })
                }
                Request::CreateBlob => {
                    let ask: &mut CreateBlob = at(argument);
                    script.allows(if ask.id == 0 { "shmem" } else { "blob" }).and(script.allows_size(ask.size))
                }
                Request::Map => script.allows("map"),
                _ => Ok(()),
            }
        };
        allowed.err().map(Err)
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
