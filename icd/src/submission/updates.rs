//! Bytes for buffers: what uploads put into memory, in the fewest updates that have the same effect.

use ash::vk;

/// Bytes that vkCmdUpdateBuffer will write into a buffer.
#[derive(Clone)]
pub struct Update {
    pub buffer: vk::Buffer,
    pub memory: vk::DeviceMemory,
    /// Bytes from the buffer's start.
    pub offset: vk::DeviceSize,
    /// Bytes from the memory's start.
    pub place: vk::DeviceSize,
    pub data: Vec<u8>,
    /// Whether a barrier has to come before it, since it overlaps an earlier one.
    pub ordered: bool,
}

/// Updates, in their order.
#[derive(Default)]
pub struct Updates {
    list: Vec<Update>,
}

impl Updates {
    /// All of them.
    pub fn list(&self) -> &[Update] {
        &self.list
    }

    /// Bytes of all of them.
    pub fn bytes(&self) -> usize {
        self.list.iter().map(|u| u.data.len()).sum()
    }

    /// Whether any of them writes this memory.
    pub fn write(&self, memory: vk::DeviceMemory) -> bool {
        self.list.iter().any(|u| u.memory == memory)
    }

    /// Whether any of them names this buffer.
    pub fn name(&self, buffer: vk::Buffer) -> bool {
        self.list.iter().any(|u| u.buffer == buffer)
    }

    /// Forgets those that write this memory.
    pub fn forget(&mut self, memory: vk::DeviceMemory) {
        self.retain(|u| u.memory != memory);
    }

    /// Keeps those that `stays` tells of. A barrier before one that goes stays, before the next one: later updates may rely on it, whatever they
    /// write. Whether one is left over behind the last.
    fn retain(&mut self, stays: impl Fn(&Update) -> bool) -> bool {
        let mut barrier = false;
        self.list.retain_mut(|u| {
            u.ordered |= std::mem::take(&mut barrier);
            let stays = stays(u);
            barrier = !stays && u.ordered;
            stays
        });
        barrier
    }

    /// Adds an update behind the others. Where it overlaps earlier ones they are changed instead, if that will do: a barrier in between takes
    /// a GPU some microseconds.
    pub fn add(&mut self, mut new: Update) {
        let mut overlapping = self.list.iter_mut().filter(|u| u.overlaps(&new));
        if let (Some(only), None) = (overlapping.next(), overlapping.next())
            && only.covers(&new)
        {
            let at = (new.place - only.place) as usize;
            if let Some(part) = only.data.get_mut(at..at + new.data.len()) {
                part.copy_from_slice(&new.data);
                return;
            }
        }
        let barrier = self.retain(|u| !new.covers(u));
        let unordered = self.list.iter().rposition(|u| u.ordered).unwrap_or(0);
        new.ordered = barrier || self.list.iter().skip(unordered).any(|u| u.overlaps(&new));
        self.list.push(new);
    }
}

impl Update {
    fn end(&self) -> vk::DeviceSize {
        self.place + self.data.len() as vk::DeviceSize
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.memory == other.memory && self.place < other.end() && other.place < self.end()
    }

    /// Whether it writes all that the other one writes.
    fn covers(&self, other: &Self) -> bool {
        self.memory == other.memory && self.place <= other.place && other.end() <= self.end()
    }
}

#[cfg(test)]
mod tests {
    use ash::vk::Handle;

    use super::*;

    fn at(memory: u64, place: u64, data: &[u8]) -> Update {
        let memory = vk::DeviceMemory::from_raw(memory);
        Update { buffer: vk::Buffer::null(), memory, offset: 0, place, data: data.to_vec(), ordered: false }
    }

    #[test]
    fn overlapping_updates_are_told_apart() {
        let a = at(7, 16, &[0; 16]);
        for (place, size) in [(16, 16), (0, 64), (20, 4), (31, 4), (13, 4)] {
            assert!(a.overlaps(&at(7, place, &vec![0; size])), "{place} {size}");
        }
        for other in [at(7, 0, &[0; 16]), at(7, 32, &[0; 16]), at(8, 16, &[0; 16])] {
            assert!(!a.overlaps(&other));
        }
        assert!(a.covers(&at(7, 20, &[0; 12])) && a.covers(&a));
        assert!(!a.covers(&at(7, 20, &[0; 16])) && !a.covers(&at(8, 20, &[0; 4])));
    }

    /// What memory holds after all updates, in their order, against plain writes to it.
    #[test]
    fn updates_end_in_what_the_writes_would() {
        let mut random = 1u64;
        let mut next = |n: u64| {
            random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (random >> 33) % n
        };
        for round in 0..2000 {
            let (mut updates, mut plain) = (Updates::default(), [[0u8; 64]; 2]);
            for write in 1..=12 {
                let (memory, place) = (next(2) as usize, next(60));
                let size = 1 + next(64 - place).min(next(24));
                plain[memory][place as usize..(place + size) as usize].fill(write);
                updates.add(at(memory as u64, place, &vec![write; size as usize]));
                if next(24) == 0 {
                    updates.forget(vk::DeviceMemory::from_raw(memory as u64));
                    plain[memory] = [0; 64];
                }
            }
            let (mut memory, mut since_barrier) = ([[0u8; 64]; 2], Vec::<&Update>::new());
            for u in updates.list() {
                if u.ordered {
                    since_barrier.clear();
                }
                assert!(!since_barrier.iter().any(|e| e.overlaps(u)), "no order between updates in round {round}");
                since_barrier.push(u);
                memory[u.memory.as_raw() as usize][u.place as usize..u.end() as usize].copy_from_slice(&u.data);
            }
            assert_eq!(memory, plain, "round {round}");
        }
    }

    #[test]
    fn the_same_place_again_needs_no_barrier() {
        let mut updates = Updates::default();
        (0..100u8).for_each(|i| updates.add(at(7, 32, &[i; 16])));
        assert_eq!((updates.list().len(), updates.bytes()), (1, 16));
        assert_eq!(updates.list()[0].data, [99; 16]);
    }
}
