//! Memory that goes back and forth between two processors' caches.

/// Fetches `LINES` cache lines from `at` on into this processor's cache, to be written. What the host has read is in another processor's
/// cache, and a store that has to wait for such a line holds up all that follow: recording takes two to three times as long.
///
/// A hint, which touches nothing that the program could tell, wherever `at` points.
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
