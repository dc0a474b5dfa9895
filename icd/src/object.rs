//! Objects behind dispatchable handles.

use std::cell::UnsafeCell;
use std::ops::Deref;
use std::sync::Arc;

use ash::vk;
use hesper_encoder::bits::ObjectHeader;

use crate::connection::Connection;

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

/// A dispatchable handle and the type of what it points at, which starts with an [`Object`].
pub trait Dispatchable: vk::Handle + Copy {
    type Target: Deref<Target = Object> + 'static;
}

/// The object behind a handle.
///
/// # Safety
/// The handle must be valid (each command's valid usage says so).
#[inline]
pub unsafe fn get<'a, H: Dispatchable>(handle: H) -> &'a H::Target {
    // SAFETY: handles are made by `into_handle` and valid by contract.
    unsafe { &*(handle.as_raw() as usize as *const H::Target) }
}

/// Moves an object behind a handle.
pub fn into_handle<H: Dispatchable>(object: Box<H::Target>) -> H {
    H::from_raw(Box::into_raw(object) as usize as u64)
}

/// Takes an object back from behind its handle.
///
/// # Safety
/// The handle must be valid, and is invalid from now on.
pub unsafe fn take<H: Dispatchable>(handle: H) -> Option<Box<H::Target>> {
    let raw = handle.as_raw() as usize as *mut H::Target;
    // SAFETY: made by `into_handle`, not null.
    (!raw.is_null()).then(|| unsafe { Box::from_raw(raw) })
}

/// Defines what a dispatchable handle points at.
macro_rules! dispatchable {
    ($handle:ty, $target:ty) => {
        impl $crate::object::Dispatchable for $handle {
            type Target = $target;
        }
        impl std::ops::Deref for $target {
            type Target = $crate::object::Object;
            #[inline]
            fn deref(&self) -> &$crate::object::Object {
                &self.object
            }
        }
    };
}
pub(crate) use dispatchable;
