//! Opening the Vulkan loader and the driver's library as programs do, by the dynamic linker's rules.

use std::ffi::{CStr, c_char, c_void};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use ash::{Entry, StaticFn, vk};
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use serde::{Deserialize, Serialize};

/// The Vulkan loader's name, which programs open or are linked to.
const LOADER: &str = "libvulkan.so.1";
/// The newest version of the interface between loader and driver that is asked for (LoaderDriverInterface.md).
const INTERFACE: u32 = 7;

type Get = unsafe extern "system" fn(vk::Instance, *const c_char) -> vk::PFN_vkVoidFunction;
type Negotiate = unsafe extern "system" fn(*mut u32) -> vk::Result;

/// A library that was opened.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Opened {
    /// Where the dynamic linker found it; its name if that can't be told.
    pub path: PathBuf,
    /// The version of Vulkan in the way of a loader's, `1.4.309`; nothing of Vulkan 1.0.
    pub version: Option<String>,
}

/// The Vulkan loader's entry points.
///
/// # Errors
/// The dynamic linker's words.
pub fn loader() -> Result<(Entry, Opened)> {
    let library = open(Path::new(LOADER))?;
    let get: Get = function(&library, c"vkGetInstanceProcAddr")?;
    described(library, get)
}

/// The entry points of the driver in `file`, without a loader.
///
/// # Errors
/// The dynamic linker's words, or those of a library that is no driver.
pub fn driver(file: &Path) -> Result<(Entry, Opened)> {
    let library = open(file)?;
    let negotiate: Negotiate = function(&library, c"vk_icdNegotiateLoaderICDInterfaceVersion")?;
    let mut interface = INTERFACE;
    // SAFETY: the driver's function of this name has this type; it writes to a local.
    let agreed = unsafe { negotiate(&mut interface) };
    if agreed != vk::Result::SUCCESS {
        return Err(anyhow!("the driver doesn't agree on the loader's interface: {agreed}"));
    }
    let get: Get = function(&library, c"vk_icdGetInstanceProcAddr")?;
    described(library, get)
}

fn open(name: &Path) -> Result<Library> {
    // SAFETY: a library's constructors run; those of the loader and of drivers are made for any program.
    let library = unsafe { Library::open(Some(name), RTLD_NOW | RTLD_LOCAL) };
    library.map_err(|e| anyhow!("{}", linkers_words(&e)))
}

/// What the dynamic linker said, without what was asked of it.
fn linkers_words(e: &libloading::Error) -> String {
    std::error::Error::source(e).map_or_else(|| e.to_string(), ToString::to_string)
}

fn function<T: Copy>(library: &Library, name: &CStr) -> Result<T> {
    // SAFETY: the caller names the function's own type (vulkan.h, LoaderDriverInterface.md).
    let found = unsafe { library.get::<T>(name.to_bytes_with_nul()) };
    found.map(|f| *f).map_err(|e| anyhow!("{}", linkers_words(&e)))
}

fn described(library: Library, get: Get) -> Result<(Entry, Opened)> {
    let path = file_of(get as *const c_void).unwrap_or_else(|| LOADER.into());
    // Its code is used until the process ends.
    std::mem::forget(library);
    // SAFETY: the library's own function, which stays.
    let entry = unsafe { Entry::from_static_fn(StaticFn { get_instance_proc_addr: get }) };
    // SAFETY: no preconditions.
    let version = unsafe { entry.try_enumerate_instance_version() }.context("vkEnumerateInstanceVersion")?;
    Ok((entry, Opened { path, version: version.map(super::capabilities::version) }))
}

/// The file that code was mapped from.
fn file_of(code: *const c_void) -> Option<PathBuf> {
    let mut info = libc::Dl_info {
        dli_fname: std::ptr::null(),
        dli_fbase: std::ptr::null_mut(),
        dli_sname: std::ptr::null(),
        dli_saddr: std::ptr::null_mut(),
    };
    // SAFETY: any address may be asked for; the answer goes to a local.
    if unsafe { libc::dladdr(code, &mut info) } == 0 || info.dli_fname.is_null() {
        return None;
    }
    // SAFETY: the linker's own string, which stays as long as the library.
    let name = unsafe { CStr::from_ptr(info.dli_fname) };
    Some(PathBuf::from(name.to_str().ok()?))
}
