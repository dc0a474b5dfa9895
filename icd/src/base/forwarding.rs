//! What the generated default bodies are made of.

use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind};

use ash::vk;
use hesper_encoder::{Reader, Writer};
use hesper_winsys::{Error, Seqno, trace};

use crate::base::chain::slice;
use crate::base::detour;
use crate::base::device::Device;
use crate::base::log::error;
use crate::base::object::Part;
pub use crate::base::object::{self, Dispatchable};
use crate::base::room::is_short;
use crate::base::slab::fresh_id;

/// What a command returns.
pub trait Returned: Sized {
    /// What a command returns that fails as `self`, where the reason is that its device is lost.
    fn lost(self) -> Self {
        self
    }
}

impl Returned for () {}
/// Whether a command has answered that returns nothing.
impl Returned for bool {}
impl Returned for u32 {}
impl Returned for u64 {}
impl<F> Returned for Option<F> {}
impl Returned for vk::Result {
    fn lost(self) -> Self {
        vk::Result::ERROR_DEVICE_LOST
    }
}

/// Runs the entry point `name` of an object, or of none for a null handle; a panic becomes `failed` instead of crossing into C.
///
/// # Safety
/// A null handle, or a valid one.
#[inline]
pub unsafe fn guard<H: Dispatchable, R: Returned>(
    handle: H,
    name: &'static str,
    failed: R,
    f: impl FnOnce() -> R + Copy,
) -> R {
    if detour::any() {
        // A copy made here lets the parameters stay in registers on the other way.
        // SAFETY: handed on.
        return unsafe { by_a_detour(handle, name, failed, black_box(f)) };
    }
    catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|_| {
        say_panicked();
        failed
    })
}

/// Apart, so that the straight way is short.
///
/// # Safety
/// As [`guard`].
#[cold]
#[inline(never)]
unsafe fn by_a_detour<H: Dispatchable, R: Returned>(
    handle: H,
    name: &'static str,
    failed: R,
    f: impl FnOnce() -> R,
) -> R {
    // SAFETY: valid by contract.
    if handle.as_raw() != 0 && unsafe { object::get(handle) }.connection().is_inherited() {
        return failed.lost();
    }
    let _span = trace::span(name);
    catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|_| {
        say_panicked();
        failed
    })
}

#[cold]
fn say_panicked() {
    error!("a bug in the driver: a call panicked (please report it)");
}

/// Sends a command that nobody waits for, on the connection of `handle`.
pub unsafe fn send<H: Dispatchable>(handle: H, encode: impl FnOnce(&mut Writer)) -> Result<Seqno, Error> {
    // SAFETY: the handle is an entry point's first parameter.
    unsafe { object::get(handle) }.connection().send(encode)
}

/// Sends a command that nobody waits for, but whose failure must not stay unknown, on the connection of `handle`. `encode` is given the command's
/// flags.
pub unsafe fn send_for_outcome<H: Dispatchable>(
    handle: H,
    command: &'static str,
    encode: impl FnOnce(&mut Writer, u32),
) -> Result<Seqno, Error> {
    // SAFETY: as in `send`.
    unsafe { object::get(handle) }.connection().send_for_outcome(command, encode)
}

/// Sends a command that has no effect anybody could see before the next one is sent, on the connection of `handle`.
pub unsafe fn post<H: Dispatchable>(handle: H, encode: impl FnOnce(&mut Writer)) -> Result<Seqno, Error> {
    // SAFETY: as in `send`.
    unsafe { object::get(handle) }.connection().post(encode)
}

/// Posts a command that ends an object of a device, after the commands in the background that may name the object.
pub unsafe fn post_end(device: vk::Device, encode: impl Fn(&mut Writer)) -> Result<(), Error> {
    // SAFETY: as in `send`.
    unsafe { object::get(device) }.connection().post_end(vk::Handle::as_raw(device), encode)
}

/// Posts a command that ends an object of a device, as [`post_end`] does, when no recording is in progress any more that may name the object
/// ([`in_progress`](crate::base::in_progress)).
pub unsafe fn post_late_end(device: vk::Device, encode: impl Fn(&mut Writer) + Send + 'static) -> Result<(), Error> {
    // SAFETY: as in `send`.
    let recordings = unsafe { &Device::of(device).recordings };
    if recordings.is_empty() {
        // SAFETY: handed on.
        return unsafe { post_end(device, encode) };
    }
    match recordings.wait(Box::new(encode)) {
        // SAFETY: handed on.
        Some(encode) => unsafe { post_end(device, encode) },
        None => Ok(()),
    }
}

/// Sends a command and decodes its reply.
pub unsafe fn call<H: Dispatchable, R>(
    handle: H,
    size: usize,
    encode: impl FnOnce(&mut Writer),
    decode: impl FnOnce(&mut Reader) -> R,
) -> Result<R, Error> {
    // SAFETY: as in `send`.
    unsafe { object::get(handle) }.connection().call(size, encode, decode)
}

/// Asks for an object with `ask`, which leaves nothing behind where it fails; see [`Room::with`](crate::base::room::Room::with).
///
/// # Safety
/// A valid handle.
#[inline]
pub unsafe fn with_room<H: Dispatchable>(handle: H, ask: impl FnOnce() -> vk::Result + Copy) -> vk::Result {
    // SAFETY: valid by contract.
    let connection = unsafe { object::get(handle) }.connection();
    connection.room.with(ask, is_short)
}

/// Asks for `n` objects, of which some may be made and others not: only where none was made the host is asked again.
///
/// # Safety
/// A valid handle, and the output array of the command, where `ask` writes null for what wasn't made.
#[inline]
pub unsafe fn with_room_for_all<H: Dispatchable, T: vk::Handle + Copy>(
    handle: H,
    made: *const T,
    n: u32,
    ask: impl FnOnce() -> vk::Result + Copy,
) -> vk::Result {
    // SAFETY: valid by contract.
    let connection = unsafe { object::get(handle) }.connection();
    // SAFETY: `ask` has written all `n` elements, by contract.
    let none_made = || unsafe { slice(made, n) }.iter().all(|m| m.as_raw() == 0);
    connection.room.with(ask, |result| is_short(result) && none_made())
}

/// Gives `n` new objects their ids.
pub unsafe fn new_ids<H: vk::Handle>(p: *mut H, n: usize) {
    for i in 0..n {
        // SAFETY: an output array of the command, `n` long.
        unsafe { p.add(i).write(H::from_raw(fresh_id())) };
    }
}

/// Sets handles to null where nothing was sent.
pub unsafe fn forget_on_error<H: vk::Handle>(sent: &Result<Seqno, Error>, p: *mut H, n: usize) {
    if sent.is_err() {
        for i in 0..n {
            // SAFETY: as in `new_ids`.
            unsafe { p.add(i).write(H::from_raw(0)) };
        }
    }
}

/// Sets the handle of a failed creation to null. In arrays the host has marked those that failed.
pub unsafe fn forget_failed<H: vk::Handle>(result: vk::Result, p: *mut H, n: usize) {
    if result.as_raw() < 0 && n == 1 {
        // SAFETY: as in `new_ids`.
        unsafe { p.write(H::from_raw(0)) };
    }
}

/// Zero where an answer should be that didn't come, for a command that has no other way to say so: a program may take whatever was there before
/// for a count.
pub unsafe fn zero<T>(p: *mut T) {
    // SAFETY: an output parameter of the command.
    unsafe { p.write_bytes(0, 1) };
}

/// The same for a struct with a chain, whose head stays.
pub unsafe fn empty<T>(p: *mut T) {
    let head = size_of::<vk::BaseOutStructure>();
    // SAFETY: an output parameter of the command, a struct that begins with sType and pNext.
    unsafe { p.cast::<u8>().add(head).write_bytes(0, size_of::<T>() - head) };
}

/// The result of a command that was sent.
pub fn done(sent: Result<Seqno, Error>) -> vk::Result {
    result_of(sent.map(|_| vk::Result::SUCCESS))
}

/// The result of a command that was called.
pub fn result_of(called: Result<vk::Result, Error>) -> vk::Result {
    called.unwrap_or_else(|e| result_of_error(&e))
}

/// The Vulkan result that tells of an error.
pub fn result_of_error(e: &Error) -> vk::Result {
    match e {
        Error::NoDevice(_) => vk::Result::ERROR_INCOMPATIBLE_DRIVER,
        Error::OutOfHostMemory => vk::Result::ERROR_OUT_OF_HOST_MEMORY,
        Error::OutOfDeviceMemory => vk::Result::ERROR_OUT_OF_DEVICE_MEMORY,
        Error::Lost(_) => vk::Result::ERROR_DEVICE_LOST,
        Error::Refused(_) | Error::Unsupported(_) => vk::Result::ERROR_UNKNOWN,
    }
}
