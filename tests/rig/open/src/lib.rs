//! A driver, opened as the Vulkan loader would (Vulkan-Loader, LoaderDriverInterface.md), for systems that the rig has no loader for.

use std::ffi::{CStr, CString, c_char, c_void};

use anyhow::{Result, bail, ensure};
use ash::{Entry, StaticFn, vk};

/// Names a driver's library for programs that open it themselves where there is no Vulkan loader.
pub const VARIABLE: &str = "HESPER_TEST_DRIVER";

/// The newest version of the interface that is asked for.
const INTERFACE: u32 = 7;

type Negotiate = unsafe extern "system" fn(*mut u32) -> vk::Result;
type Get = unsafe extern "system" fn(vk::Instance, *const c_char) -> vk::PFN_vkVoidFunction;

/// A driver's library, which stays open.
#[derive(Clone, Copy, Debug)]
pub struct Driver {
    get: Get,
    /// The version of the interface that it took.
    pub interface: u32,
}

impl Driver {
    /// Opens the library at `path` and agrees with it on the interface.
    ///
    /// # Errors
    /// When it can't be opened or is no driver.
    pub fn open(path: &str) -> Result<Self> {
        let library = open(path)?;
        // SAFETY: the driver's functions of these names have these types (LoaderDriverInterface.md); nothing closes the library.
        let (negotiate, get) = unsafe {
            (
                std::mem::transmute::<*mut c_void, Negotiate>(find(
                    library,
                    c"vk_icdNegotiateLoaderICDInterfaceVersion",
                )?),
                std::mem::transmute::<*mut c_void, Get>(find(library, c"vk_icdGetInstanceProcAddr")?),
            )
        };
        let mut interface = INTERFACE;
        // SAFETY: points at a local.
        let negotiated = unsafe { negotiate(&mut interface) };
        ensure!(negotiated == vk::Result::SUCCESS, "negotiating the interface: {negotiated}");
        Ok(Self { get, interface })
    }

    /// Whether it has an entry point of this name that needs no instance.
    pub fn has(&self, name: &CStr) -> bool {
        // SAFETY: no instance, and a name that ends in NUL.
        unsafe { (self.get)(vk::Instance::null(), name.as_ptr()) }.is_some()
    }

    /// Its entry points.
    pub fn entry(&self) -> Entry {
        // SAFETY: the driver's own function, which stays.
        unsafe { Entry::from_static_fn(StaticFn { get_instance_proc_addr: self.get }) }
    }
}

fn open(path: &str) -> Result<*mut c_void> {
    let name = CString::new(path)?;
    // SAFETY: a name that ends in NUL; what the library runs when it is opened is what is tested here.
    let library = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
    if library.is_null() { bail!("opening {path}: {}", why()) } else { Ok(library) }
}

fn find(library: *mut c_void, name: &CStr) -> Result<*mut c_void> {
    // SAFETY: a library that is open, and a name that ends in NUL.
    let found = unsafe { libc::dlsym(library, name.as_ptr()) };
    if found.is_null() { bail!("{}: {}", name.to_string_lossy(), why()) } else { Ok(found) }
}

fn why() -> String {
    // SAFETY: no preconditions.
    let text = unsafe { libc::dlerror() };
    if text.is_null() {
        return "no reason is given".to_owned();
    }
    // SAFETY: not null, so text that stays until the next call of this thread.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}
