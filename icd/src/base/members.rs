//! What was allocated from a pool. Programs free it one by one and in any order, and a pool may have very many.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hash, Hasher};

use parking_lot::Mutex;

/// Handles of what was allocated and not freed.
pub struct Members<H>(Mutex<Set<H>>);

type Set<H> = HashSet<H, BuildHasherDefault<Spread>>;

impl<H> Default for Members<H> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<H: Copy + Eq + Hash> Members<H> {
    /// These were allocated.
    pub fn add(&self, new: &[H]) {
        self.0.lock().extend(new);
    }

    /// These were freed; null handles may be among them.
    pub fn remove(&self, gone: &[H]) {
        let mut all = self.0.lock();
        for handle in gone {
            all.remove(handle);
        }
    }

    /// Something for each of them.
    pub fn map<R>(&self, f: impl FnMut(H) -> R) -> Vec<R> {
        self.0.lock().iter().copied().map(f).collect()
    }

    /// All of them.
    pub fn all(&self) -> Vec<H> {
        self.map(|handle| handle)
    }

    /// All of them, which were freed.
    pub fn take(&self) -> Vec<H> {
        std::mem::take(&mut *self.0.lock()).into_iter().collect()
    }
}

/// Handles are ids that ascend, or addresses: both ends of the hash must tell them apart, and nobody picks them to collide.
#[derive(Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|b| self.write_u64((*b).into()));
    }

    fn write_u64(&mut self, word: u64) {
        // 2^64 by the golden ratio; the high half of the product depends on all of the word.
        self.0 = (self.0 ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 ^= self.0 >> 32;
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }
}

#[cfg(test)]
mod tests {
    use ash::vk;
    use ash::vk::Handle;

    use super::*;

    #[test]
    fn what_is_freed_is_no_member_any_more() {
        let members = Members::default();
        let handles: Vec<_> = (1..=6).map(|n| vk::DescriptorSet::from_raw(n << 32)).collect();
        members.add(&handles);
        members.remove(&[handles[1], vk::DescriptorSet::null(), handles[4]]);
        let mut left = members.all();
        left.sort_unstable();
        assert_eq!(left, [handles[0], handles[2], handles[3], handles[5]]);
        assert_eq!(members.take().len(), 4);
        assert!(members.all().is_empty());
    }

    #[test]
    fn ids_and_addresses_are_spread() {
        for step in [1, 64, 4096, 1 << 32] {
            let hash = |n: u64| {
                let mut spread = Spread::default();
                spread.write_u64((7 << 56) + n * step);
                spread.finish()
            };
            // Where a set of 4096 places puts 1024 of them, and the seven bits that it tells them apart by.
            let places: HashSet<_> = (0..1024).map(|n| hash(n) % 4096).collect();
            let tags: HashSet<_> = (0..1024).map(|n| hash(n) >> 57).collect();
            assert!(places.len() > 700 && tags.len() > 100, "{step}: {} places, {} tags", places.len(), tags.len());
        }
    }
}
