//! Whether the host is still there, for all rings of a context.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::{Error, notice};

/// How much silence there is before a user is told why nothing goes on.
pub const SAY: Duration = Duration::from_secs(10);
/// How much silence there is before a host is given up: far more than one takes that is stopped, swaps, or starts a large model.
pub const GIVE_UP: Duration = Duration::from_secs(300);

/// The health of a context: well, or lost for good and why.
#[derive(Debug, Default)]
pub struct Health {
    lost: AtomicBool,
    why: OnceLock<Error>,
}

impl Health {
    /// The error that every call returns once the host is lost. One load while it isn't.
    ///
    /// # Errors
    /// [`Error::Lost`], the same one each time.
    #[inline]
    pub fn check(&self) -> Result<(), Error> {
        // Acquire: with the mark comes the reason that was set before it.
        if self.lost.load(Ordering::Acquire) { Err(self.why()) } else { Ok(()) }
    }

    #[cold]
    fn why(&self) -> Error {
        self.why.get().cloned().unwrap_or_else(|| Error::Lost("for an unknown reason".into()))
    }

    /// Notes the loss; the first reason stays, and is returned. Other errors are passed on and lose nothing.
    #[cold]
    pub fn lose(&self, e: Error) -> Error {
        if !matches!(e, Error::Lost(_)) {
            return e;
        }
        let why = self.why.get_or_init(|| e).clone();
        // Release, after the reason; in one step, so that one thread alone is the first.
        if !self.lost.swap(true, Ordering::AcqRel) {
            notice::forget();
        }
        why
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_reason_stays() {
        let health = Health::default();
        assert_eq!(health.lose(Error::OutOfHostMemory), Error::OutOfHostMemory);
        assert_eq!(health.check(), Ok(()));
        let first = Error::Lost("first".into());
        assert_eq!(health.lose(first.clone()), first);
        assert_eq!(health.lose(Error::Lost("second".into())), first);
        assert_eq!(health.check(), Err(first));
    }
}
