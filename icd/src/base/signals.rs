//! Signals, which threads of the driver's own don't get.

/// Signals kept from this thread, and from those that it starts meanwhile: the program's handlers are for its own threads.
pub struct Blocked(libc::sigset_t);

impl Blocked {
    /// Until it is dropped.
    pub fn all() -> Self {
        // SAFETY: sets of signals that the calls fill; none of them fails with valid arguments.
        unsafe {
            let (mut all, mut before) = (std::mem::zeroed(), std::mem::zeroed());
            libc::sigfillset(&mut all);
            libc::pthread_sigmask(libc::SIG_BLOCK, &all, &mut before);
            Self(before)
        }
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        // SAFETY: the set that the thread had before.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.0, std::ptr::null_mut()) };
    }
}
