//! The timelines of a context (WIRE.md 7.1): 64, of which the first is the context's own, and a queue has one of the others to itself.

use hesper_winsys::Error;
use parking_lot::Mutex;

/// Which timelines are used, a bit each.
pub struct Timelines(Mutex<u64>);

impl Default for Timelines {
    fn default() -> Self {
        Self(Mutex::new(1))
    }
}

impl Timelines {
    /// A timeline for a queue, 1 to 63, which no other queue has until it is released.
    ///
    /// # Errors
    /// [`Error::Refused`] when there is none left.
    pub fn claim(&self) -> Result<u32, Error> {
        let mut used = self.0.lock();
        let n = used.trailing_ones();
        if n >= 64 {
            return Err(Error::Refused("more than 63 queues at once".into()));
        }
        *used |= 1 << n;
        Ok(n)
    }

    /// Releases a timeline after the host has destroyed its queue.
    pub fn release(&self, n: u32) {
        *self.0.lock() &= !(1u64 << (n & 63)) | 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_queue_has_a_timeline_of_its_own() {
        let timelines = Timelines::default();
        let all: Vec<u32> = (0..63).map(|_| timelines.claim().unwrap()).collect();
        assert_eq!(all, (1..64).collect::<Vec<_>>());
        assert!(timelines.claim().is_err());
        timelines.release(0);
        assert!(timelines.claim().is_err(), "the context keeps its own");
        timelines.release(7);
        assert_eq!(timelines.claim().unwrap(), 7);
    }
}
