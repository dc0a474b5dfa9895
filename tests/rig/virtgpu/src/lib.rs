//! Test equipment, no part of the driver: virtio-gpu nodes by script, for a program that this library is preloaded into (`LD_PRELOAD`).
//!
//! `HESPER_TEST_DRI` names a folder that stands for /dev/dri: each of its files is a [`script`] for the node of the same name. A node is
//! imitated, over a test server or without any host, or is the kernel's own with some answers changed.
//!
//! What goes past the C library isn't seen; nor are copies of a node's descriptor.

mod dri;
mod host;
mod imitation;
mod kernel;
mod node;
mod script;

use std::collections::BTreeMap;
use std::ffi::{CStr, c_char, c_int, c_uint, c_ulong, c_void};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use libc::{DIR, off_t, size_t};
use nix::errno::Errno;

use node::Node;

type Nodes = BTreeMap<c_int, Arc<Node>>;

static NODES: Mutex<Nodes> = Mutex::new(BTreeMap::new());
/// Whether there has been a node: most files of a program are opened and closed before.
static ANY: AtomicBool = AtomicBool::new(false);

fn nodes<R>(look: impl FnOnce(&mut Nodes) -> R) -> R {
    look(&mut NODES.lock().unwrap_or_else(PoisonError::into_inner))
}

fn node(fd: c_int) -> Option<Arc<Node>> {
    if ANY.load(Ordering::Acquire) { nodes(|n| n.get(&fd).cloned()) } else { None }
}

/// What a function of the C library returns.
fn returned(result: Result<c_int, Errno>) -> c_int {
    result.unwrap_or_else(|errno| {
        errno.set();
        -1
    })
}

/// # Safety
/// As open(2).
unsafe fn open_any(path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    // SAFETY: a string that ends with NUL, by contract.
    let name = dri::node_name(unsafe { CStr::from_ptr(path) });
    let Some(name) = name else {
        // SAFETY: by contract.
        return unsafe { libc::syscall(libc::SYS_openat, libc::AT_FDCWD, path, flags, mode) } as c_int;
    };
    returned(Node::open(&name, flags).map(|(fd, node)| {
        nodes(|n| n.insert(fd, Arc::new(node)));
        ANY.store(true, Ordering::Release);
        fd
    }))
}

/// # Safety
/// As open(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn open(path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    // SAFETY: by contract.
    unsafe { open_any(path, flags, mode) }
}

/// # Safety
/// As open(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn open64(path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    // SAFETY: by contract.
    unsafe { open_any(path, flags, mode) }
}

/// # Safety
/// As close(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn close(fd: c_int) -> c_int {
    if ANY.load(Ordering::Acquire) {
        // Its end closes files, and must find the list unlocked.
        drop(nodes(|n| n.remove(&fd)));
    }
    // SAFETY: by contract.
    unsafe { libc::syscall(libc::SYS_close, fd) as c_int }
}

/// # Safety
/// As opendir(3).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn opendir(path: *const c_char) -> *mut DIR {
    // SAFETY: a string that ends with NUL, by contract.
    let other = dri::folder_for(unsafe { CStr::from_ptr(path) });
    // SAFETY: a string that ends with NUL, and the type of the C library's function of this name.
    unsafe {
        let next = libc::dlsym(libc::RTLD_NEXT, c"opendir".as_ptr());
        let next: unsafe extern "C" fn(*const c_char) -> *mut DIR = std::mem::transmute(next);
        next(other.as_ref().map_or(path, |o| o.as_ptr()))
    }
}

/// # Safety
/// As ioctl(2), with an argument.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ioctl(fd: c_int, request: c_ulong, argument: *mut c_void) -> c_int {
    match node(fd) {
        // SAFETY: by contract.
        Some(node) => returned(unsafe { node.ioctl(request, argument) }),
        // SAFETY: by contract.
        None => unsafe { libc::syscall(libc::SYS_ioctl, fd, request, argument) as c_int },
    }
}

/// # Safety
/// As mmap(2).
unsafe fn map_any(to: *mut c_void, len: size_t, prot: c_int, flags: c_int, fd: c_int, offset: off_t) -> *mut c_void {
    let file = match node(fd).filter(|_| flags & libc::MAP_ANONYMOUS == 0).map(|n| n.mapped(len as u64, offset as u64))
    {
        None => Ok((fd, offset)),
        Some(mapped) => mapped,
    };
    match file {
        // SAFETY: by contract; a node's memory has been found long enough.
        Ok((fd, offset)) => unsafe { libc::syscall(libc::SYS_mmap, to, len, prot, flags, fd, offset) as *mut c_void },
        Err(errno) => {
            errno.set();
            libc::MAP_FAILED
        }
    }
}

/// # Safety
/// As mmap(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmap(
    to: *mut c_void,
    len: size_t,
    prot: c_int,
    flags: c_int,
    fd: c_int,
    offset: off_t,
) -> *mut c_void {
    // SAFETY: by contract.
    unsafe { map_any(to, len, prot, flags, fd, offset) }
}

/// # Safety
/// As mmap(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmap64(
    to: *mut c_void,
    len: size_t,
    prot: c_int,
    flags: c_int,
    fd: c_int,
    offset: off_t,
) -> *mut c_void {
    // SAFETY: by contract.
    unsafe { map_any(to, len, prot, flags, fd, offset) }
}
