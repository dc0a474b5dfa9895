//! Room at the host: what the driver keeps there for later use is given back when the host runs short of it.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};

use ash::vk;
use parking_lot::Mutex;

/// Objects that the program has destroyed and the driver keeps at the host.
pub trait Kept: Send {
    /// Gives all of them back to the host; false where there are none.
    fn give_back(&self) -> bool;
}

/// All that is kept on one connection.
#[derive(Default)]
pub struct Room {
    kept: Mutex<Vec<(u64, Box<dyn Kept>)>>,
    /// How often something was given back; counted under the lock.
    times: AtomicU64,
}

/// Whether a result says that the host has no room for another object.
pub fn is_short(result: &vk::Result) -> bool {
    use vk::Result as R;
    matches!(*result, R::ERROR_OUT_OF_DEVICE_MEMORY | R::ERROR_OUT_OF_HOST_MEMORY | R::ERROR_TOO_MANY_OBJECTS)
}

impl Room {
    /// Whoever owns `owner`'s handle keeps objects from now on.
    pub fn add(&self, owner: u64, kept: Box<dyn Kept>) {
        self.kept.lock().push((owner, kept));
    }

    /// The owner is about to end. Nobody gives back its objects afterwards but itself.
    pub fn remove(&self, owner: u64) {
        self.kept.lock().retain(|(o, _)| *o != owner);
    }

    /// Gives back what is kept, by whomever; true where there is more room than when `times` was read.
    fn give_back(&self, times: u64) -> bool {
        let kept = self.kept.lock();
        // Another thread may have been faster.
        if self.times.load(Ordering::Acquire) != times {
            return true;
        }
        let mut any = false;
        for (_, k) in kept.iter() {
            any |= k.give_back();
        }
        self.times.fetch_add(u64::from(any), Ordering::Release);
        any
    }

    /// Asks the host for something with `ask`. Where that left nothing behind and failed for want of room, as `short` says, what is kept is
    /// given back and the host asked once more.
    #[inline]
    pub fn with<R>(&self, ask: impl FnOnce() -> R + Copy, short: impl FnOnce(&R) -> bool) -> R {
        let times = self.times.load(Ordering::Acquire);
        let result = ask();
        // A copy made here lets what is captured stay in registers on the other way.
        if short(&result) { self.again(times, result, black_box(ask)) } else { result }
    }

    /// Apart, so that the way of those who find room is short.
    #[cold]
    #[inline(never)]
    fn again<R>(&self, times: u64, result: R, ask: impl FnOnce() -> R) -> R {
        if self.give_back(times) { ask() } else { result }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::sync::Arc;
    use std::sync::atomic::AtomicU32;

    use super::*;

    const SHORT: vk::Result = vk::Result::ERROR_TOO_MANY_OBJECTS;

    /// A host with room for some objects, of which the driver keeps a few.
    struct Host {
        room: AtomicU32,
        kept: AtomicU32,
    }

    impl Host {
        fn ask(&self) -> vk::Result {
            let room = self.room.load(Ordering::Relaxed);
            if room == 0 {
                return SHORT;
            }
            self.room.store(room - 1, Ordering::Relaxed);
            vk::Result::SUCCESS
        }
    }

    struct Keeps(Arc<Host>);

    impl Kept for Keeps {
        fn give_back(&self) -> bool {
            let kept = self.0.kept.swap(0, Ordering::Relaxed);
            self.0.room.fetch_add(kept, Ordering::Relaxed);
            kept > 0
        }
    }

    #[test]
    fn a_host_that_is_full_of_kept_objects_is_asked_twice() {
        let host = Arc::new(Host { room: AtomicU32::new(1), kept: AtomicU32::new(2) });
        let room = Room::default();
        room.add(7, Box::new(Keeps(host.clone())));
        let asked = AtomicU32::new(0);
        let ask = || {
            asked.fetch_add(1, Ordering::Relaxed);
            host.ask()
        };
        let results: Vec<_> = (0..5).map(|_| room.with(ask, is_short)).collect();
        assert_eq!(results[..3], [vk::Result::SUCCESS; 3]);
        assert_eq!(results[3..], [SHORT; 2], "there is no more room than there is");
        assert_eq!(asked.load(Ordering::Relaxed), 6, "asked again once, and not for nothing");
        host.kept.store(1, Ordering::Relaxed);
        assert_eq!(room.with(ask, |_| false), SHORT, "half of a call is not repeated");
        room.remove(7);
        assert_eq!(room.with(ask, is_short), SHORT, "what has ended gives nothing back");
        assert_eq!(room.with(|| vk::Result::ERROR_DEVICE_LOST, is_short), vk::Result::ERROR_DEVICE_LOST);
    }

    #[test]
    fn what_another_thread_has_given_back_counts() {
        let host = Arc::new(Host { room: AtomicU32::new(0), kept: AtomicU32::new(2) });
        let room = Room::default();
        room.add(7, Box::new(Keeps(host.clone())));
        let first = Cell::new(true);
        let result = room.with(
            || {
                // Between the host's refusal and the look at what is kept.
                if first.take() {
                    assert_eq!(room.with(|| host.ask(), is_short), vk::Result::SUCCESS);
                    return SHORT;
                }
                host.ask()
            },
            is_short,
        );
        assert_eq!(result, vk::Result::SUCCESS);
    }
}
