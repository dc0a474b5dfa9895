//! Test equipment, no part of the driver: preloaded into the test server (`LD_PRELOAD`), this library has memory handed out as plain shared
//! files, as virglrenderer hands it out on macOS.
//!
//! There virglrenderer makes a file of shared memory for each allocation that can be mapped, and the driver imports the file's pages. On
//! Linux it asks the driver for a descriptor instead, and the test server refuses all but dma-bufs and shared files. The test layer's
//! descriptors are shared files whatever their name (`tests/rig/layer/src/memory.rs`), so calling them that is no lie.

use std::ffi::c_int;
use std::mem::transmute;

/// Kinds of descriptors (virglrenderer.h).
const OPAQUE: u32 = 2;
const SHM: u32 = 3;

type Export = unsafe extern "C" fn(u32, *mut u32, *mut c_int) -> c_int;

/// `virgl_renderer_resource_export_blob`, caught.
///
/// # Safety
/// As the function of virglrenderer.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn virgl_renderer_resource_export_blob(
    resource: u32,
    kind: *mut u32,
    descriptor: *mut c_int,
) -> c_int {
    // SAFETY: a look-up by name.
    let next = unsafe { libc::dlsym(libc::RTLD_NEXT, c"virgl_renderer_resource_export_blob".as_ptr()) };
    if next.is_null() {
        return -libc::ENOSYS;
    }
    // SAFETY: virglrenderer's own function of this name.
    let next = unsafe { transmute::<*mut libc::c_void, Export>(next) };
    // SAFETY: the arguments of this call.
    let result = unsafe { next(resource, kind, descriptor) };
    // SAFETY: the output parameter, which a call that succeeded has written.
    if result == 0 && unsafe { *kind } == OPAQUE {
        // SAFETY: as above.
        unsafe { *kind = SHM };
    }
    result
}
