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
