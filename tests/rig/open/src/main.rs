//! Opens the driver that its argument names as the Vulkan loader would, and has its device fill a buffer. What it finds goes to standard
//! output as lines of a name and a value, for `cargo xtask build`.
//!
//! It needs neither the loader nor the rig's tree, so it runs wherever the C library of the driver's target does.

mod fill;

use std::ffi::{CStr, CString, c_void};
use std::time::Instant;

use anyhow::{Context, Result, anyhow, bail, ensure};
use ash::{Entry, StaticFn, vk};

/// A name whose lookup panics in the driver (`icd/src/loader/interface.rs`).
const PANICS: &CStr = c"hesperPanics";

/// The stack that musl gives a program's threads: the smallest that a driver is called on.
const STACK: usize = 128 << 10;

fn main() -> Result<()> {
    let thread = std::thread::Builder::new().stack_size(STACK).spawn(run).context("starting a thread")?;
    thread.join().map_err(|_| anyhow!("the thread panicked"))?
}

fn run() -> Result<()> {
    let library = std::env::args().nth(1).context("which library?")?;
    let start = Instant::now();
    let library = open(&library)?;
    println!("load_us {}", start.elapsed().as_micros());
    // SAFETY: the driver's functions of these names have these types (Vulkan loader-driver interface); nothing closes the library.
    let (negotiate, get) = unsafe {
        (
            std::mem::transmute::<*mut c_void, Negotiate>(find(library, c"vk_icdNegotiateLoaderICDInterfaceVersion")?),
            std::mem::transmute::<*mut c_void, Get>(find(library, c"vk_icdGetInstanceProcAddr")?),
        )
    };
    let mut version = 7;
    // SAFETY: points at a local.
    let negotiated = unsafe { negotiate(&mut version) };
    ensure!(negotiated == vk::Result::SUCCESS, "negotiating the interface: {negotiated}");
    println!("interface {version}");
    // SAFETY: no instance, and a name that ends in NUL.
    let panicked = unsafe { get(vk::Instance::null(), PANICS.as_ptr()) };
    ensure!(panicked.is_none(), "the driver has an entry point that panics when it is looked up");
    // SAFETY: the driver's own function, which stays.
    let entry = unsafe { Entry::from_static_fn(StaticFn { get_instance_proc_addr: get }) };
    let start = Instant::now();
    let device = fill::run(&entry)?;
    println!("use_us {}", start.elapsed().as_micros());
    println!("device {device}");
    Ok(())
}

type Negotiate = unsafe extern "system" fn(*mut u32) -> vk::Result;
type Get = unsafe extern "system" fn(vk::Instance, *const std::ffi::c_char) -> vk::PFN_vkVoidFunction;

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
