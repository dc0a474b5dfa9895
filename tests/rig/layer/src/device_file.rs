//! Memory that a driver maps from a device file, for drivers without DRM.
//!
//! NVIDIA's driver opens its device file once for each piece of memory, tells the kernel what that descriptor shows, maps it
//! and closes it. Whoever maps such a descriptor again, in whatever process, sees the same memory; so it does what a dma-buf
//! would, but for two things: it can only be mapped at its full length, and it doesn't tell that. So the calls are caught: this
//! library must be preloaded (`LD_PRELOAD`) as well as be a layer, into the host's processes and into the guest's.

use std::ffi::{c_int, c_void};
use std::os::fd::{FromRawFd, OwnedFd};
use std::sync::OnceLock;

use parking_lot::Mutex;

/// A mapping of a device file.
struct Mapping {
    base: usize,
    fd: OwnedFd,
}

static MAPPINGS: Mutex<Vec<Mapping>> = Mutex::new(Vec::new());

/// Whether `fd` is a device file of NVIDIA's driver; called within mmap, so it allocates nothing.
fn is_device_file(fd: c_int) -> bool {
    let mut name = *b"/proc/self/fd/0000000000\0";
    let mut n = fd.unsigned_abs();
    for digit in name.iter_mut().skip(14).take(10).rev() {
        *digit = b'0' + (n % 10) as u8;
        n /= 10;
    }
    // The kernel knows no leading zeros.
    let zeros = name.iter().skip(14).take(9).take_while(|b| **b == b'0').count();
    name.copy_within(14 + zeros.., 14);
    let mut target = [0u8; 64];
    // SAFETY: a path that ends with NUL, and a buffer with its length.
    let n = unsafe { libc::readlink(name.as_ptr().cast(), target.as_mut_ptr().cast(), target.len()) };
    usize::try_from(n).ok().and_then(|n| target.get(..n)).is_some_and(|t| t.starts_with(b"/dev/nvidia"))
}

/// The length that memory of a device file is given, so that whoever knows about how much was asked for can map it.
pub fn rounded(len: u64) -> Option<u64> {
    len.checked_next_multiple_of(if len < 2 << 20 { 64 << 10 } else { 2 << 20 })
}

/// `mmap`, caught.
///
/// # Safety
/// As mmap(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmap(
    address: *mut c_void,
    len: usize,
    protection: c_int,
    flags: c_int,
    fd: c_int,
    offset: libc::off_t,
) -> *mut c_void {
    let map = |len: usize| {
        // SAFETY: by contract.
        unsafe { libc::syscall(libc::SYS_mmap, address, len, protection, flags, fd, offset) as *mut c_void }
    };
    let mut base = map(len);
    if base == libc::MAP_FAILED && fd >= 0 && rounded(len as u64) != Some(len as u64) && is_device_file(fd) {
        base = rounded(len as u64).map_or(base, |full| map(full as usize));
    }
    if fd >= 0 && base != libc::MAP_FAILED && is_device_file(fd) {
        // SAFETY: a fresh descriptor that nobody else owns.
        let copy = unsafe {
            let copy = libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 0);
            (copy >= 0).then(|| OwnedFd::from_raw_fd(copy))
        };
        if let Some(fd) = copy {
            MAPPINGS.lock().push(Mapping { base: base as usize, fd });
        }
    }
    base
}

/// The same, by its other name.
///
/// # Safety
/// As mmap(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmap64(
    address: *mut c_void,
    len: usize,
    protection: c_int,
    flags: c_int,
    fd: c_int,
    offset: libc::off_t,
) -> *mut c_void {
    // SAFETY: by contract.
    unsafe { mmap(address, len, protection, flags, fd, offset) }
}

/// `munmap`, caught.
///
/// # Safety
/// As munmap(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn munmap(address: *mut c_void, len: usize) -> c_int {
    let from = address as usize;
    let gone: Vec<Mapping> = {
        let mut mappings = MAPPINGS.lock();
        mappings.extract_if(.., |m| m.base >= from && m.base < from.saturating_add(len)).collect()
    };
    drop(gone);
    // SAFETY: by contract.
    unsafe { libc::syscall(libc::SYS_munmap, address, len) as c_int }
}

/// `lseek`, caught: device files have no end, so every size that somebody checks for is said to be there.
///
/// # Safety
/// As lseek(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lseek(fd: c_int, offset: libc::off_t, whence: c_int) -> libc::off_t {
    // SAFETY: by contract.
    match unsafe { libc::syscall(libc::SYS_lseek, fd, offset, whence) } {
        -1 if whence == libc::SEEK_END && is_device_file(fd) => libc::off_t::MAX,
        at => at as libc::off_t,
    }
}

/// The same, by its other name.
///
/// # Safety
/// As lseek(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lseek64(fd: c_int, offset: libc::off_t, whence: c_int) -> libc::off_t {
    // SAFETY: by contract.
    unsafe { lseek(fd, offset, whence) }
}

/// Whether mappings are caught in this process.
pub fn caught() -> bool {
    static CAUGHT: OnceLock<bool> = OnceLock::new();
    *CAUGHT.get_or_init(|| {
        // The first `mmap` of the process is this library's.
        let (mut of_mmap, mut of_this): (libc::Dl_info, libc::Dl_info) =
            // SAFETY: plain structs that the calls below fill in.
            unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
        // SAFETY: a lookup by name, and the addresses of two functions.
        unsafe {
            let first = libc::dlsym(libc::RTLD_DEFAULT, c"mmap".as_ptr());
            libc::dladdr(first, &mut of_mmap) != 0
                && libc::dladdr(rounded as *const c_void, &mut of_this) != 0
                && of_mmap.dli_fbase == of_this.dli_fbase
        }
    })
}

/// Whether the memory at `base` is a device file's.
pub fn shows(base: *mut c_void) -> bool {
    MAPPINGS.lock().iter().any(|m| m.base == base as usize)
}

/// A new descriptor that shows the memory at `base`.
pub fn export(base: *mut c_void) -> Option<OwnedFd> {
    MAPPINGS.lock().iter().rev().find(|m| m.base == base as usize)?.fd.try_clone().ok()
}
