//! Looking into pNext chains.

use ash::vk;

/// The first struct of type `T` in the chain at `next`.
///
/// # Safety
/// `next` must be null or a valid chain.
pub unsafe fn find<'a, T: vk::TaggedStructure>(next: *const core::ffi::c_void) -> Option<&'a T> {
    // SAFETY: handed on; the struct found has T's sType.
    unsafe { find_tagged(next, T::STRUCTURE_TYPE).map(|p| &*p.cast::<T>()) }
}

/// The first struct with this sType, to write into.
///
/// # Safety
/// `next` must be null or a valid chain.
pub unsafe fn find_tagged(
    next: *const core::ffi::c_void,
    tag: vk::StructureType,
) -> Option<*mut vk::BaseOutStructure<'static>> {
    let mut p = next.cast_mut().cast::<vk::BaseOutStructure<'static>>();
    while !p.is_null() {
        // SAFETY: a struct of a valid chain.
        unsafe {
            if (*p).s_type == tag {
                return Some(p);
            }
            p = (*p).p_next;
        }
    }
    None
}

/// `n` elements at `p`, or none where `p` is null.
///
/// # Safety
/// `p` must be null or valid for reads of `n` elements.
pub unsafe fn slice<'a, T>(p: *const T, n: u32) -> &'a [T] {
    // SAFETY: by contract.
    if p.is_null() { &[] } else { unsafe { std::slice::from_raw_parts(p, n as usize) } }
}

/// Hands out a list the way Vulkan's enumerations do (Vulkan specification, "Commands with arrays of results").
///
/// # Safety
/// `count` must be valid; `to` must be null or have room for `*count` elements.
pub unsafe fn enumerate<T>(n: usize, count: *mut u32, to: *mut T, mut put: impl FnMut(usize, *mut T)) -> vk::Result {
    // SAFETY: by contract.
    unsafe {
        if to.is_null() {
            *count = n as u32;
            return vk::Result::SUCCESS;
        }
        let room = (*count as usize).min(n);
        for i in 0..room {
            put(i, to.add(i));
        }
        *count = room as u32;
        if room < n { vk::Result::INCOMPLETE } else { vk::Result::SUCCESS }
    }
}
