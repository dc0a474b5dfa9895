//! What the generated table of calls is made of.

use std::ffi::CStr;

use ash::vk;

use crate::entry_points::world::World;

/// A C function whose type is known by its name.
pub type Erased = unsafe extern "system" fn();

/// A call with its arguments, to be made once; it returns the code if the command returns one.
pub type Prepared = Box<dyn FnOnce() -> Option<vk::Result>>;

/// What a command is dispatched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    Global,
    Instance,
    PhysicalDevice,
    Device,
}

/// One entry point by one of its names.
pub struct Call {
    pub name: &'static str,
    /// Whether a row of another name has the same function.
    pub alias: bool,
    pub scope: Scope,
    /// The extensions of devices of which one must be there; none where Vulkan itself or an instance has it.
    pub extensions: &'static [&'static CStr],
    /// Whether it can only succeed when the host has answered.
    pub asks: bool,
    /// Whether it succeeds without a host.
    pub local: bool,
    /// Makes valid arguments.
    ///
    /// # Safety
    /// The function must be the one with this name.
    pub prepare: unsafe fn(&mut World, Erased) -> Prepared,
}

/// A struct of features, which a device may be asked for with any of the extensions that bring it, or that is Vulkan's own.
pub struct Features {
    pub extensions: &'static [&'static CStr],
    pub s_type: i32,
    pub size: usize,
}

/// What commands return.
pub trait Answer {
    fn code(self) -> Option<vk::Result>;
}

impl Answer for vk::Result {
    fn code(self) -> Option<vk::Result> {
        Some(self)
    }
}

/// Values that say nothing about success.
macro_rules! silent {
    ($($ty:ty),*) => {
        $(impl Answer for $ty {
            fn code(self) -> Option<vk::Result> {
                None
            }
        })*
    };
}

silent!((), u32, u64, vk::PFN_vkVoidFunction);
