//! Objects behind dispatchable handles.
//!
//! A VkDevice concerns every floor of the driver, and each floor keeps something of its own in it. So each floor has a struct that starts
//! with the struct of the floor below, down to [`Object`], and looks at the device through its own struct ([`Part`]); the highest floor's
//! struct is the [`Whole`].

use std::cell::UnsafeCell;
use std::sync::Arc;

use ash::vk;
use hesper_encoder::bits::ObjectHeader;

use crate::base::connection::Connection;

/// What the loader looks for in a new dispatchable object (vk_icd.h, `ICD_LOADER_MAGIC`).
const LOADER_MAGIC: usize = 0x01CD_C0DE;

/// The start of every object behind a dispatchable handle.
#[repr(C)]
pub struct Object {
    header: ObjectHeader,
    connection: Arc<Connection>,
}

impl Object {
    /// An object with this id on the wire.
    pub fn new(id: u64, connection: Arc<Connection>) -> Self {
        Self { header: ObjectHeader { loader: UnsafeCell::new(LOADER_MAGIC), id }, connection }
    }

    /// The way to the host.
    #[inline]
    pub fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }
}

/// A handle that points at an [`Object`].
pub trait Dispatchable: vk::Handle + Copy {}

impl Dispatchable for vk::Instance {}
impl Dispatchable for vk::PhysicalDevice {}
impl Dispatchable for vk::Device {}
impl Dispatchable for vk::Queue {}
impl Dispatchable for vk::CommandBuffer {}

/// What is behind a handle of one type, as one floor of the driver sees it.
///
/// # Safety
/// Each handle of type `Handle` points at a struct that starts with this one: the [`Whole`] of that handle, or a part that it starts with.
pub unsafe trait Part: 'static {
    /// The handle.
    type Handle: Dispatchable;

    /// The object behind a handle.
    ///
    /// # Safety
    /// The handle must be valid, as each command's valid usage demands of its parameters.
    #[inline]
    unsafe fn of<'a>(handle: Self::Handle) -> &'a Self
    where
        Self: Sized,
    {
        // SAFETY: a valid handle was made by `Whole::into_handle`, and its whole starts with this part.
        unsafe { &*(vk::Handle::as_raw(handle) as usize as *const Self) }
    }
}

/// All that is behind a handle.
///
/// # Safety
/// One type for each handle, whose parts are all that implement [`Part`] for this handle.
pub unsafe trait Whole: Part + Sized {
    /// Moves an object behind a handle.
    fn into_handle(self: Box<Self>) -> Self::Handle {
        vk::Handle::from_raw(Box::into_raw(self) as usize as u64)
    }

    /// Takes an object back from behind its handle; nothing is behind a null handle.
    ///
    /// # Safety
    /// The handle must be valid or null, and is invalid from now on.
    unsafe fn take(handle: Self::Handle) -> Option<Box<Self>> {
        let raw = vk::Handle::as_raw(handle) as usize as *mut Self;
        // SAFETY: a handle that isn't null was made by `into_handle`, and its caller gives it up.
        (!raw.is_null()).then(|| unsafe { Box::from_raw(raw) })
    }

    /// The handle of an object that is behind one.
    fn handle(&self) -> Self::Handle {
        vk::Handle::from_raw(std::ptr::from_ref(self) as usize as u64)
    }
}

/// The start of the object behind any handle.
///
/// # Safety
/// The handle must be valid, as each command's valid usage demands of its parameters.
#[inline]
pub unsafe fn get<'a, H: Dispatchable>(handle: H) -> &'a Object {
    // SAFETY: every whole starts with an `Object`.
    unsafe { &*(handle.as_raw() as usize as *const Object) }
}

/// Makes `$part` a part of what `$handle` points at, which starts with its field `$below`.
macro_rules! part {
    ($handle:ty, $part:ty, $below:ident: $start:ty) => {
        const _: () = assert!(std::mem::offset_of!($part, $below) == 0);
        // SAFETY: the whole behind the handle starts with this part, by the chain of the parts' first fields.
        unsafe impl $crate::base::object::Part for $part {
            type Handle = $handle;
        }
        impl std::ops::Deref for $part {
            type Target = $start;
            #[inline]
            fn deref(&self) -> &$start {
                &self.$below
            }
        }
    };
}
pub(crate) use part;
