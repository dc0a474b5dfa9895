//! The command buffers of a pool that were begun since the pool was reset: resetting it has to do with no others, of which a pool may have hundreds.
//! (llama.cpp resets such a pool for each of the small copies that a token begins with.)

use std::sync::atomic::{AtomicUsize, Ordering};

use ash::vk;

use crate::base::shared::Mutex;

/// Those of one pool.
#[derive(Default)]
pub struct Begun(Mutex<Vec<vk::CommandBuffer>>);

/// Where a command buffer stands among those of its pool. Relaxed: it is written under the lock of the list alone, and read outside of it by the thread that records,
/// resets or frees the command buffer, which Vulkan keeps apart from others that do so to any of the same pool.
pub struct Place(AtomicUsize);

const NOWHERE: usize = usize::MAX;

impl Default for Place {
    fn default() -> Self {
        Self(AtomicUsize::new(NOWHERE))
    }
}

impl Begun {
    /// A command buffer is begun.
    pub fn add(&self, command_buffer: vk::CommandBuffer, place: &Place) {
        // Only who records, resets or frees a command buffer changes whether it is listed.
        if place.0.load(Ordering::Relaxed) == NOWHERE {
            let mut list = self.0.lock();
            place.0.store(list.len(), Ordering::Relaxed);
            list.push(command_buffer);
        }
    }

    /// A command buffer is freed; `place_of` tells where others stand.
    pub fn remove<'a>(&self, place: &Place, place_of: impl Fn(vk::CommandBuffer) -> &'a Place) {
        let mut list = self.0.lock();
        let at = place.0.swap(NOWHERE, Ordering::Relaxed);
        if at < list.len() {
            list.swap_remove(at);
        }
        if let Some(moved) = list.get(at) {
            place_of(*moved).0.store(at, Ordering::Relaxed);
        }
    }

    /// The pool is reset: those that were begun, which none is any more.
    pub fn take<'a>(&self, place_of: impl Fn(vk::CommandBuffer) -> &'a Place) -> Vec<vk::CommandBuffer> {
        let mut list = self.0.lock();
        list.iter().for_each(|c| place_of(*c).0.store(NOWHERE, Ordering::Relaxed));
        let next = Vec::with_capacity(list.len());
        std::mem::replace(&mut *list, next)
    }
}

#[cfg(test)]
mod tests {
    use ash::vk::Handle;

    use super::*;

    /// Command buffers are begun, freed, made anew and reset with their pool in any order; the list is compared with flags.
    #[test]
    fn whoever_was_begun_is_listed_once() {
        let (begun, places) = (Begun::default(), (0..16).map(|_| Place::default()).collect::<Vec<_>>());
        let (handle, index) =
            (|i: usize| vk::CommandBuffer::from_raw(i as u64 + 1), |c: &vk::CommandBuffer| c.as_raw() as usize - 1);
        let place_of = |c: vk::CommandBuffer| &places[index(&c)];
        let (mut listed, mut random) = ([false; 16], 7_u64);
        for _ in 0..if cfg!(miri) { 200 } else { 20_000 } {
            random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let i = (random >> 40) as usize % 16;
            match (random >> 33) % 40 {
                0 => {
                    let mut all: Vec<_> = begun.take(place_of).iter().map(index).collect();
                    all.sort_unstable();
                    assert_eq!(all, (0..16).filter(|i| listed[*i]).collect::<Vec<_>>());
                    listed = [false; 16];
                }
                1..16 => {
                    begun.remove(&places[i], place_of);
                    listed[i] = false;
                }
                _ => {
                    begun.add(handle(i), &places[i]);
                    listed[i] = true;
                }
            }
        }
    }
}
