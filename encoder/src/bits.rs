//! Small helpers that generated code leans on: values as bits, ids behind dispatchable handles, counts, sizes.

use ash::vk;

/// A 4-byte value (an enum, a flag set, a float) as its bits.
#[inline(always)]
pub fn bits32<T: Copy>(v: T) -> u32 {
    const { assert!(size_of::<T>() == 4) };
    // SAFETY: T is Copy, has four bytes by the assertion, and Vulkan's 4-byte types have no padding.
    unsafe { core::mem::transmute_copy(&v) }
}

/// An 8-byte value as its bits.
#[inline(always)]
pub fn bits64<T: Copy>(v: T) -> u64 {
    const { assert!(size_of::<T>() == 8) };
    // SAFETY: T is Copy, has eight bytes by the assertion, and Vulkan's 8-byte types have no padding.
    unsafe { core::mem::transmute_copy(&v) }
}

/// A 1-byte value as its bits.
#[inline(always)]
pub fn bits8<T: Copy>(v: T) -> u8 {
    const { assert!(size_of::<T>() == 1) };
    // SAFETY: T is Copy and has one byte by the assertion.
    unsafe { core::mem::transmute_copy(&v) }
}

/// A 2-byte value as its bits.
#[inline(always)]
pub fn bits16<T: Copy>(v: T) -> u16 {
    const { assert!(size_of::<T>() == 2) };
    // SAFETY: T is Copy and has two bytes by the assertion.
    unsafe { core::mem::transmute_copy(&v) }
}

/// The value at `place`, or zeros where it is ignored.
///
/// # Safety
/// `place` must be valid for reads, and zeros a value of `T`: a number, a handle, a pointer.
#[inline(always)]
pub unsafe fn unless<T: Copy>(ignored: bool, place: *const T) -> T {
    // SAFETY: the caller vouches for both.
    if ignored { unsafe { core::mem::zeroed() } } else { unsafe { place.read() } }
}

/// The first link with this sType in the chain at `next`.
///
/// # Safety
/// `next` must be null or a valid chain.
#[inline]
pub unsafe fn link<'a>(
    mut next: *const vk::BaseInStructure<'a>,
    s_type: i32,
) -> Option<*const vk::BaseInStructure<'a>> {
    while !next.is_null() {
        // SAFETY: not null, so a struct of the chain, which starts with these two members.
        let (tag, rest) = unsafe { ((*next).s_type.as_raw(), (*next).p_next) };
        if tag == s_type {
            return Some(next);
        }
        next = rest;
    }
    None
}

/// What stands at the start of every object behind a dispatchable handle: the loader's word, then the id on the wire.
#[repr(C)]
#[derive(Debug)]
pub struct ObjectHeader {
    /// The loader's dispatch table; `ICD_LOADER_MAGIC` at first (Vulkan loader-driver interface, "ICD dispatchable object creation").
    pub loader: core::cell::UnsafeCell<usize>,
    /// The object id (WIRE.md 1.3).
    pub id: u64,
}

/// The object id behind a dispatchable handle; a null handle is id 0.
///
/// # Safety
/// `handle` must be 0 or the address of an object that starts with an [`ObjectHeader`].
#[inline(always)]
pub unsafe fn object_id(handle: u64) -> u64 {
    if handle == 0 {
        return 0;
    }
    // SAFETY: the caller passes the address of an object that starts with this header.
    unsafe { (*(handle as usize as *const ObjectHeader)).id }
}

/// A count that travels in and out: `uint32_t` or `size_t`.
pub trait Count: Copy {
    /// As a number of elements.
    fn get(self) -> usize;
    /// From a number of elements that was one of this type before.
    fn of(n: usize) -> Self;
}

impl Count for u32 {
    fn get(self) -> usize {
        self as usize
    }
    fn of(n: usize) -> Self {
        n as u32
    }
}

impl Count for usize {
    fn get(self) -> usize {
        self
    }
    fn of(n: usize) -> Self {
        n
    }
}

/// The count behind a pointer; 0 behind a null one.
///
/// # Safety
/// `p` must be null or valid for reads.
#[inline]
pub unsafe fn count_at<T: Count>(p: *const T) -> usize {
    // SAFETY: not null, so valid by contract.
    if p.is_null() { 0 } else { unsafe { p.read() }.get() }
}

/// Cuts a count that came back to the room there was, unless only the count was asked for.
///
/// # Safety
/// `p` must be null or valid for reads and writes.
pub unsafe fn clamp_count<T: Count>(p: *mut T, asked_only: bool, room: usize) {
    if !asked_only && !p.is_null() {
        // SAFETY: not null, so valid by contract.
        unsafe { p.write(T::of(p.read().get().min(room))) };
    }
}

/// `n` items of `size` bytes, padded to four; saturating.
pub fn padded(n: usize, size: usize) -> usize {
    n.saturating_mul(size).checked_next_multiple_of(4).unwrap_or(usize::MAX)
}

/// The sum of `size` over an array.
///
/// # Safety
/// `p` must be valid for reads of `n` elements, each fit for `size`.
pub unsafe fn array_size<T>(p: *const T, n: usize, size: unsafe fn(*const T) -> usize) -> usize {
    // SAFETY: in range by contract.
    (0..n).map(|i| unsafe { size(p.add(i)) }).fold(0, usize::saturating_add)
}
