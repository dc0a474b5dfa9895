//! Memory that goes back and forth between two processors' caches.

/// Fetches `LINES` cache lines from `at` on into this processor's cache, to be written. What the host has read is in another processor's
/// cache, and a store that has to wait for such a line holds up all that follow: recording takes two to three times as long.
///
/// A hint, which touches nothing that the program could tell, wherever `at` points.
///
/// PREFETCHW is no part of the x86-64 baseline, and needs no look at CPUID: AMD's processors have always had it, Intel's since Broadwell, and
/// those before do nothing at its place. Only the first 64-bit Pentium 4 refuse it, of before 2006. PRFM is part of every AArch64.
#[inline]
pub fn fetch_for_writing<const LINES: usize>(at: *const u8) {
    // Miri knows no processor's instructions, and needs no hints.
    if cfg!(miri) {
        return;
    }
    for line in 0..LINES {
        let at = at.wrapping_add(line * 64);
        // SAFETY: a prefetch neither faults nor changes memory.
        #[cfg(target_arch = "x86_64")]
        unsafe {
            core::arch::asm!("prefetchw [{}]", in(reg) at, options(nostack, preserves_flags, readonly))
        };
        // SAFETY: as above.
        #[cfg(target_arch = "aarch64")]
        unsafe {
            core::arch::asm!("prfm pstl1keep, [{}]", in(reg) at, options(nostack, preserves_flags, readonly))
        };
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        let _ = at;
    }
}

/// Copies much that another processor reads next, past this one's caches where that gains: lines of another processor's cache come slower than those of
/// memory. Measured on x86-64, where the two are far from each other: half the time; where they are near it takes twice as long. No store that follows
/// waits for these but with [`order_what_passed_caches`].
///
/// # Safety
/// `from` must be valid for reads of `len` bytes and `to` for writes; the two mustn't overlap.
pub unsafe fn copy_past_caches(from: *const u8, to: *mut u8, len: usize) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    {
        use core::arch::x86_64::{__m128i, _mm_loadu_si128, _mm_stream_si128};
        const LINE: usize = 64;
        // What stands before the first whole line.
        let before = to.align_offset(LINE).min(len);
        let lines = (len - before) / LINE;
        let behind = before + lines * LINE;
        // SAFETY: parts of what the caller vouches for; streaming stores want multiples of 16, which lines are. SSE2 is part of x86-64.
        unsafe {
            core::ptr::copy_nonoverlapping(from, to, before);
            for at in (before..behind).step_by(LINE) {
                let (from, to) = (from.add(at).cast::<__m128i>(), to.add(at).cast::<__m128i>());
                let line = [0, 1, 2, 3].map(|i| _mm_loadu_si128(from.add(i)));
                line.iter().enumerate().for_each(|(i, part)| _mm_stream_si128(to.add(i), *part));
            }
            core::ptr::copy_nonoverlapping(from.add(behind), to.add(behind), len - behind);
        }
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    // SAFETY: by contract.
    unsafe {
        core::ptr::copy_nonoverlapping(from, to, len)
    };
}

/// Has all that follows come after what [`copy_past_caches`] has copied.
#[inline]
pub fn order_what_passed_caches() {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: SSE is part of x86-64.
    unsafe {
        core::arch::x86_64::_mm_sfence()
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_copied_past_caches_arrives() {
        let from: Vec<u8> = (0..1000u32).map(|n| n as u8 ^ (n >> 8) as u8).collect();
        for (start, offset, len) in
            [(0, 0, 0), (1, 3, 5), (0, 1, 63), (7, 0, 64), (3, 63, 65), (5, 17, 900), (0, 5, 256)]
        {
            let mut to = vec![0xee; 1100];
            // SAFETY: both parts are inside of their vectors.
            unsafe { copy_past_caches(from.as_ptr().add(start), to.as_mut_ptr().add(offset), len) };
            order_what_passed_caches();
            assert_eq!(to[offset..offset + len], from[start..start + len], "{start} {offset} {len}");
            assert!(to[..offset].iter().chain(&to[offset + len..]).all(|b| *b == 0xee), "{start} {offset} {len}");
        }
    }
}
